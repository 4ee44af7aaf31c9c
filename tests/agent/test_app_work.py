"""Keeping the schedule: vitals and power, pulses in time, the end of a basket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from shyraq_agent.app.spending import Spending
from shyraq_agent.app.work import Work
from shyraq_agent.budget import Terms
from shyraq_agent.measure.target import Ladder
from shyraq_agent.sign import Contents
from shyraq_wire.report import Json
from support.authority import Authority
from support.clock import STORY_START_MS, FakePace, until
from support.edges import make_edges


def ample() -> Spending:
    """An account that no test empties."""
    return Spending(
        Terms(monthly_bytes=10**12, event_share=0.3, beat_bytes=10**8),
        remembered=None,
        known_ms=lambda: STORY_START_MS,
        is_trusted=lambda: True,
    )


@contextlib.asynccontextmanager
async def working(
    pace: FakePace,
    sealed: list[Contents],
    vitals: Mapping[str, Json],
    spending: Spending | None = None,
) -> AsyncIterator[Work]:
    """Work with an empty plan and a ladder without rungs runs inside the context."""
    work = Work(
        plan=(),
        probes={},
        ladder=Ladder(rungs=()),
        edges=make_edges(Authority(), pace=pace),
        heartbeat_ms=60_000,
        ladder_period_ms=300_000,
        vitals_period_ms=60_000,
        read_vitals=lambda: dict(vitals),
        seal=sealed.append,
        spending=spending or ample(),
        seed="kz-test-0001",
    )
    task = asyncio.create_task(work.run())
    try:
        yield work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def events_of(sealed: list[Contents]) -> list[str]:
    """Every event so far."""
    return [event.kind for contents in sealed for event in contents.events]


async def test_low_voltage_is_said_once_each_time_it_begins() -> None:
    """An event at each onset; while it lasts, only the vitals say so."""
    pace, sealed, vitals = FakePace(), list[Contents](), {"under_voltage_now": False}
    async with working(pace, sealed, vitals):

        async def next_vitals() -> None:
            before = sum(each.vitals is not None for each in sealed)
            await until(
                lambda: sum(each.vitals is not None for each in sealed) > before + 1,
                moving=lambda: pace.run_for(1_000),
            )

        await next_vitals()
        assert events_of(sealed) == []
        for is_low in (True, True, False, True):
            vitals["under_voltage_now"] = is_low
            await next_vitals()
    assert events_of(sealed) == ["under_voltage"] * 2


async def test_finish_seals_what_is_left() -> None:
    """At the end of the program one last pulse holds whatever waits."""
    pace, sealed = FakePace(), list[Contents]()
    async with working(pace, sealed, {}) as work:
        work.finish()
    assert [contents.kind for contents in sealed] == ["pulse"]
