"""An incident as JSON: the form that INCIDENTS.json, the API and `incidents --json` share.

Keys are as documented for the replay, with a few more for who reads on: grade, and in the history
what happened when, the cause, the count, and why the entry was written. Times are RFC 3339 in UTC.
"""

from datetime import UTC, datetime

from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Incident, Scope


def as_json(incident: Incident) -> dict[str, object]:
    """An incident in the form that INCIDENTS.json, the API and `incidents --json` share."""
    return {
        "id": incident.id,
        "kind": incident.kind,
        "cause": incident.cause,
        "scope": _scope(incident.scope),
        "onset": {
            "earliest": _time(incident.onset.earliest),
            "latest": _time(incident.onset.latest),
        },
        "suspected_at": _time(incident.suspected_at),
        "confirmed_at": _time(incident.confirmed_at),
        "restored_at": _time(incident.restored_at),
        "nodes_observed": incident.lines_observed,
        "nodes_down_peak": incident.lines_down_peak,
        "confidence": incident.confidence,
        "grade": incident.grade,
        "history": [
            {
                "at": _time(entry.published_at),
                "state": entry.state,
                "scope": _scope(entry.scope),
                "happened_at": _time(entry.at),
                "cause": entry.cause,
                "down": entry.evidence.down,
                "observed": entry.evidence.lines,
                "note": entry.note,
            }
            for entry in incident.history
        ],
    }


def _scope(scope: Scope) -> dict[str, object]:
    words: dict[str, object] = {
        "country": scope.country,
        "isps": scope.isps,
        "regions": scope.regions,
        "access": scope.access,
        "exempt_isps": scope.exempt_isps,
        "level": scope.level,
    }
    return words | ({"targets": scope.targets} if scope.targets else {})


def _time(at: Instant | None) -> str | None:
    """RFC 3339, UTC, milliseconds only where there are any."""
    if at is None:
        return None
    when = datetime.fromtimestamp(round(at, 3), UTC)
    whole = when.microsecond == 0
    text = when.isoformat(timespec="seconds" if whole else "milliseconds")
    return text.removesuffix("+00:00") + "Z"
