"""The lines of one country, with what is usual among them."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from shyraq_collector.correlate.lattice import LINES_MIN, Lattice
from shyraq_collector.correlate.line import NEVER, Line, Pooled, pool
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Instant, LineKey

SMALL_FLEET = 10
"""Up to so many lines a fleet publishes grades B and C, and no regions."""

SPARSE_BEATS = 3.0
SOFT_LEASHES = 0.5
"""Past so much of its leash a line is quiet, if not yet missing."""

PANEL_SHARE = 0.25
"""From this share of explicit lines on, a country is a panel: one `up` makes a line eligible."""


class Late(NamedTuple):
    """A back-filled word: what was true at `at`, known only at `known_at`."""

    line: Line
    at: Instant
    known_at: Instant
    up: bool


@dataclass(slots=True)
class Country:
    """The lines of one country.

    Attributes:
        code: ISO code.
        pooled: What its lines do on average.
        beat_s: Its usual gap between words, at least one heartbeat.
        lattice: Its groups.
        lines: By key, in the order they were placed.
        missing: Those missing now, claimed or not, in the order they fell.
        explicit: How many give `down` words.
        changed: Something happened since the country was last judged.
        margin_s: How soon after a total cut a usual line of it could be missing.
        pooled_at: When `pooled` and `beat_s` were last renewed.
    """

    code: str
    pooled: Pooled
    beat_s: float
    lattice: Lattice = field(default_factory=Lattice)
    lines: dict[LineKey, Line] = field(default_factory=dict)
    missing: dict[LineKey, Line] = field(default_factory=dict)
    explicit: int = 0
    changed: bool = False
    margin_s: float = math.inf
    pooled_at: Instant = NEVER

    @property
    def least_lines(self) -> int:
        """How many lines must fall before anything is suspected: three, two if it is small.

        Two of a handful are never confirmed; they are told as a suspicion of grade B.
        """
        return LINES_MIN - 1 if self.is_small else LINES_MIN

    @property
    def is_small(self) -> bool:
        """Whether it has so few lines that naming a region would name a host."""
        return len(self.lines) <= SMALL_FLEET

    @property
    def is_panel(self) -> bool:
        """Whether enough lines give `down` words that one `up` is already a state."""
        return self.explicit >= max(3.0, PANEL_SHARE * len(self.lines))

    def renew(self, horizon: Instant, pace: Pace) -> None:
        """Once an hour: what its lines do on average, and its usual gap."""
        gaps = [0.0]
        for line in self.lines.values():
            if line.state == "up" and line.case is None:
                line.observe(horizon, pace)
            if line.state in {"up", "missing"}:
                beats = line.learned and not line.logs_changes
                gaps.append(line.median_s if beats else pace.heartbeat_s)
        gaps.sort()
        self.beat_s = max(gaps[len(gaps) // 2], pace.heartbeat_s)
        self.margin_s = self._margin(pace)
        self.pooled = pool(self.lines.values(), pace)
        self.pooled_at = horizon

    def _margin(self, pace: Pace) -> float:
        """A usual line's leash, or the half of it that a hush needs, less its usual gap."""
        if self.is_panel:
            return math.inf
        part = SOFT_LEASHES if self.is_sparse(pace) else 1.0
        margins = sorted(
            part * line.leash_s - line.median_s
            for line in self.lines.values()
            if line.learned and not line.explicit
        )
        return max(margins[len(margins) // 2], 0.0) if margins else math.inf

    def is_sparse(self, pace: Pace) -> bool:
        """Whether words are so rare that a hush is worth listening for (see `hush`)."""
        return self.beat_s > SPARSE_BEATS * pace.heartbeat_s
