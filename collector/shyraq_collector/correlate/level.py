"""Level test: are too many lines of one group down, whenever they fell?

A roll-out over hours fits no window. But an outage persists, so one minute of it is no new evidence
over the minute before. The share down in quiet weeks therefore gives one distribution, a
beta-binomial whose mean and over-dispersion are fitted to the group's own time-weighted share and
its square; the score is the improbability, in nats, of as many down as now. It moves only when a
line falls or returns, never with the clock.

The prior over-dispersion (0.03, worth three days) stands for shared causes that have not been seen
yet: street feeders, a provider's night. Quiet means: nothing suspected in the country.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.edge import enough_down
from shyraq_collector.correlate.finding import Finding
from shyraq_collector.correlate.lattice import Group
from shyraq_collector.correlate.line import PRIOR_SHARE, Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Instant

PRIOR_SPREAD = 0.03
PRIOR_DAYS = 3.0
SPREAD_MIN, SPREAD_MAX = 0.01, 0.5
NEGLIGIBLE_NATS = 40.0
"""Terms of a tail so far under its first one add nothing."""


def level_findings(
    country: Country,
    fallen: Mapping[int, Sequence[Line]],
    now: Instant,
    quiet_s: float,
    pace: Pace,
) -> list[Finding]:
    """Score every group with enough lines down now.

    Args:
        country: Whose groups.
        fallen: Missing lines that no incident has claimed, one for each site, by group.
        now: The judged instant.
        quiet_s: How much quiet time the groups' integrals cover.
        pace: Time scale.

    Returns:
        One finding for each group with three lines and thirty per cent down, in group order.
    """
    found = []
    for index, lines in sorted(fallen.items()):
        group = country.lattice.groups[index]
        eligible = group.up + len(lines)
        if not enough_down(country, len(lines), group.up):
            continue
        mean, spread = _habit(group, eligible, quiet_s, usual_share(country), pace)
        found.append(
            Finding(
                key=group.key,
                test="level",
                score=-log_tail(len(lines), eligible, mean, spread)
                - country.lattice.price(group.key),
                eligible=eligible,
                down=len(lines),
                sites=len(lines),
                since=max(min(line.missing_since for line in lines), now - 4.0 * pace.hour_s),
                lines=tuple(lines),
                least=country.least_lines,
            )
        )
    return found


def remember_quiet(country: Country, fallen: Mapping[int, Sequence[Line]], passed_s: float) -> None:
    """Add a quiet stretch to the integrals; groups with nobody down need no visit."""
    for index, lines in fallen.items():
        group = country.lattice.groups[index]
        share = len(lines) / (group.up + len(lines))
        group.share_s += share * passed_s
        group.square_s += share * share * passed_s


def down_by_group(fallen: Iterable[Line]) -> dict[int, list[Line]]:
    """Fallen lines of each group, one for each site."""
    groups: dict[int, dict[str, Line]] = {}
    for line in fallen:
        for index in line.groups:
            groups.setdefault(index, {}).setdefault(line.key.site, line)
    return {index: list(lines.values()) for index, lines in groups.items()}


def log_tail(count: int, size: int, mean: float, spread: float) -> float:
    """Natural logarithm of P(K >= count) for a beta-binomial.

    Args:
        count: Lower end of the tail, 0 to `size`.
        size: Number of lines.
        mean: Expected share, between 0 and 1.
        spread: Over-dispersion rho = 1 / (alpha + beta + 1), between 0 and 1.
    """
    total = 1.0 / spread - 1.0
    alpha, beta = mean * total, (1.0 - mean) * total
    fixed = _log_beta(alpha, beta)
    terms: list[float] = []
    for k in range(count, size + 1):
        ways = math.lgamma(size + 1) - math.lgamma(k + 1) - math.lgamma(size - k + 1)
        terms.append(ways + _log_beta(k + alpha, size - k + beta) - fixed)
        if k > mean * size and terms[-1] < max(terms[0], terms[-2:][0]) - NEGLIGIBLE_NATS:
            break
    top = max(terms)
    return min(0.0, top + math.log(sum(math.exp(term - top) for term in terms)))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def usual_share(country: Country) -> float:
    """Share of lines that is down in a country of which nothing but its habits is known."""
    return PRIOR_SHARE[0] + country.pooled.overrun


def _habit(
    group: Group, eligible: int, quiet_s: float, usual: float, pace: Pace
) -> tuple[float, float]:
    """Mean and over-dispersion of the group's quiet weeks, drawn towards the prior."""
    prior_s = PRIOR_DAYS * pace.day_s
    weight = quiet_s / (quiet_s + prior_s)
    mean = (group.share_s + usual * prior_s) / (quiet_s + prior_s)
    spread = PRIOR_SPREAD
    if quiet_s > 0 and eligible > 1 and group.share_s > 0:
        own = group.share_s / quiet_s
        variance = group.square_s / quiet_s - own * own
        excess = variance * eligible / (own * (1.0 - own)) - 1.0
        spread += weight * (excess / (eligible - 1) - PRIOR_SPREAD)
    return mean, min(max(spread, SPREAD_MIN), SPREAD_MAX)
