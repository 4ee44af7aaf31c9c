"""The two clocks of the collector.

Pace        windows, stamps of arrival, ticks, back-off, judging: may run fast in a demo or test.
Stopwatch   round trips, rates and time-outs of single actions: always real.

Both are constructor arguments of every room that needs them; nothing else in the collector reads
a clock. The wall clock of the pace stamps what is published; order within one process comes from
the order of commits, never from comparing stamps of two hosts.
"""

import asyncio
import time
from typing import Final, Protocol

_NANOSECONDS_PER_MS: Final = 1_000_000


class Pace(Protocol):
    """What windows, ticks and stamps run on."""

    def now_ms(self) -> int:
        """Wall clock: milliseconds since 1970 in UTC. It may jump either way."""
        ...

    def uptime_ms(self) -> int:
        """Boot clock in milliseconds, sleep included. It never goes back."""
        ...

    async def sleep_ms(self, duration_ms: float) -> None:
        """Return after a stretch of this pace; zero or less only yields to other tasks."""
        ...


class Stopwatch(Protocol):
    """What durations and rates of single actions run on; always real time."""

    def elapsed_ms(self) -> float:
        """Milliseconds since a fixed, arbitrary moment. It never goes back."""
        ...


class RealPace:
    """The host's own wall and boot clocks."""

    def now_ms(self) -> int:
        """CLOCK_REALTIME in milliseconds since 1970."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME) // _NANOSECONDS_PER_MS

    def uptime_ms(self) -> int:
        """CLOCK_BOOTTIME in milliseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NANOSECONDS_PER_MS

    async def sleep_ms(self, duration_ms: float) -> None:
        """Sleep on the event loop's own clock."""
        await asyncio.sleep(max(0.0, duration_ms) / 1000)


class RealStopwatch:
    """The host's boot clock at full resolution."""

    def elapsed_ms(self) -> float:
        """CLOCK_BOOTTIME in milliseconds, with fractions."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) / _NANOSECONDS_PER_MS
