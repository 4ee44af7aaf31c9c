"""The two clocks of the agent, and what the kernel says of the wall clock.

Pace        when things are due: schedules, back-off, windows, the stamps in reports.
Stopwatch   how long things take: probe durations, time-outs, keep-alive, TLS.

They are two because they fail apart. A demo or a test may run the pace faster, or start it at
another date, and the whole program then sees ordinary heartbeats; the stopwatch is always
real, because a server's 30 ms are 30 ms at any pace. Both are constructor arguments of every
room that needs them; nothing else in the agent reads a clock.

`built_at_ms` is the least that a node without a clock chip knows of the time; what it has heard of
in receipts that were signed for it is more (`spool`). An answer of NTP alone is never kept: it is
unsigned, and who forged one would lock the node out of every certificate for good.

Order and durations never come from the wall clock: it jumps when a Pi without a clock chip
first hears NTP. `read_clock_state` asks the kernel how far it can be trusted.
"""

import asyncio
import ctypes
import time
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Protocol

from shyraq_wire.report import ClockState

_BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
_NANOSECONDS_PER_MS: Final = 1_000_000
_STA_UNSYNC: Final = 0x0040
"""Kernel flag: nothing disciplines the clock (adjtimex(2))."""


class Pace(Protocol):
    """What schedules, windows and stamps run on."""

    def now_ms(self) -> int:
        """Wall clock: milliseconds since 1970 in UTC. It may jump either way."""
        ...

    def uptime_ms(self) -> int:
        """Boot clock: milliseconds since the host booted, sleep included. It never goes back."""
        ...

    async def sleep_ms(self, duration_ms: float) -> None:
        """Return after a stretch of this pace; zero or less only yields to other tasks."""
        ...


class Stopwatch(Protocol):
    """What durations and time-outs of single actions run on; always real time."""

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


def read_boot_id(path: Path = _BOOT_ID_FILE) -> str:
    """The kernel's id of this boot; reports of one boot id share one boot clock."""
    return path.read_text(encoding="ascii").strip()


def built_at_ms(package: Traversable | None = None) -> int:
    """When this program was made: a moment that has certainly passed, milliseconds since 1970.

    Args:
        package: Where the file lies; None: in this package.

    Returns:
        0 in a working copy, which holds no such file (see hatch_build.py).
    """
    file = (package or resources.files("shyraq_agent")) / "built_at"
    try:
        return int(file.read_text(encoding="ascii")) * 1000
    except (OSError, ValueError):
        return 0


class _Timex(ctypes.Structure):
    """The head of `struct timex` (adjtimex(2)); the rest is padding the kernel may fill."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def read_clock_state() -> ClockState:
    """How far the kernel trusts the wall clock; reading it needs no privilege.

    Returns:
        Source `ntp` with the kernel's bound of the error while something disciplines the
        clock, else source `none` without a bound.
    """
    timex = _Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(timex)) < 0 or timex.status & _STA_UNSYNC:
        return ClockState(source="none", error_ms=None)
    return ClockState(source="ntp", error_ms=-(-int(timex.maxerror) // 1000))
