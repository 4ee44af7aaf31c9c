"""What came in: messages as read off the socket, verified reports, rejections.

A `Message` becomes either a `VerifiedReport` or a `Rejection`; nothing is dropped without one of
the two. A rejected frame is a value with a reason, never an exception.

Two closed sets of words live here, each with one sentence for people:

`REASONS`   why a message was not stored. Final reasons are told to the node in its receipt, where
            the frame was well signed, so that it can let go of the frame; transient ones
            (`TRANSIENT`) are not, so that the node sends it again.
`FLAGS`     what is odd about a frame that was stored all the same.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from shyraq_wire.chain import Position
from shyraq_wire.keys import KeyId
from shyraq_wire.report import Report
from shyraq_wire.topics import NodeId

Reason = Literal[
    "malformed-topic",
    "wrong-topic",
    "too-large",
    "malformed-frame",
    "unknown-node",
    "bad-signature",
    "revoked-key",
    "unsupported-type",
    "malformed-payload",
    "wrong-node",
    "over-rate",
    "over-quota",
    "not-storable",
]

REASONS: Final = MappingProxyType[Reason, str](
    {
        "malformed-topic": "The topic is not one of ours, or names another node's shard.",
        "wrong-topic": "The topic is ours, but no report may come on it.",
        "too-large": "The message, or what it inflates to, passes 64 KiB.",
        "malformed-frame": "The message does not hold one exact frame.",
        "unknown-node": "The topic names a node that is not registered.",
        "bad-signature": "No registered key of the node has signed this frame.",
        "revoked-key": "A key of the node signed it that was not, or no longer, trusted.",
        "unsupported-type": "What was signed is not a report.",
        "malformed-payload": "Well signed, but not strict JSON, or a field is wrong.",
        "wrong-node": "The signed node id is not the one in the topic.",
        "over-rate": "More messages a second than one node may send; it will send again.",
        "over-quota": "More bytes a day than one node may store; it will send again.",
        "not-storable": "The database refused this one frame; the rest of its batch is stored.",
    }
)
"""Every reason code with one sentence for people."""

TRANSIENT: Final[frozenset[Reason]] = frozenset({"over-rate", "over-quota"})
"""Reasons that pass: the node must keep the frame and send it again."""

Flag = Literal["future-time", "wrong-clock", "unknown-version", "unchained", "fork"]

FLAGS: Final = MappingProxyType[Flag, str](
    {
        "future-time": "Its wall clock is more than five minutes ahead of the collector's.",
        "wrong-clock": "Its wall clock stands before the node's key was registered.",
        "unknown-version": "A later report version: kept whole, only its place was read.",
        "unchained": "The frame it names as its predecessor is not in the ledger (yet).",
        "fork": "Another signed frame stands in its place, or beside it without linking.",
    }
)
"""Every flag with one sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One MQTT message as it was read off the socket."""

    topic: str
    payload: bytes
    received_ms: int
    """Wall clock of the collector's pace when the socket was read, before any queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReport:
    """A frame that a trusted key of the node signed, and what it says."""

    node: NodeId
    key: KeyId
    """Which of the node's keys signed."""
    payload_type: str
    frame: bytes
    """Exactly as signed."""
    epoch: str
    position: Position
    """Its place in the chain of the epoch; the hash is that of `frame`."""
    report: Report | None
    """None: a version this program does not know; it is stored and flagged."""
    received_ms: int
    dated_ms: int
    """When it was sealed, as far as can be believed: the node's wall clock, or the moment of
    arrival where that clock is flagged or unread."""
    flags: frozenset[Flag] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPlace:
    """Where a well-signed frame that will never be stored stands; for the node's receipt."""

    epoch: str
    seq: int
    sha256: str
    """Of the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A message that was not stored, and why."""

    reason: Reason
    topic: str
    node: NodeId | None
    """The node that the topic claims; None where the topic could not be read."""
    payload: bytes
    """As received: kept in the quarantine as evidence."""
    received_ms: int
    place: RefusedPlace | None = None
    """Known only for well-signed frames."""
    detail: str = ""
    """What exactly was wrong, for operators; names fields, never their values."""
