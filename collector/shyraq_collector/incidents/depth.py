"""How deep an open case is, and its way back: partial restore, restored, closed.

A line is back when it is up. The base is frozen at onset: it loses only lines that announced an
absence, never one for having been away long.
Restored: at most one straggler, or a tenth of the base, is not back, for ten minutes or two usual
gaps, whichever is longer. Equipment dies and hosts move away, the more the longer a cut lasts: with
each day that has passed since it began another twentieth may be left behind, up to a quarter. So it
is restored as well once every network and every region of the base has been back but for these (one
straggler tolerated) for a whole day. Stragglers then count nowhere until they are heard again.
"""

from collections import defaultdict
from collections.abc import Sequence

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
LEFT_BEHIND_A_DAY = 0.05
LEFT_BEHIND_MAX = 0.25


def follow(case: Case, roster: Roster, now: Instant, at: Instant, pace: Pace) -> list[Entry]:
    """Move a confirmed case along by what its base does."""
    if case.state == "restored":
        if at - (case.restored_at or at) >= CLOSE_DAYS * pace.day_s:
            return [case.say("close", at=now, published_at=at, note="quiet for a day")]
        return []
    if not case.is_open:
        return []
    _let_announced_go(case, now)
    case.count()
    case.remember(now, case.evidence.score)
    beat_s = roster.countries[case.scope.country].beat_s
    away = [line for line in case.base if line.state != "up"]
    held_s = max(RESTORE_MINUTES * pace.minute_s, RESTORE_BEATS * beat_s)
    left_s = LEFT_BEHIND_DAYS * pace.day_s
    case.back_since = _since(case.back_since, now, back=_is_back(case.base, away, STRAGGLER_SHARE))
    days = (now - case.cut_at) / pace.day_s
    left = min(STRAGGLER_SHARE + LEFT_BEHIND_A_DAY * days, LEFT_BEHIND_MAX)
    mostly = _is_back_everywhere(case.base, away, left)
    case.mostly_back_since = _since(case.mostly_back_since, now, back=mostly)
    for since, wait_s in ((case.back_since, held_s), (case.mostly_back_since, left_s)):
        if since is not None and now - since >= wait_s:
            return [_restore(case, roster, since, now, at)]
    return _depth(case, now, at)


def _since(before: Instant | None, now: Instant, *, back: bool) -> Instant | None:
    return (now if before is None else before) if back else None


def _is_back(lines: Sequence[Line], away: Sequence[Line], share: float) -> bool:
    return len(away) <= max(1.0, share * len(lines))


def _is_back_everywhere(base: Sequence[Line], away: Sequence[Line], left: float) -> bool:
    """Whether each network and each region of the base is back but for a share left behind."""
    if not _is_back(base, away, left):
        return False
    lines, gone = _by_place(base), _by_place(away)
    return all(_is_back(lines[place], gone[place], left) for place in gone)


def _by_place(lines: Sequence[Line]) -> dict[tuple[str, str | None], list[Line]]:
    places: dict[tuple[str, str | None], list[Line]] = defaultdict(list)
    for line in lines:
        places["isp", line.key.isp].append(line)
        places["region", line.key.region].append(line)
    return places


def _restore(case: Case, roster: Roster, since: Instant, now: Instant, at: Instant) -> Entry:
    up = sum(line.state == "up" for line in case.base)
    note = f"{up} of {len(case.base)} lines are back"
    entry = case.say("restore", at=since, published_at=at, note=note)
    release(case, roster, now)
    case.just_restored, case.spools = True, roster.spools
    case.back_since = case.mostly_back_since = None
    return entry


def release(case: Case, roster: Roster, now: Instant) -> None:
    """Give the lines back; stragglers count nowhere until they are heard again."""
    roster.leave_out(line for line in case.base if line.state == "missing")
    for line in case.base:
        line.observed_to, line.case = now, None


def _let_announced_go(case: Case, now: Instant) -> None:
    gone = [line for line in case.base if line.state == "absent"]
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
