"""The host's own clocks."""

import asyncio

from shyraq_collector.clock import RealPace, RealStopwatch


async def test_time_goes_on_and_a_sleep_lasts_as_long_as_asked() -> None:
    """Wall clock, boot clock and stopwatch agree on a short sleep."""
    pace, stopwatch = RealPace(), RealStopwatch()
    before = (pace.now_ms(), pace.uptime_ms(), stopwatch.elapsed_ms())
    await pace.sleep_ms(30)
    after = (pace.now_ms(), pace.uptime_ms(), stopwatch.elapsed_ms())
    assert all(late - early >= 29 for early, late in zip(before, after, strict=True))
    assert pace.now_ms() > 1_600_000_000_000


async def test_a_sleep_of_nothing_lets_others_run() -> None:
    """Zero or less only yields."""
    ran: list[bool] = []
    asyncio.get_running_loop().call_soon(lambda: ran.append(True))
    await RealPace().sleep_ms(-5)
    assert ran == [True]
