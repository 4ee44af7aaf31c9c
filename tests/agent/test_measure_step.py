"""Steps: timed by two clocks, failing at most once, never more than a report can hold."""

import asyncio
from dataclasses import dataclass

import pytest

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.step import Notes, RawStep, Record
from shyraq_wire.report import MAX_STEPS
from support.clock import FakePace, FakeStopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoClocks:
    """Both clocks under the test's hand."""

    pace: FakePace
    stopwatch: FakeStopwatch


@pytest.fixture
def clocks() -> TwoClocks:
    """Boot clock at a minute, stopwatch at zero."""
    return TwoClocks(pace=FakePace(uptime_ms=60_000), stopwatch=FakeStopwatch())


async def work(_notes: Notes) -> str:
    """An action that succeeds."""
    return "done"


async def test_when_is_of_the_pace_and_how_long_of_the_stopwatch(clocks: TwoClocks) -> None:
    """A pace that runs fast does not make a handshake look slow."""
    record = Record("tls", "orda.kz:443", clocks)

    async def action(notes: Notes) -> bool:
        clocks.pace.advance(30_000)
        clocks.stopwatch.advance(41.5)
        notes["seen"] = 1
        return True

    assert await record.attempt("handshake", action, limit_ms=1000, about={"port": 443})
    (step,) = record.finish({"verified": 1}).steps
    assert step == RawStep(
        name="handshake",
        started_uptime_ms=60_000,
        duration_ms=41.5,
        failure=None,
        data={"port": 443, "seen": 1},
    )


async def test_a_failed_step_keeps_what_it_had_seen(clocks: TwoClocks) -> None:
    """Notes taken before the failure stay; the value is None."""
    record = Record("tls", "orda.kz:443", clocks)

    async def action(notes: Notes) -> str:
        notes["received"] = [(3, 120)]
        raise StepFailed("eof_error")

    assert await record.attempt("handshake", action, limit_ms=1000) is None
    (step,) = record.finish().steps
    assert (step.failure, step.data) == ("eof_error", {"received": [(3, 120)]})


async def test_silence_ends_at_the_limit(clocks: TwoClocks) -> None:
    """An action that never ends is a time-out of its own step."""
    record = Record("tcp", "orda.kz:443", clocks)

    async def action(_notes: Notes) -> str:
        await asyncio.Event().wait()
        return ""

    assert await record.attempt("connect", action, limit_ms=1) is None
    assert record.finish().steps[0].failure == "generic_timeout_error"


async def test_a_bug_passes_through(clocks: TwoClocks) -> None:
    """What no network can cause is not hidden in a report."""
    record = Record("tcp", "orda.kz:443", clocks)

    async def action(_notes: Notes) -> str:
        raise KeyError("typo")

    with pytest.raises(KeyError):
        await record.attempt("connect", action, limit_ms=1000)


async def test_steps_stand_in_the_order_of_their_starts(clocks: TwoClocks) -> None:
    """Overlapping steps do not swap places when the later one ends first."""
    record = Record("ladder", "", clocks)
    gate = asyncio.Event()

    async def slow(_notes: Notes) -> bool:
        return await gate.wait()

    async def quick(_notes: Notes) -> bool:
        gate.set()
        return True

    await asyncio.gather(
        record.attempt("first", slow, limit_ms=1000), record.attempt("second", quick, limit_ms=1000)
    )
    assert [step.name for step in record.finish().steps] == ["first", "second"]


async def test_a_full_record_takes_no_further_step_and_says_so(clocks: TwoClocks) -> None:
    """What a report cannot hold is not done; the count of what was left out is reported."""
    record = Record("web", "https://orda.kz/", clocks)
    for _ in range(MAX_STEPS):
        assert await record.attempt("connect", work, limit_ms=1000) == "done"
    assert record.room == 0
    assert await record.attempt("connect", work, limit_ms=1000) is None
    record.refuse("redirect", "egress_forbidden", {})
    measurement = record.finish({"requests": 0})
    assert len(measurement.steps) == MAX_STEPS
    assert measurement.result == {"requests": 0, "steps_left_out": 2}


async def test_a_refused_step_took_no_time(clocks: TwoClocks) -> None:
    """A rule of ours is written down as a step of its own."""
    record = Record("web", "http://10.0.0.1/", clocks)
    record.refuse("connect", "egress_forbidden", {"address": "10.0.0.1"})
    (step,) = record.finish().steps
    assert (step.name, step.failure, step.duration_ms) == ("connect", "egress_forbidden", 0.0)


async def test_a_step_that_is_cancelled_says_that_it_was_interrupted(clocks: TwoClocks) -> None:
    """A measurement that the agent stops leaves no half step behind."""
    record = Record("tcp", "orda.kz:443", clocks)
    started = asyncio.Event()

    async def action(_notes: Notes) -> bool:
        started.set()
        return await asyncio.Event().wait()

    task = asyncio.create_task(record.attempt("connect", action, limit_ms=60_000))
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert record.finish().steps[0].failure == "interrupted"
