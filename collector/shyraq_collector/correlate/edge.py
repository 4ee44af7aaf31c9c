"""Edge test: did too many lines of one group fall within one window?

For each group and each window of 2, 10 and 60 beats, two alternatives are weighed against chance:
that 40 % and that 85 % of the group went down together. A line that fell inside the window adds
ln((θ + (1-θ)q) / q), q being the chance that it fell on its own; a line that is up subtracts
-ln(1-θ). Lines that fell before the window were not there to fall and leave the count, so the
denominator is frozen just before onset. A site counts once in each group.

The score is the best over windows and alternatives, less a price for the longer windows and one for
the number of groups of this kind (see `lattice`); the rest of the price of taking the best is in
the thresholds (see `finding`). Not here: slow roll-outs, which fit no window (`level`).
"""

import math
from collections.abc import Mapping, Sequence

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.finding import DOWN_SHARE_MIN, Finding
from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Instant

WINDOW_PRICE_NATS = {2.0: 0.0, 10.0: 1.0, 60.0: 4.0}
"""Windows in beats, each with its price: long ones collect drops that only share an evening."""

GONE_SHARES = (0.4, 0.85)


def edge_findings(
    country: Country, fallen: Mapping[int, Sequence[Line]], now: Instant, pace: Pace
) -> list[Finding]:
    """Score every group that lost enough lines to be worth a score.

    Args:
        country: Whose groups.
        fallen: Missing lines that no incident has claimed, one for each site, by group.
        now: The judged instant.
        pace: Time scale.

    Returns:
        The best finding of each group, in group order.
    """
    found = []
    for index, lines in sorted(fallen.items()):
        if enough_down(country, len(lines), country.lattice.groups[index].up):
            tries = [
                _in_window(country, index, lines, now=now, beats=beats, price=price, pace=pace)
                for beats, price in WINDOW_PRICE_NATS.items()
            ]
            best = max(filter(None, tries), key=lambda finding: finding.score, default=None)
            if best is not None:
                found.append(best)
    return found


def enough_down(country: Country, down: int, up: int) -> bool:
    """Whether so many down beside so many up could ever pass: enough, and thirty per cent."""
    return down >= country.least_lines and down >= DOWN_SHARE_MIN * (down + up)


def edge_score(chances: Sequence[float], up: int) -> float:
    """Nats for the better of both alternatives.

    Args:
        chances: For each fallen line, the chance that it fell on its own.
        up: How many of the group are up.
    """
    return max(
        sum(math.log((gone + (1.0 - gone) * q) / q) for q in chances) + up * math.log(1.0 - gone)
        for gone in GONE_SHARES
    )


def _in_window(
    country: Country,
    index: int,
    lines: Sequence[Line],
    *,
    now: Instant,
    beats: float,
    price: float,
    pace: Pace,
) -> Finding | None:
    group = country.lattice.groups[index]
    window_s = beats * country.beat_s
    inside = [line for line in lines if line.missing_since >= now - window_s]
    if not enough_down(country, len(inside), group.up):
        return None
    chances = [line.innocent(now, window_s, country.pooled, pace) for line in inside]
    return Finding(
        key=group.key,
        test="edge",
        score=edge_score(chances, group.up) - price - country.lattice.price(group.key),
        eligible=group.up + len(inside),
        down=len(inside),
        sites=len(inside),
        since=now - window_s,
        lines=tuple(inside),
        least=country.least_lines,
    )
