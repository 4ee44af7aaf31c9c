"""Pause and resume of a real agent on a real broker: announced, kept, silent, and over in time."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from shyraq_agent.app import SOFTWARE, Agent, ask_status
from shyraq_agent.config import load_config
from shyraq_agent.errors import LocalError
from shyraq_wire.report import Event, Json
from support.agents import make_agent, write_config
from support.broker import Broker, running_broker
from support.clock import FakePace, until
from support.ledger import Ledger, collecting

NODE = "kz-test-0001"
HOUR_MS = 3_600_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A real broker on loopback."""
    with running_broker(tmp_path) as running:
        yield running


class Station:
    """One node, its clock, and what the collector has of it."""

    def __init__(self, directory: Path, broker: Broker) -> None:
        """Write the configuration; nothing runs yet."""
        self.ledger = Ledger()
        self.broker = broker
        self.path = write_config(directory, self.ledger, [broker])
        self.state = directory / "state"
        self.pace = FakePace()
        self.beats = 0
        self.task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Agent]:
        """The agent runs inside the context and is cut off at its end, as by a power cut."""
        ready = asyncio.Event()

        def beat() -> None:
            self.beats += 1

        config = await asyncio.to_thread(load_config, self.path)
        agent = make_agent(config, self.pace, on_ready=ready.set, on_pulse=beat)
        async with asyncio.TaskGroup() as group:
            task = self.task = group.create_task(agent.run())
            try:
                await ready.wait()
                yield agent
            finally:
                task.cancel()

    async def say(self, **command: Json) -> Mapping[str, Json]:
        """What the host's command is answered, while time goes on."""
        asking = asyncio.create_task(asyncio.to_thread(ask_status, self.state, command))
        await until(asking.done, moving=lambda: self.pass_by(100, real_ms=8))
        return await asking

    async def pass_by(self, duration_ms: float, *, real_ms: float = 2) -> None:
        """Let a stretch of time pass, and a moment for sockets and disk, which are real."""
        await self.pace.run_for(duration_ms)
        await asyncio.sleep(real_ms / 1000)

    async def passes(self, condition: Callable[[], bool]) -> None:
        """Let time pass until something holds."""
        await until(condition, moving=lambda: self.pass_by(2_000, real_ms=5))

    @property
    def events(self) -> list[Event]:
        """All that the collector heard, in order."""
        return [event for report in self.ledger.reports(NODE) for event in report.events]

    @property
    def kinds(self) -> list[str]:
        """Their kinds, but for the start."""
        starts = ("started", "config_applied")
        return [event.kind for event in self.events if event.kind not in starts]


async def minutes(station: Station, count: int) -> None:
    """So many minutes go by."""
    for _ in range(count * 12):
        await station.pass_by(5_000)


async def test_a_pause_is_announced_silent_and_over_in_time(tmp_path: Path, broker: Broker) -> None:
    """The last report before an hour of silence says paused, the first after it resumed."""
    station = Station(tmp_path / "n", broker)
    async with collecting(station.ledger, broker), station.running():
        await station.passes(lambda: len(station.ledger.reports(NODE)) >= 2)
        told = await station.say(do="pause", for_s=3_600)
        assert told["paused"] == {"left_s": pytest.approx(3_600, abs=60), "for_s": 3_600}
        await station.passes(lambda: station.kinds == ["paused"])
        assert dict(station.events[-1].data) == {"for_s": 3_600}
        last = station.ledger.reports(NODE)[-1]
        assert last.events[-1].kind == "paused"
        held, beats = len(station.ledger.arrivals), station.beats
        await minutes(station, 50)
        assert len(station.ledger.arrivals) == held
        assert station.beats - beats >= 45  # the watchdog is fed
        await station.passes(lambda: station.kinds == ["paused", "resumed"])
        first = next(
            each for each in station.ledger.reports(NODE) if "resumed" in map(kind, each.events)
        )
        # From the pause itself: the report that tells of it may be sealed a moment later.
        paused_ms = last.uptime_ms + last.events[-1].offset_ms
        assert HOUR_MS <= first.uptime_ms - paused_ms <= HOUR_MS + 60_000
        before = len(station.ledger.reports(NODE))
        await station.passes(lambda: len(station.ledger.reports(NODE)) >= before + 3)
    assert [each.seq for each in station.ledger.reports(NODE)] == list(
        range(len(station.ledger.reports(NODE)))
    )


def kind(event: Event) -> str:
    """Of an event."""
    return event.kind


async def test_a_pause_outlives_a_power_cut(tmp_path: Path, broker: Broker) -> None:
    """Cut off while paused, started again: still away, until the host resumes."""
    station = Station(tmp_path / "n", broker)
    async with collecting(station.ledger, broker):
        async with station.running():
            await station.passes(lambda: bool(station.ledger.reports(NODE)))
            await station.say(do="pause", for_s=None)
            await station.passes(lambda: station.kinds == ["paused"])
        held = len(station.ledger.arrivals)
        async with station.running():
            await minutes(station, 5)
            assert len(station.ledger.arrivals) == held
            told = await station.say()
            assert told["paused"] == {"left_s": None, "for_s": None}
            told = await station.say(do="resume")
            assert told["paused"] is None
            await station.passes(lambda: station.kinds == ["paused", "resumed"])
        async with station.running():
            assert (await station.say())["paused"] is None


async def test_the_host_may_change_its_mind(tmp_path: Path, broker: Broker) -> None:
    """A longer pause is signed too; it arrives with all the rest once the node is back."""
    station = Station(tmp_path / "n", broker)
    async with collecting(station.ledger, broker), station.running():
        await station.passes(lambda: bool(station.ledger.reports(NODE)))
        await station.say(do="pause", for_s=3_600)
        await station.passes(lambda: station.kinds == ["paused"])
        await station.say(do="pause", for_s=86_400)
        await minutes(station, 70)
        assert station.kinds == ["paused"]
        await station.say(do="resume")
        await station.passes(lambda: station.kinds == ["paused", "paused", "resumed"])


async def test_resume_without_a_pause_changes_nothing(tmp_path: Path, broker: Broker) -> None:
    """No event, and the beat goes on."""
    station = Station(tmp_path / "n", broker)
    async with collecting(station.ledger, broker), station.running():
        await station.say(do="resume")
        await station.passes(lambda: len(station.ledger.reports(NODE)) >= 3)
    assert station.kinds == []


async def test_stopping_while_paused_sends_nothing(tmp_path: Path, broker: Broker) -> None:
    """The word stopped is kept, and delivered only once the host has resumed."""
    station = Station(tmp_path / "n", broker)
    async with collecting(station.ledger, broker):
        async with station.running() as agent:
            await station.passes(lambda: bool(station.ledger.reports(NODE)))
            await station.say(do="pause", for_s=None)
            await station.passes(lambda: station.kinds == ["paused"])
            agent.stop()
            assert station.task is not None
            await station.passes(station.task.done)
        assert station.kinds == ["paused"]
        async with station.running():
            await station.say(do="resume")
            await station.passes(lambda: station.kinds == ["paused", "stopped", "resumed"])


@pytest.mark.parametrize(
    "command",
    [
        {"do": "leave"},
        {"do": "pause", "for_s": 0},
        {"do": "pause", "for_s": -1},
        {"do": "pause", "for_s": "1h"},
        {"do": "pause", "for_s": True},
        {"for_s": 60},
    ],
)
async def test_what_is_no_command_is_refused(
    tmp_path: Path, broker: Broker, command: dict[str, Json]
) -> None:
    """With a sentence; the agent goes on."""
    station = Station(tmp_path / "n", broker)
    async with station.running():
        with pytest.raises(LocalError, match="refuses"):
            await asyncio.to_thread(ask_status, station.state, command)
        assert (await station.say())["paused"] is None


async def test_a_newer_program_says_so_once(tmp_path: Path, broker: Broker) -> None:
    """The first start of another version is an event; the second is not."""
    station = Station(tmp_path / "n", broker)
    async with collecting(station.ledger, broker):
        async with station.running():
            await station.passes(lambda: bool(station.ledger.reports(NODE)))
        assert station.kinds == []
        remember_another_version(station.state)
        for _ in range(2):
            before = len(station.ledger.reports(NODE))
            async with station.running():
                await station.passes(lambda: len(station.ledger.reports(NODE)) > before)  # noqa: B023
    assert station.kinds == ["upgraded"]
    (upgraded,) = (event for event in station.events if event.kind == "upgraded")
    assert dict(upgraded.data) == {"from": "shyraq-agent/0.0.9", "to": SOFTWARE}


def remember_another_version(state: Path) -> None:
    """As if another program had run here last."""
    with contextlib.closing(sqlite3.connect(state / "spool.db")) as spool:
        spool.execute("UPDATE fact SET value = 'shyraq-agent/0.0.9' WHERE name = 'software'")
        spool.commit()
