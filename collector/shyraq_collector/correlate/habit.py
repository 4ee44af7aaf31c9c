"""How far a habit learned from a few gaps may be trusted.

Gaps between words are taken to follow a Weibull law: shape 1 is a Poisson stream, a large shape a
regular beat. The shape follows from the second longest of the gaps over the second shortest, so
that one lost word or one double is no habit. Given the shape, gaps to its power are exponential,
and the next one, after n of them, follows a Lomax law: (1 + x / n) to the power -n. Few gaps thus
leave a long tail by themselves; no number of samples is asked for anywhere.

Not here: what the doubt does to a line's evidence (`line`).
"""

import math
from functools import cache

SPREAD_MIN = 1.02
SHAPE_MIN, SHAPE_MAX = 0.5, 40.0


def overrun(reach: float, spread: float, count: int) -> float:
    """Chance that the next gap is longer than `reach`, if nothing is wrong.

    Args:
        reach: In medians of the gaps; at least 0.
        spread: The second longest gap over the second shortest; at least 1.
        count: How many gaps were seen; at least 4.

    Returns:
        A probability.
    """
    middle = expected(count, count // 2)
    extremes = expected(count, count - 2) / expected(count, 1)
    shape = math.log(extremes) / math.log(max(spread, SPREAD_MIN))
    shape = min(max(shape, SHAPE_MIN), SHAPE_MAX)
    return math.exp(-count * math.log1p(middle * reach**shape / count))


@cache
def expected(count: int, index: int) -> float:
    """Mean of the value at `index`, 0 the least, of `count` exponential ones of mean 1, sorted."""
    return sum(1.0 / rest for rest in range(count - index, count + 1))
