"""A pace that runs by itself, many times faster than the host's clocks.

For tests of whole programs on real sockets: they see ordinary heartbeats and story dates, and the
test takes seconds. Where a test can turn the clock by hand, it should (`support.clock`).
"""

import asyncio
import time

from support.clock import STORY_START_MS


class FastPace:
    """Wall and boot clock at a multiple of real time, from a story date on."""

    def __init__(self, factor: float, *, starts_at_ms: int = STORY_START_MS) -> None:
        """Start now.

        Args:
            factor: Milliseconds of this pace in a real one.
            starts_at_ms: The wall clock at the start.
        """
        self._factor = factor
        self._starts_at_ms = starts_at_ms
        self._started_s = time.monotonic()

    def now_ms(self) -> int:
        """The wall clock."""
        return self._starts_at_ms + self.uptime_ms()

    def uptime_ms(self) -> int:
        """Milliseconds of this pace since the start."""
        return int((time.monotonic() - self._started_s) * 1000 * self._factor)

    async def sleep_ms(self, duration_ms: float) -> None:
        """Sleep a stretch of this pace."""
        await asyncio.sleep(max(0.0, duration_ms) / 1000 / self._factor)
