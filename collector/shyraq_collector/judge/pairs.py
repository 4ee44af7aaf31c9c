"""How much slower a name is than its neutral twin: exact arithmetic over interleaved pairs.

Each pair is one time of the target and one of the neutral name on the same path at almost the
same moment, so that what slows the whole path cancels. The test is Wilcoxon's signed rank on
the logarithms of the ratios, exact by counting, not by approximation; the ratio is the
Hodges-Lehmann estimate and its interval comes from the same ranks. Nothing is drawn at random:
the same pairs give the same figures for ever.

Not here: what is compared, how many pairs are asked for, what ratio means throttling.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import exp, log
from typing import Final

from shyraq_collector.facts.verdicts import Slowdown

MAX_PAIRS: Final = 24
"""The newest pairs that are compared; older ones are of another hour."""

_TAIL: Final = 0.025
"""Each side of the 95 % interval."""


def compare(
    target: Sequence[float], neutral: Sequence[float], *, usual_ratio: float = 1.0
) -> Slowdown | None:
    """The slowdown over pairs of times.

    Args:
        target: Times of the target, above zero, oldest first.
        neutral: Times of the neutral name, one for each of `target`.
        usual_ratio: Target over neutral where nobody interferes, from the controls.

    Returns:
        None without pairs.

    Raises:
        ValueError: The lengths differ or a time is not above zero.
    """
    if len(target) != len(neutral):
        raise ValueError("each time of the target needs one of the neutral name")
    if any(time <= 0 for time in (*target, *neutral)) or usual_ratio <= 0:
        raise ValueError("a time above zero is due")
    steps = [
        log(ours / theirs) - log(usual_ratio) for ours, theirs in zip(target, neutral, strict=True)
    ][-MAX_PAIRS:]
    if not steps:
        return None
    walsh = sorted((a + b) / 2 for i, a in enumerate(steps) for b in steps[i:])
    outside = _ranks_outside(len(steps))
    middle = len(walsh) // 2
    estimate = walsh[middle] if len(walsh) % 2 else (walsh[middle - 1] + walsh[middle]) / 2
    return Slowdown(
        ratio=exp(estimate),
        low=exp(walsh[outside]),
        high=exp(walsh[-1 - outside]),
        p_value=_chance(steps),
        pairs=len(steps),
    )


def _chance(steps: Sequence[float]) -> float:
    """Chance of a positive rank sum at least as large, if each sign were a fair coin's."""
    moved = sorted((step for step in steps if step), key=abs)
    ranks = _doubled_ranks([abs(step) for step in moved])
    seen = sum(rank for rank, step in zip(ranks, moved, strict=True) if step > 0)
    ways = _ways(tuple(ranks))
    return sum(ways[seen:]) / sum(ways)


def _doubled_ranks(sizes: Sequence[float]) -> list[int]:
    """Twice the rank of each of the ascending sizes; equal sizes share their mean rank."""
    ranks: list[int] = []
    while len(ranks) < len(sizes):
        first = len(ranks)
        last = first
        while last + 1 < len(sizes) and sizes[last + 1] == sizes[first]:
            last += 1
        ranks += [first + last + 2] * (last - first + 1)
    return ranks


@lru_cache(maxsize=64)
def _ways(ranks: tuple[int, ...]) -> list[int]:
    """For each sum, the number of choices of signs that give it."""
    ways = [1]
    for rank in ranks:
        longer = ways + [0] * rank
        for total, count in enumerate(ways):
            longer[total + rank] += count
        ways = longer
    return ways


@lru_cache(maxsize=MAX_PAIRS)
def _ranks_outside(pairs: int) -> int:
    """How many Walsh averages lie outside the interval on each side."""
    ways = _ways(tuple(range(1, pairs + 1)))
    allowed, outside, below = _TAIL * sum(ways), 0, 0
    for count in ways:
        below += count
        if below > allowed:
            break
        outside += 1
    return outside
