"""When it began, told of lines that fell together, one by one, and without a regular beat."""

from shyraq_collector.correlate.growth import onset_of
from shyraq_collector.correlate.line import Line
from shyraq_collector.facts.fleet import LineKey
from support.simulator_play import BEGIN_S


def fell(last_minute: float, *, usual: float = 1.0, leash: float = 2.1, number: int = 0) -> Line:
    """A line last heard then, in minutes; missing since its leash was over."""
    line = Line(
        key=LineKey("XX", "R", f"s{number}", "isp", None),
        state="missing",
        last_heard=BEGIN_S + 60.0 * last_minute,
        median_s=60.0 * usual,
        leash_s=60.0 * leash,
    )
    line.missing_since = line.last_heard + line.leash_s
    return line


def panel_line(minute: float) -> Line:
    """A line found down by an hourly sample, up at the sample before."""
    line = fell(minute - 60.0, usual=60.0, leash=126.0)
    line.explicit = line.known_down = True
    line.changes, line.repeats = 1, 50
    line.missing_since = BEGIN_S + 60.0 * minute
    return line


def minutes(lines: list[Line]) -> tuple[float, float]:
    """The onset in minutes."""
    onset = onset_of(lines)
    return (onset.earliest - BEGIN_S) / 60.0, (onset.latest - BEGIN_S) / 60.0


def test_lines_that_fell_at_one_instant_narrow_it_together() -> None:
    """After the last word of any, before the first that is missed."""
    assert minutes([fell(x) for x in (10.1, 10.5, 10.9)]) == (10.9, 11.2)


def test_a_line_that_dropped_by_itself_before_does_not_date_a_cut() -> None:
    """Two of three agree; the third fell half an hour earlier."""
    assert minutes([fell(-20.0), fell(10.1), fell(10.9)]) == (10.9, 11.2)


def test_lines_that_fell_one_by_one_are_dated_by_the_first() -> None:
    """A roll-out began with its first line."""
    earliest, latest = minutes([fell(10.0 * x) for x in range(1, 9)])
    assert earliest == 10.0
    assert latest < 12.0


def test_a_roll_out_seen_once_an_hour_does_not_begin_where_two_samples_meet() -> None:
    """Fifteen lines of a panel are gone at one, twelve more at two; a sweep takes a minute."""
    at_one = [panel_line(60.0 * 13 + 0.25 + x / 20.0) for x in range(15)]
    at_two = [panel_line(60.0 * 14 + x / 20.0) for x in range(12)]
    earliest, latest = minutes(at_one + at_two)
    assert 60.0 * 12 <= earliest < latest < 60.0 * 13 + 0.5


def test_an_irregular_line_knows_no_missed_word() -> None:
    """One that happened to be quiet for long does not end the interval before the cut.

    Ten lines with a usual gap of eight minutes, together heard about every minute, hushed at ten.
    """
    lines = [
        fell(x, usual=8.0, leash=50.0) for x in (-16.0, 8.0, 3.0, 9.5, 6.0, 2.0, 7.0, 9.0, 4.0, 5.0)
    ]
    for line in lines:
        line.missing_since = line.last_heard + 0.5 * line.leash_s
    earliest, latest = minutes(lines)
    assert earliest <= 10.0 <= latest < 15.0
