"""No scope is wider than what is proven: any fleet, any cut of the common shapes, some noise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.growth import explain
from shyraq_collector.correlate.line import Line, pool
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.scope import Box
from shyraq_collector.facts.fleet import Access, LineKey
from shyraq_collector.facts.incidents import Scope

PACE = Pace()
NOW = 1_640_995_200.0

Chosen = Callable[[LineKey], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of a cut."""

    scope: Scope
    box: Box
    lines: list[Line]
    down: list[Line]

    @property
    def inside(self) -> list[Line]:
        """Lines of the box."""
        return [line for line in self.lines if self.box.holds(line)]


def line(isp: int, region: int, number: int, access: Access) -> Line:
    """A line that beats each minute and was heard just now."""
    key = LineKey("XX", f"XX-{region:02d}", f"s-{isp}-{region}-{number}", f"isp{isp}", access)
    heard = Line(key=key, state="up", last_heard=NOW - 30.0, observed_s=10 * PACE.day_s)
    heard.assume(PACE.heartbeat_s)
    heard.observed_to = NOW - 30.0
    return heard


class Shape(NamedTuple):
    """A fleet: networks, regions, lines a cell; each network mixed, or every second one mobile."""

    isps: int
    regions: int
    per_cell: int
    mixed: bool

    def lines(self) -> list[Line]:
        """Its lines, all up."""
        accesses: tuple[Access, Access] = ("fixed", "mobile")
        return [
            line(isp, region, number, accesses[(number if self.mixed else isp) % 2])
            for isp in range(self.isps)
            for region in range(self.regions)
            for number in range(self.per_cell)
        ]


shapes = st.builds(Shape, st.integers(2, 5), st.integers(2, 5), st.integers(3, 5), st.booleans())


def told(shape: Shape, chosen: Chosen, noise: set[int]) -> Told | None:
    """The scope said when the chosen lines and a few others are silent; None: nothing proven."""
    lines = shape.lines()
    for index, each in enumerate(lines):
        if chosen(each.key) or index in {n % len(lines) for n in noise}:
            each.state, each.last_heard = "missing", NOW - 200.0
            each.missing_since = NOW - 74.0
    down = [each for each in lines if each.state == "missing"]
    up = [each for each in lines if each.state == "up"]
    country = Country(code="XX", pooled=pool((), PACE), beat_s=PACE.heartbeat_s)
    country.lines = {each.key: each for each in lines}
    found = explain(country, down, up, NOW, PACE)
    return None if found is None else Told(scope=found[0], box=found[1], lines=lines, down=down)


noises = st.sets(st.integers(0, 10_000), max_size=1)


@settings(max_examples=150, deadline=None)
@given(shapes, noises)
def test_a_mobile_cut_never_says_fixed_lines(shape: Shape, noise: set[int]) -> None:
    """All mobile lines fall, all fixed ones but a stray stay: the scope holds mobile lines only."""
    said = told(shape, lambda key: key.access == "mobile", noise)
    if said is None:
        assert shape.mixed, "every name has three mobile lines"
        assert shape.per_cell == 3
        return
    assert sum(each.key.access == "fixed" for each in said.inside) <= len(noise)
    assert {each.key for each in said.down if each.key.access == "mobile"} <= {
        each.key for each in said.inside
    }


@settings(max_examples=150, deadline=None)
@given(shapes, st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), noises)
def test_two_networks_in_one_region_are_named_and_nothing_else(
    shape: Shape, one: int, step: int, region: int, noise: set[int]
) -> None:
    """Both networks and that region, in any country of three networks or more."""
    shape = shape._replace(isps=max(shape.isps, 3))
    other = (one + 1 + step % (shape.isps - 1)) % shape.isps
    names, place = {f"isp{one % shape.isps}", f"isp{other}"}, f"XX-{region % shape.regions:02d}"
    keys = [each.key for each in shape.lines()]
    elsewhere = {index for index in noise if keys[index % len(keys)].region != place}
    said = told(shape, lambda key: key.isp in names and key.region == place, elsewhere)
    assert said is not None
    assert (set(said.scope.isps), said.scope.regions) == (names, (place,))
    assert said.scope.level == "cell"


@settings(max_examples=150, deadline=None)
@given(shapes, st.integers(0, 4), noises)
def test_a_network_that_stays_is_never_in_the_scope(
    shape: Shape, spared: int, noise: set[int]
) -> None:
    """All but one fall: that one is exempt in a nation of four, and in no scope ever named."""
    isps = {f"isp{number}" for number in range(shape.isps)}
    stays = f"isp{spared % shape.isps}"
    said = told(shape, lambda key: key.isp != stays, noise)
    assert said is not None
    assert set(said.scope.isps) == isps - {stays}
    if len(isps) >= 4:
        assert (said.scope.level, said.scope.exempt_isps) == ("nation", (stays,))
    else:
        assert said.scope.level == "isp"


@settings(max_examples=200, deadline=None)
@given(shapes, st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1), noises)
def test_every_name_stands_for_lines_that_fell(
    shape: Shape, cells: set[tuple[int, int]], noise: set[int]
) -> None:
    """Whatever cells fell: three lines and thirty per cent of each name, and of the whole."""
    places = {(f"isp{isp}", f"XX-{region:02d}") for isp, region in cells}
    said = told(shape, lambda key: (key.isp, key.region) in places, noise)
    if said is None:
        return
    inside, gone = said.inside, set(map(id, said.down))
    parts = [inside]
    parts += [[x for x in inside if x.key.isp == isp] for isp in said.scope.isps]
    parts += [[x for x in inside if x.key.region == region] for region in said.scope.regions]
    for part in parts:
        fell = sum(id(each) in gone for each in part)
        assert fell >= 3
        assert fell >= 0.3 * len(part)
