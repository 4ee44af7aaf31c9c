"""Edge test: did too many lines of one group fall within one window?

For each group and each window of 2, 10 and 60 beats, two alternatives are weighed against chance:
that 40 % and that 85 % of the group went down together. A line that fell inside the window adds
ln((θ + (1-θ)q) / q), q being the chance that it fell on its own; a line that is up subtracts
-ln(1-θ). Lines that fell before the window were not there to fall and leave the count, so the
denominator is frozen just before onset. A site counts once in each group.

The score is the best over windows and alternatives, less a price for the longer windows; the rest
of the price of taking the best is in the thresholds (see `finding`). Not here: slow roll-outs,
which fit no window (`level`).
"""

import math
from collections.abc import Iterable

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.finding import LINES_MIN, Finding
from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Instant

WINDOW_BEATS = (2.0, 10.0, 60.0)
WINDOW_PRICE_NATS = (0.0, 1.0, 4.0)
"""Long windows collect drops that only share an evening."""

GONE_SHARES = (0.4, 0.85)


class _Sum:
    """Running sums of one group in one window."""

    __slots__ = ("gains", "lines", "sites")

    def __init__(self) -> None:
        self.gains = [0.0] * len(GONE_SHARES)
        self.lines: list[Line] = []
        self.sites: set[str] = set()


def edge_findings(
    country: Country, fallen: Iterable[Line], now: Instant, pace: Pace
) -> list[Finding]:
    """Score every group that lost lines lately.

    Args:
        country: Whose groups.
        fallen: Missing lines that no incident has claimed.
        now: The judged instant.
        pace: Time scale.

    Returns:
        The best finding of each group with at least three fallen lines, in group order.
    """
    sums: dict[tuple[int, int], _Sum] = {}
    for line in fallen:
        for number, beats in enumerate(WINDOW_BEATS):
            window_s = beats * country.beat_s
            if line.missing_since < now - window_s:
                continue
            chance = line.innocent(now, window_s, country.pooled, pace)
            gains = [math.log((gone + (1.0 - gone) * chance) / chance) for gone in GONE_SHARES]
            for group in line.groups:
                _add(sums.setdefault((group, number), _Sum()), line, gains)
    best: dict[int, Finding] = {}
    for (group, number), total in sums.items():
        if len(total.lines) < LINES_MIN:
            continue
        found = _finding(country, group, total, number, now)
        if group not in best or found.score > best[group].score:
            best[group] = found
    return [best[group] for group in sorted(best)]


def _add(total: _Sum, line: Line, gains: list[float]) -> None:
    if line.key.site in total.sites:
        return
    total.sites.add(line.key.site)
    total.lines.append(line)
    for index, gain in enumerate(gains):
        total.gains[index] += gain


def _finding(country: Country, index: int, total: _Sum, number: int, now: Instant) -> Finding:
    group = country.lattice.groups[index]
    score = max(
        gain + group.up * math.log(1.0 - gone)
        for gain, gone in zip(total.gains, GONE_SHARES, strict=True)
    )
    return Finding(
        key=group.key,
        test="edge",
        score=score - WINDOW_PRICE_NATS[number],
        eligible=group.up + len(total.lines),
        down=len(total.lines),
        sites=len(total.sites),
        since=now - WINDOW_BEATS[number] * country.beat_s,
        lines=tuple(total.lines),
    )
