"""The comparison of a name with its neutral twin."""

from itertools import product
from math import log
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.judge.pairs import MAX_PAIRS, compare

TIMES = st.floats(0.5, 20_000)
PAIRS = st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=MAX_PAIRS)


def test_a_constant_ratio_is_found_exactly() -> None:
    """Four times as slow in every pair is a ratio of four, with no doubt left."""
    found = compare([200.0] * 12, [50.0] * 12)
    assert found is not None
    assert (found.ratio, found.low, found.high) == pytest.approx((4.0, 4.0, 4.0))
    assert found.p_value == pytest.approx(1 / 2**12)
    assert found.pairs == 12


def test_the_usual_ratio_of_the_controls_is_taken_off() -> None:
    """A server that is four times as far is not slowed down."""
    found = compare([200.0] * 12, [50.0] * 12, usual_ratio=4.0)
    assert found is not None
    assert found.ratio == pytest.approx(1.0)
    assert found.p_value == 1.0


def test_only_the_newest_pairs_count() -> None:
    """Older pairs are of another hour."""
    found = compare([50.0] * 30 + [100.0] * MAX_PAIRS, [50.0] * (30 + MAX_PAIRS))
    assert found is not None
    assert found.pairs == MAX_PAIRS
    assert found.ratio == pytest.approx(2.0)


def test_no_pairs_give_nothing_and_broken_pairs_are_refused() -> None:
    """Nothing is compared with nothing; bad input is the caller's fault."""
    assert compare([], []) is None
    with pytest.raises(ValueError, match="each time"):
        compare([1.0], [])
    with pytest.raises(ValueError, match="above zero"):
        compare([0.0], [1.0])
    with pytest.raises(ValueError, match="above zero"):
        compare([1.0], [1.0], usual_ratio=0.0)


@settings(deadline=None)  # loaded machines
@given(PAIRS, st.floats(0.1, 10))
def test_the_estimate_lies_in_its_interval_and_scales(
    pairs: list[tuple[float, float]], factor: float
) -> None:
    """The bounds hold: low ≤ ratio ≤ high, and times in another unit give the same figures."""
    ours, theirs = zip(*pairs, strict=True)
    found = compare(ours, theirs)
    scaled = compare([time * factor for time in ours], [time * factor for time in theirs])
    assert found is not None
    assert scaled is not None
    assert 0 < found.low <= found.ratio <= found.high
    assert 0 <= found.p_value <= 1
    assert scaled.ratio == pytest.approx(found.ratio)


@settings(deadline=None)  # loaded machines
@given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=9))
def test_the_chance_is_that_of_all_sign_choices(pairs: list[tuple[float, float]]) -> None:
    """The counted chance is what trying every choice of signs gives."""
    ours, theirs = zip(*pairs, strict=True)
    steps = [log(a / b) for a, b in pairs]
    moved = [step for step in steps if step]
    sizes = sorted(abs(step) for step in moved)
    ranks = [
        sum(size < abs(step) for size in sizes) + (sizes.count(abs(step)) + 1) / 2 for step in moved
    ]
    seen = sum(rank for rank, step in zip(ranks, moved, strict=True) if step > 0)
    sums = [
        sum(rank for rank, up in zip(ranks, signs, strict=True) if up)
        for signs in product((False, True), repeat=len(moved))
    ]
    found = compare(ours, theirs)
    assert found is not None
    assert found.p_value == pytest.approx(sum(total >= seen for total in sums) / len(sums))


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """In 400 noisy rounds with a true ratio of 1.5, about 95 in 100 intervals hold it."""
    rng = Random(20221120)  # noqa: S311  # noise, not a secret
    held = 0
    ratios = []
    for _ in range(400):
        theirs = [rng.lognormvariate(4, 0.3) for _ in range(12)]
        ours = [1.5 * time * rng.lognormvariate(0, 0.2) for time in theirs]
        found = compare(ours, theirs)
        assert found is not None
        held += found.low <= 1.5 <= found.high
        ratios.append(found.ratio)
    assert 0.92 <= held / 400 <= 0.985
    assert median(ratios) == pytest.approx(1.5, rel=0.02)
