"""How deep an open case is, and its way back: partial restore, restored, closed.

A line is back when it is up. Lines that announced an absence or proved chronic leave the base.
Restored: at most one straggler, or a tenth of the base, is not back, for ten minutes or two usual
gaps, whichever is longer. Lines that stay away a day after half of the others came back have gone
for reasons of their own.
"""

from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.roster import Roster
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Entry
from shyraq_collector.incidents.case import Case

STRAGGLER_SHARE = 0.1
PARTIAL_SHARE = 0.75
WORSE_SHARE = 0.9
DEPTH_STEP = 0.15
RESTORE_MINUTES = 10.0
RESTORE_BEATS = 2.0
CLOSE_DAYS = 1.0
LEFT_BEHIND_DAYS = 1.0


def follow(case: Case, roster: Roster, now: Instant, at: Instant, pace: Pace) -> list[Entry]:
    """Move a confirmed case along by what its base does."""
    if case.state == "restored":
        if at - (case.restored_at or at) >= CLOSE_DAYS * pace.day_s:
            return [case.say("close", at=now, published_at=at, note="quiet for a day")]
        return []
    if not case.is_open:
        return []
    _leave_behind(case, roster, now, pace)
    case.count()
    case.remember(now, case.evidence.score)
    beat_s = roster.countries[case.scope.country].beat_s
    if _is_back(case, now, max(RESTORE_MINUTES * pace.minute_s, RESTORE_BEATS * beat_s)):
        return [_restore(case, roster, now, at)]
    return _depth(case, now, at)


def _is_back(case: Case, now: Instant, hold_s: float) -> bool:
    away = sum(line.state != "up" for line in case.base)
    if away > max(1.0, STRAGGLER_SHARE * len(case.base)):
        case.back_since = None
    elif case.back_since is None:
        case.back_since = now
    return case.back_since is not None and now - case.back_since >= hold_s


def _restore(case: Case, roster: Roster, now: Instant, at: Instant) -> Entry:
    up = sum(line.state == "up" for line in case.base)
    note = f"{up} of {len(case.base)} lines are back"
    entry = case.say(
        "restore",
        at=now if case.back_since is None else case.back_since,
        published_at=at,
        note=note,
    )
    release(case, roster, now)
    case.just_restored, case.spools = True, roster.spools
    case.back_since = case.half_back_since = None
    return entry


def release(case: Case, roster: Roster, now: Instant) -> None:
    """Give the lines back; stragglers count nowhere until they are heard again."""
    roster.leave_out(line for line in case.base if line.state == "missing")
    for line in case.base:
        line.observed_to, line.case = now, None


def _leave_behind(case: Case, roster: Roster, now: Instant, pace: Pace) -> None:
    gone = [line for line in case.base if line.state == "absent"]
    away = [line for line in case.base if line.state == "missing"]
    if 2 * len(away) > len(case.base):
        case.half_back_since = None
    elif case.half_back_since is None:
        case.half_back_since = now
    elif now - case.half_back_since >= LEFT_BEHIND_DAYS * pace.day_s:
        roster.leave_out(away)
        gone += away
    _drop(case, gone, now)


def _drop(case: Case, gone: list[Line], now: Instant) -> None:
    for line in gone:
        line.observed_to, line.case = now, None
    if gone:
        case.base = [line for line in case.base if line.case == case.id]


def _depth(case: Case, now: Instant, at: Instant) -> list[Entry]:
    down, peak = case.evidence.down, case.cut_peak
    moved = abs(down - case.said_down) >= max(2.0, DEPTH_STEP * len(case.base))
    note = f"{down} of {len(case.base)} lines are down"
    if case.state == "partial_restore":
        if down >= WORSE_SHARE * peak:
            return [case.say("worsen", at=now, published_at=at, note=note)]
        return [case.say("change", at=now, published_at=at, note=note)] if moved else []
    if down <= PARTIAL_SHARE * peak and peak - down >= 2:
        return [case.say("partial", at=now, published_at=at, note=note)]
    return [case.say("change", at=now, published_at=at, note=note)] if moved else []
