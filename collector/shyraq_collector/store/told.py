"""What each node of a batch is to be told: segments stored, frames refused.

Read at the end of the batch's own transaction, so that a receipt names nothing that is not
committed with it. The rules for choosing among many segments stand in `segments`.

Where an epoch has forked, a segment may have been carried on by the other branch, so that its hash
means nothing to the node. There the batch's own runs of linked frames are told as well: each of
them is stored, and its last hash is the sender's own.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_collector.store.segments import Segment, layers
from shyraq_collector.store.touched import Numbers
from shyraq_wire.chain import Position
from shyraq_wire.receipt import MAX_INTERVALS, EpochReceipt, Refusal
from shyraq_wire.topics import NodeId

_BRANCHES: Final = 8
"""Segments looked at around one seq; more than one only where a chain forks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptContent:
    """What one receipt says, before it is dated and signed."""

    epochs: tuple[EpochReceipt, ...]
    refused: tuple[Refusal, ...]


def receipts(
    connection: sqlite3.Connection,
    numbers: Numbers,
    node: NodeId,
    places: Mapping[str, Sequence[Position]],
) -> tuple[ReceiptContent, ...]:
    """The receipts for one node, to be published in this order.

    Args:
        connection: Inside the batch's transaction.
        numbers: What is known of nodes and epochs.
        node: Whose.
        places: By epoch, its frames in this batch, oldest first.
    """
    node_no = numbers.node(node)
    rows = connection.execute(
        "SELECT epoch, lo, hi, hi_sha256 FROM epoch JOIN seen ON epoch.no = seen.epoch_no "
        "WHERE node_no = ? ORDER BY epoch.no DESC, hi DESC LIMIT ?",
        (node_no, MAX_INTERVALS),
    ).fetchall()
    newest = [
        Segment(epoch=epoch, lo=lo, hi=hi, sha256=sha256.hex()) for epoch, lo, hi, sha256 in rows
    ]
    hit: dict[tuple[str, int, str], Segment] = {}
    for epoch, positions in places.items():
        runs = _runs(epoch, positions) if numbers.has_forked(node, epoch) else []
        at_seqs = (
            segment
            for seq in dict.fromkeys(position.seq for position in reversed(positions))
            for segment in (
                _segments_at(connection, node_no, epoch, seq)
                if len(newest) == MAX_INTERVALS
                else _among(newest, epoch, seq)
            )
        )
        for segment in (*runs, *at_seqs):
            hit.setdefault((epoch, segment.lo, segment.sha256), segment)
    contents = layers(
        list(hit.values()),
        [each for each in newest if (each.epoch, each.lo, each.sha256) not in hit],
    )
    refused = numbers.refusals(node_no)
    return tuple(ReceiptContent(epochs=epochs, refused=refused) for epochs in contents)


def _runs(epoch: str, positions: Iterable[Position]) -> list[Segment]:
    """Runs of linked frames among these, the newest first."""
    runs: list[Segment] = []
    for position in sorted(set(positions), key=lambda position: position.seq):
        before = next((run for run in runs if run.sha256 == position.prev), None)
        lo = position.seq if before is None else before.lo
        if before is not None:
            runs.remove(before)
        runs.append(Segment(epoch=epoch, lo=lo, hi=position.seq, sha256=position.sha256))
    return runs[::-1]


def _among(segments: Iterable[Segment], epoch: str, seq: int) -> list[Segment]:
    """As `_segments_at`, where all segments of the node are at hand."""
    found = [each for each in segments if each.epoch == epoch and each.lo <= seq <= each.hi]
    return sorted(found, key=lambda each: each.hi)


def _segments_at(
    connection: sqlite3.Connection, node_no: int, epoch: str, seq: int
) -> list[Segment]:
    """The segments that hold this seq: one, or a few where the chain forks.

    Asked from both ends, each along an index: a plain range condition would walk all the
    segments of an epoch whose spool was thinned out.
    """
    found: dict[int, Segment] = {}
    for condition in ("hi >= :seq ORDER BY hi", "lo <= :seq ORDER BY lo DESC"):
        rows = connection.execute(
            "SELECT seen.no, lo, hi, hi_sha256 FROM seen WHERE epoch_no = "  # noqa: S608  # nosec B608
            "(SELECT no FROM epoch WHERE node_no = :node_no AND epoch = :epoch) "
            f"AND {condition} LIMIT {_BRANCHES}",
            {"node_no": node_no, "epoch": epoch, "seq": seq},
        )
        for no, lo, hi, sha256 in rows:
            if lo <= seq <= hi:
                found[no] = Segment(epoch=epoch, lo=lo, hi=hi, sha256=sha256.hex())
    return list(found.values())
