"""From fallen lines to what may be said of them: score of any box, scope, onset.

Used when a group is suspicious and again each time an incident grows. Not here: the choice of when.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.edge import WINDOW_PRICE_NATS, edge_score
from shyraq_collector.correlate.finding import REGION_LINES_MIN, SUSPECT_NATS, share_needed
from shyraq_collector.correlate.lattice import LINES_MIN
from shyraq_collector.correlate.level import PRIOR_SPREAD, log_tail, usual_share
from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.scope import Box, best_box, count_cells, name_scope
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Interval, Scope

ANCHOR_SHARE = 0.1
TOGETHER_SHARE = 2.0 / 3.0
SAMPLED_TOGETHER_SHARE = 0.9
"""Where two sweeps of a panel meet, early lines of one overlap with late ones of the other."""

IRREGULAR_MEDIANS = 4.0 / math.log(2.0)
REGULAR_LEASH = 2.5
LOGGED_WITHIN_S = 60.0
"""A connection that dies is logged as lost within about a keep-alive."""


def set_score(country: Country, fallen: Sequence[Line], up: int, now: Instant, pace: Pace) -> float:
    """Score of any set of lines: the better of edge, over the time they took to fall, and level.

    Args:
        country: Whose averages are the prior.
        fallen: Lines of the set that are down.
        up: How many of the set are up.
        now: The judged instant.
        pace: Time scale.
    """
    if not fallen:
        return 0.0
    falls = [line.missing_since for line in fallen]
    window_s = max(falls) - min(falls) + min(WINDOW_PRICE_NATS) * country.beat_s
    chances = [line.innocent(now, window_s, country.pooled, pace) for line in fallen]
    edge = edge_score(chances, up)
    level = -log_tail(len(fallen), len(fallen) + up, usual_share(country), PRIOR_SPREAD)
    return max(edge, level)


def explain(
    country: Country, fallen: Sequence[Line], up: Sequence[Line], now: Instant, pace: Pace
) -> tuple[Scope, Box] | None:
    """The narrowest proven scope of the lines that fell, and its box; None if none is proven."""
    cells = count_cells(up, fallen)

    def passes(box: Box) -> bool:
        inside = [line for line in fallen if box.holds(line)]
        rest = sum(box.holds(line) for line in up)
        street = box.regions is not None and box.isps is None
        enough = len(inside) >= (REGION_LINES_MIN if street else LINES_MIN)
        most = len(inside) >= share_needed(len(inside)) * (len(inside) + rest)
        return enough and most and set_score(country, inside, rest, now, pace) >= SUSPECT_NATS

    return name_scope(country.code, best_box(cells), cells, passes)


def onset_of(fallen: Sequence[Line]) -> Interval:
    """When it began: after the last word and before the first missed one of the lines that fell.

    Where most lines can have fallen at one instant, their intervals are intersected: the others
    came later, and at most a tenth of all, or one, had dropped by itself just before. Where the
    lines fell one after another, the begin is the interval of the first, passing over the earliest
    tenth.
    """
    spans = sorted((_span(line) for line in fallen), key=lambda span: (span[1], span[0]))
    begins = sorted(begin for begin, _ in spans)
    alone = int(len(spans) * ANCHOR_SHARE)
    sampled = 2 * sum(line.known_down for line in fallen) > len(fallen)
    share = SAMPLED_TOGETHER_SHARE if sampled else TOGETHER_SHARE
    most, latest = 0, None
    for before, (_, end) in enumerate(spans[: max(alone, 1) + 1]):
        # Most intervals overlap where one ends; of those that end there, none has ended before.
        overlap = bisect_right(begins, end) - before
        if overlap > most and overlap >= share * (len(spans) - before):
            most, latest = overlap, end
    if latest is None:
        return Interval(earliest=spans[alone][0], latest=spans[alone][1])
    earliest = begins[bisect_right(begins, latest) - 1]
    return Interval(earliest=earliest, latest=max(latest, earliest + _may_be_late_s(fallen)))


def _span(line: Line) -> tuple[Instant, Instant]:
    """After which instant and before which the line fell."""
    if line.logs_changes:
        return line.missing_since - line.lag_s - LOGGED_WITHIN_S, line.missing_since
    if line.known_down:
        return line.last_heard, line.missing_since
    if line.leash_s <= REGULAR_LEASH * line.median_s:
        return line.last_heard, line.last_heard + 1.1 * line.median_s
    missed = min(line.missing_since, line.last_heard + line.leash_s)  # it may have been excused
    return line.last_heard, max(line.last_heard, missed)


def _may_be_late_s(lines: Sequence[Line]) -> float:
    """How long after the last word of any of these lines a cut of all may have begun.

    Where words are irregular nobody knows when the next was due. The wait for the next word of so
    many lines together is exponential; this is four times its mean.
    """
    irregular = [
        line.median_s
        for line in lines
        if not line.explicit and line.leash_s > REGULAR_LEASH * line.median_s
    ]
    if 2 * len(irregular) < len(lines):
        return 0.0
    return IRREGULAR_MEDIANS * sorted(irregular)[len(irregular) // 2] / len(irregular)
