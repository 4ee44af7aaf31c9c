"""The collector's signed word that it has stored: what a node may forget.

A receipt is cumulative: per epoch the closed intervals of seq in the ledger, each with the
hash of its last frame. A node deletes frames lo to hi only if its own frame hi has that hash:
the receipts of a clone with the same key delete nothing. `refused` names single frames that
the collector will never store, by seq and hash, with the reason; the node may drop those too,
after writing the refusal down.

A restored backup is a new `ledger`: nodes resend whatever they still hold.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from shyraq_wire.codec import read_json, write_json
from shyraq_wire.errors import LocalError, MalformedPayload
from shyraq_wire.fields import (
    EPOCH,
    HASH,
    Object,
    read_integer,
    read_list,
    read_match,
    read_moment,
    read_text,
)
from shyraq_wire.keys import KeyId
from shyraq_wire.topics import NODE_ID, NodeId

RECEIPT_TYPE: Final = "application/vnd.shyraq.receipt+json;v=1"
"""Payload type of a receipt in this version."""

MAX_INTERVALS: Final = 256
"""Intervals in one receipt; when there are more, the newest by seq are given."""

MAX_REFUSED: Final = 64
"""Refusals in one receipt, newest last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Frames lo to hi, both included, are in the ledger."""

    lo: int
    hi: int
    sha256: str
    """Hash of frame hi, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReceipt:
    """What the ledger holds of one epoch."""

    epoch: str
    intervals: tuple[Interval, ...]
    """Ascending, disjoint, never adjacent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One frame that will never be stored."""

    epoch: str
    seq: int
    sha256: str
    reason: str
    """A reason code of `errors`, or of the collector's own table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Signed by the collector's key, published retained for one node."""

    node: NodeId
    ledger: str
    """Id of the ledger, 32 hexadecimal digits; a restored backup has a new one."""
    key: KeyId
    """Id of the collector key that signs this receipt."""
    at: str
    """The collector's wall clock, RFC 3339 UTC: also the node's floor for its own clock."""
    epochs: tuple[EpochReceipt, ...]
    refused: tuple[Refusal, ...] = ()


def encode_receipt(receipt: Receipt) -> bytes:
    """The JSON bytes to sign; `decode_receipt` is the inverse.

    Raises:
        LocalError: `decode_receipt` would refuse the result: it may not travel.
    """
    payload = write_json(
        {
            "node": receipt.node,
            "ledger": receipt.ledger,
            "key": receipt.key,
            "at": receipt.at,
            "epochs": [
                {
                    "epoch": each.epoch,
                    "intervals": [
                        {"lo": i.lo, "hi": i.hi, "sha256": i.sha256} for i in each.intervals
                    ],
                }
                for each in receipt.epochs
            ],
            "refused": [
                {"epoch": r.epoch, "seq": r.seq, "sha256": r.sha256, "reason": r.reason}
                for r in receipt.refused
            ],
        }
    )
    try:
        decode_receipt(payload)
    except MalformedPayload as error:
        raise LocalError(f"a receipt that no node could read: {error}") from error
    return payload


def decode_receipt(payload: bytes) -> Receipt:
    """The receipt in a payload of type `RECEIPT_TYPE`.

    Raises:
        MalformedPayload: Not strict JSON, a field is wrong, intervals overlap, or one epoch
            stands twice.
    """
    source = read_json(payload)
    epochs = read_list(source, "epochs", _read_epoch, limit=MAX_INTERVALS)
    if len({each.epoch for each in epochs}) != len(epochs):
        raise MalformedPayload("epochs: each epoch once is due")
    return Receipt(
        node=NodeId(read_match(source, "node", NODE_ID)),
        ledger=read_match(source, "ledger", EPOCH),
        key=KeyId(read_match(source, "key", HASH)),
        at=read_moment(source, "at"),
        epochs=epochs,
        refused=read_list(source, "refused", _read_refusal, limit=MAX_REFUSED),
    )


def _read_epoch(source: Object) -> EpochReceipt:
    intervals = read_list(source, "intervals", _read_interval, limit=MAX_INTERVALS)
    for earlier, later in pairwise(intervals):
        if later.lo <= earlier.hi + 1:
            raise MalformedPayload("intervals: ascending and disjoint ones are due")
    return EpochReceipt(epoch=read_match(source, "epoch", EPOCH), intervals=intervals)


def _read_interval(source: Object) -> Interval:
    lo = read_integer(source, "lo")
    return Interval(
        lo=lo,
        hi=read_integer(source, "hi", lo=lo),
        sha256=read_match(source, "sha256", HASH),
    )


def _read_refusal(source: Object) -> Refusal:
    return Refusal(
        epoch=read_match(source, "epoch", EPOCH),
        seq=read_integer(source, "seq"),
        sha256=read_match(source, "sha256", HASH),
        reason=read_text(source, "reason", limit=64),
    )
