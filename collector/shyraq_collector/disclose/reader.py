"""What the public room must be told, and by whom it does not care.

Every method answers from committed state only, at once, and may be called from any thread: the
routes run in a thread pool. Instants are POSIX seconds as everywhere in `facts`.

A view is what the engine committed at one tick. A reader that keeps old views answers for a past
instant; one that keeps only the newest says None, and the route says that no view was kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Entry, GroupStatus, Incident

Hold: TypeAlias = Literal["starting", "hold", "own-fault"]
"""Why the engine does not judge: it has just begun, waits after a gap of its own, is at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The fleet as the engine saw it at one tick.

    Attributes:
        at: The tick, on the collector's wall clock.
        groups: Nation, networks, regions and cells, each with its count of lines and sites.
        hold: Why nothing is judged now; None when the engine judges.
    """

    at: Instant
    groups: tuple[GroupStatus, ...]
    hold: Hold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A timeline entry with its place in the order of publication over all incidents."""

    sequence: int
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far committed state has come: cheap to read, so that streams can wait for change.

    Attributes:
        view_at: Tick of the newest view, None before the first.
        sequence: Number of the newest timeline entry, 0 before the first.
    """

    view_at: Instant | None
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the collector itself is; no node, no address.

    Attributes:
        broker: Whether reports can reach us now; unknown when the collector does not run.
        started_at: When this run began, None when the collector does not run.
        stored: Reports stored since the ledger began.
        refused: Reports refused since the ledger began, by reason code.
        flagged: Reports stored with a flag, by flag.
    """

    broker: Literal["connected", "lost", "unknown"]
    started_at: Instant | None
    stored: int
    refused: Mapping[str, int]
    flagged: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a page of the incident list ended."""

    suspected_at: Instant
    incident: str


class Reader(Protocol):
    """Committed state, read-only."""

    def view(self, at: Instant | None = None) -> View | None:
        """The newest view, or the newest at or before an instant; None where none was kept."""
        ...

    def standing(self, at: Instant | None = None) -> Sequence[Incident]:
        """Incidents that are not closed or dismissed now, or were not at an instant.

        Each with its whole timeline; `status` reads no entry published after the instant.
        """
        ...

    def incidents(self, after: Position | None, limit: int) -> Sequence[Incident]:
        """Newest first by (suspected_at, id), from behind a position on, at most `limit`.

        What a caller wants is chosen from published values, in `queries`, never here: a filter on
        what privacy withholds would tell it.
        """
        ...

    def incident(self, incident_id: str) -> Incident | None:
        """One incident with its whole timeline; None when there is no such id."""
        ...

    def entries(self, after: int, limit: int) -> Sequence[Numbered]:
        """Timeline entries numbered above `after`, in order, at most `limit`."""
        ...

    def mark(self) -> Mark:
        """How far committed state has come."""
        ...

    def health(self) -> Health:
        """How the collector is."""
        ...
