"""Which new cut is an old incident cut again, and which is not."""

import pytest

from shyraq_collector.facts.fleet import Placement
from support.simulator import lattice_fleet
from support.simulator_play import Play, Silent, nobody, sensors_of


def restored_after(silent: Silent, hours: float = 2.0) -> Play:
    """A country that was cut for an hour and has been whole again for so many hours."""
    play = Play()
    play.warm_up(2.0)
    play.minutes(60, silent)
    play.minutes(60 * hours)
    assert play.only().state == "restored"
    return play


def outage_ids(play: Play) -> list[str]:
    """Ids of the incidents that were ever confirmed, in order."""
    return [i.id for i in play.engine.incidents() if i.confirmed_at is not None]


@pytest.mark.parametrize("first", ["isp0", "isp2"])
@pytest.mark.parametrize("lead", [1, 4])
def test_a_cut_that_begins_in_a_part_of_the_old_scope_keeps_the_id(first: str, lead: int) -> None:
    """One network goes first and the others follow: the national incident is reopened."""
    play = restored_after(sensors_of(but="isp3"))
    play.minutes(lead, sensors_of(first))
    play.minutes(20, sensors_of(but="isp3"))
    assert play.only().state in {"reopened", "ongoing"}
    assert play.only().history[-1].scope.level == "nation"
    assert play.only().history[-1].evidence.down == 36


def test_a_part_of_the_old_scope_cut_alone_reopens_it_with_its_own_scope() -> None:
    """Only what is cut now is said of the new cut; the widest scope stays that of the incident."""
    play = restored_after(sensors_of())
    play.minutes(15, sensors_of("isp1"))
    assert play.only().state in {"reopened", "ongoing"}
    assert play.only().history[-1].scope.isps == ("isp1",)
    assert play.only().scope.level == "nation"


def test_three_lines_inside_the_old_scope_are_waited_for_as_elsewhere() -> None:
    """Three lines that drop twice a day, cut again: nothing is said at first, nor forgotten."""
    play = restored_after(sensors_of())
    day_s = play.engine.pace.day_s
    for placement in filter(sensors_of("isp1", "XX-02"), play.placements):
        line = play.engine.roster.line(placement.node)
        line.counts, line.silent_s = [10.0, 10.0, 10.0], [0.2 * day_s] * 3
        line.observed_s = 5.0 * day_s
    assert play.minutes(4, sensors_of("isp1", "XX-02")) == []
    play.minutes(10, sensors_of("isp1", "XX-02"))
    assert play.only().state in {"reopened", "ongoing"}
    assert play.only().history[-1].scope.regions == ("XX-02",)


def test_three_lines_that_come_back_reopen_nothing() -> None:
    """A short silence inside the old scope leaves no trace."""
    play = restored_after(sensors_of())
    assert play.minutes(4, sensors_of("isp1", "XX-02")) == []
    assert play.minutes(60) == []
    assert play.only().state == "restored"


def test_what_fell_before_the_old_cut_is_not_part_of_the_new_one() -> None:
    """A line that dropped by itself between the cuts is no evidence for the second."""
    play = restored_after(sensors_of(region="XX-01"), hours=1.0)

    def one(placement: Placement) -> bool:
        return placement.node == "n-0-1-0-0"

    play.minutes(120, one)
    play.minutes(15, lambda placement: one(placement) or sensors_of("isp1", "XX-01")(placement))
    assert play.only().history[-1].evidence.down == 3


@pytest.mark.parametrize("silent", [sensors_of("isp2"), sensors_of("isp1", "XX-02")])
def test_a_cut_elsewhere_is_an_incident_of_its_own(silent: Silent) -> None:
    """Another network is not the same scope, however soon it falls."""
    play = restored_after(sensors_of("isp0"))
    play.minutes(20, silent)
    assert len(outage_ids(play)) == 2


def test_a_far_wider_cut_is_an_incident_of_its_own() -> None:
    """One network yesterday does not date the begin of today's national cut."""
    play = restored_after(sensors_of("isp0"))
    play.minutes(20, sensors_of())
    first, second = play.engine.incidents()
    assert (first.state, second.scope.level) == ("restored", "nation")
    assert second.onset.earliest > (first.restored_at or 0.0)


def test_a_suspicion_elsewhere_that_becomes_the_old_cut_is_dismissed_for_it() -> None:
    """Three lines are suspected first, then the whole old scope falls: one incident, one id."""
    play = Play(lattice_fleet(3, 3, 4))
    play.warm_up(2.0)
    play.minutes(60, sensors_of(but="isp2"))
    play.minutes(60)
    (old,) = outage_ids(play)
    street = {f"n-2-0-{number}-0" for number in range(3)}
    play.minutes(4, lambda placement: placement.node in street)
    play.minutes(20, sensors_of(but="isp2"))
    assert outage_ids(play) == [old]
    assert [i.state for i in play.engine.incidents() if i.id != old] in ([], ["dismissed"])


def test_a_closed_incident_stays_closed() -> None:
    """A day after restoration the same cut is a new incident."""
    play = Play(lattice_fleet(4, 1, 3))
    play.warm_up(2.0)
    play.minutes(30, sensors_of())
    play.minutes(60 * 25, nobody)
    play.minutes(15, sensors_of())
    assert play.engine.incidents()[0].state == "closed"
    assert len(outage_ids(play)) == 2
