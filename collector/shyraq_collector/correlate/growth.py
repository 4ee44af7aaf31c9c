"""From fallen lines to what may be said of them: score of any box, scope, onset.

Used when a group is suspicious and again each time an incident grows. Not here: the choice of when.
"""

from collections.abc import Iterable, Sequence

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
TOGETHER_SHARE = 0.7
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


def onset_of(fallen: Iterable[Line]) -> Interval:
    """When it began: after the last word and before the first missed one of the lines that fell.

    The earliest tenth is passed over (a line may have dropped by itself just before). Where most
    lines can have fallen at one instant, their intervals are intersected; where they fell one
    after another, the anchor's own interval is the begin.
    """
    spans = sorted((_span(line) for line in fallen), key=lambda span: (span[1], span[0]))
    anchor = int(len(spans) * ANCHOR_SHARE)
    earliest, latest = spans[anchor]
    together = [span for span in spans[anchor:] if span[0] <= latest]
    if len(together) >= TOGETHER_SHARE * len(spans):
        last, first = max(span[0] for span in together), min(span[1] for span in together)
        if last <= first:
            earliest, latest = last, first
    return Interval(earliest=earliest, latest=latest)


def _span(line: Line) -> tuple[Instant, Instant]:
    """After which instant and before which the line fell."""
    if line.logs_changes:
        return line.missing_since - line.lag_s - LOGGED_WITHIN_S, line.missing_since
    if line.known_down:
        return line.last_heard, line.missing_since
    if line.leash_s <= REGULAR_LEASH * line.median_s:
        return line.last_heard, line.last_heard + 1.1 * line.median_s
    return line.last_heard, max(line.last_heard, line.missing_since)
