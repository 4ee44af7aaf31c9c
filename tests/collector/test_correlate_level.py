"""Tails of the beta-binomial, and the edge score beside them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.correlate.edge import edge_score
from shyraq_collector.correlate.level import log_tail

shares = st.floats(0.001, 0.9)
spreads = st.floats(0.01, 0.5)


@given(st.integers(1, 80), shares, spreads)
def test_a_whole_tail_is_certain(size: int, mean: float, spread: float) -> None:
    """At least none of them down: probability one."""
    assert log_tail(0, size, mean, spread) == pytest.approx(0.0, abs=1e-6)


@given(st.integers(1, 60), st.integers(1, 60), shares, spreads)
def test_more_down_is_never_more_likely(a: int, b: int, mean: float, spread: float) -> None:
    """The tail falls with the count."""
    few, many = sorted((a, b))
    assert log_tail(many, 60, mean, spread) <= log_tail(few, 60, mean, spread) + 1e-9


def test_a_small_spread_is_a_binomial() -> None:
    """Without over-dispersion the tail is the binomial's."""
    size, count, mean = 12, 4, 0.1
    binomial = sum(
        math.comb(size, k) * mean**k * (1 - mean) ** (size - k) for k in range(count, size + 1)
    )
    assert math.exp(log_tail(count, size, mean, 1e-6)) == pytest.approx(binomial, rel=1e-3)


def test_over_dispersion_makes_many_down_less_surprising() -> None:
    """Shared causes seen in quiet weeks lower the score."""
    assert log_tail(10, 40, 0.05, 0.2) > log_tail(10, 40, 0.05, 0.02)


@given(st.lists(st.floats(1e-5, 0.4), min_size=1, max_size=30), st.integers(0, 60))
def test_a_line_that_is_up_never_raises_the_score(chances: list[float], up: int) -> None:
    """Each heard line speaks against an edge."""
    assert edge_score(chances, up + 1) < edge_score(chances, up)


def test_three_silent_lines_of_three_pass_and_of_thirty_do_not() -> None:
    """Three lines with a drop every second day, all within two minutes."""
    chance = 0.5 * 120 / 86400
    assert edge_score([chance] * 3, 0) > 13.0
    assert edge_score([chance] * 3, 27) < 10.0
