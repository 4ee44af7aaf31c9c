"""The watchers as one stream: what may hide in its gaps."""

import pytest

from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.watch import Watch
from shyraq_collector.facts.fleet import LineKey
from support.simulator_play import BEGIN_S


def heard_at(*minutes: float) -> Watch:
    """One watcher, heard at these minutes."""
    watch = Watch()
    line = Line(key=LineKey("", None, "c", None, None), watcher=True)
    watch.lines["c"] = line
    for minute in minutes:
        at = BEGIN_S + 60.0 * minute
        watch.heard(line, at, at)
    return watch


@pytest.mark.parametrize(
    ("since", "gap"),
    [(4.0, 6.0), (5.0, 5.0), (8.0, 3.0), (9.5, 3.0), (10.0, 3.0), (13.5, 0.5), (14.0, 0.0)],
)
def test_the_longest_gap_since_a_word_counts_from_that_word(since: float, gap: float) -> None:
    """Of a gap that was open when somebody was heard only the rest may hide a fault of ours."""
    watch = heard_at(0, 1, 2, 4, 10, 13, 14)
    assert watch.gap_since(BEGIN_S + 60.0 * since) == 60.0 * gap


def test_where_nobody_watches_nothing_hides() -> None:
    """No watcher, no gap."""
    assert Watch().gap_since(BEGIN_S) == 0.0


def test_the_leash_follows_the_longest_gaps_and_forgets_them() -> None:
    """Two long gaps widen it; when they are no longer among those kept, it is narrow again."""
    watch = heard_at(*range(20))
    assert watch.leash_s == pytest.approx(78.0)
    (line,) = watch.lines.values()
    for minute in (25, 30, *range(31, 31 + 200)):
        at = BEGIN_S + 60.0 * minute
        watch.heard(line, at, at)
        if minute == 31:
            assert watch.leash_s == pytest.approx(1.3 * 300.0)
    assert watch.leash_s == pytest.approx(78.0)
    assert len(watch.gaps) == 128
