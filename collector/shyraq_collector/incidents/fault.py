"""Our own faults, told as such: the watchers are silent and so are the nodes.

Suspected as soon as we are blind and half of the lines that were up are overdue; confirmed when it
has lasted a quarter of an hour ("our view is impaired"); over when a watcher is heard again. Never
an outage.
"""

from shyraq_collector.correlate.health import Health, share_overdue
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.roster import Roster
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Entry, Evidence, Interval, Scope
from shyraq_collector.incidents.case import Case, incident_id

BLIND_SHARE = 0.5
IMPAIRED_MINUTES = 15.0


def own_fault(
    faults: list[Case], health: Health, roster: Roster, at: Instant, pace: Pace
) -> list[Entry]:
    """Move the newest fault along, or begin one.

    Args:
        faults: All of this memory; a new one is appended.
        health: Whether we are blind.
        roster: Who is overdue.
        at: The tick.
        pace: Time scale.
    """
    case = faults[-1] if faults and not faults[-1].is_final else None
    blind = health.blind_since
    if blind is None:
        return _end(case, at, pace) if case is not None else []
    if case is not None and case.is_open:
        return []
    share = share_overdue(roster, at)
    if share < BLIND_SHARE:
        return []
    if case is None or case.state == "restored":
        case = _begin(roster, blind, at, share)
        faults.append(case)
        who = "the canaries" if roster.watch.lines else "every country"
        note = f"{who} fell silent at once: our own fault"
        return [case.say(None, at=blind, published_at=at, note=note)]
    if case.state == "suspected" and at - blind >= IMPAIRED_MINUTES * pace.minute_s:
        return [case.say("confirm", at=at, published_at=at, note="our view is impaired")]
    return []


def _begin(roster: Roster, blind: Instant, at: Instant, share: float) -> Case:
    lines = sum(len(country.lines) for country in roster.countries.values())
    codes = sorted(roster.countries)
    return Case(
        id=incident_id("collector-fault", "", at),
        kind="collector-fault",
        cause="own-fault",
        scope=Scope(country=codes[0] if len(codes) == 1 else "", level="nation"),
        onset=Interval(earliest=blind, latest=at),
        suspected_at=at,
        evidence=Evidence(
            test="health", score=99.0, lines=lines, down=round(share * lines), sites=0
        ),
    )


def _end(case: Case, at: Instant, pace: Pace) -> list[Entry]:
    if case.is_open:
        return [case.say("restore", at=at, published_at=at, note="the canaries are back")]
    if case.state == "suspected":
        return [case.say("dismiss", at=at, published_at=at, note="the canaries are back")]
    if at - (case.restored_at or at) >= pace.day_s:
        return [case.say("close", at=at, published_at=at, note="quiet for a day")]
    return []
