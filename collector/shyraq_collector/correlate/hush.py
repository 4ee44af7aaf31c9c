"""Hush test: has a whole group gone quiet before any of its leashes is over?

Where words are rare, leashes are long: a line heard five times an hour may be silent for most of an
hour before it alone counts as missing. But forty such lines are not all past half a leash at once.
The share of a group past half its leash is a quantity with a habit of its own, nights included: its
quiet weeks give mean and over-dispersion, as in `level`, and the score is the improbability of as
many now. What it finds is handed to the other tests as missing lines; it publishes nothing itself.

Only where the usual gap is longer than three heartbeats, for groups of at least six lines, of which
six tenths are quiet.
"""

from collections.abc import Iterable

from shyraq_collector.correlate.country import SOFT_LEASHES, Country
from shyraq_collector.correlate.finding import CONFIRM_NATS
from shyraq_collector.correlate.lattice import Group
from shyraq_collector.correlate.level import SPREAD_MAX, SPREAD_MIN, log_tail
from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.watch import Watch
from shyraq_collector.facts.fleet import Instant

LINES_MIN = 6
SHARE_MIN = 0.6
PRIOR_MEAN, PRIOR_SPREAD, PRIOR_DAYS = 0.2, 0.05, 1.0


def hushed(
    country: Country, watch: Watch, now: Instant, passed_s: float, *, quiet: bool, pace: Pace
) -> list[Line]:
    """Lines of groups that have gone quiet together; learns from the groups that have not.

    Args:
        country: Whose groups.
        watch: How long we may have been deaf ourselves.
        now: The judged instant.
        passed_s: Time since the last look, for learning.
        quiet: Nothing is suspected or going on: this stretch may teach.
        pace: Time scale.

    Returns:
        Lines past half their leash, of every group whose quiet is beyond chance.
    """
    if not country.is_sparse(pace):
        return []
    heard: dict[int, int] = {}
    still: dict[int, list[Line]] = {}
    for line in _audible(country.lines.values(), now):
        unheard_s = watch.gap_since(line.last_heard)
        is_still = now > line.due(SOFT_LEASHES * line.leash_s, unheard_s)
        for index in line.groups:
            heard[index] = heard.get(index, 0) + 1
            if is_still:
                still.setdefault(index, []).append(line)
    found: dict[Line, None] = {}
    for index, lines in sorted(still.items()):
        group, total = country.lattice.groups[index], heard[index]
        share = len(lines) / total
        if total >= LINES_MIN and share >= SHARE_MIN and _is_odd(group, len(lines), total, pace):
            found.update(dict.fromkeys(lines))
        elif quiet:
            group.hush_share_s += share * passed_s
            group.hush_square_s += share * share * passed_s
    if quiet:
        for index in heard:
            country.lattice.groups[index].hush_s += passed_s
    return list(found)


def _audible(lines: Iterable[Line], now: Instant) -> Iterable[Line]:
    return (
        line
        for line in lines
        if line.state == "up"
        and line.learned
        and not line.explicit
        and line.case is None
        and line.excused_until <= now
    )


def _is_odd(group: Group, count: int, total: int, pace: Pace) -> bool:
    """Whether so many being quiet is beyond what the group does by itself."""
    prior_s = PRIOR_DAYS * pace.day_s
    weight = group.hush_s / (group.hush_s + prior_s)
    mean = (group.hush_share_s + PRIOR_MEAN * prior_s) / (group.hush_s + prior_s)
    spread = PRIOR_SPREAD
    if group.hush_share_s > 0:
        own = group.hush_share_s / group.hush_s
        variance = max(group.hush_square_s / group.hush_s - own * own, 0.0)
        excess = variance * total / (own * (1.0 - own) + 1e-9) - 1.0
        spread += weight * (excess / (total - 1) - PRIOR_SPREAD)
    spread = min(max(spread, SPREAD_MIN), SPREAD_MAX)
    return -log_tail(count, total, mean, spread) >= CONFIRM_NATS
