"""What a test found in a group, and the thresholds it is held against.

Thresholds come from independent noise and were then held against shared-cause noise (`make score`):
suspected at 10 nats, confirmed at 13. Beyond the score a group must have three lines at two sites
down and thirty per cent of those that could have fallen. Few lines must be most of their group, and
stay down a while: a street feeder or a provider's night takes three lines and gives them back.
"""

from dataclasses import dataclass

from shyraq_collector.correlate.lattice import LINES_MIN, NATION, GroupKey
from shyraq_collector.correlate.line import Line
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import TestName

SUSPECT_NATS = 10.0
CONFIRM_NATS = 13.0
DOWN_SHARE_MIN = 0.3
FEW_LINES_SHARE = {3: 0.75, 4: 0.6, 5: 0.45, 6: 0.36}
REGION_LINES_MIN = 4
"""Three homes of one region, whatever their networks, are a street."""

SITES_MIN = 2
STILL_DOWN_SHARE = 0.8
"""A suspicion stands while so many of its lines stay down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One group, one test, one judged instant.

    Attributes:
        key: The group.
        test: Which test.
        score: In nats against chance.
        eligible: Lines that could have fallen: up now, or fallen since `since`.
        down: Of them, fallen; a site counts once.
        sites: Different sites among the fallen.
        since: Begin of the window that was judged.
        lines: The fallen lines.
        least: How many must have fallen for a suspicion (see `Country.least_lines`).
    """

    key: GroupKey
    test: TestName
    score: float
    eligible: int
    down: int
    sites: int
    since: Instant
    lines: tuple[Line, ...]
    least: int = LINES_MIN

    @property
    def share(self) -> float:
        """Share of the eligible lines that fell."""
        return self.down / self.eligible

    @property
    def still_down(self) -> int:
        """How many of its lines are still missing, and claimed by no case."""
        return sum(line.state == "missing" and line.case is None for line in self.lines)

    @property
    def observable(self) -> bool:
        """Whether the group has enough eligible lines to say anything."""
        return self.eligible >= LINES_MIN

    @property
    def needed(self) -> int:
        """How many lines must be down for a proof: three; four where they may be one street.

        Three homes of one region on several networks are a street, unless they are all there is.
        """
        regions = {line.key.region for line in self.lines}
        networks = {line.key.isp for line in self.lines}
        street = None not in regions and len(regions) == 1 and len(networks) > 1
        if street and not (self.key == NATION and self.down == self.eligible):
            return REGION_LINES_MIN
        return lines_needed(self.key)

    @property
    def provable(self) -> bool:
        """Whether it may be confirmed once it has lasted: 13 nats, and enough lines."""
        return self.score >= CONFIRM_NATS and self.down >= self.needed

    @property
    def suspicious(self) -> bool:
        """Whether the group, taken alone, passes as suspected."""
        return (
            self.observable
            and self.score >= SUSPECT_NATS
            and self.down >= max(self.least, self.needed + self.least - LINES_MIN)
            and self.sites >= SITES_MIN
            and self.share >= share_needed(self.down)
        )


def lines_needed(key: GroupKey) -> int:
    """How many lines must be down: three, four where no network is named in a region."""
    return REGION_LINES_MIN if key.region is not None and key.isp is None else LINES_MIN


def share_needed(down: int) -> float:
    """What share of a group must be down: thirty per cent, but most of it where few lines speak.

    Three lines of a region are a street feeder; three lines of three are a network in a town.
    """
    return FEW_LINES_SHARE.get(down, DOWN_SHARE_MIN)
