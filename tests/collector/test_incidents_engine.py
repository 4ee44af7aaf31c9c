"""The engine end to end: silences of a small country in, timelines out."""

import contextlib
import json
from dataclasses import replace

import pytest

from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.signals import (
    PATH,
    Absence,
    LadderWord,
    QualitySample,
    Reach,
    TargetWord,
)
from shyraq_collector.incidents.engine import Engine
from shyraq_collector.incidents.explain import as_svg, as_text
from support.simulator import lattice_fleet
from support.simulator_play import Play, everyone, sensors_of, without_networks


def states(play: Play) -> list[str]:
    """The states of the only incident, in order, without repetitions."""
    told = [entry.state for entry in play.only().history]
    return [s for i, s in enumerate(told) if i == 0 or told[i - 1] != s]


def test_a_national_cut_is_confirmed_within_three_minutes() -> None:
    """All sensors silent and the canaries fine: cut off from the collector, the whole nation."""
    play = Play()
    play.warm_up()
    cut_at = play.now
    play.minutes(5, sensors_of())
    incident = play.only()
    assert incident.confirmed_at is not None
    assert incident.confirmed_at - cut_at <= 180.0
    assert (incident.scope.level, incident.cause, incident.grade) == ("nation", "cut-off", "A")
    assert incident.scope.isps == ("isp0", "isp1", "isp2", "isp3")
    assert incident.lines_observed == incident.lines_down_peak == 48
    assert incident.onset.earliest <= cut_at <= incident.onset.latest


def test_a_network_that_stays_up_is_named_exempt() -> None:
    """Three of four networks fall: a national cut, with the fourth named as exempt."""
    play = Play()
    play.warm_up()
    play.minutes(6, sensors_of(but="isp2"))
    assert play.only().scope.level == "nation"
    assert play.only().scope.exempt_isps == ("isp2",)
    assert play.only().scope.isps == ("isp0", "isp1", "isp3")


@pytest.mark.parametrize(
    ("isp", "region", "level"),
    [("isp1", None, "isp"), (None, "XX-02", "region"), ("isp3", "XX-01", "cell")],
)
def test_the_scope_is_no_wider_than_what_fell(
    isp: str | None, region: str | None, level: str
) -> None:
    """A network, a region and one network in one region are each named, and nothing else."""
    play = Play()
    play.warm_up()
    play.minutes(10, sensors_of(isp, region))
    scope = play.only().scope
    assert scope.level == level
    assert scope.isps == ((isp,) if isp else ())
    assert scope.regions == ((region,) if region else ())


def test_a_panel_without_networks_still_finds_the_nation() -> None:
    """Where no network is known, regions alone prove a national cut."""
    play = Play(without_networks(lattice_fleet(4, 4, 3)))
    play.warm_up()
    play.minutes(6, sensors_of())
    assert play.only().scope.level == "nation"
    assert play.only().scope.isps == ()


def test_two_lines_are_not_observable() -> None:
    """Under three eligible lines nothing is said, however silent they are."""
    play = Play(lattice_fleet(1, 1, 2))
    play.warm_up()
    assert play.minutes(120, sensors_of()) == []
    assert not any(group.observable for group in play.engine.groups())


def test_three_nodes_behind_one_router_prove_nothing_together() -> None:
    """Nodes of one site and one network are one line."""
    shared = [replace(p, site="one-flat") for p in lattice_fleet(1, 1, 5)]
    play = Play(shared)
    play.warm_up()
    assert play.minutes(60, sensors_of()) == []


def test_our_own_fault_is_never_an_outage() -> None:
    """Canaries silent with the nodes: a collector fault, told as such, and no outage after it."""
    play = Play()
    play.warm_up()
    play.minutes(40, everyone)
    play.minutes(60)
    assert {entry.kind for entry in play.said} == {"collector-fault"}
    assert [entry.state for entry in play.said] == ["suspected", "confirmed", "restored"]


def test_one_dead_canary_hides_nothing() -> None:
    """A control that reboots, or dies, does not blind the collector."""
    play = Play()
    play.warm_up()

    def silent(placement: Placement) -> bool:
        return placement.node == "canary" or sensors_of()(placement)

    play.minutes(6, silent)
    assert play.only().kind == "outage"


def watchers(placement: Placement) -> bool:
    """Canaries and controls."""
    return placement.role != "sensor"


def test_nodes_that_fall_silent_after_the_watchers_are_our_own_fault() -> None:
    """A broker that dies bit by bit takes the canaries first: still no outage."""
    play = Play()
    play.warm_up()
    assert play.minutes(10, watchers) == []
    play.minutes(1, lambda p: watchers(p) or int(p.node[-1], 16) % 2 == 0)
    play.minutes(120, everyone)
    play.minutes(40)
    assert {entry.kind for entry in play.said} == {"collector-fault"}


def test_dead_watchers_do_not_hide_what_most_nodes_contradict() -> None:
    """One network falls while all the others are heard: their words prove our path."""
    play = Play()
    play.warm_up()
    assert play.minutes(60, watchers) == []
    isp = sensors_of(isp="isp0")
    play.minutes(10, lambda p: watchers(p) or isp(p))
    assert play.only().scope.isps == ("isp0",)


def test_watchers_dead_for_a_day_are_none() -> None:
    """A country whose canary nobody mended is judged like one that never had any."""
    play = Play()
    play.warm_up()
    assert play.minutes(60 * 25, watchers) == []
    play.minutes(10, everyone)
    assert play.only().kind == "outage"
    assert play.only().confidence <= 0.9


def test_nothing_is_judged_beyond_the_watermark() -> None:
    """While arrivals wait in a queue their nodes are not silent."""
    play = Play()
    play.warm_up()
    stalled_at = play.now
    for _ in range(30):
        play.now += 60.0
        for canary in ("canary", "control-a", "control-b"):
            play.engine.heard(canary, play.now - 1.0)
        assert play.engine.tick(play.now, watermark=stalled_at) == []


def test_a_hold_excuses_what_fell_with_our_own_stumble() -> None:
    """After a disconnect of ours, nodes that dribble back are no outage."""
    play = Play()
    play.warm_up()
    assert play.minutes(1, sensors_of()) == []
    play.engine.hold(play.now, since=play.now - 60.0)
    assert play.minutes(2, sensors_of(but="isp0")) == []
    assert play.minutes(30) == []


def test_a_cut_comes_back_in_parts_and_is_cut_again() -> None:
    """Partial restore, restored, reopened under the same id, restored, closed after a day."""
    play = Play()
    play.warm_up()
    play.minutes(60, sensors_of())
    play.minutes(30, sensors_of(isp="isp0"))
    play.minutes(240)
    play.minutes(60, sensors_of())
    play.minutes(60 * 25)
    assert states(play) == [
        "suspected",
        "confirmed",
        "ongoing",
        "partial_restore",
        "restored",
        "reopened",
        "ongoing",
        "partial_restore",
        "restored",
        "closed",
    ]
    assert play.only().restored_at is not None


def test_one_tick_says_one_thing_of_one_incident() -> None:
    """Where half is back and its back-fill decides the cause at once, one entry says both."""
    play = Play()
    play.warm_up()
    begin = play.now
    play.minutes(30, sensors_of())
    for placement in play.placements:
        if placement.isp in {"isp0", "isp1"}:
            play.backfill(placement.node, begin, play.now, up=False)
    play.minutes(2, lambda placement: placement.isp in {"isp2", "isp3"})
    told = [(entry.published_at, entry.state) for entry in play.said]
    assert len(told) == len(set(told))
    assert play.only().history == tuple(play.said)
    both = "lines are down; back-fill of 24 lines decides"
    assert sum(both in entry.note for entry in play.said) == 1


def test_a_short_silence_of_a_few_lines_is_dismissed() -> None:
    """Three lines that come back within minutes are a suspicion that came to nothing."""
    play = Play()
    play.warm_up()
    play.minutes(4, sensors_of("isp3", "XX-01"))
    play.minutes(5)
    assert states(play) == ["suspected", "dismissed"]


def test_announced_absences_leave_the_count() -> None:
    """Lines that said they would be quiet are no evidence, and come back by being heard."""
    play = Play()
    play.warm_up()
    for placement in play.placements:
        if placement.isp == "isp1":
            play.engine.absent(
                Absence(node=placement.node, begin=play.now, end=None, reason="pause")
            )
    assert play.minutes(60, sensors_of("isp1")) == []
    play.minutes(5)
    assert all(group.lines >= 12 for group in play.engine.groups() if group.isp == "isp1"
               and group.region is None)  # fmt: skip


def test_a_line_in_another_network_does_not_count_for_its_own() -> None:
    """A node seen in a foreign network is left out until it is back."""
    play = Play()
    play.warm_up()
    play.engine.moved("n-1-0-0-0", elsewhere=True)
    play.minutes(5)
    nation = play.engine.groups()[0]
    assert nation.lines == 47
    play.engine.moved("n-1-0-0-0", elsewhere=False)
    play.minutes(2)
    assert play.engine.groups()[0].lines == 48


@pytest.mark.parametrize("every", [1, 7])
def test_a_crash_changes_nothing(every: int) -> None:
    """Restarted from its snapshot in the middle of a cut, the engine says the same, same ids."""
    steady, crashing = Play(), Play()
    for play in (steady, crashing):
        play.warm_up(1.5)
    for minute in range(100):
        silent = sensors_of(but="isp2") if 10 <= minute < 60 else sensors_of("none")
        for play in (steady, crashing):
            play.minutes(1, silent)
        if minute % every == 0:
            crashing.crash()
    assert crashing.said == steady.said
    assert crashing.engine.snapshot() == steady.engine.snapshot()


@pytest.mark.parametrize("snapshot", [b'{"fields":"0"}', b"[]", b"\xff"])
def test_a_snapshot_of_other_fields_is_refused(snapshot: bytes) -> None:
    """What cannot be understood is not guessed at."""
    with pytest.raises(ValueError, match=r"fields|decode"):
        Engine(pace=Pace()).restore(snapshot)


@pytest.mark.parametrize("is_down", [False, True])
def test_a_line_that_leaves_takes_its_words_along(is_down: bool) -> None:
    """Also where it leaves while the collector is down, and nobody else spoke of the target."""
    play = Play()
    play.warm_up(1.0)
    leaving = play.placements[0]
    word = TargetWord(
        node=leaving.node, target="https://news.example/", at=play.now, state="blocked", rule="r"
    )
    play.engine.verdict(word)
    play.engine.climbed(
        LadderWord(node=leaving.node, at=play.now, known_at=play.now, reach="domestic")
    )
    play.minutes(1)
    del play.placements[0]
    if is_down:
        play.crash()
    else:
        play.engine.forget(leaving.node)
    play.minutes(2)
    memory = json.loads(play.engine.snapshot())
    assert [book["views"] for book, *_ in memory["targets"].values()] == [[]]
    assert [book["complaints"] for book, *_ in memory["targets"].values()] == [[]]
    assert [book["views"] for book, _ in memory["phases"].values()] == [[]]


def test_a_damaged_snapshot_is_refused() -> None:
    """The right fingerprint over a part that is gone, or of another form, is no reason to die."""
    whole = json.loads(Engine(pace=Pace()).snapshot())
    for name in whole.keys() - {"fields"}:
        for damaged in (
            {key: value for key, value in whole.items() if key != name},
            {**whole, name: [[0]]},
        ):
            engine = Engine(pace=Pace())
            with contextlib.suppress(ValueError):
                engine.restore(json.dumps(damaged).encode())


def regional_cut(play: Play) -> tuple[float, float]:
    """An hour without the region XX-01."""
    play.warm_up()
    begin = play.now
    play.minutes(60, sensors_of(region="XX-01"))
    play.minutes(2)
    return begin, play.now


@pytest.mark.parametrize(("tells", "cause"), [(True, "network"), (False, "power")])
def test_back_fill_tells_power_from_network(tells: bool, cause: str) -> None:
    """Spools that go on prove power; spools that stop at onset prove its absence."""
    play = Play()
    begin, end = regional_cut(play)
    assert play.only().cause == "unknown"
    if tells:
        for placement in play.placements:
            if placement.region == "XX-01":
                play.backfill(placement.node, begin, end, up=False)
    else:
        play.backfill("n-0-0-0-0", play.now - 6000.0, play.now - 4000.0, up=True)
    play.minutes(20)
    assert play.only().cause == cause
    assert "revise" not in states(play)


def test_words_that_came_before_most_were_back_are_weighed_then() -> None:
    """A third of a region returns and tells; the cause is decided when half of it is back."""
    play = Play()
    play.warm_up()
    begin = play.now
    play.minutes(60, sensors_of(region="XX-01"))
    there = [p for p in play.placements if p.region == "XX-01"]
    early = {p.node for p in there[: len(there) // 3]}
    for placement in there:
        play.backfill(placement.node, begin, play.now, up=False)
    play.minutes(2, lambda p: p.region == "XX-01" and p.node not in early)
    assert play.only().cause == "unknown"
    play.minutes(2)
    assert play.only().cause == "network"


def test_only_lines_that_were_cut_tell_of_its_cause() -> None:
    """A nation is cut, and a region of it cut again; drops of other lines are no word on that."""
    play = Play()
    play.warm_up()
    play.minutes(60, sensors_of())
    play.minutes(60)
    play.minutes(60, sensors_of(region="XX-01"))
    begin = play.now - 3000.0
    assert play.only().history[-1].scope.level == "region"
    for placement in play.placements:
        if placement.role == "sensor" and placement.region != "XX-01":
            play.backfill(placement.node, begin, play.now, up=False)
    play.minutes(20)
    restored = play.only().history[-1]
    assert (restored.state, restored.cause) == ("restored", "power")
    assert play.now - restored.at >= 600.0


@pytest.mark.parametrize(("tell", "cause"), [(0, "power"), (12, "cut-off")])
def test_a_country_of_which_a_quarter_tells_has_not_lost_power(tell: int, cause: str) -> None:
    """Where so many had power, the silence of the others says only that they keep no spool."""
    play = Play()
    play.warm_up()
    begin = play.now
    play.minutes(60, sensors_of())
    play.minutes(2)
    for placement in play.placements[: 4 * tell : 4]:
        play.backfill(placement.node, begin, play.now, up=False)
    play.backfill("n-0-0-0-0", begin - 3600.0, begin - 1800.0, up=True)
    play.minutes(20)
    assert play.only().cause == cause


@pytest.mark.parametrize(
    ("reach", "cause"), [("domestic", "domestic-only"), ("nowhere", "national")]
)
def test_ladders_tell_a_domestic_only_phase_from_a_national_one(reach: Reach, cause: str) -> None:
    """Domestic tiers and nothing abroad: cut at the border. Nothing at all: by the country."""
    play = Play()
    play.warm_up()
    begin = play.now
    play.minutes(60, sensors_of())
    play.minutes(2)
    for placement in play.placements:
        if placement.role == "sensor":
            play.engine.ladder(
                LadderWord(node=placement.node, at=begin + 600.0, known_at=play.now, reach=reach)
            )
    play.minutes(1)
    assert play.only().cause == cause


def test_an_outside_source_decides() -> None:
    """Cut off from the collector becomes national when somebody else sees it too."""
    play = Play()
    play.warm_up()
    play.minutes(20, sensors_of())
    play.engine.outside(play.only().id, "national")
    play.minutes(1, sensors_of())
    assert play.only().cause == "national"
    assert play.only().history[-1].note == "an outside source decides the cause"


def say(play: Play, isp: str, state: str, target: str = "news.example") -> None:
    """Every line of a network has a verdict on a target; the others say ok."""
    for placement in play.placements:
        if placement.role == "sensor":
            word = TargetWord(
                node=placement.node,
                target=target,
                at=play.now,
                state="ok" if placement.isp != isp else state,  # type: ignore[arg-type]
            )
            play.engine.verdict(word)


def test_a_blocked_target_is_an_incident_of_its_network() -> None:
    """Two rounds of verdicts on one network make a blocking incident; ok again restores it."""
    play = Play()
    play.warm_up()
    for state in ("ok", "blocked", "blocked", "ok", "ok", "ok"):
        say(play, "isp1", state)
        play.minutes(10)
    incident = play.only()
    assert (incident.kind, incident.scope.isps) == ("blocking", ("isp1",))
    assert incident.scope.targets == ("news.example",)
    assert states(play) == ["suspected", "confirmed", "restored"]


def test_a_home_s_own_filter_does_not_keep_a_blocking_open() -> None:
    """One line goes on saying blocked, for reasons of its own: the others restore the incident."""
    play = Play()
    play.warm_up()
    for state in ("ok", "blocked", "blocked", "ok", "ok", "ok"):
        say(play, "isp1", state)
        home = TargetWord(
            node="n-1-0-0-0", target="news.example", at=play.now + 1.0, state="blocked"
        )
        play.engine.verdict(home)
        play.minutes(10)
    assert states(play) == ["suspected", "confirmed", "restored"]
    assert play.only().history[-1].note == "11 of 12 words say ok again"


def test_one_throttled_target_is_selective_and_two_are_not() -> None:
    """Throttling widens over targets under one id."""
    play = Play()
    play.warm_up()
    for target in ("a.example", "b.example"):
        for _ in range(3):
            say(play, "isp1", "throttled", target)
            play.minutes(5)
    incident = play.only()
    assert incident.kind == "throttling"
    assert [entry.cause for entry in incident.history][-1] == "isp"
    assert incident.history[0].cause == "selective"


def test_every_published_figure_is_explained() -> None:
    """Text names the lines and the test; the picture holds both thresholds."""
    play = Play()
    play.warm_up()
    play.minutes(10, sensors_of("isp1"))
    why = play.engine.why(play.only().id)
    assert len(why.witnesses) == 12
    assert "edge test" in as_text(why)
    assert "isp1" in as_text(why)
    assert as_svg(why).startswith("<svg")
    with pytest.raises(KeyError):
        play.engine.why("nothing")


def test_a_handful_of_nodes_names_no_region_and_tells_two_as_grade_b() -> None:
    """Five nodes: all silent is confirmed without a region; two silent stay a suspicion."""
    play = Play(lattice_fleet(5, 1, 1))
    play.warm_up()

    def two(placement: Placement) -> bool:
        return placement.isp in {"isp0", "isp1"}

    play.minutes(20, two)
    play.minutes(5)
    assert [(entry.state, entry.grade) for entry in play.said] in (
        [],
        [("suspected", "B"), ("dismissed", "B")],
    )
    play.said.clear()
    play.minutes(10, sensors_of())
    assert play.said[-1].state in {"confirmed", "ongoing"}
    assert play.said[-1].scope.regions == ()
    assert play.said[-1].grade == "A"


def test_a_single_canary_that_loses_words_does_not_open_a_race() -> None:
    """However wide its leash, nodes are never judged before our own fault could be seen."""
    for minute in range(7):
        play = Play()
        play.engine.forget("control-a")
        play.engine.forget("control-b")
        play.placements = [p for p in play.placements if not p.node.startswith("control")]
        for turn in range(200):

            def lost(placement: Placement, turn: int = turn) -> bool:
                return placement.role == "canary" and turn % 11 == 3

            play.minutes(1, lost)
        play.minutes(minute)
        play.minutes(30, everyone)
        play.minutes(30)
        assert {entry.kind for entry in play.said} == {"collector-fault"}


def test_what_is_over_leaves_the_memory() -> None:
    """A closed incident is forgotten after the days it is kept, not before."""
    play = Play(lattice_fleet(3, 1, 1))
    play.engine = Engine(pace=Pace(), placements=play.placements, keep_days=1.0)
    play.warm_up()
    play.minutes(10, sensors_of())
    play.minutes(26 * 60)
    assert play.only().state == "closed"
    play.minutes(48 * 60)
    assert play.engine.incidents() == []


def climb(play: Play, reach: Reach, *isps: str, control: Reach = "everywhere") -> None:
    """Ten minutes in which every line climbs once; those of some networks reach so much."""
    for placement in play.placements:
        told = reach if placement.isp in isps else "everywhere"
        told = control if placement.role != "sensor" else told
        play.engine.climbed(
            LadderWord(node=placement.node, at=play.now, known_at=play.now, reach=told)
        )
    play.minutes(10)


ISPS = ("isp0", "isp1", "isp2", "isp3")


@pytest.mark.parametrize(
    ("reach", "isps", "cause", "level", "exempt"),
    [
        ("white_list", ISPS, "white-list", "nation", ()),
        ("domestic", ISPS[:3], "domestic-only", "nation", ("isp3",)),
        ("domestic", ISPS[1:2], "domestic-only", "isp", ()),
    ],
)
def test_a_white_list_that_admits_us_is_told_from_ladders(
    reach: Reach, isps: tuple[str, ...], cause: str, level: str, exempt: tuple[str, ...]
) -> None:
    """Nobody is silent; the ladders say what is reached, where, since when, and that it is over."""
    play = Play()
    play.warm_up()
    climb(play, "everywhere")
    begin = play.now
    climb(play, reach, *isps)
    climb(play, reach, *isps)
    incident = play.only()
    assert (incident.kind, incident.cause, incident.scope.level) == ("outage", cause, level)
    assert (incident.scope.isps, incident.scope.exempt_isps) == (isps, exempt)
    assert (incident.onset.earliest, incident.onset.latest) == (begin - 600.0, begin)
    assert (incident.state, incident.grade) == ("confirmed", "A")
    why = play.engine.why(incident.id)
    assert {w.says.word for w in why.witnesses if w.says} == {reach}
    assert f"abroad {reach}, 2 times in a row" in as_text(why)
    assert "ladder test" in as_text(why)
    assert "lines that say so" in as_svg(why)
    play.crash()
    climb(play, "everywhere")
    climb(play, "everywhere")
    assert states(play) == ["suspected", "confirmed", "restored"]
    climb(play, reach, *isps)
    assert play.only().state == "reopened"


def test_a_part_that_reaches_abroad_again_is_told() -> None:
    """Two of four networks are back, then one of them is not."""
    play = Play()
    play.warm_up()
    climb(play, "domestic", *ISPS)
    climb(play, "domestic", *ISPS[2:])
    climb(play, "domestic", *ISPS[1:])
    climb(play, "everywhere")
    climb(play, "everywhere")
    told = [(entry.state, entry.scope.isps) for entry in play.only().history]
    assert told[:2] == [("suspected", ISPS), ("confirmed", ISPS)]
    assert told[-1][0] == "restored"
    assert ("ongoing", ISPS[2:]) in told


def test_ladders_prove_nothing_without_a_control_or_by_three_homes() -> None:
    """Far ends that are down for all, controls too, are no shutdown; nor is a street."""
    play = Play()
    play.warm_up()
    for _ in range(3):
        climb(play, "domestic", *ISPS, control="domestic")
    assert play.said == []
    for placement in play.placements[:2]:
        for turn in range(3):
            play.engine.climbed(
                LadderWord(
                    node=placement.node, at=play.now + turn, known_at=play.now, reach="domestic"
                )
            )
    climb(play, "everywhere")
    assert play.said == []


def test_a_ladder_of_the_silence_before_is_no_phase() -> None:
    """The first live report after a cut still holds what was reached within it."""
    play = Play()
    play.warm_up()
    play.minutes(20, sensors_of())
    climb(play, "domestic", *ISPS)
    play.minutes(20)
    assert {entry.cause for entry in play.said} <= {"unknown", "cut-off"}
    assert len(play.engine.incidents()) == 1


def test_what_is_blocked_is_explained_by_what_the_lines_say() -> None:
    """Which lines, how often, and the score against time; also after a restart."""
    play = Play()
    play.warm_up()
    for state in ("ok", "blocked", "blocked"):
        say(play, "isp1", state)
        play.minutes(10)
    play.crash()
    incident = play.only()
    assert incident.onset.latest - incident.onset.earliest == 600.0
    why = play.engine.why(incident.id)
    assert {(w.key.isp, w.says.word, w.says.times) for w in why.witnesses if w.says} == {
        ("isp1", "blocked", 2)
    }
    assert len(why.witnesses) == 12
    assert "isp1 XX-00 fixed: news.example blocked, 2 times in a row" in as_text(why)
    assert max(score for _, score, _, _ in why.trace) >= 13


def test_a_network_that_is_slow_everywhere_is_throttled_without_a_site() -> None:
    """Handshakes abroad take five times as long on one network, and not for a control."""
    play = Play()
    play.warm_up()
    for turn in range(18):
        slow = 5.0 if turn >= 14 else 1.0
        for placement in play.placements:
            play.engine.quality(
                QualitySample(
                    node=placement.node,
                    at=play.now,
                    metric="handshake_ms",
                    value=120.0 * (slow if placement.isp == "isp1" else 1.0),
                    target=f"{PATH}abroad",
                )
            )
        play.minutes(10)
    incident = play.only()
    assert (incident.kind, incident.cause) == ("throttling", "isp")
    assert (incident.scope.isps, incident.scope.targets) == (("isp1",), ())
