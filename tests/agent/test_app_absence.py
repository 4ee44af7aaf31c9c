"""The host's pause: how long it lasts, through restarts, reboots and wrong clocks."""

import pytest

from shyraq_agent.app.absence import Absence
from support.clock import STORY_START_MS, FakePace

HOUR_MS = 3_600_000


def absence(pace: FakePace, remembered: str | None = None, *, boot_id: str = "boot-1") -> Absence:
    """A program that starts."""
    return Absence(remembered=remembered, pace=pace, boot_id=boot_id)


def test_without_a_word_of_the_host_the_node_is_here() -> None:
    """No pause, nothing to tell, nothing left."""
    fresh = absence(FakePace())
    assert not fresh.is_away
    assert not fresh.is_asked
    assert fresh.tell() is None
    assert fresh.left_ms() == 0


def test_an_hour_lasts_an_hour_through_restarts_of_the_program() -> None:
    """By the boot clock: a wall clock that jumps changes nothing."""
    pace = FakePace()
    first = absence(pace)
    first.pause(3_600)
    pace.advance(HOUR_MS / 2)
    pace.step_wall_clock(-10 * HOUR_MS)
    second = absence(pace, first.remember())
    assert second.tell() == {"left_s": 1_800, "for_s": 3_600}
    pace.advance(HOUR_MS / 2)
    assert not second.is_away
    assert second.is_asked


def test_it_goes_on_after_a_reboot() -> None:
    """Another boot, another boot clock: the wall clock tells how much has passed."""
    first = absence(FakePace())
    first.pause(3_600)
    rebooted = FakePace(now_ms=STORY_START_MS + HOUR_MS // 4, uptime_ms=1_000)
    second = absence(rebooted, first.remember(), boot_id="boot-2")
    assert second.left_ms() == HOUR_MS * 3 // 4
    rebooted.advance(HOUR_MS)
    assert not second.is_away


def test_a_pi_that_wakes_in_1970_begins_the_pause_anew() -> None:
    """Not sooner than allowed, and no later than the whole time once more."""
    first = absence(FakePace())
    first.pause(3_600)
    woken = FakePace(now_ms=5_000, uptime_ms=1_000)
    second = absence(woken, first.remember(), boot_id="boot-2")
    assert second.left_ms() == HOUR_MS
    woken.advance(HOUR_MS / 2)
    woken.step_wall_clock(STORY_START_MS)  # NTP answers
    assert second.left_ms() == HOUR_MS / 2
    woken.advance(HOUR_MS / 2)
    assert not second.is_away


def test_until_resumed_means_until_resumed() -> None:
    """However long, whatever boots in between."""
    pace = FakePace()
    first = absence(pace)
    first.pause(None)
    pace.advance(10_000 * HOUR_MS)
    second = absence(pace, first.remember(), boot_id="boot-2")
    assert second.tell() == {"left_s": None, "for_s": None}
    second.resume()
    assert second.tell() is None
    assert not absence(pace, second.remember()).is_asked


def test_each_word_of_the_host_is_announced() -> None:
    """Whoever waits for a change is woken."""
    spoken = absence(FakePace())
    spoken.pause(60)
    assert spoken.changed.is_set()
    spoken.changed.clear()
    spoken.resume()
    assert spoken.changed.is_set()


@pytest.mark.parametrize("text", ["{", "[]", '{"for_s": 1}', "null"])
def test_a_memory_that_cannot_be_read_is_no_pause(text: str) -> None:
    """The node starts and measures."""
    assert not absence(FakePace(), text).is_away
