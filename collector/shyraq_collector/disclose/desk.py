"""Where questions are put together: what the store says, made publishable, judged for one instant.

The desk is the only place in this room that calls the reader for states and incidents, and it hands
out published values only. What many callers ask at once (the state now) is worked out once per
`REFRESH_MS` of the pace and shared.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shyraq_collector.clock import Pace
from shyraq_collector.disclose import privacy
from shyraq_collector.disclose.queries import Wanted, matches
from shyraq_collector.disclose.reader import Mark, Numbered, Position, Reader
from shyraq_collector.disclose.status import Status, status
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Incident

REFRESH_MS: Final = 1_000
"""The state now is at most this old, on the pace."""

MAX_SCANNED: Final = 2_000
"""Incidents looked at for one page of a list; a page may be short, its cursor goes on."""

_BATCH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state now, and the mark it was made at."""

    status: Status
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A page of incidents, and where the next one begins."""

    incidents: tuple[Incident, ...]
    rest: Position | None


class Desk:
    """Answers from committed state; every method blocks for a moment and is thread-safe."""

    def __init__(self, *, reader: Reader, pace: Pace, heartbeat_s: float) -> None:
        """Keep the edges.

        Args:
            reader: Committed state.
            pace: What now is.
            heartbeat_s: The measure of a stale view.
        """
        self._reader = reader
        self._pace = pace
        self._heartbeat_s = heartbeat_s
        self._lock = threading.Lock()
        self._shared: tuple[int, Snapshot] | None = None

    def now(self) -> Instant:
        """This instant."""
        return self._pace.now_ms() / 1000

    def snapshot(self) -> Snapshot:
        """The state now, shared among callers."""
        with self._lock:
            uptime_ms = self._pace.uptime_ms()
            if self._shared is None or uptime_ms - self._shared[0] >= REFRESH_MS:
                mark = self._reader.mark()
                snapshot = Snapshot(status=self._status(self.now(), view_until=None), mark=mark)
                self._shared = (uptime_ms, snapshot)
            return self._shared[1]

    def status_at(self, at: Instant) -> Status:
        """The state at an instant, as it was known then."""
        return self._status(at, view_until=at)

    def incident(self, incident_id: str) -> Incident | None:
        """One incident, published."""
        found = self._reader.incident(incident_id)
        return None if found is None else privacy.published(found)

    def incidents(self, wanted: Wanted) -> Slice:
        """The incidents a caller wants, newest first; chosen by their published values."""
        chosen: list[Incident] = []
        for scanned, incident in enumerate(self._newest_first(wanted.after), start=1):
            told = privacy.published(incident)
            if matches(told, wanted):
                chosen.append(told)
            if len(chosen) == wanted.limit or scanned == MAX_SCANNED:
                rest = Position(suspected_at=incident.suspected_at, incident=incident.id)
                return Slice(incidents=tuple(chosen), rest=rest)
        return Slice(incidents=tuple(chosen), rest=None)

    def standing(self) -> tuple[Incident, ...]:
        """Incidents that are not over, published."""
        return tuple(privacy.published(incident) for incident in self._reader.standing())

    def entries(self, after: int, limit: int) -> list[tuple[Numbered, Incident]]:
        """Timeline entries behind a number, each with its incident, to be published with it."""
        found = []
        for numbered in self._reader.entries(after, limit):
            incident = self._reader.incident(numbered.entry.incident)
            if incident is not None:
                found.append((numbered, incident))
        return found

    def _status(self, at: Instant, *, view_until: Instant | None) -> Status:
        view = self._reader.view(view_until)
        standing = self._reader.standing(view_until)
        return status(view, standing, at=at, heartbeat_s=self._heartbeat_s)

    def _newest_first(self, after: Position | None) -> Iterator[Incident]:
        while batch := self._reader.incidents(after, _BATCH):
            yield from batch
            after = Position(suspected_at=batch[-1].suspected_at, incident=batch[-1].id)
