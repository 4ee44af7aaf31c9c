"""Who is down, in the fewest words: networks × regions × access.

1. Count eligible and fallen lines per (ISP, region, access).
2. Order the values of each dimension by the share that fell; every combination of leading values
   is a candidate box. A box is scored by how well "one share down inside, chance outside"
   explains the counts, less a price for every value it has to name. The best box wins.
3. A network or region stays named only if it alone passes as suspected inside the box that is
   named in the end; a value with under three lines cannot be named by itself.
4. Nation: at least three networks named (all of the country's where there are fewer, so that two
   mobile networks among four are never a nation) and at least half of the observable regions (more
   than half where the box itself is limited to regions). A network that stayed up inside a nation
   is exempt, and is named so.

Not here: whether anything happened at all (`edge`, `level`).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from shyraq_collector.correlate.lattice import LINES_MIN
from shyraq_collector.correlate.line import Line
from shyraq_collector.facts.fleet import Access
from shyraq_collector.facts.incidents import Level, Scope

OUTSIDE_DOWN = 0.02
INSIDE_MIN, INSIDE_MAX = 0.3, 0.98
PRICE_NATS = 3.0
PRICE_ACCESS_NATS = 3.5
"""A little dearer than a network's name: a lone mobile network is named, not "mobile"."""
NATION_ISPS = 3
EXEMPT_SHARE_MAX = 0.2


class Box(NamedTuple):
    """A set of networks, regions and access types; None does not limit."""

    isps: frozenset[str] | None
    regions: frozenset[str] | None
    access: Access | None

    def holds(self, line: Line) -> bool:
        """Whether a line lies inside."""
        key = line.key
        return (
            (self.isps is None or key.isp in self.isps)
            and (self.regions is None or key.region in self.regions)
            and (self.access is None or key.access == self.access)
        )


class Cell(NamedTuple):
    """Lines of one ISP, region and access: how many were eligible, how many fell."""

    isp: str | None
    region: str | None
    access: Access | None
    eligible: int
    fallen: int


def count_cells(up: Iterable[Line], fallen: Iterable[Line]) -> list[Cell]:
    """Step 1: eligible and fallen lines per cell, sorted."""
    counts: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for number, lines in enumerate((up, fallen)):
        for line in lines:
            key = (line.key.isp or "", line.key.region or "", line.key.access or "")
            counts[key][number] += 1
    return [
        Cell(isp or None, region or None, _access(access), up_n + down_n, down_n)
        for (isp, region, access), (up_n, down_n) in sorted(counts.items())
    ]


def best_box(cells: list[Cell]) -> Box:
    """Step 2: the box that explains the counts best for its price."""
    isps = _leading(cells, lambda cell: cell.isp)
    regions = _leading(cells, lambda cell: cell.region)
    accesses = [None, *sorted({cell.access for cell in cells if cell.access})]
    total = (sum(cell.eligible for cell in cells), sum(cell.fallen for cell in cells))
    best, best_score = Box(None, None, None), -math.inf
    for isp_set, isp_price in isps:
        rows = [c for c in cells if isp_set is None or c.isp in isp_set]
        for access in accesses:
            part = [c for c in rows if access is None or c.access == access]
            for region_set, region_price in regions:
                eligible = fallen = 0
                for cell in part:
                    if region_set is None or cell.region in region_set:
                        eligible += cell.eligible
                        fallen += cell.fallen
                price = PRICE_NATS * (isp_price + region_price)
                price += PRICE_ACCESS_NATS if access else 0.0
                score = _fit(eligible, fallen, total) - price
                if score > best_score + 1e-9:
                    best, best_score = Box(isp_set, region_set, access), score
    return best


def _leading(
    cells: list[Cell], value: Callable[[Cell], str | None]
) -> list[tuple[frozenset[str] | None, int]]:
    """Sets of values that fell most, longest-fallen first, each with its price in names."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for cell in cells:
        name = value(cell)
        if name is not None:
            counts[name][0] += cell.eligible
            counts[name][1] += cell.fallen
    order = sorted(counts, key=lambda name: (-counts[name][1] / counts[name][0], name))
    sets: list[tuple[frozenset[str] | None, int]] = [(None, 0)]
    fallen = [name for name in order if counts[name][1]]
    for size in range(1, len(fallen) + 1):
        if size < len(counts):
            price = min(size, len(counts) - size)
            sets.append((frozenset(fallen[:size]), price))
    return sets


def _fit(eligible: int, fallen: int, total: tuple[int, int]) -> float:
    """Log-likelihood: one share inside, chance outside."""
    if not eligible:
        return -math.inf
    inside = min(max(fallen / eligible, INSIDE_MIN), INSIDE_MAX)
    out_fallen = total[1] - fallen
    out_up = total[0] - eligible - out_fallen
    return (
        fallen * math.log(inside)
        + (eligible - fallen) * math.log(1.0 - inside)
        + out_fallen * math.log(OUTSIDE_DOWN)
        + out_up * math.log(1.0 - OUTSIDE_DOWN)
    )


def name_scope(
    country: str, box: Box, cells: list[Cell], passes: Callable[[Box], bool]
) -> tuple[Scope, Box] | None:
    """Steps 3 and 4: what may be said of a box.

    Args:
        country: ISO code.
        box: The best box.
        cells: The same counts.
        passes: Whether the lines of a box, taken alone, pass as suspected.

    Returns:
        The scope to publish and the box narrowed to what is proven; None where no value of the
        box is proven by itself.
    """
    isps, regions = _passing(box, cells, passes)
    access: tuple[Access, ...] = (box.access,) if box.access else ()
    all_isps = _observable(cells, lambda c: c.isp, box)
    all_regions = _observable(cells, lambda c: c.region, box)
    nation_isps = _observable(cells, lambda c: c.isp, Box(None, None, None))
    enough_isps = len(isps) >= min(NATION_ISPS, len(nation_isps))
    enough_regions = 2 * len(regions) >= len(all_regions) + (box.regions is not None)
    if _wide(box.isps, nation_isps) and enough_isps and enough_regions:
        exempt = tuple(sorted(n for n, share in all_isps.items() if share <= EXEMPT_SHARE_MAX))
        named = tuple(i for i in isps if i not in exempt)
        scope = Scope(
            country=country,
            level="nation",
            isps=named,
            regions=tuple(regions),
            access=access,
            exempt_isps=exempt,
        )
        return scope, box
    proven = Box(_proven(box.isps, isps), _proven(box.regions, regions), box.access)
    if box.isps is None and box.regions is None:
        # Everything is touched, but too little of it is proven for a nation.
        limits = None if enough_regions else frozenset(regions) or None
        proven = Box(frozenset(isps) or None, limits, box.access)
    proven = _narrowed(proven, cells, passes)
    scope = Scope(
        country=country,
        level=_level(proven),
        isps=tuple(sorted(proven.isps or ())),
        regions=tuple(sorted(proven.regions or ())),
        access=access,
    )
    return (
        (scope, proven) if proven.isps or proven.regions or not (all_isps or all_regions) else None
    )


def _passing(
    box: Box, cells: list[Cell], passes: Callable[[Box], bool]
) -> tuple[list[str], list[str]]:
    """Networks and regions of a box that pass by themselves inside it."""
    inside = [c for c in cells if _inside(box, c)]
    isps = {c.isp for c in inside if c.isp}
    regions = {c.region for c in inside if c.region}
    return (
        sorted(n for n in isps if passes(Box(frozenset((n,)), box.regions, box.access))),
        sorted(n for n in regions if passes(Box(box.isps, frozenset((n,)), box.access))),
    )


def _narrowed(box: Box, cells: list[Cell], passes: Callable[[Box], bool]) -> Box:
    """A box all of whose names still pass when the others are left out that do not.

    A region may owe its place to a network that is not proven itself. Where access is all that
    limits the networks, and some of the region have none of it, those that have are named.
    """
    while True:
        isps, regions = _passing(box, cells, passes)
        names = _proven(box.isps, isps)
        if box.isps is None and box.access and box.regions:
            there = [c for c in cells if c.region in box.regions]
            without = {c.isp for c in there} - {c.isp for c in there if c.access == box.access}
            names = frozenset(isps) or None if without else None
        proven = Box(names, _proven(box.regions, regions), box.access)
        if proven == box:
            return box
        box = proven


def _proven(limits: frozenset[str] | None, named: list[str]) -> frozenset[str] | None:
    """The values named, where a dimension is limited at all."""
    return frozenset(named) or None if limits is not None else None


def _level(box: Box) -> Level:
    if box.isps is not None:
        return "isp" if box.regions is None else "cell"
    return "nation" if box.regions is None else "region"


def _wide(isps: frozenset[str] | None, observable: dict[str, float]) -> bool:
    return isps is None or len(isps) >= min(NATION_ISPS, len(observable))


def _inside(box: Box, cell: Cell) -> bool:
    return (
        (box.isps is None or cell.isp in box.isps)
        and (box.regions is None or cell.region in box.regions)
        and (box.access is None or cell.access == box.access)
    )


def _observable(
    cells: list[Cell], value: Callable[[Cell], str | None], box: Box
) -> dict[str, float]:
    """Values with three eligible lines (of the box's access), with the share that fell."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for cell in cells:
        name = value(cell)
        if name is not None and (box.access is None or cell.access == box.access):
            counts[name][0] += cell.eligible
            counts[name][1] += cell.fallen
    return {name: n[1] / n[0] for name, n in sorted(counts.items()) if n[0] >= LINES_MIN}


def _access(word: str) -> Access | None:
    match word:
        case "fixed":
            return "fixed"
        case "mobile":
            return "mobile"
        case _:
            return None
