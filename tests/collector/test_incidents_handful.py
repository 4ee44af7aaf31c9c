"""A handful of nodes: already of use, and never saying more than they prove."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.facts.fleet import Access, Placement
from support.simulator_play import Play


def sensor(number: int, isp: int, region: int, access: Access | None) -> Placement:
    """One node at a site of its own."""
    return Placement(
        node=f"n-{number}",
        isp=f"isp{isp}",
        region=f"XX-{region:02d}",
        country="XX",
        access=access,
        site=f"s-{number}",
    )


accesses: st.SearchStrategy[Access | None] = st.sampled_from(["fixed", "mobile", None])
places = st.tuples(st.integers(0, 2), st.integers(0, 2), accesses)
threes = st.lists(places, min_size=3, max_size=3).map(
    lambda chosen: [sensor(number, *place) for number, place in enumerate(chosen)]
)


@settings(max_examples=25, deadline=None)
@given(threes)
def test_three_nodes_that_fall_together_are_an_incident(nodes: list[Placement]) -> None:
    """Wherever they stand: confirmed in ten minutes, grade A, without a region, restored later."""
    play = Play(nodes)
    play.warm_up(1.0)
    play.minutes(10, lambda placement: placement.role == "sensor")
    incident = play.only()
    assert incident.confirmed_at is not None
    assert (incident.grade, incident.scope.regions) == ("A", ())
    assert incident.lines_down_peak == 3
    assert set(incident.scope.isps) <= {node.isp for node in nodes}
    play.minutes(20)
    assert play.only().state == "restored"


@settings(max_examples=15, deadline=None)
@given(threes, st.integers(1, 2))
def test_fewer_than_three_are_never_published(nodes: list[Placement], down: int) -> None:
    """One alone says nothing; two are a suspicion of grade B that is dismissed on their return."""
    play = Play(nodes)
    play.warm_up(1.0)
    silent = {node.node for node in nodes[:down]}
    play.minutes(45, lambda placement: placement.node in silent)
    play.minutes(5)
    assert all(incident.confirmed_at is None for incident in play.engine.incidents())
    assert all(entry.grade == "B" for entry in play.said)
    assert not (down == 1 and play.said)
    assert {incident.state for incident in play.engine.incidents()} <= {"dismissed"}


@pytest.mark.parametrize("regions", [1, 2])
def test_three_of_four_homes_of_one_region_are_a_street(regions: int) -> None:
    """On four networks: in one region a feeder takes three of them; in two regions it cannot."""
    nodes = [sensor(number, number, number % regions, "fixed") for number in range(4)]
    play = Play(nodes)
    play.warm_up(1.0)
    play.minutes(45, lambda placement: placement.node in {"n-0", "n-1", "n-2"})
    (incident,) = play.engine.incidents()
    assert (incident.confirmed_at is not None) == (regions == 2)


@pytest.mark.parametrize("pair", list(combinations(range(3), 2)))
def test_two_nodes_of_one_home_are_one_line(pair: tuple[int, int]) -> None:
    """Three nodes at two sites are two lines: nothing can be confirmed."""
    nodes = [sensor(number, 0, 0, None) for number in range(3)]
    one, two = pair
    nodes[two] = Placement(
        node=nodes[two].node,
        isp=nodes[one].isp,
        region=nodes[one].region,
        country="XX",
        access=None,
        site=nodes[one].site,
    )
    play = Play(nodes)
    play.warm_up(1.0)
    play.minutes(30, lambda placement: placement.role == "sensor")
    assert all(incident.confirmed_at is None for incident in play.engine.incidents())
