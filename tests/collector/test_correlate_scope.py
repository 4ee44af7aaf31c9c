"""Who is down, in the fewest words that are proven."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.scope import Box, best_box, count_cells, name_scope
from shyraq_collector.facts.fleet import Access, LineKey

LINES = [
    Line(
        key=LineKey(
            "XX", f"R{region}", f"s{isp}{region}{n}", f"isp{isp}", "mobile" if isp == 3 else "fixed"
        )
    )
    for isp in range(4)
    for region in range(4)
    for n in range(3)
]


def enough(fallen: list[Line]) -> Callable[[Box], bool]:
    """Three fallen lines and half of the box stand for the score."""

    def passes(box: Box) -> bool:
        inside = [line for line in LINES if box.holds(line)]
        down = [line for line in inside if line in fallen]
        return len(down) >= 3 and 2 * len(down) >= len(inside)

    return passes


def told(chosen: Callable[[LineKey], bool]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Level, networks and regions said of the lines that fell."""
    fallen = [line for line in LINES if chosen(line.key)]
    cells = count_cells([line for line in LINES if line not in fallen], fallen)
    named = name_scope("XX", best_box(cells), cells, enough(fallen))
    assert named is not None
    return named[0].level, named[0].isps, named[0].regions


ISPS = ("isp0", "isp1", "isp2", "isp3")
REGIONS = ("R0", "R1", "R2", "R3")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (lambda k: k.country == "XX", ("nation", ISPS, REGIONS)),
        (lambda k: k.isp != "isp1", ("nation", ("isp0", "isp2", "isp3"), REGIONS)),
        (lambda k: k.isp == "isp2", ("isp", ("isp2",), ())),
        (lambda k: k.isp in {"isp0", "isp1"}, ("isp", ("isp0", "isp1"), ())),
        (lambda k: k.region == "R3", ("region", (), ("R3",))),
        (lambda k: k.isp == "isp0" and k.region == "R1", ("cell", ("isp0",), ("R1",))),
        (
            lambda k: k.isp == "isp0" and k.region in {"R1", "R2"},
            ("cell", ("isp0",), ("R1", "R2")),
        ),
    ],
)
def test_a_box_is_named_exactly(
    chosen: Callable[[LineKey], bool], expected: tuple[str, tuple[str, ...], tuple[str, ...]]
) -> None:
    """Nation, networks, regions and cells are each told apart."""
    assert told(chosen) == expected


def test_a_mobile_cut_over_several_networks_names_the_access() -> None:
    """Where two networks are mobile and only their mobile lines fall, "mobile" is the word."""
    access: tuple[Access, ...] = ("fixed", "mobile")
    lines = [
        Line(key=LineKey("XX", None, f"s{isp}{kind}{n}", f"isp{isp}", kind))
        for isp in range(4)
        for kind in access
        for n in range(4)
    ]
    fallen = [line for line in lines if line.key.access == "mobile"]
    box = best_box(count_cells([x for x in lines if x not in fallen], fallen))
    assert box == Box(None, None, "mobile")


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(LINES), min_size=1))
def test_a_box_never_leaves_out_a_whole_network_that_it_needs(fallen: set[Line]) -> None:
    """Whatever fell, some fallen line is inside, and naming never widens the box."""
    down = sorted(fallen, key=lambda line: str(line.key))
    cells = count_cells([line for line in LINES if line not in fallen], down)
    box = best_box(cells)
    assert any(box.holds(line) for line in down)
    named = name_scope("XX", box, cells, enough(down))
    if named is not None and box.isps is not None and named[1].isps is not None:
        assert named[1].isps <= box.isps


def test_nothing_proven_is_nothing_named() -> None:
    """Where no value passes by itself there is no scope to publish."""
    fallen = LINES[:2]
    cells = count_cells(LINES[2:], fallen)
    assert name_scope("XX", Box(None, None, None), cells, enough([])) is None
