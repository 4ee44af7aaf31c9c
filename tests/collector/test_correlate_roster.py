"""Words in, transitions out."""

import pytest

from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.roster import Roster
from shyraq_collector.facts.fleet import Placement, Role
from support.simulator_play import BEGIN_S


def place(node: str, site: str | None = None, role: Role = "sensor") -> Placement:
    """One node of one network."""
    return Placement(
        node=node,
        isp="isp0",
        region="R0",
        country="XX" if role == "sensor" else "",
        access=None,
        site=site or node,
        role=role,
    )


def beating(*nodes: str, minutes: int = 60) -> Roster:
    """A roster whose nodes have beaten each minute for an hour."""
    roster = Roster(pace=Pace(), cadence_s=None)
    for node in nodes:
        roster.place(place(node))
    for minute in range(minutes):
        at = BEGIN_S + 60.0 * minute
        for node in nodes:
            roster.heard(node, at, at)
        roster.advance(at)
    return roster


END_S = BEGIN_S + 60.0 * 59


def test_a_line_is_counted_once_its_habit_is_known() -> None:
    """Eight gaps make a habit; before that the line is in no denominator."""
    assert beating("a", minutes=5).line("a").state == "new"
    roster = beating("a")
    assert roster.line("a").state == "up"
    assert roster.countries["XX"].lattice.groups[0].up == 1


def test_a_configured_heartbeat_is_a_habit_from_the_start() -> None:
    """With a prior, two words are enough to be eligible."""
    roster = Roster(pace=Pace(), cadence_s=60.0)
    roster.place(place("a"))
    roster.heard("a", BEGIN_S, BEGIN_S)
    assert roster.line("a").state == "up"


def test_silence_beyond_the_leash_is_missing_and_a_word_ends_it() -> None:
    """The counts follow, and the drop is remembered."""
    roster = beating("a", "b")
    for minute in range(1, 10):
        at = END_S + 60.0 * minute
        roster.heard("b", at, at)
        roster.advance(at)
    assert roster.line("a").state == "missing"
    assert roster.countries["XX"].lattice.groups[0].up == 1
    roster.heard("a", END_S + 600.0, END_S + 600.0)
    assert roster.line("a").state == "up"
    assert roster.line("a").counts[0] == pytest.approx(1.0)


def test_late_words_are_put_aside() -> None:
    """Back-fill never ends a silence."""
    roster = beating("a")
    roster.advance(END_S + 600.0)
    roster.heard("a", END_S + 300.0, END_S + 3600.0)
    assert roster.line("a").state == "missing"
    assert [(late.at, late.up) for late in roster.late] == [(END_S + 300.0, True)]
    assert roster.spools


def test_a_live_down_is_a_state_and_a_late_one_is_not() -> None:
    """A panel's sample counts at once; a node's own word after the fact only explains."""
    roster = beating("a", "b")
    roster.down("a", END_S + 30.0, END_S + 30.0)
    assert roster.line("a").state == "missing"
    roster.down("b", END_S + 30.0, END_S + 3600.0)
    assert roster.line("b").state == "up"
    assert not roster.line("b").explicit


def test_two_nodes_behind_one_router_are_one_line() -> None:
    """Either of them keeps the line up."""
    roster = Roster(pace=Pace(), cadence_s=60.0)
    for node in ("a", "b"):
        roster.place(place(node, site="flat"))
    assert roster.line("a") is roster.line("b")
    for minute in range(10):
        roster.heard("b", BEGIN_S + 60.0 * minute, BEGIN_S + 60.0 * minute)
    roster.advance(BEGIN_S + 540.0)
    assert roster.line("a").state == "up"
    roster.forget("a")
    assert roster.countries["XX"].lattice.groups[0].lines == 1
    roster.forget("b")
    assert roster.countries["XX"].lattice.groups[0].lines == 0


def test_chronic_absentees_leave_the_count() -> None:
    """A day without a word is a habit of its own; the next word brings the line back."""
    roster = beating("a", "b")
    for hour in range(1, 27):
        roster.heard("b", END_S + 3600.0 * hour, END_S + 3600.0 * hour)
        roster.advance(END_S + 3600.0 * hour)
    assert roster.line("a").state == "absent"
    at = END_S + 27 * 3600.0
    roster.heard("a", at, at)
    assert roster.line("a").state == "up"


def test_excused_silence_proves_nothing_until_its_end() -> None:
    """Lines that fell with our own fault are judged anew when the hold is over."""
    roster = beating("a")
    roster.advance(END_S + 300.0)
    roster.excuse(END_S, END_S + 900.0)
    assert roster.line("a").state == "up"
    roster.advance(END_S + 840.0)
    assert roster.line("a").state == "up"
    roster.advance(END_S + 960.0)
    assert roster.line("a").state == "missing"


def test_watchers_are_heard_together() -> None:
    """One that stops leaves no gap in the stream; both leave one."""
    roster = Roster(pace=Pace(), cadence_s=None)
    for node in ("canary", "control"):
        roster.place(place(node, role="canary"))
    at = BEGIN_S
    for _ in range(60):
        at += 60.0
        roster.heard("canary", at, at)
        roster.heard("control", at + 20.0, at + 20.0)
    for _ in range(30):
        at += 60.0
        roster.heard("control", at + 20.0, at + 20.0)
    assert roster.watch.beats
    assert roster.watch.stumbles == []
    roster.heard("canary", at + 400.0, at + 400.0)
    assert roster.watch.stumbles == [(at + 20.0, at + 400.0)]
