"""Runs of linked frames within an epoch, and what a receipt may say of them; pure.

A segment is a run lo to hi in which each frame names the hash of the one before. So whoever holds
frame hi, and finds its hash in a receipt, knows that exactly his frames lo to hi are stored. Frames
that stand side by side without linking (a fork) are never joined: the receipt of one branch must
not delete the other's frames.

Rules for a receipt, which the wire demands ascending, disjoint and never adjacent:

1. Segments that this batch touched come first, newest touch first, then the newest by seq, up to
   `MAX_INTERVALS`: a node that sends its oldest frames last of all must hear of them too.
2. A touched segment that overlaps or touches one already taken (a fork) goes into a receipt of its
   own, so that each branch is told of what is stored of it.
3. The receipt with the newest touch is the last one: it stays retained at the broker.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_wire.receipt import MAX_INTERVALS, EpochReceipt, Interval

_MAX_LAYERS: Final = 16
"""Receipts for one node after one commit; more branches than this are told at the next resend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Frames lo to hi of one epoch, linked one to the next."""

    epoch: str
    lo: int
    hi: int
    sha256: str
    """Of frame hi, hexadecimal."""


def layers(
    touched: Sequence[Segment], others: Sequence[Segment]
) -> tuple[tuple[EpochReceipt, ...], ...]:
    """The contents of the receipts to publish for one node, in order; the last is retained.

    Args:
        touched: Segments with frames of this batch, newest touch first.
        others: Further segments of the node, most important first.
    """
    chosen: list[list[Segment]] = [[]]
    for segment in touched:
        layer = next((layer for layer in chosen if _fits(segment, layer)), None)
        if layer is not None:
            layer.append(segment)
        elif len(chosen) < _MAX_LAYERS:
            chosen.append([segment])
    for segment in others:
        if _fits(segment, chosen[0]):
            chosen[0].append(segment)
    return tuple(_receipts(layer) for layer in reversed(chosen))


def _fits(segment: Segment, layer: Sequence[Segment]) -> bool:
    return len(layer) < MAX_INTERVALS and all(
        other.epoch != segment.epoch or other.hi + 1 < segment.lo or segment.hi + 1 < other.lo
        for other in layer
    )


def _receipts(layer: Sequence[Segment]) -> tuple[EpochReceipt, ...]:
    by_epoch: dict[str, list[Interval]] = {}
    for segment in sorted(layer, key=lambda segment: segment.lo):
        by_epoch.setdefault(segment.epoch, []).append(
            Interval(lo=segment.lo, hi=segment.hi, sha256=segment.sha256)
        )
    return tuple(
        EpochReceipt(epoch=epoch, intervals=tuple(intervals))
        for epoch, intervals in by_epoch.items()
    )
