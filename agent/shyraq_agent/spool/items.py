"""What goes into the spool and comes out of it: plain values.

A `place` is one integer for (epoch number, seq), so that one ascending key orders the frames of
all epochs: a spool that got a new key still holds, and sends first, what the old key signed.
"""

from dataclasses import dataclass
from typing import Final

_SEQ_BITS: Final = 40
"""A frame each second for 34,000 years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the next frame stands in the chain."""

    epoch: str
    seq: int
    prev: str
    """SHA-256 of the frame before, hexadecimal; 64 zeros at seq 0."""
    dropped: tuple[tuple[str, int, int], ...]
    """Ranges (epoch, lo, hi) given up and not yet announced; only pulses get any."""
    floor_ms: int
    """A wall-clock moment known to have passed, milliseconds since 1970; 0: none known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A frame that is on the disk."""

    place: int
    seq: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A held frame, ready to publish."""

    place: int
    pulse: bool
    payload: bytes
    """The MQTT payload: format byte and frame, compressed where that is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What one receipt meant for this spool."""

    covered: frozenset[int]
    """Places that need not be sent any more."""
    refused: tuple[tuple[int, str], ...]
    """(seq, reason) of frames that the collector will never store."""
    foreign: int
    """Intervals that end in another hash than ours: a clone, or a rewritten ledger."""
    new_ledger: bool
    """The ledger is another than before (a restored backup): everything held goes again."""
    former_ledger: bool
    """The receipt is of a ledger that was replaced since; it changed nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the spool stands, for `status`."""

    epoch: str
    tip_seq: int
    """-1: nothing was ever appended in this epoch."""
    held: int
    """Frames that no receipt has covered yet."""
    held_bytes: int
    dropped: int
    """Frames given up for want of room, in ranges that no stored report has closed yet."""
    refused: int
    """Frames that the collector said it will never store."""
    floor_ms: int
    """A wall-clock moment known to have passed; 0: none known."""
    ledger: str | None
    """The ledger that the newest receipt spoke for; None: no receipt ever came."""


def place_of(epoch_number: int, seq: int) -> int:
    """The one integer for a frame of an epoch."""
    return epoch_number << _SEQ_BITS | seq


def seq_of(place: int) -> int:
    """The seq within its epoch."""
    return place & ((1 << _SEQ_BITS) - 1)


def epoch_number_of(place: int) -> int:
    """The epoch's number in this spool."""
    return place >> _SEQ_BITS
