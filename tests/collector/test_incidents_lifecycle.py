"""The life of an incident: the table, its page, and what no sequence of events can do."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shyraq_collector.facts.fleet import Role
from shyraq_collector.facts.signals import (
    Absence,
    LadderWord,
    QualitySample,
    Reach,
    TargetState,
    TargetWord,
)
from shyraq_collector.incidents.lifecycle import (
    EVENTS,
    FINAL,
    OPEN,
    STATES,
    TRANSITIONS,
    as_markdown,
    step,
)
from support.simulator_play import Play, everyone, nobody, sensors_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "incident-lifecycle.md"


def test_the_page_is_the_table() -> None:
    """The reference page is generated, never edited."""
    assert PAGE.read_text(encoding="utf-8") == as_markdown()


def test_every_state_and_event_is_used_and_described() -> None:
    """No state without a way in, no event without a row."""
    reached = {"suspected", *TRANSITIONS.values()}
    assert reached == set(STATES)
    assert {event for _, event in TRANSITIONS} == set(EVENTS)


def test_final_states_only_take_revisions() -> None:
    """What is over may be corrected by a new entry, but does not come back."""
    for (state, event), after in TRANSITIONS.items():
        if state in FINAL:
            assert (event, after) == ("revise", state)


def test_a_step_that_is_not_in_the_table_is_a_bug() -> None:
    """A closed incident cannot be confirmed."""
    with pytest.raises(KeyError):
        step("closed", "confirm")


class Country(RuleBasedStateMachine):
    """Any weather over a small country: timelines stay append-only and follow the table."""

    def __init__(self) -> None:
        """A fleet whose habits are known."""
        super().__init__()
        self.play = Play()
        self.play.warm_up(1.0)
        self.before: dict[str, int] = {}

    @rule(
        minutes=st.integers(1, 25),
        who=st.sampled_from(["nobody", "all", "isp0", "isp1", "XX-02", "but", "ours"]),
    )
    def pass_time(self, minutes: int, who: str) -> None:
        """Some lines are silent for a while."""
        silent = {
            "nobody": nobody,
            "all": sensors_of(),
            "isp0": sensors_of("isp0"),
            "isp1": sensors_of("isp1"),
            "XX-02": sensors_of(region="XX-02"),
            "but": sensors_of(but="isp3"),
            "ours": everyone,
        }[who]
        self.play.minutes(minutes, silent)

    @precondition(lambda self: bool(self.play.said))
    @rule()
    def crash(self) -> None:
        """The collector dies and starts again."""
        self.play.crash()

    @rule(
        who=st.sets(st.integers(0, 50), min_size=1, max_size=20),
        state=st.sampled_from(get_args(TargetState)),
        reach=st.sampled_from(get_args(Reach)),
        site=st.sampled_from(["https://news.example/", "https://video.example/"]),
        times=st.integers(1, 4),
    )
    def tell(self, who: set[int], state: TargetState, reach: Reach, site: str, times: int) -> None:
        """Verdicts, ladders and speeds of some nodes, a few minutes running."""
        for _ in range(times):
            for placement in (self.play.placements[n % len(self.play.placements)] for n in who):
                node, at, engine = placement.node, self.play.now, self.play.engine
                engine.climbed(LadderWord(node=node, at=at, known_at=at, reach=reach))
                engine.verdict(
                    TargetWord(node=node, target=site, at=at, state=state, rule="a.rule")
                )
                engine.quality(
                    QualitySample(
                        node=node,
                        at=at,
                        metric="rate_bps",
                        value=1e6 if state == "throttled" else 5e7,
                        target=site,
                    )
                )
            self.play.minutes(1)

    @rule(who=st.integers(0, 50), minutes=st.integers(1, 90), up=st.booleans())
    def back_fill(self, who: int, minutes: int, up: bool) -> None:
        """A node tells of its past."""
        node = self.play.placements[who % len(self.play.placements)].node
        self.play.backfill(node, self.play.now - 60.0 * minutes, self.play.now, up=up)

    @rule(who=st.integers(0, 50))
    def announce(self, who: int) -> None:
        """A node will be quiet."""
        node = self.play.placements[who % len(self.play.placements)].node
        self.play.engine.absent(Absence(node=node, begin=self.play.now, end=None, reason="pause"))

    @rule(
        who=st.sets(st.integers(0, 50), min_size=1, max_size=12),
        where=st.sampled_from(["isp0", "isp9", None]),
        role=st.sampled_from(get_args(Role)),
        is_down=st.booleans(),
    )
    def change_the_fleet(self, who: set[int], where: str | None, role: Role, is_down: bool) -> None:
        """Nodes leave, or move to another network or role, also while the collector is down."""
        play = self.play
        for node in {play.placements[n % len(play.placements)].node for n in who}:
            (index,) = (n for n, each in enumerate(play.placements) if each.node == node)
            if where is None and len(play.placements) > 1:
                del play.placements[index]
                if not is_down:
                    play.engine.forget(node)
            elif where is not None:
                play.placements[index] = replace(play.placements[index], isp=where, role=role)
                if not is_down:
                    play.engine.place(play.placements[index])
        if is_down:
            play.crash()

    @invariant()
    def timelines_follow_the_table(self) -> None:
        """Numbers without holes, times that do not run back, only rows of the table."""
        for incident in self.play.engine.incidents():
            history = incident.history
            assert [entry.number for entry in history] == list(range(len(history)))
            assert len(history) >= self.before.get(incident.id, 0)
            self.before[incident.id] = len(history)
            assert history[0].state == "suspected"
            for earlier, later in pairwise(history):
                assert earlier.published_at <= later.published_at
                assert (earlier.published_at, earlier.state) != (later.published_at, later.state)
                assert any(
                    state == earlier.state and after == later.state
                    for (state, _), after in TRANSITIONS.items()
                )
            assert incident.lines_down_peak <= max(incident.lines_observed, 1)
            assert 0.0 <= incident.confidence <= 1.0

    @invariant()
    def a_line_belongs_to_one_open_incident(self) -> None:
        """Claims and open incidents agree."""
        opened = {i.id for i in self.play.engine.incidents() if i.state in OPEN}
        for country in self.play.engine.roster.countries.values():
            for line in country.lines.values():
                assert line.case is None or line.case in opened
            for group in country.lattice.groups:
                assert 0 <= group.up <= group.lines


TestCountry = Country.TestCase
TestCountry.settings = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
