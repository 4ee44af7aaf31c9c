"""The way back: what counts as restored, and of how many."""

from shyraq_collector.facts.fleet import Placement
from support.simulator import lattice_fleet
from support.simulator_play import Play, sensors_of

DAY_MINUTES = 24 * 60


def cut(isps: int, lines: int) -> Play:
    """A small country of one region, cut for an hour."""
    play = Play(lattice_fleet(isps, 1, lines))
    play.warm_up(2.0)
    play.minutes(60, sensors_of())
    return play


def test_a_country_half_down_for_days_is_not_restored() -> None:
    """Two of four networks come back: partly restored, of all lines, however long it lasts."""
    play = cut(4, 3)

    def half(placement: Placement) -> bool:
        return sensors_of("isp0")(placement) or sensors_of("isp1")(placement)

    play.minutes(3 * DAY_MINUTES, half)
    last = play.only().history[-1]
    assert play.only().state == "partial_restore"
    assert (last.evidence.down, last.evidence.lines) == (6, 12)
    play.minutes(30)
    assert play.only().state == "restored"


def test_one_network_of_many_still_away_is_not_restored() -> None:
    """Three quarters of the country are back, but one whole network is not."""
    play = cut(4, 4)
    play.minutes(3 * DAY_MINUTES, sensors_of("isp2"))
    assert play.only().state == "partial_restore"


def lost(placement: Placement) -> bool:
    """A line of each of three networks: a fifth of all."""
    return placement.node in {"n-0-0-1-0", "n-1-0-3-0", "n-2-0-2-0"}


def test_a_few_that_never_return_do_not_keep_it_open_for_ever() -> None:
    """A fifth is gone for good: so much may be left behind after two days, if it lasts a third."""
    play = cut(3, 5)
    begun_at = play.only().onset.latest
    play.minutes(2 * DAY_MINUTES, lost)
    assert play.only().state == "partial_restore"
    play.minutes(1.1 * DAY_MINUTES, lost)
    restored = play.only().history[-1]
    assert restored.state == "restored"
    assert restored.note == "12 of 15 lines are back"
    assert abs(restored.at - begun_at - 2 * 86_400.0) <= 300.0


def test_a_fifth_that_returns_days_later_was_still_cut() -> None:
    """After a cut of an hour a fifth stays away for two days: restored when it is back."""
    play = cut(3, 5)
    play.minutes(1.9 * DAY_MINUTES, lost)
    assert play.only().state == "partial_restore"
    back_at = play.now
    play.minutes(30)
    restored = play.only().history[-1]
    assert restored.state == "restored"
    assert restored.note == "15 of 15 lines are back"
    assert back_at <= restored.at <= back_at + 120.0
