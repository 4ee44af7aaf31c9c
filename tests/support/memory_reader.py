"""What the public room reads, kept in memory: a full implementation of its `Reader`."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from shyraq_collector.disclose.reader import Health, Mark, Numbered, Position, View
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Entry, Incident

OVER = {"closed", "dismissed"}


class MemoryReader:
    """Views by tick and incidents by id, with the order in which their entries were published."""

    def __init__(self) -> None:
        """Start with nothing kept."""
        self.views: list[View] = []
        self.published: list[Numbered] = []
        self.state = Health(broker="connected", started_at=None, stored=0, refused={}, flagged={})
        self.fault: OSError | None = None
        self._incidents: dict[str, Incident] = {}

    def commit_view(self, view: View) -> None:
        """Keep a view; ticks only go up."""
        self.views.append(view)

    def commit(self, incident: Incident) -> None:
        """Keep an incident; entries that are new get the next numbers of publication."""
        before = self._incidents.get(incident.id)
        known = len(before.history) if before else 0
        self._incidents[incident.id] = incident
        for entry in incident.history[known:]:
            self.published.append(Numbered(sequence=len(self.published) + 1, entry=entry))

    def say(self, incident_id: str, entry: Entry) -> None:
        """Add one entry to an incident that is kept."""
        incident = self._incidents[incident_id]
        history = (*incident.history, entry)
        self.commit(replace(incident, state=entry.state, scope=entry.scope, history=history))

    def view(self, at: Instant | None = None) -> View | None:
        """See `Reader.view`."""
        if at is None:
            return self.views[-1] if self.views else None
        place = bisect_right(self.views, at, key=lambda view: view.at)
        return self.views[place - 1] if place else None

    def standing(self, at: Instant | None = None) -> Sequence[Incident]:
        """See `Reader.standing`."""
        return [each for each in self._incidents.values() if _stands(each, at)]

    def incidents(self, after: Position | None, limit: int) -> Sequence[Incident]:
        """See `Reader.incidents`."""
        rows = sorted(
            self._incidents.values(), key=lambda each: (each.suspected_at, each.id), reverse=True
        )
        if after is not None:
            edge = (after.suspected_at, after.incident)
            rows = [each for each in rows if (each.suspected_at, each.id) < edge]
        return rows[:limit]

    def incident(self, incident_id: str) -> Incident | None:
        """See `Reader.incident`; fails as a disk would when a fault is set."""
        if self.fault is not None:
            raise self.fault
        return self._incidents.get(incident_id)

    def entries(self, after: int, limit: int) -> Sequence[Numbered]:
        """See `Reader.entries`."""
        return self.published[after : after + limit]

    def mark(self) -> Mark:
        """See `Reader.mark`."""
        view_at = self.views[-1].at if self.views else None
        return Mark(view_at=view_at, sequence=len(self.published))

    def health(self) -> Health:
        """See `Reader.health`."""
        return self.state


def _stands(incident: Incident, at: Instant | None) -> bool:
    known = [entry for entry in incident.history if at is None or entry.published_at <= at]
    return bool(known) and known[-1].state not in OVER
