"""What a month may cost the host, and what follows from what it has cost so far. Pure.

1. A month is a month of the calendar in UTC, by moments known to have passed: a clock that nobody
   vouches for begins none. When the clock turns out to have been ahead, the count goes on.
2. Beats (pulses, the light ladder, keep-alive) come first: what those of the rest of the month
   will cost is set aside, so that a node never falls silent for want of budget.
3. A share of the month is kept for event windows. Everyday measuring never touches it, and what
   is spent inside a window counts against it, not against everyday measuring.
4. From 80 % of what is left for measuring, a node measures more lightly; from 100 % it only beats.
   Each is said once a month (event `budget_reached`).

What this module does not do: count (`meter`), or decide what is lighter (`app.work`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

Level = Literal["full", "light", "beat"]
"""How much a node measures: as configured, more lightly, or only its beat."""

LIGHT_FROM: Final = 0.8
BEAT_FROM: Final = 1.0
BEAT_KINDS: Final = frozenset({"pulse", "ladder.light"})
"""Kinds of traffic that go on at every level."""

_LEVELS: Final[tuple[Level, ...]] = ("full", "light", "beat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """An event, such as an election: inside it the kept share may be spent."""

    begins_ms: int
    ends_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed with the host."""

    monthly_bytes: int
    event_share: float
    """Part of the month that is kept for event windows, below 1."""
    beat_bytes: int
    """What the beats of a whole month are expected to cost."""
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a month has cost so far; survives restarts."""

    month: str = ""
    """Such as 2022-01; "" while no moment is known."""
    counts: Mapping[str, int]
    """Bytes by kind of traffic."""
    window_bytes: int = 0
    """Of all that is no beat, what was spent inside event windows."""
    told: Level = "full"
    """The furthest level that was said."""

    @property
    def used_bytes(self) -> int:
        """All together."""
        return sum(self.counts.values())

    @property
    def beat_bytes(self) -> int:
        """Of the beats."""
        return sum(count for kind, count in self.counts.items() if kind in BEAT_KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a month stands at one moment."""

    level: Level
    is_window: bool
    measured_bytes: int
    """Spent on measuring, as far as it counts against the allowance."""
    allowance_bytes: int
    """For measuring until the end of the month, at this moment; at least 0."""


def turn_month(account: Account, known_ms: int, *, is_trusted: bool) -> Account:
    """The account at a moment: a new one when a new month has begun.

    Args:
        account: As it was.
        known_ms: A moment known to have passed, milliseconds since 1970; 0: none is known.
        is_trusted: Whether the clock is vouched for now, so that the moment is the present.
    """
    month = month_of(known_ms) if known_ms > 0 else ""
    if month in ("", account.month):
        return account
    if account.month == "" or (month < account.month and is_trusted):
        return replace(account, month=month)
    if month < account.month:
        return account
    return Account(month=month, counts={})


def stand(account: Account, terms: Terms, known_ms: int) -> Standing:
    """How the month stands.

    Args:
        account: Of this month.
        terms: What was agreed.
        known_ms: As for `turn_month`; 0: the whole month counts as still to come.
    """
    is_window = any(each.begins_ms <= known_ms < each.ends_ms for each in terms.windows)
    to_come = terms.beat_bytes * (1 - _passed(known_ms))
    kept = 0.0 if is_window else terms.monthly_bytes * terms.event_share
    allowance = max(0, int(terms.monthly_bytes - kept - account.beat_bytes - to_come))
    measured = account.used_bytes - account.beat_bytes
    if not is_window:
        measured -= account.window_bytes
    level: Level = "full"
    if measured >= allowance * BEAT_FROM:
        level = "beat"
    elif measured >= allowance * LIGHT_FROM:
        level = "light"
    return Standing(
        level=level, is_window=is_window, measured_bytes=measured, allowance_bytes=allowance
    )


def further(level: Level, told: Level) -> bool:
    """Whether a level restricts more than another."""
    return _LEVELS.index(level) > _LEVELS.index(told)


def month_of(moment_ms: int) -> str:
    """The month of a moment, such as 2022-01."""
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m}"


def _passed(known_ms: int) -> float:
    """The part of its month that has passed at a moment."""
    if known_ms <= 0:
        return 0.0
    now = datetime.fromtimestamp(known_ms / 1000, UTC)
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return (now - begin) / (end - begin)
