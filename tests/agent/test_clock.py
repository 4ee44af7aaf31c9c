"""The agent's clocks, and the clocks that the tests themselves run on."""

import asyncio
import os
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.clock import (
    RealPace,
    RealStopwatch,
    built_at_ms,
    read_boot_id,
    read_clock_state,
)
from support.clock import FakePace, FakeStopwatch

ROOT = Path(__file__).parents[2]


def test_real_clocks_do_not_go_back() -> None:
    """Boot clock and stopwatch never decrease between two readings."""
    pace, stopwatch = RealPace(), RealStopwatch()
    readings = [(pace.uptime_ms(), stopwatch.elapsed_ms()) for _ in range(1000)]
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(readings))


def test_wall_clock_is_in_milliseconds_since_1970() -> None:
    """The wall clock reads a moment of this century, whatever the host's time zone."""
    assert 1_577_836_800_000 < RealPace().now_ms() < 4_102_444_800_000


async def test_real_sleep_takes_the_asked_time_and_never_less() -> None:
    """A sleep of 20 ms ends no earlier than 20 ms of the boot clock (to 1 ms of rounding)."""
    pace = RealPace()
    started = pace.uptime_ms()
    await pace.sleep_ms(20)
    await pace.sleep_ms(-5)
    assert pace.uptime_ms() - started >= 19


def test_boot_id_is_the_files_one_line(tmp_path: Path) -> None:
    """The boot id is the kernel's text without its newline."""
    path = tmp_path / "boot_id"
    path.write_text("0b54aa7d-6f4b-4d4c-a7e5-1c2d3e4f5a6b\n")
    assert read_boot_id(path) == "0b54aa7d-6f4b-4d4c-a7e5-1c2d3e4f5a6b"
    assert len(read_boot_id()) == 36


def test_clock_state_has_a_bound_exactly_when_a_source_disciplines_the_clock() -> None:
    """Source none has no error bound; source ntp has one of zero or more."""
    state = read_clock_state()
    assert (state.source == "none") == (state.error_ms is None)
    assert state.error_ms is None or state.error_ms >= 0


@given(
    sleeps=st.lists(st.integers(0, 500), max_size=12),
    steps=st.lists(st.integers(1, 300), max_size=12),
)
def test_fake_sleepers_wake_in_due_order_and_never_early(
    sleeps: list[int], steps: list[int]
) -> None:
    """However time is cut into steps, sleepers wake when due and in the order they are due."""

    async def scenario() -> list[tuple[int, int]]:
        pace = FakePace(uptime_ms=0)
        woken: list[tuple[int, int]] = []

        async def sleeper(duration_ms: int) -> None:
            await pace.sleep_ms(duration_ms)
            woken.append((duration_ms, pace.uptime_ms()))

        tasks = [asyncio.create_task(sleeper(each)) for each in sleeps]
        for step in steps:
            await pace.run_for(step)
        due_count = len(woken)
        await pace.run_for(500)
        await asyncio.gather(*tasks)
        assert due_count == sum(each <= sum(steps) for each in sleeps) or not steps
        return woken

    woken = asyncio.run(scenario())
    assert [each for each, _ in woken] == sorted(sleeps)
    assert all(at == due for due, at in woken)


def test_stepping_the_wall_clock_leaves_the_boot_clock() -> None:
    """A correction of the wall clock moves nothing that schedules run on."""
    pace = FakePace()
    before = pace.uptime_ms()
    pace.step_wall_clock(-86_400_000)
    assert pace.uptime_ms() == before
    pace.advance(10)
    assert pace.uptime_ms() == before + 10


def test_fake_stopwatch_moves_only_by_hand() -> None:
    """The stopwatch of tests stands still until it is turned."""
    stopwatch = FakeStopwatch()
    assert stopwatch.elapsed_ms() == stopwatch.elapsed_ms() == 0
    stopwatch.advance(2.5)
    assert stopwatch.elapsed_ms() == 2.5


def test_a_wheel_knows_when_it_was_made(tmp_path: Path) -> None:
    """Built with hatchling as a release is: the moment of SOURCE_DATE_EPOCH, twice the same."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        subprocess.run([*command, folder], cwd=ROOT, env=environment, check=True)
        (wheel,) = folder.glob("*.whl")
        made.append(wheel.read_bytes())
        assert built_at_ms(zipfile.Path(wheel, "shyraq_agent/")) == 1_700_000_000_000
    assert made[0] == made[1]


def test_a_working_copy_knows_nothing_of_its_time(tmp_path: Path) -> None:
    """No file, or one that holds something else, is no moment."""
    assert built_at_ms(tmp_path) == 0
    (tmp_path / "built_at").write_text("yesterday")
    assert built_at_ms(tmp_path) == 0
