"""The demo's own time: story dates that pass N times faster than real ones.

It satisfies the Pace of both wings, so agents and collector see ordinary heartbeats and story
dates and know nothing of compression. All processes of one country share one anchor on
CLOCK_MONOTONIC, which is one clock on one machine: they agree without talking.
"""

import asyncio
import time
from dataclasses import dataclass

_NANOSECONDS_PER_MS = 1_000_000
_UPTIME_AT_ANCHOR_MS = 3_600_000
"""The Pis of the story booted an hour before it begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryPace:
    """A wall clock and a boot clock that run `factor` times faster from an anchor on.

    Before the anchor it runs too: the story then has not begun.
    """

    anchor_monotonic_ns: int
    """The real moment at which the story begins."""
    starts_at_ms: int
    """The story's date at that moment, milliseconds since 1970."""
    factor: int

    def now_ms(self) -> int:
        """The story's date: milliseconds since 1970 in UTC."""
        return self.starts_at_ms + int(self._since_anchor_ms())

    def uptime_ms(self) -> int:
        """Milliseconds on the boot clock of every host in the story."""
        return _UPTIME_AT_ANCHOR_MS + int(self._since_anchor_ms())

    async def sleep_ms(self, duration_ms: float) -> None:
        """Sleep for a stretch of story time."""
        await asyncio.sleep(max(0.0, duration_ms) / 1000 / self.factor)

    async def sleep_until_ms(self, moment_ms: float) -> None:
        """Sleep until a story date; a past one returns at once."""
        await self.sleep_ms(moment_ms - self.now_ms())

    def _since_anchor_ms(self) -> float:
        elapsed_ns = time.monotonic_ns() - self.anchor_monotonic_ns
        return elapsed_ns * self.factor / _NANOSECONDS_PER_MS
