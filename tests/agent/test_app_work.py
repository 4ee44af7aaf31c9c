"""Keeping the schedule: vitals and power, pulses in time, the end of a basket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from shyraq_agent.app.spending import Spending
from shyraq_agent.app.work import Work
from shyraq_agent.budget import Terms
from shyraq_agent.config.plan import PlannedProbe
from shyraq_agent.measure.edges import Edges, Family, Links
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import Ladder, Target, parse_target
from shyraq_agent.sign import Contents, LifeEvent
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


@pytest.mark.parametrize("consents", [True, False])
async def test_a_change_traces_at_once_where_the_host_consented(consents: bool) -> None:
    """At the edge, not again within a quarter of an hour; else only on the grid."""
    pace, traced, families = FakePace(), list[int](), set[Family]({"ipv4"})

    async def note(target: Target, edges: Edges) -> RawMeasurement:
        traced.append(pace.uptime_ms())
        return Record("trace", target.text, edges).finish({"traced": 0})

    edges = make_edges(Authority(), pace=pace, links=lambda: Links(families=frozenset(families)))
    route = parse_target("trace://192.0.2.1:443")
    work = Work(
        plan=(PlannedProbe(probe="trace", target=route, period_s=86_400),),
        probes={"trace": note},
        ladder=Ladder(rungs=()),
        edges=edges,
        heartbeat_ms=60_000,
        ladder_period_ms=300_000,
        vitals_period_ms=60_000,
        read_vitals=dict,
        seal=lambda _: None,
        spending=ample(),
        seed="kz-test-0001",
        traces_at_edges=consents,
    )

    async def minutes(count: int) -> None:
        for _ in range(count * 6):
            await pace.run_for(10_000)
            await until(lambda: not work._running)  # the links are read in a thread

    task = asyncio.create_task(work.run())
    try:
        await minutes(6)
        before = len(traced)
        for _ in range(3):
            families ^= {"ipv4"}
            await minutes(3)
        at_the_edge = len(traced) - before
        await minutes(16)
        families ^= {"ipv4"}
        await minutes(3)
        later = len(traced) - before - at_the_edge
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (at_the_edge, later) == ((1, 1) if consents else (0, 0))


async def test_pairs_that_wait_for_their_washout_hold_up_nobody() -> None:
    """Twenty that never come back: other probes go on, and so does the beat."""
    pace, measured, sealed = FakePace(), list[str](), list[Contents]()

    async def wait_for_ever(target: Target, _edges: Edges) -> RawMeasurement:
        measured.append(target.text)
        await asyncio.Event().wait()
        raise AssertionError

    async def look(target: Target, edges: Edges) -> RawMeasurement:
        measured.append("dns")
        return Record("dns", target.text, edges).finish({"answered": 1})

    pairs = [parse_target(f"n{number}.example:443") for number in range(20)]
    work = Work(
        plan=(
            *(PlannedProbe(probe="name_pair", target=each, period_s=1_800) for each in pairs),
            PlannedProbe(probe="dns", target=parse_target("a.example"), period_s=900),
        ),
        probes={"name_pair": wait_for_ever, "dns": look},
        ladder=Ladder(rungs=()),
        edges=make_edges(Authority(), pace=pace),
        heartbeat_ms=60_000,
        ladder_period_ms=300_000,
        vitals_period_ms=60_000,
        read_vitals=dict,
        seal=sealed.append,
        spending=ample(),
        seed="kz-test-0001",
    )
    task = asyncio.create_task(work.run())
    try:
        for _ in range(60):
            await pace.run_for(60_000)
            await asyncio.sleep(0.005)  # vitals are read in a thread
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert {each.text for each in pairs} <= set(measured)
    assert measured.count("dns") >= 3
    assert sum(contents.kind == "pulse" for contents in sealed) >= 50


async def test_the_last_word_is_in_the_last_report() -> None:
    """Bulk goes before it: a report after a farewell would say that the node is back."""
    pace, sealed = FakePace(), list[Contents]()
    word = LifeEvent(kind="paused", at_uptime_ms=pace.uptime_ms(), data={"for_s": 3_600})
    async with working(pace, sealed, {}) as work:
        edges = make_edges(Authority(), pace=pace)
        work._add(Record("tls", "a.example:443", edges).finish({"tried": 1, "verified": 1}))
        pace.step_wall_clock(86_400_000)
        work.finish(saying=word)
    assert [contents.kind for contents in sealed] == ["bulk", "pulse"]
    assert [event.kind for event in sealed[-1].events] == ["clock_stepped", "paused"]


async def test_finish_seals_what_is_left() -> None:
    """At the end of the program one last pulse holds whatever waits."""
    pace, sealed = FakePace(), list[Contents]()
    async with working(pace, sealed, {}) as work:
        work.finish()
    assert [contents.kind for contents in sealed] == ["pulse"]
