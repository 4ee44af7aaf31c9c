"""What the signer is given, by shape: probes and spool are other rooms and are not imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shyraq_wire.report import NOTHING, EventKind, Json, Kind


class FinishedStep(Protocol):
    """A step as a probe leaves it."""

    @property
    def name(self) -> str:
        """What was tried."""
        ...

    @property
    def started_uptime_ms(self) -> int:
        """Boot clock of the pace."""
        ...

    @property
    def duration_ms(self) -> float:
        """By the stopwatch."""
        ...

    @property
    def failure(self) -> str | None:
        """None: it worked."""
        ...

    @property
    def data(self) -> Mapping[str, Json]:
        """What it saw."""
        ...


class Finished(Protocol):
    """A measurement as a probe leaves it."""

    @property
    def probe(self) -> str:
        """The probe's name."""
        ...

    @property
    def target(self) -> str:
        """As configured."""
        ...

    @property
    def started_uptime_ms(self) -> int:
        """Boot clock of the pace."""
        ...

    @property
    def duration_ms(self) -> float:
        """By the stopwatch."""
        ...

    @property
    def steps(self) -> Sequence[FinishedStep]:
        """In the order in which they started."""
        ...

    @property
    def result(self) -> Mapping[str, Json]:
        """Counts over the steps."""
        ...


class ChainPlace(Protocol):
    """Where the next frame stands in the chain, as the spool knows it."""

    @property
    def epoch(self) -> str:
        """32 hexadecimal digits."""
        ...

    @property
    def seq(self) -> int:
        """From 0."""
        ...

    @property
    def prev(self) -> str:
        """SHA-256 of the frame before."""
        ...

    @property
    def dropped(self) -> Sequence[tuple[str, int, int]]:
        """Ranges (epoch, lo, hi) to announce in this report."""
        ...

    @property
    def floor_ms(self) -> int:
        """A wall-clock moment known to have passed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeEvent:
    """A fact of the node's own life, before sealing."""

    kind: EventKind
    at_uptime_ms: int
    """Boot clock of the pace."""
    data: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one report says beside its place and time."""

    kind: Kind
    measurements: tuple[Finished, ...] = ()
    events: tuple[LifeEvent, ...] = ()
    vitals: Mapping[str, Json] | None = None
