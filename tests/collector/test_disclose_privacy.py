"""What is withheld: regions that few sites back, notes, counts that would tell by subtraction."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.disclose import privacy
from shyraq_collector.disclose.privacy import NATION, Groups, Key
from support import scenes
from support.scenes import NETWORKS, REGIONS, incident, scope


def keyed(lines: dict[tuple[str, str], int]) -> Groups:
    """All groups of a fleet, by key."""
    groups = scenes.groups(lines=lines)
    return {Key(group.isp, group.region, group.access): group for group in groups}


def test_engine_notes_stay_inside() -> None:
    """A note may name a node; no published entry has one."""
    told = privacy.published(incident("suspected", "confirmed"))
    assert {entry.note for entry in told.history} == {""}


@pytest.mark.parametrize(("sites", "is_named"), [(0, False), (2, False), (3, True), (40, True)])
def test_a_region_is_named_only_where_three_sites_were_silent(sites: int, is_named: bool) -> None:
    """Two silent homes are two households; three sites make a place that may be told."""
    where = scope("region", regions=("KZ-23",))
    told = privacy.published(incident("suspected", "confirmed", where=where, sites=sites))
    assert [bool(entry.scope.regions) for entry in told.history] == [is_named, is_named]
    assert bool(told.scope.regions) is is_named
    assert privacy.place_is_withheld(told.scope) is not is_named


def test_two_regions_need_six_sites() -> None:
    """Each region named must have its three."""
    where = scope("region", regions=("KZ-23", "KZ-47"))
    assert not privacy.published(incident("suspected", where=where, sites=5)).scope.regions
    assert privacy.published(incident("suspected", where=where, sites=6)).scope.regions


def test_the_end_of_an_incident_keeps_the_place_its_peak_proved() -> None:
    """Nobody is silent any more when it is restored, and still the region stays named."""
    where = scope("region", regions=("KZ-23",))
    told = privacy.published(incident("suspected", "confirmed", "restored", where=where, sites=9))
    assert told.history[-1].evidence.sites == 0
    assert told.history[-1].scope.regions == ("KZ-23",)


def test_the_network_stays_named_when_the_place_is_withheld() -> None:
    """A network is not a place."""
    where = scope("cell", isps=("kcell",), regions=("KZ-23",))
    told = privacy.published(incident("suspected", where=where, sites=2))
    assert (told.scope.isps, told.scope.regions) == (("kcell",), ())


def test_figures_of_small_groups_are_not_given() -> None:
    """Under three lines there is no number."""
    assert [privacy.figure(1, of=lines) for lines in (1, 2, 3)] == [None, None, 1]


def test_a_total_is_not_counted_where_subtraction_would_tell_of_one_home() -> None:
    """One line in one cell: neither cell, nor network, nor region, nor nation is counted."""
    counted = privacy.countable(keyed({("kcell", "KZ-23"): 1}))
    hidden = {
        Key("kcell", "KZ-23", None),
        Key("kcell", None, None),
        Key(None, "KZ-23", None),
        NATION,
    }
    assert not hidden & counted
    assert Key("beeline", None, None) in counted


def test_a_mobile_minority_is_not_split_off() -> None:
    """Three fixed lines and one mobile are told as one group."""
    groups = dict(keyed({}))
    whole = groups[NATION]
    fixed = NATION._replace(access="fixed")
    mobile = NATION._replace(access="mobile")
    groups[fixed] = replace(whole, access="fixed", lines=47, sites=47)
    groups[mobile] = replace(whole, access="mobile", lines=1, sites=1)
    assert privacy.splits(groups, NATION) == ()
    groups[mobile] = replace(whole, access="mobile", lines=3, sites=3)
    groups[fixed] = replace(whole, access="fixed", lines=45, sites=45)
    assert privacy.splits(groups, NATION) == (fixed, mobile)


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 0, 1, 2, 3, 3, 4, 7]), min_size=16, max_size=16))
def test_no_sum_of_published_counts_leaves_one_or_two(sizes: list[int]) -> None:
    """Whatever the fleet, a published total less what is published below it is none or three."""
    places = [(isp, region) for isp in NETWORKS for region in REGIONS]
    groups = keyed(dict(zip(places, sizes, strict=True)))
    counted = privacy.countable(groups)
    cells = [key for key in counted if key.isp and key.region]
    assert all(groups[key].sites >= 3 for key in counted)
    for total in counted:
        if bool(total.isp) != bool(total.region):
            mine = [c for c in cells if total.isp == c.isp or total.region == c.region]
            left = groups[total].lines - sum(groups[c].lines for c in mine)
            assert left == 0 or left >= 3
    if NATION in counted:
        for names in ("isp", "region"):
            totals = [
                t for t in counted if getattr(t, names) and (t.isp is None or t.region is None)
            ]
            loose = [
                c for c in cells if not any(getattr(t, names) == getattr(c, names) for t in totals)
            ]
            left = groups[NATION].lines - sum(groups[key].lines for key in [*totals, *loose])
            assert left == 0 or left >= 3
