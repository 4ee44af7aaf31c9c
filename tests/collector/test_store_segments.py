"""Runs of linked frames, and what receipts may say of them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.store.segments import Segment, layers
from shyraq_wire.receipt import MAX_INTERVALS, EpochReceipt

EPOCHS = ("aa" * 16, "bb" * 16)


def segment(lo: int, hi: int, *, branch: str = "a", epoch: str = EPOCHS[0]) -> Segment:
    """A segment whose hash tells its branch."""
    return Segment(epoch=epoch, lo=lo, hi=hi, sha256=f"{branch}{hi}".rjust(64, "0"))


def told(contents: tuple[tuple[EpochReceipt, ...], ...]) -> list[list[tuple[int, int]]]:
    """Only the intervals of each receipt."""
    return [[(i.lo, i.hi) for each in receipt for i in each.intervals] for receipt in contents]


def test_a_plain_chain_is_one_interval() -> None:
    """The usual receipt says one thing."""
    assert told(layers([segment(0, 7)], [])) == [[(0, 7)]]


def test_touched_segments_go_before_newer_ones() -> None:
    """A node that fills its oldest gap last hears of it, however many gaps are newer."""
    others = [segment(1_000 - 2 * n, 1_000 - 2 * n) for n in range(MAX_INTERVALS)]
    (receipt,) = layers([segment(3, 9)], others)
    (only,) = receipt
    assert only.intervals[0].lo == 3
    assert len(only.intervals) == MAX_INTERVALS


def test_each_branch_of_a_fork_is_told_in_a_receipt_of_its_own() -> None:
    """Neither branch is wedged; the branch of the newest touch is the one that is retained."""
    contents = layers([segment(5, 6, branch="b"), segment(0, 5)], [])
    assert told(contents) == [[(0, 5)], [(5, 6)]]


def test_untouched_branches_wait_for_their_own_touch() -> None:
    """What does not fit and was not touched is left out: a resend will touch it."""
    assert told(layers([segment(5, 6)], [segment(0, 5), segment(9, 9)])) == [[(5, 6), (9, 9)]]


segments = st.lists(
    st.builds(
        lambda lo, length, branch, epoch: segment(lo, lo + length, branch=branch, epoch=epoch),
        st.integers(0, 60),
        st.integers(0, 6),
        st.sampled_from("ab"),
        st.sampled_from(EPOCHS),
    ),
    max_size=40,
)


@given(touched=segments, others=segments)
def test_every_receipt_is_one_that_the_wire_allows(
    touched: list[Segment], others: list[Segment]
) -> None:
    """Ascending, disjoint, never adjacent, each epoch once; and nothing is invented."""
    given_segments = {(s.epoch, s.lo, s.hi, s.sha256) for s in (*touched, *others)}
    for receipt in layers(touched, others):
        assert len({each.epoch for each in receipt}) == len(receipt)
        for each in receipt:
            assert all(later.lo > earlier.hi + 1 for earlier, later in pairwise(each.intervals))
            said = {(each.epoch, i.lo, i.hi, i.sha256) for i in each.intervals}
            assert said <= given_segments
