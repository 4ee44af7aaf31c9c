"""Committed state as the public room asks for it: one read-only connection behind a lock.

The routes run in threads, so every answer takes the lock; each is a few look-ups along an index.
Only the state of the broker's connection is asked live, because no commit can tell of it.
"""

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence

from shyraq_collector.disclose.reader import Health, Mark, Numbered, Position, View
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Incident
from shyraq_collector.store import queries

_REFUSED, _FLAG = "refused:", "flag:"


class CommittedState:
    """Answers `disclose.reader.Reader` from the ledger."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        started_ms: int,
        is_connected: Callable[[], bool],
    ) -> None:
        """Take a reader's connection.

        Args:
            connection: Used by this object alone.
            started_ms: When this run began.
            is_connected: Whether reports can reach us now.
        """
        self._connection = connection
        self._lock = threading.Lock()
        self._started_ms = started_ms
        self._is_connected = is_connected

    def view(self, at: Instant | None = None) -> View | None:
        """The newest view, or the newest at or before an instant."""
        with self._lock:
            kept = queries.view(self._connection, _ms(at))
        if kept is None:
            return None
        return View(at=kept.at_ms / 1000, groups=kept.groups, hold=kept.hold)

    def standing(self, at: Instant | None = None) -> Sequence[Incident]:
        """Incidents that are not settled now, or were not at an instant."""
        with self._lock:
            return queries.standing(self._connection, _ms(at))

    def incidents(self, after: Position | None, limit: int) -> Sequence[Incident]:
        """Newest first, from behind a position on."""
        before = None if after is None else (round(after.suspected_at * 1000), after.incident)
        with self._lock:
            return queries.incidents(self._connection, before=before, limit=limit)

    def incident(self, incident_id: str) -> Incident | None:
        """One incident with its whole timeline."""
        with self._lock:
            return queries.incident(self._connection, incident_id)

    def entries(self, after: int, limit: int) -> Sequence[Numbered]:
        """Timeline entries numbered above `after`, in order."""
        with self._lock:
            found = queries.entries(self._connection, after=after, limit=limit)
        return [Numbered(sequence=sequence, entry=entry) for sequence, entry in found]

    def mark(self) -> Mark:
        """How far committed state has come."""
        with self._lock:
            view_ms, sequence = queries.mark(self._connection)
        return Mark(view_at=None if view_ms is None else view_ms / 1000, sequence=sequence)

    def health(self) -> Health:
        """How the collector is."""
        with self._lock:
            counts = queries.counters(self._connection)
        return Health(
            broker="connected" if self._is_connected() else "lost",
            started_at=self._started_ms / 1000,
            stored=counts.get("stored", 0),
            refused=_under(counts, _REFUSED),
            flagged=_under(counts, _FLAG),
        )


def _ms(at: Instant | None) -> int | None:
    return None if at is None else round(at * 1000)


def _under(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): value
        for name, value in counts.items()
        if name.startswith(prefix)
    }
