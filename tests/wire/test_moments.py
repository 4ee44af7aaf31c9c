"""Moments: one written form, and back."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.errors import MalformedPayload
from shyraq_wire.moments import MAX_EPOCH_MS, format_moment, parse_moment

milliseconds = st.integers(0, MAX_EPOCH_MS)


@given(milliseconds)
def test_a_written_moment_reads_the_same(epoch_ms: int) -> None:
    """parse_moment(format_moment(x)) == x."""
    assert parse_moment(format_moment(epoch_ms)) == epoch_ms


@given(milliseconds, milliseconds)
def test_texts_sort_as_moments_do(a: int, b: int) -> None:
    """Order of texts is order in time."""
    assert (format_moment(a) < format_moment(b)) == (a < b)


@pytest.mark.parametrize(
    ("epoch_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_001, "2000-02-29T00:00:00.001Z"),
        (1_641_378_600_000, "2022-01-05T10:30:00.000Z"),
        (MAX_EPOCH_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_known_moments(epoch_ms: int, text: str) -> None:
    """First, leap-day, ordinary and last moment."""
    assert format_moment(epoch_ms) == text
    assert parse_moment(text) == epoch_ms


@pytest.mark.parametrize("epoch_ms", [-1, MAX_EPOCH_MS + 1, 2**63])
def test_a_moment_outside_the_years_has_no_text(epoch_ms: int) -> None:
    """Before 1970 and after 9999 there is no written form."""
    with pytest.raises(OverflowError):
        format_moment(epoch_ms)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2022-01-05",
        "2022-01-05T10:30:00Z",
        "2022-01-05T10:30:00.000",
        "2022-01-05T10:30:00.000z",
        "2022-01-05t10:30:00.000Z",
        "2022-01-05 10:30:00.000Z",
        "2022-01-05T10:30:00.000+00:00",
        "2022-01-05T10:30:00.000000Z",
        "2022-01-05T10:30:00,000Z",
        "2022-1-5T10:30:00.000Z",
        "20220105T103000.000Z",
        "2022-W01-3T10:30:00.000Z",
        "2022-02-29T10:30:00.000Z",
        "2022-13-01T10:30:00.000Z",
        "2022-00-01T10:30:00.000Z",
        "2022-01-05T24:00:00.000Z",
        "9999-12-31T24:00:00.000Z",
        "2022-01-05T23:59:60.000Z",
        "1969-12-31T23:59:59.999Z",
        "0000-01-01T00:00:00.000Z",
        "+2022-01-05T10:30:00.00Z",
        "2022-01-05T10:30:00.000Z\n",
        "2022-01-05T10:30:00.000Z ",
        "٢٠٢٢-01-05T10:30:00.000Z",
    ],
    ids=ascii,
)
def test_any_other_form_is_malformed(text: str) -> None:
    """Shorter, longer, local, weekly, impossible and foreign-digit forms are refused."""
    with pytest.raises(MalformedPayload):
        parse_moment(text)


@given(st.text(max_size=30))
def test_arbitrary_text_is_a_moment_or_malformed(text: str) -> None:
    """What is accepted is exactly what format_moment writes."""
    with suppress(MalformedPayload):
        assert format_moment(parse_moment(text)) == text
