"""Clocks for tests: time moves only when the test says so.

`FakePace` satisfies the Pace of both wings, `FakeStopwatch` the Stopwatch. Nothing sleeps for
real. `advance` jumps and wakes whoever is due; `run_for` walks from one due moment to the next
and lets every woken task run before time moves on, which is what a schedule under test needs.
"""

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable
from itertools import count

STORY_START_MS = 1_641_376_800_000
"""2022-01-05T10:00:00Z."""

_TURNS = 25
"""Turns of the event loop that a woken task gets to come to rest."""


class FakePace:
    """A wall clock and a boot clock that stand still between calls of `advance`."""

    def __init__(self, *, now_ms: int = STORY_START_MS, uptime_ms: int = 60_000) -> None:
        """Start both clocks.

        Args:
            now_ms: Wall clock at the start, milliseconds since 1970.
            uptime_ms: Boot clock at the start.
        """
        self._now_ms = float(now_ms)
        self._uptime_ms = float(uptime_ms)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now_ms(self) -> int:
        """The wall clock."""
        return int(self._now_ms)

    def uptime_ms(self) -> int:
        """The boot clock."""
        return int(self._uptime_ms)

    async def sleep_ms(self, duration_ms: float) -> None:
        """Wait until the test has moved the clock far enough; zero or less only yields."""
        if duration_ms <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due = self._uptime_ms + duration_ms
        heapq.heappush(self._sleepers, (due, next(self._order), future))
        await future

    def advance(self, duration_ms: float) -> None:
        """Move both clocks on and wake every sleeper that is due, earliest first."""
        self._now_ms += duration_ms
        self._uptime_ms += duration_ms
        while self._sleepers and self._sleepers[0][0] <= self._uptime_ms:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    def step_wall_clock(self, by_ms: int) -> None:
        """Set the wall clock as NTP would; the boot clock and sleepers do not move."""
        self._now_ms += by_ms

    @property
    def sleepers(self) -> int:
        """How many tasks wait on this clock now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def run_for(self, duration_ms: float) -> None:
        """Let this much time pass, stopping at each due moment until woken tasks rest."""
        end = self._uptime_ms + duration_ms
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.advance(max(0.0, self._sleepers[0][0] - self._uptime_ms))
            await settle()
        self.advance(end - self._uptime_ms)
        await settle()


class FakeStopwatch:
    """A stopwatch that the test turns by hand."""

    def __init__(self) -> None:
        """Start at zero."""
        self._elapsed_ms = 0.0

    def elapsed_ms(self) -> float:
        """What the test has let pass."""
        return self._elapsed_ms

    def advance(self, duration_ms: float) -> None:
        """Let time pass."""
        self._elapsed_ms += duration_ms


async def settle(turns: int = _TURNS) -> None:
    """Let every ready task run until it waits for something other than the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(
    condition: Callable[[], bool], *, moving: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Return once a condition holds; real work (threads, sockets) may go on meanwhile.

    The test's own time-out is the limit. Without `moving` this polls every 2 real ms.

    Args:
        condition: Checked again and again on the event loop.
        moving: Awaited between checks, for example to advance a fake clock.
    """
    while not condition():
        if moving is not None:
            await moving()
        await asyncio.sleep(0.002)


class ScaledPace:
    """Real clocks run faster: for programs of their own process, which no test can step."""

    def __init__(self, factor: float) -> None:
        """Start at the story's date.

        Args:
            factor: How many milliseconds of pace pass in a real one.
        """
        self._factor = factor
        self._began_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def now_ms(self) -> int:
        """The wall clock."""
        return STORY_START_MS + self._passed_ms()

    def uptime_ms(self) -> int:
        """The boot clock."""
        return 60_000 + self._passed_ms()

    async def sleep_ms(self, duration_ms: float) -> None:
        """Sleep for a stretch of this pace."""
        await asyncio.sleep(max(0.0, duration_ms) / 1000 / self._factor)

    def _passed_ms(self) -> int:
        elapsed_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - self._began_ns
        return int(elapsed_ns * self._factor) // 1_000_000
