"""Times as people read them: local and UTC, intervals never narrower than they are."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.disclose.clocktext import ClockText
from shyraq_collector.disclose.languages import Language, load_wordings
from shyraq_collector.facts.incidents import Interval
from support.scenes import MINUTE, NOW

WORDINGS = load_wordings()
ALMATY = ZoneInfo("Asia/Almaty")


def clock(zone: tzinfo = ALMATY, language: Language = "en", now: float = NOW) -> ClockText:
    """A clock as seen from the story's moment, 5 January 2022, 10:00 UTC."""
    return ClockText(zone=zone, wording=WORDINGS[language], now=now)


def interval(earliest: float, latest: float) -> Interval:
    """An interval in minutes after the story's moment."""
    return Interval(earliest=NOW + earliest * MINUTE, latest=NOW + latest * MINUTE)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (ALMATY, "UTC+6"),
        (ZoneInfo("Asia/Kolkata"), "UTC+5:30"),
        (timezone(timedelta(hours=-3, minutes=-30)), "UTC−3:30"),
        (UTC, "UTC+0"),
    ],
)
def test_the_offset_is_named(zone: tzinfo, text: str) -> None:
    """A reader sees which clock is meant."""
    assert clock(zone).offset() == text


def test_the_offset_is_that_of_the_day() -> None:
    """Kazakhstan moved to one zone in March 2024: the country's clock follows its own history."""
    after = datetime(2024, 3, 2, tzinfo=UTC).timestamp()
    assert clock(now=after).offset() == "UTC+5"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (interval(0, 0), "16:00"),
        (interval(0.3, 0.3), "16:00"),
        (interval(0, 1), "16:00–16:01"),
        (interval(0.5, 0.9), "16:00–16:01"),
        (interval(0.5, 1.1), "16:00–16:02"),
        (interval(-24 * 60, -24 * 60 + 2), "4 January, 16:00–16:02"),
        (interval(-24 * 60, 0), "4 January, 16:00–5 January, 16:00"),
        (interval(-365 * 24 * 60, -365 * 24 * 60), "5 January 2021, 16:00"),
    ],
)
def test_an_interval_is_as_short_as_it_may_be(found: Interval, text: str) -> None:
    """One time for an instant, the day only where it is another, the year likewise."""
    assert clock().interval_local(found) == text


def test_both_clocks_are_given_and_named() -> None:
    """Local first, UTC after it; a day that differs is said."""
    late = interval(0, 0)
    assert clock().both(late) == "16:00 (UTC+6), 10:00 UTC"
    night = Interval(earliest=NOW - 11 * 60 * MINUTE, latest=NOW - 11 * 60 * MINUTE)
    assert clock().both(night) == "05:00 (UTC+6), 4 January, 23:00 UTC"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "5 January 2022, 16:00"),
        ("ru", "5 января 2022, 16:00"),
        ("kk", "2022 жылғы 5 қаңтар, 16:00"),
    ],
)
def test_dates_are_written_in_the_language(language: Language, text: str) -> None:
    """Day, month and year stand as the language puts them."""
    assert clock(language=language).local(NOW) == text


@given(start=st.floats(0, 86_400), length=st.floats(1, 86_400))
def test_the_text_never_claims_more_than_the_interval(start: float, length: float) -> None:
    """Read back, the two times contain the interval, to the minute."""
    midnight = NOW - 10 * 3600
    found = Interval(earliest=midnight + start, latest=midnight + start + length)
    text = clock(UTC, now=midnight).interval_local(found)
    times = [part.rsplit(", ", 1)[-1] for part in text.split("–")]
    first = _seconds(times[0], day=start // 86_400)
    last = _seconds(times[-1], day=(start + length + 59.999) // 86_400)
    assert first <= start
    assert last >= start + length - 1


def _seconds(time: str, *, day: float) -> float:
    hours, minutes = time.split(":")
    return day * 86_400 + int(hours) * 3_600 + int(minutes) * 60
