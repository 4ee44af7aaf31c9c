"""What sending needs of the spool, and what it tells of itself."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shyraq_wire.receipt import Receipt


class Frame(Protocol):
    """A held frame, as the spool gives it."""

    @property
    def place(self) -> int:
        """Ascending with the chain."""
        ...

    @property
    def pulse(self) -> bool:
        """A pulse, or bulk."""
        ...

    @property
    def payload(self) -> bytes:
        """The MQTT payload."""
        ...


class Applied(Protocol):
    """What a receipt meant for the spool."""

    @property
    def covered(self) -> Collection[int]:
        """Places that need not be sent any more."""
        ...

    @property
    def refused(self) -> Sequence[tuple[int, str]]:
        """(seq, reason) of frames that will never be stored."""
        ...

    @property
    def foreign(self) -> int:
        """Intervals that end in another hash than ours."""
        ...

    @property
    def new_ledger(self) -> bool:
        """Everything held must go again."""
        ...


class Outbox(Protocol):
    """The spool, as far as sending needs it."""

    async def newest_pulse(self) -> Frame | None:
        """The newest held pulse."""
        ...

    async def edges(self) -> Sequence[int]:
        """Places at the edges of gaps, newest first."""
        ...

    async def after(self, place: int, limit: int) -> Sequence[Frame]:
        """Held frames behind a place, oldest first."""
        ...

    async def take(self, places: Iterable[int]) -> Sequence[Frame]:
        """The held frames at these places."""
        ...

    async def apply(self, receipt: Receipt) -> Applied:
        """Note what a receipt covers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishState:
    """How sending stands, for `status`."""

    endpoint: str | None = None
    """Where we are connected; None: nowhere."""
    failing: str | None = None
    """Why not, in a few words."""
    last_receipt_uptime_ms: int | None = None
    """None: no receipt since this program started."""
    sent: int = 0
    """Frames handed to a connection, resends included."""
    resent: int = 0
    receipts: int = 0
    bad_receipts: int = 0
    """Messages on the receipt topic that are no receipt of our collector's."""
    foreign_intervals: int = 0
    """Receipts for another chain under our key: a clone of this node may be running."""
    refused_by_broker: int = 0
    """Messages that the broker would not take (MQTT 5 only)."""
    refused_frames: int = 0
    """Frames that the collector will never store."""
