"""State words: the table of rules, our own doubt, and what is never said."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.disclose.privacy import NATION, Key
from shyraq_collector.disclose.reader import Hold, View
from shyraq_collector.disclose.rules import RULES
from shyraq_collector.disclose.status import Cell, Status, status
from shyraq_collector.facts.incidents import Incident, Interval
from support import scenes
from support.scenes import MINUTE, MOBILE, NETWORKS, NOW, REGIONS, incident, scope, silent, view

HEARTBEAT_S = 60.0


def state(seen: View | None, *standing: Incident, at: float = NOW) -> Status:
    """The status at an instant."""
    return status(seen, standing, at=at, heartbeat_s=HEARTBEAT_S)


def cells(found: Status) -> dict[Key, Cell]:
    """Every cell of the only country, by key."""
    (country,) = found.countries
    every = (*country.nation, *country.isps, *country.regions, *country.cells)
    return {cell.key: cell for cell in every}


def words(found: Status) -> dict[Key, str]:
    """Every word of the only country, by key."""
    return {key: cell.word for key, cell in cells(found).items()}


def test_a_quiet_country_is_reachable_everywhere() -> None:
    """Every group of a healthy fleet is called reachable, by the last rule."""
    found = cells(state(view()))
    assert {(cell.word, cell.rule) for cell in found.values()} == {("reachable", "heard")}
    assert found[NATION].lines == 48


def test_an_exempt_network_stays_reachable_in_a_national_cut() -> None:
    """The nation and three networks are cut off; the exempt one is not, in any region."""
    cut = [isp for isp in NETWORKS if isp != "beeline"]
    where = scope("nation", isps=tuple(cut), exempt_isps=("beeline",))
    found = words(state(view(down=silent(cut)), incident("suspected", "confirmed", where=where)))
    assert found[NATION] == "cut-off"
    assert {found[Key(None, region, None)] for region in REGIONS} == {"cut-off"}
    assert {found[Key(isp, None, None)] for isp in cut} == {"cut-off"}
    assert {word for key, word in found.items() if key.isp == "beeline"} == {"reachable"}


def test_a_mobile_cut_leaves_fixed_lines_reachable_and_the_nation_degraded() -> None:
    """Fixed and mobile are kept apart where both are large enough."""
    where = scope("isp", isps=MOBILE, access=("mobile",))
    found = words(state(view(down=silent(MOBILE)), incident("suspected", "confirmed", where=where)))
    assert found[Key(None, None, "fixed")] == "reachable"
    assert found[Key(None, None, "mobile")] == "cut-off"
    assert found[NATION] == "degraded"
    assert found[Key("kazakhtelecom", "KZ-75", None)] == "reachable"


def test_a_part_that_holds_is_counted_in_the_word() -> None:
    """With the exempt network among six fixed lines, three of six silent is not called cut off."""
    cut = [isp for isp in NETWORKS if isp != "beeline"]
    where = scope("nation", isps=tuple(cut), exempt_isps=("beeline",))
    groups = tuple(
        replace(group, lines=6, down=3, sites=6)
        if (group.isp, group.region, group.access) == (None, "KZ-75", None)
        else group
        for group in view(down=silent(cut)).groups
    )
    case = incident("suspected", "confirmed", where=where)
    found = words(state(View(at=NOW, groups=groups), case))
    assert found[Key(None, "KZ-75", None)] == "degraded"


def test_the_word_names_incident_interval_and_confidence() -> None:
    """A cell leads to the incident behind it, with its onset as an interval."""
    case = incident("suspected", "confirmed")
    cell = cells(state(view(down=silent()), case))[Key("kcell", "KZ-23", None)]
    assert (cell.incident, cell.since, cell.confidence) == (case.id, case.onset, 0.97)
    assert (cell.lines, cell.down) == (3, 3)


def test_a_cell_is_dated_by_its_own_silence() -> None:
    """An incident that began with mobile lines hours ago does not date a network cut just now."""
    fell = Interval(earliest=NOW - 90, latest=NOW - 30)
    seen = view(down=silent())
    groups = tuple(
        replace(group, since=fell) if group.isp == "kazakhtelecom" else group
        for group in seen.groups
    )
    case = incident("suspected", "confirmed", "ongoing", began=NOW - 300 * MINUTE)
    found = cells(state(replace(seen, groups=groups), case))
    assert found[Key("kazakhtelecom", "KZ-75", None)].since == fell
    assert found[Key("kcell", "KZ-75", None)].since == case.onset


def test_a_white_list_that_admits_us_is_domestic_only_without_silence() -> None:
    """Nobody is silent; the ladders of one network say it, and the nation is only degraded."""
    case = told_by_ladders(
        incident(
            "suspected", "confirmed", cause="white-list", where=scope("isp", isps=("beeline",))
        )
    )
    found = cells(state(view(), case))
    cell = found[Key("beeline", "KZ-75", None)]
    assert (cell.word, cell.since, cell.down) == ("domestic-only", case.onset, 0)
    assert (found[NATION].word, found[NATION].rule) == ("degraded", "ladders-part-domestic")
    assert found[Key("kcell", None, None)].word == "reachable"


def told_by_ladders(case: Incident) -> Incident:
    """The same incident, told of lines that are heard."""
    history = tuple(
        replace(entry, evidence=replace(entry.evidence, test="ladder")) for entry in case.history
    )
    return replace(case, history=history)


def test_a_second_cut_is_dated_by_itself() -> None:
    """After a return, "since" is the new cut, not the first onset."""
    case = incident("suspected", "confirmed", "restored", "reopened")
    since = cells(state(view(down=silent()), case))[NATION].since
    assert since is not None
    assert since.earliest == case.history[-1].at


@pytest.mark.parametrize(
    ("kind", "cause", "states", "down", "word"),
    [
        ("outage", "cut-off", ("suspected",), 3, "unknown"),
        ("outage", "cut-off", ("suspected", "confirmed"), 3, "cut-off"),
        ("outage", "cut-off", ("suspected", "confirmed"), 2, "degraded"),
        ("outage", "cut-off", ("suspected", "confirmed"), 1, "reachable"),
        ("outage", "domestic-only", ("suspected", "confirmed"), 3, "domestic-only"),
        ("outage", "white-list", ("suspected", "confirmed", "ongoing"), 3, "domestic-only"),
        ("outage", "cut-off", ("suspected", "confirmed", "restored"), 0, "reachable"),
        ("outage", "cut-off", ("suspected", "confirmed", "restored", "closed"), 0, "reachable"),
        ("throttling", "selective", ("suspected", "confirmed"), 0, "throttled"),
        ("throttling", "selective", ("suspected",), 0, "reachable"),
        ("blocking", "selective", ("suspected", "confirmed"), 0, "blocked-sites"),
        ("blocking", "selective", ("suspected", "confirmed"), 3, "unknown"),
    ],
)
def test_the_first_rule_that_holds_gives_the_word(
    kind: str, cause: str, states: tuple[str, ...], down: int, word: str
) -> None:
    """Kind, cause, life and depth of an incident give one word to a cell inside it."""
    place = ("kcell", "KZ-71")
    case = incident(*states, kind=kind, cause=cause)  # type: ignore[arg-type]
    found = words(state(view(down={place: down}), case))
    assert found[Key("kcell", "KZ-71", None)] == word


def test_silence_without_an_incident_is_not_yet_judged() -> None:
    """A silent cell is unknown, a half-silent network degraded; neither is called cut off."""
    found = cells(state(view(down=silent(["kcell"], REGIONS[:2]))))
    assert found[Key("kcell", "KZ-75", None)].rule == "most-silent-not-judged-yet"
    assert found[Key("kcell", None, None)].word == "degraded"


def test_one_straggler_changes_no_word() -> None:
    """Sensors fail one by one; one silent line of three is as usual."""
    assert set(words(state(view(down={("kcell", "KZ-75"): 1}))).values()) == {"reachable"}


@pytest.mark.parametrize(
    ("seen", "at", "impaired"),
    [
        (None, NOW, "no-view"),
        (view(), NOW + 3 * HEARTBEAT_S + 1, "stale"),
        (view(hold="hold"), NOW, "hold"),
        (view(hold="starting"), NOW, "starting"),
        (view(hold="own-fault"), NOW, "own-fault"),
        (view(hold="hold"), NOW + 3 * HEARTBEAT_S + 1, "stale"),
        (view(), NOW + 3 * HEARTBEAT_S, None),
    ],
)
def test_without_a_fresh_view_of_a_judging_engine_nothing_is_known(
    seen: View | None, at: float, impaired: str | None
) -> None:
    """A missing, old or held view makes every word unknown, even inside a proven cut."""
    found = state(seen, incident("suspected", "confirmed"), at=at)
    assert found.impaired == impaired
    if seen is not None and impaired:
        assert set(words(found).values()) == {"unknown"}


def test_an_open_fault_of_our_own_impairs_the_view() -> None:
    """While a collector-fault stands open every word is unknown; after it they are known again."""
    open_fault = incident("suspected", kind="collector-fault", cause="own-fault")
    over = incident("suspected", "confirmed", "restored", kind="collector-fault")
    assert state(view(), open_fault).impaired == "own-fault"
    assert state(view(), over).impaired is None


def test_a_past_instant_is_answered_with_what_was_known_then() -> None:
    """Entries published later are not read: a cut not yet confirmed was not yet published."""
    case = incident("suspected", "confirmed")
    confirmed_at = case.history[1].published_at
    seen = view(down=silent(), at=confirmed_at - 1)
    assert words(state(seen, case, at=confirmed_at - 1))[NATION] == "unknown"
    assert words(state(seen, case, at=confirmed_at))[NATION] == "cut-off"


def test_an_incident_of_another_country_changes_nothing() -> None:
    """Scopes end at borders."""
    elsewhere = incident("suspected", "confirmed", where=replace(scope(), country="KG"))
    assert set(words(state(view(), elsewhere)).values()) == {"reachable"}


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 4), min_size=16, max_size=16),
    down=st.lists(st.integers(0, 4), min_size=16, max_size=16),
    hold=st.sampled_from([None, "hold"]),
    has_incident=st.booleans(),
)
def test_no_group_under_three_sites_is_ever_told(
    sizes: list[int], down: list[int], hold: Hold | None, has_incident: bool
) -> None:
    """Whatever the fleet: small groups have no word but "not observable", and no counts."""
    places = [(isp, region) for isp in NETWORKS for region in REGIONS]
    lines = dict(zip(places, sizes, strict=True))
    dead = {place: min(lines[place], d) for place, d in zip(places, down, strict=True)}
    groups = scenes.groups(down=dead, lines=lines)
    seen = View(at=NOW, groups=groups, hold=hold)
    found = state(seen, *([incident("suspected", "confirmed")] if has_incident else []))
    small = {(g.isp, g.region, g.access) for g in groups if g.sites < 3}
    for key, cell in cells(found).items():
        if tuple(key) in small:
            assert (cell.word, cell.lines, cell.down) == ("not-observable", None, None)
        elif hold:
            assert cell.word == "unknown"


def test_rule_ids_are_unique() -> None:
    """An id names one rule."""
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_a_view_a_little_ahead_of_our_clock_is_fresh() -> None:
    """A tick stamped some seconds later than the question is no old view."""
    assert state(view(at=NOW + MINUTE)).impaired is None
