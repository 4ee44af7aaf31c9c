"""The fixed tree of groups of one country, with how many eligible lines each holds now.

nation → ISP, nation → region, cell = ISP × region; each again split into fixed and mobile. A line
belongs to every group whose coordinates it matches: at most eight. Groups are never learned from
the data, so the number of looks, and with it the false-alarm arithmetic, is fixed by the fleet.
Looking at many groups of one kind has its price: the logarithm of their number, in nats.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from shyraq_collector.facts.fleet import Access, LineKey


class GroupKey(NamedTuple):
    """Coordinates of a group inside its country; None does not limit."""

    isp: str | None
    region: str | None
    access: Access | None


LINES_MIN = 3
"""Under so many eligible lines a group is not observable."""

NATION = GroupKey(None, None, None)


@dataclass(slots=True)
class Group:
    """One group and its running figures.

    Attributes:
        key: Its coordinates.
        lines: Lines placed in it, whatever their state.
        up: Eligible lines that are up now.
        share_s: Time integral of the share that was down in quiet times (see `level`).
        square_s: The same of the share's square.
        hush_s: Quiet time over which the group's hush was watched (see `hush`).
        hush_share_s: Time integral of the share past half a leash.
        hush_square_s: The same of the share's square.
    """

    key: GroupKey
    lines: int = 0
    up: int = 0
    share_s: float = 0.0
    square_s: float = 0.0
    hush_s: float = 0.0
    hush_share_s: float = 0.0
    hush_square_s: float = 0.0


class Lattice:
    """All groups of one country."""

    def __init__(self) -> None:
        """Begin with the nation alone; groups appear with the lines that need them."""
        self.groups: list[Group] = [Group(NATION)]
        self._index: dict[GroupKey, int] = {NATION: 0}
        self._looks: Counter[tuple[bool, ...]] = Counter()

    def join(self, key: LineKey) -> tuple[int, ...]:
        """Place a line; returns the indices of its groups, the nation first."""
        isps = (None, key.isp) if key.isp else (None,)
        regions = (None, key.region) if key.region else (None,)
        accesses: tuple[Access | None, ...] = (None, key.access) if key.access else (None,)
        found = []
        for access in accesses:
            for isp in isps:
                for region in regions:
                    index = self._at(GroupKey(isp, region, access))
                    self.groups[index].lines += 1
                    if self.groups[index].lines == LINES_MIN:
                        self._looks[_kind(self.groups[index].key)] += 1
                    found.append(index)
        return tuple(found)

    def leave(self, groups: tuple[int, ...]) -> None:
        """Take a line out again."""
        for index in groups:
            if self.groups[index].lines == LINES_MIN:
                self._looks[_kind(self.groups[index].key)] -= 1
            self.groups[index].lines -= 1

    def count(self, groups: tuple[int, ...], change: int) -> None:
        """A line of these groups became eligible and up (+1) or stopped being so (-1)."""
        for index in groups:
            self.groups[index].up += change

    def price(self, key: GroupKey) -> float:
        """What it costs, in nats, that groups of this kind are looked at: ln of their number."""
        return math.log(max(self._looks[_kind(key)], 1))

    def _at(self, key: GroupKey) -> int:
        index = self._index.get(key)
        if index is None:
            index = self._index[key] = len(self.groups)
            self.groups.append(Group(key))
        return index


def _kind(key: GroupKey) -> tuple[bool, ...]:
    """Which coordinates limit a group."""
    return tuple(part is not None for part in key)
