"""The chain: what two positions prove, in either order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.chain import (
    GENESIS,
    Fork,
    Gap,
    Link,
    Position,
    Relation,
    Same,
    is_valid_start,
    relate,
)
from support.reports import counts, hashes

A, B, C = "a" * 64, "b" * 64, "c" * 64

RULES: list[tuple[str, Position, Position, Relation]] = [
    (
        "same seq, same hash",
        Position(seq=5, sha256=A, prev=C),
        Position(seq=5, sha256=A, prev=C),
        Same(),
    ),
    (
        "same seq, another hash",
        Position(seq=5, sha256=A, prev=C),
        Position(seq=5, sha256=B, prev=C),
        Fork(seq=5),
    ),
    (
        "first reports that differ",
        Position(seq=0, sha256=A, prev=GENESIS),
        Position(seq=0, sha256=B, prev=GENESIS),
        Fork(seq=0),
    ),
    (
        "next seq, prev is the hash",
        Position(seq=5, sha256=A, prev=C),
        Position(seq=6, sha256=B, prev=A),
        Link(),
    ),
    (
        "next seq, prev is not the hash",
        Position(seq=5, sha256=A, prev=C),
        Position(seq=6, sha256=B, prev=C),
        Fork(seq=5),
    ),
    (
        "one between",
        Position(seq=5, sha256=A, prev=C),
        Position(seq=7, sha256=B, prev=C),
        Gap(lo=6, hi=6),
    ),
    (
        "many between",
        Position(seq=0, sha256=A, prev=GENESIS),
        Position(seq=2**53 - 1, sha256=B, prev=C),
        Gap(lo=1, hi=2**53 - 2),
    ),
]


@pytest.mark.parametrize(
    ("earlier", "later", "proved"), [r[1:] for r in RULES], ids=[r[0] for r in RULES]
)
def test_two_positions_prove_what_the_table_says(
    earlier: Position, later: Position, proved: Relation
) -> None:
    """Each rule of the module's table, asked both ways round."""
    assert relate(earlier, later) == proved
    assert relate(later, earlier) == proved


positions = st.builds(Position, seq=counts(), sha256=hashes(), prev=hashes())
near = st.builds(Position, seq=st.integers(0, 4), sha256=hashes(), prev=hashes())


@given(near | positions, near | positions)
def test_the_order_of_asking_changes_nothing(a: Position, b: Position) -> None:
    """Relate is symmetric, and a gap lies strictly between the two."""
    proved = relate(a, b)
    assert proved == relate(b, a)
    if isinstance(proved, Gap):
        assert min(a.seq, b.seq) < proved.lo <= proved.hi < max(a.seq, b.seq)


@given(near | positions)
def test_a_frame_is_the_same_as_itself(position: Position) -> None:
    """A resend is no fork."""
    assert relate(position, replace(position)) == Same()


@pytest.mark.parametrize(
    ("seq", "prev", "valid"), [(0, GENESIS, True), (0, A, False), (1, GENESIS, False), (1, A, True)]
)
def test_only_a_first_report_names_no_predecessor(seq: int, prev: str, *, valid: bool) -> None:
    """64 zeros at seq 0 and nowhere else."""
    assert is_valid_start(Position(seq=seq, sha256=B, prev=prev)) is valid
