"""The month's rules: what is set aside, what is kept, when a node measures less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.budget import Account, Level, Terms, Window, further, month_of, stand, turn_month
from shyraq_wire.moments import parse_moment

MONTH = 100_000_000
TERMS = Terms(monthly_bytes=MONTH, event_share=0.3, beat_bytes=20_000_000)
BEGIN = parse_moment("2022-01-01T00:00:00.000Z")
MIDDLE = parse_moment("2022-01-16T12:00:00.000Z")
END = parse_moment("2022-01-31T23:59:59.999Z")
NEXT = parse_moment("2022-02-01T00:00:00.000Z")
DAY_MS = 86_400_000


def spent(*, web: int = 0, pulse: int = 0, window_bytes: int = 0) -> Account:
    """An account of January."""
    return Account(month="2022-01", counts={"web": web, "pulse": pulse}, window_bytes=window_bytes)


@pytest.mark.parametrize(
    ("web", "level"),
    [(0, "full"), (39_999_999, "full"), (40_000_000, "light"), (50_000_000, "beat")],
)
def test_the_levels_of_everyday_measuring(web: int, level: Level) -> None:
    """Of 100, 30 are kept for events and 20 for the beat: 50 are left, lighter from 40 on."""
    standing = stand(spent(web=web), TERMS, BEGIN)
    assert standing.allowance_bytes == 50_000_000
    assert standing.level == level


def test_what_beats_did_not_use_becomes_free_and_what_they_used_beyond_is_taken() -> None:
    """At mid-month half of the beats is to come, whatever the first half has cost."""
    thrifty, dear = spent(pulse=5_000_000), spent(pulse=15_000_000)
    assert stand(thrifty, TERMS, MIDDLE).allowance_bytes == 55_000_000
    assert stand(dear, TERMS, MIDDLE).allowance_bytes == 45_000_000
    assert stand(thrifty, TERMS, END).allowance_bytes == pytest.approx(65_000_000, abs=1_000)


def test_the_kept_share_is_for_event_windows() -> None:
    """Inside one it may be spent; what it cost there does not burden the days after."""
    window = Window(begins_ms=MIDDLE, ends_ms=MIDDLE + DAY_MS)
    terms = Terms(monthly_bytes=MONTH, event_share=0.3, beat_bytes=0, windows=(window,))
    everyday = spent(web=70_000_000)
    assert stand(everyday, terms, MIDDLE - 1).level == "beat"
    inside = stand(everyday, terms, MIDDLE)
    assert (inside.level, inside.is_window, inside.allowance_bytes) == ("full", True, MONTH)
    after = spent(web=60_000_000, window_bytes=30_000_000)
    assert stand(after, terms, window.ends_ms).measured_bytes == 30_000_000
    assert stand(after, terms, window.ends_ms).level == "full"
    assert stand(spent(web=MONTH), terms, MIDDLE).level == "beat"


def test_a_budget_below_the_beats_leaves_nothing_to_measure_with() -> None:
    """The allowance is never negative, and the level then is the beat."""
    standing = stand(spent(pulse=90_000_000), TERMS, MIDDLE)
    assert (standing.allowance_bytes, standing.level) == (0, "beat")


def test_a_new_month_begins_a_new_account() -> None:
    """At midnight UTC; within the month nothing changes."""
    account = spent(web=7)
    assert turn_month(account, END, is_trusted=True) is account
    assert turn_month(account, NEXT, is_trusted=False) == Account(month="2022-02", counts={})


def test_an_unknown_moment_begins_none() -> None:
    """A Pi that wakes in 1970 goes on counting; the first known moment only names the month."""
    assert turn_month(spent(web=7), 0, is_trusted=False) == spent(web=7)
    unnamed = Account(counts={"web": 7})
    assert turn_month(unnamed, BEGIN, is_trusted=True) == Account(
        month="2022-01", counts={"web": 7}
    )
    assert stand(unnamed, TERMS, 0).allowance_bytes == 50_000_000


def test_a_clock_that_was_ahead_gives_no_second_budget() -> None:
    """When it is put right, the count goes on under the right month; only then."""
    ahead = Account(month="2036-05", counts={"web": 7})
    assert turn_month(ahead, BEGIN, is_trusted=False) is ahead
    assert turn_month(ahead, BEGIN, is_trusted=True) == Account(month="2022-01", counts={"web": 7})


def test_levels_are_ordered() -> None:
    """Light restricts more than full, beat more than light."""
    assert further("light", "full")
    assert further("beat", "light")
    assert not further("light", "light")
    assert not further("full", "beat")


@given(
    web=st.integers(0, 2 * MONTH),
    pulse=st.integers(0, 2 * MONTH),
    at_ms=st.integers(BEGIN, NEXT - 1),
    more=st.integers(0, MONTH),
)
def test_more_spent_never_means_more_measured(web: int, pulse: int, at_ms: int, more: int) -> None:
    """The level only grows with what was measured, and the whole never plans beyond the month."""
    before = stand(spent(web=web, pulse=pulse), TERMS, at_ms)
    after = stand(spent(web=web + more, pulse=pulse), TERMS, at_ms)
    assert not further(before.level, after.level)
    if before.allowance_bytes:
        assert before.allowance_bytes + pulse <= MONTH * 0.7


@given(at_ms=st.integers(0, 2**42))
def test_a_moment_has_one_month(at_ms: int) -> None:
    """Its own, as RFC 3339 writes it."""
    assert len(month_of(at_ms)) == 7
