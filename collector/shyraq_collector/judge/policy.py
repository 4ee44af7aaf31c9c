"""What the judge is told once: the targets, their cadence, and how strict to be.

A target that is not listed is judged with the defaults; a control must then measure it as well,
or every failure stays unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from shyraq_collector.facts.verdicts import Slowdown

MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPolicy:
    """How one target is judged."""

    cadence_ms: int = 30 * MINUTE_MS
    """Time between two measurements of one node, milliseconds; a control counts only within it."""
    domestic: bool = False
    """Inside the country: judged against the country's other networks, not from abroad, because
    some such sites refuse all foreigners."""
    neutral: bool = False
    """Nobody would block it: if it fails for a node, the node's own line is suspected."""


DEFAULT_TARGET: Final = TargetPolicy()

DEFAULT_QUIC: Final = TargetPolicy(cadence_ms=60 * MINUTE_MS)
"""Of targets that begin with quic://: agents try these every hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the judge judges."""

    targets: Mapping[str, TargetPolicy] = field(default_factory=lambda: MappingProxyType({}))
    """By target as configured on the nodes."""
    repeats: int = 2
    """Failures in a row, of one node at one layer, before "blocked" is said."""
    slow_ratio: float = 2.0
    """Target over neutral, controls allowed for, from which a site is called slowed down."""
    slow_low: float = 1.5
    """The lower end of the ratio's interval must reach this."""
    slow_p_value: float = 0.01
    """And the chance of such a difference by luck must not exceed this."""
    ladder_age_ms: int = 15 * MINUTE_MS
    """How long a node's ladder speaks for its line."""

    def is_slow(self, slowdown: Slowdown) -> bool:
        """Whether a slowdown is large enough, and beyond doubt."""
        return (
            slowdown.ratio >= self.slow_ratio
            and slowdown.low >= self.slow_low
            and slowdown.p_value <= self.slow_p_value
        )

    def of(self, target: str) -> TargetPolicy:
        """The policy of one target."""
        default = DEFAULT_QUIC if target.startswith("quic://") else DEFAULT_TARGET
        return self.targets.get(target, default)
