"""A line's habit, its drop record, and what its silence is worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.correlate.line import INNOCENT_MAX, INNOCENT_MIN, Line, pool
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import LineKey

KEY = LineKey("XX", "R0", "s0", "isp0", None)
PACE = Pace()


def taught(gaps: list[float]) -> Line:
    """A line that has heard these gaps."""
    line = Line(key=KEY)
    line.recent = list(gaps)
    line.learn()
    return line


def test_a_regular_line_is_missing_after_two_beats() -> None:
    """A steady minute gives a leash of about two, once it is well known."""
    line = taught([60.0] * 32)
    for _ in range(40):
        line.recent = [60.0] * 32
        line.learn()
    assert line.leash_s == pytest.approx(126.0, rel=0.01)


def test_one_long_gap_is_not_a_habit() -> None:
    """A single outage among 32 gaps leaves the leash alone; two of them widen it."""
    assert taught([60.0] * 31 + [9000.0]).leash_s < 150.0
    assert taught([60.0] * 30 + [300.0, 9000.0]).leash_s > 380.0


def test_a_leash_widens_at_once_and_narrows_slowly() -> None:
    """A quiet night is not a surprise twice."""
    line = taught([60.0] * 32)
    day = line.leash_s
    line.recent = [130.0] * 32
    line.learn()
    night = line.leash_s
    line.recent = [60.0] * 32
    line.learn()
    assert day < line.leash_s < night
    assert line.leash_s > 0.8 * night


@given(st.lists(st.floats(1.0, 1e5), min_size=8, max_size=32))
def test_a_leash_is_between_two_and_eight_usual_gaps(gaps: list[float]) -> None:
    """Whatever the gaps, the leash stays in proportion to the median."""
    line = taught(gaps)
    assert 2.1 * line.median_s <= line.leash_s <= 8.0 * 1.25 * line.median_s


@given(st.floats(0.0, 1e7), st.floats(60.0, 1e6))
def test_innocence_is_a_probability(overdue: float, window: float) -> None:
    """Neither certain nor impossible, however long the silence."""
    line = taught([60.0] * 32)
    line.missing_since = 1e6
    chance = line.innocent(1e6 + overdue, window, pool([], PACE), PACE)
    assert INNOCENT_MIN <= chance <= INNOCENT_MAX


def test_a_line_that_drops_often_is_worth_less() -> None:
    """Each remembered drop makes the next one less surprising."""
    steady, flaky = taught([60.0] * 32), taught([60.0] * 32)
    for line in (steady, flaky):
        line.observe(0.0, PACE)
        line.observe(10 * PACE.day_s, PACE)
        line.missing_since = 10 * PACE.day_s
    for _ in range(50):
        flaky.remember(900.0)
    now, pooled = 10 * PACE.day_s + 60.0, pool([], PACE)
    assert flaky.innocent(now, 600.0, pooled, PACE) > 5 * steady.innocent(now, 600.0, pooled, PACE)


def test_memory_fades_over_a_month() -> None:
    """What happened 28 days ago counts for a third."""
    line = taught([60.0] * 32)
    line.observe(0.0, PACE)
    line.remember(600.0)
    line.observe(28 * PACE.day_s, PACE)
    assert line.counts[0] == pytest.approx(0.37, abs=0.01)


def test_a_log_of_changes_is_told_from_a_panel() -> None:
    """Words that mostly repeat the one before are samples; words that do not are a log."""
    panel = Line(key=KEY, explicit=True, changes=3, repeats=40)
    log = Line(key=KEY, explicit=True, changes=7, repeats=1)
    assert not panel.logs_changes
    assert log.logs_changes
    assert log.step_s == 0.0
