"""The chain of one node's epoch: what two of its reports prove about each other.

Each report names the SHA-256 of the frame before it. Given two positions of the same epoch:

    same seq, same hash            SAME    a duplicate; normal after a resend
    same seq, another hash         FORK    two signed frames for one place: both are kept
    next seq, prev is the hash     LINK
    next seq, prev is not          FORK    the node once chained to another predecessor
    further apart                  GAP     lo to hi are missing, or dropped and closed

A fork says that two programs hold one key, or that someone rewrites; it is raised, never
refused. This module holds no state.
"""

from dataclasses import dataclass
from typing import Final

GENESIS: Final = "0" * 64
"""`prev` of the first report of an epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where one frame stands in its epoch's chain."""

    seq: int
    sha256: str
    """Of the frame, hexadecimal."""
    prev: str
    """As the report states it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """Both positions are one frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The later frame follows the earlier one directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Frames lo to hi, both included, stand between the two."""

    lo: int
    hi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Two histories under one key; they part at or before this seq."""

    seq: int


Relation = Same | Link | Gap | Fork


def relate(a: Position, b: Position) -> Relation:
    """What two positions of one epoch prove, in either order.

    Args:
        a: One position.
        b: Another of the same node and epoch.
    """
    earlier, later = (a, b) if a.seq <= b.seq else (b, a)
    if earlier.seq == later.seq:
        return Same() if earlier.sha256 == later.sha256 else Fork(seq=later.seq)
    if later.seq == earlier.seq + 1:
        return Link() if later.prev == earlier.sha256 else Fork(seq=earlier.seq)
    return Gap(lo=earlier.seq + 1, hi=later.seq - 1)


def is_valid_start(position: Position) -> bool:
    """Whether a first report names no predecessor, and any other names one."""
    return (position.seq == 0) == (position.prev == GENESIS)
