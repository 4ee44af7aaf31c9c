"""The agent as a whole: it beats, explains itself, survives SIGKILL anywhere, stops in order."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from shyraq_agent.app import SOFTWARE, Agent, ask_status
from shyraq_agent.app.work import reach_of
from shyraq_agent.config import load_config
from shyraq_agent.config.traffic import BYTES_OF
from shyraq_agent.errors import LocalError
from shyraq_agent.measure import Probe
from shyraq_agent.measure.edges import Edges, Links
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import Target
from shyraq_wire.chain import GENESIS, Link, Position, is_valid_start, relate
from shyraq_wire.report import ClockState, Json, Report
from shyraq_wire.topics import NodeId
from support import agents
from support.agents import make_agent, write_config
from support.broker import Broker, running_broker
from support.clock import FakePace, until
from support.edges import both_families
from support.ledger import Ledger, collecting

NODE = "kz-test-0001"
HEARTBEAT_MS = 60_000
STEP_MS = 5_000
"""Of the fake clock at each look; sealing in its thread may see the next one already."""

POINTS = (
    "append.begun",
    "append.sealed",
    "append.inserted",
    "append.committed",
    "receipt.applied",
    "forget.committed",
    "publish.sent",
    "publish.receipted",
)
"""Every named point of the spool and the publisher."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A real broker on loopback."""
    with running_broker(tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[None]:
    """The agent runs inside the context and is cut off at its end, as by a power cut."""
    async with asyncio.TaskGroup() as group:  # an agent that dies ends the test at once
        task = group.create_task(agent.run())
        try:
            yield
        finally:
            task.cancel()


def steps_of(pace: FakePace, by_ms: int = STEP_MS) -> Callable[[], Awaitable[None]]:
    """A mover for `until`: a stretch of pace at each look, at most 400 times real time.

    Sockets and disks are real; a pace that outruns them on a loaded machine would see six silent
    heartbeats between a report and its receipt.
    """

    async def move() -> None:
        await pace.run_for(by_ms)
        await asyncio.sleep(by_ms / 400_000)

    return move


def kinds_of(reports: list[Report]) -> list[str]:
    """Every event of the reports, in order."""
    return [event.kind for report in reports for event in report.events]


def assert_whole_chains(ledger: Ledger, node: str = NODE) -> None:
    """No seq is missing, each frame names the one before, nothing forked."""
    by_epoch: dict[str, list[Report]] = {}
    for report in ledger.reports(node):
        by_epoch.setdefault(report.epoch, []).append(report)
    for epoch, reports in by_epoch.items():
        assert [report.seq for report in reports] == list(range(len(reports)))
        before: Position | None = None
        for report in reports:
            sha256, _ = ledger.frames[NodeId(node), epoch, report.seq]
            position = Position(seq=report.seq, prev=report.prev, sha256=sha256)
            assert is_valid_start(position)
            assert before is None or relate(before, position) == Link()
            before = position
    assert ledger.forks == []


@pytest.mark.usefixtures("never_blocks")
async def test_it_beats_each_heartbeat_and_says_what_it_runs(
    tmp_path: Path, broker: Broker
) -> None:
    """Ten minutes give ten pulses a minute apart; the first says started and config applied."""
    ledger = Ledger()
    path = await asyncio.to_thread(write_config, tmp_path / "n", ledger, [broker])
    config = await asyncio.to_thread(load_config, path)
    pace = FakePace()
    async with collecting(ledger, broker), running(make_agent(config, pace)):
        await until(lambda: len(ledger.reports(NODE)) >= 10, moving=steps_of(pace))
    reports = ledger.reports(NODE)[:10]
    assert {report.kind for report in reports} == {"pulse"}
    gaps = [b.uptime_ms - a.uptime_ms for a, b in pairwise(reports)]
    assert all(abs(gap - HEARTBEAT_MS) <= 0.04 * HEARTBEAT_MS + STEP_MS for gap in gaps)
    assert kinds_of(reports) == ["started", "config_applied"]
    assert reports[0].software == SOFTWARE
    assert reports[0].config == config.ref
    assert any(m.probe == "ladder" for report in reports for m in report.measurements)
    assert any(report.vitals for report in reports)
    assert_whole_chains(ledger)


async def test_what_a_pulse_costs_is_what_the_plan_says(tmp_path: Path, broker: Broker) -> None:
    """Counted over a real connection with receipts: no more than promised, and remembered."""
    ledger = Ledger()
    config = load_config(write_config(tmp_path / "n", ledger, [broker]))
    pace = FakePace()
    directory = config.settings.node.state_directory
    async with collecting(ledger, broker), running(make_agent(config, pace)):
        await until(lambda: len(ledger.reports(NODE)) >= 5, moving=steps_of(pace))
        before = await asyncio.to_thread(ask_status, directory)
        first = len(ledger.arrivals)
        await until(lambda: len(ledger.reports(NODE)) >= 25, moving=steps_of(pace))
        after = await asyncio.to_thread(ask_status, directory)
        pulses = len(ledger.arrivals) - first
    spent = used_bytes(after) - used_bytes(before)
    assert BYTES_OF["pulse"] / 2 < spent / pulses <= BYTES_OF["pulse"]
    ready = asyncio.Event()
    async with running(make_agent(config, pace, on_ready=ready.set)):
        await ready.wait()
        again = await asyncio.to_thread(ask_status, directory)
    assert used_bytes(again) >= used_bytes(before)


def used_bytes(told: Mapping[str, Json]) -> int:
    """What the month has cost, as `status` says."""
    budget = told["budget"]
    assert isinstance(budget, Mapping)
    used = budget["used_bytes"]
    assert isinstance(used, int)
    return used


async def test_it_stops_in_order_and_goes_on_where_it_was(tmp_path: Path, broker: Broker) -> None:
    """The last report says stopped and is delivered; the next start continues the chain."""
    ledger = Ledger()
    config = load_config(write_config(tmp_path / "n", ledger, [broker]))
    async with collecting(ledger, broker):
        for _ in range(2):
            pace = FakePace()
            agent = make_agent(config, pace)
            task = asyncio.create_task(agent.run())
            before = len(ledger.reports(NODE))
            await until(lambda: len(ledger.reports(NODE)) > before + 1, moving=steps_of(pace))  # noqa: B023
            agent.stop()
            await until(task.done, moving=steps_of(pace, 100))
            await task
    reports = ledger.reports(NODE)
    assert [report.seq for report in reports] == list(range(len(reports)))
    assert kinds_of(reports) == ["started", "config_applied", "stopped"] * 2
    assert reports[0].prev == GENESIS
    assert_whole_chains(ledger)


async def test_a_lost_network_changes_nothing_but_the_spool(tmp_path: Path, broker: Broker) -> None:
    """An hour without a broker: every heartbeat is made and kept, and all arrive afterwards."""
    ledger = Ledger()
    config = load_config(write_config(tmp_path / "n", ledger, [broker]))
    pace = FakePace()
    broker.kill()
    async with running(make_agent(config, pace)):
        directory = config.settings.node.state_directory
        told: Mapping[str, object] = {}
        while told.get("last_pulse") is None or told["last_pulse"]["seq"] < 59:  # type: ignore[index]
            await pace.run_for(30_000)
            with contextlib.suppress(LocalError):
                told = await asyncio.to_thread(ask_status, directory)
        await asyncio.to_thread(broker.start)
        async with collecting(ledger, broker):
            await until(
                lambda: [each.seq for each in ledger.reports(NODE)][:60] == list(range(60)),
                moving=steps_of(pace, 500),
            )
    assert_whole_chains(ledger)


async def test_a_wall_clock_that_jumps_is_on_record(tmp_path: Path, broker: Broker) -> None:
    """NTP corrects the clock by a day: one event with the step, and heartbeats keep their pace."""
    ledger = Ledger()
    config = load_config(write_config(tmp_path / "n", ledger, [broker]))
    pace = FakePace()
    async with collecting(ledger, broker), running(make_agent(config, pace)):
        await until(lambda: len(ledger.reports(NODE)) == 2, moving=steps_of(pace))
        pace.step_wall_clock(86_400_000)
        await until(lambda: len(ledger.reports(NODE)) >= 4, moving=steps_of(pace))
    events = [event for report in ledger.reports(NODE) for event in report.events]
    steps = [event.data for event in events if event.kind == "clock_stepped"]
    assert [dict(step) for step in steps] == [{"step_ms": 86_400_000}]


async def test_a_clock_behind_the_collectors_is_raised(tmp_path: Path, broker: Broker) -> None:
    """A Pi that wakes in 1970 stamps no earlier than the last receipt it was given."""
    ledger = Ledger(at_ms=1_641_376_800_000)
    config = load_config(write_config(tmp_path / "n", ledger, [broker]))
    pace = FakePace(now_ms=1_000)
    none = ClockState(source="none", error_ms=None)
    async with (
        collecting(ledger, broker),
        running(make_agent(config, pace, read_clock=lambda: none)),
    ):
        await until(lambda: len(ledger.reports(NODE)) >= 3, moving=steps_of(pace))
    first, *later = ledger.reports(NODE)
    assert first.at < "1971"
    assert later[-1].at == "2022-01-05T10:00:00.000Z"
    assert later[-1].clock.source == "floor"


async def test_a_change_brings_the_full_ladder_at_once(tmp_path: Path, broker: Broker) -> None:
    """The link loses IPv4 between two beats: a second, full ladder follows within that beat."""
    ledger = Ledger()
    config = load_config(write_config(tmp_path / "n", ledger, [broker]))
    pace = FakePace()
    seen = [Links(families=frozenset({"ipv4", "ipv6"}))]

    def ladders() -> list[tuple[int, dict[tuple[str, str], bool]]]:
        return [
            (
                report.uptime_ms + m.started_offset_ms,
                dict(
                    reach_of(
                        RawMeasurement(
                            probe="ladder",
                            target="",
                            started_uptime_ms=0,
                            duration_ms=0,
                            steps=(),
                            result=m.result,
                        )
                    )
                ),
            )
            for report in ledger.reports(NODE)
            for m in report.measurements
            if m.probe == "ladder"
        ]

    async with (
        collecting(ledger, broker),
        running(make_agent(config, pace, links=lambda: seen[0])),
    ):
        await until(lambda: len(ladders()) >= 3, moving=steps_of(pace))
        seen[0] = Links(families=frozenset({"ipv6"}))
        await until(
            lambda: sum(not reach["link", "ipv4"] for _, reach in ladders()) >= 3,
            moving=steps_of(pace),
        )
    without = sorted(at for at, reach in ladders() if not reach["link", "ipv4"])
    assert without[1] - without[0] <= 5_000
    assert without[2] - without[1] > 5_000
    events = [event for report in ledger.reports(NODE) for event in report.events]
    changes = [dict(event.data) for event in events if event.kind == "network_changed"]
    assert changes == [{"families": ["ipv6"]}]


async def test_a_bug_in_a_probe_does_not_stop_the_beat(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception is logged with its trace and counted; pulses and other probes go on."""

    async def broken(_target: Target, _edges: Edges) -> RawMeasurement:
        raise ZeroDivisionError("a bug")

    async def sound(target: Target, edges: Edges) -> RawMeasurement:
        return Record("dns", target.text, edges).finish({"answered": True})

    probes: dict[str, Probe] = {"web": broken, "dns": sound}
    more = '[[target]]\ntarget = "https://a.example/"\n[[target]]\ntarget = "b.example"\n'
    more += "[cadence]\nweb_s = 60\ndns_s = 60\n"
    ledger = Ledger()
    config = load_config(
        write_config(
            tmp_path / "n",
            ledger,
            [broker],
            more=more + "[budget]\nevent_share = 0.0\nmonthly_bytes = 100000000000\n",
        )
    )
    pace = FakePace()
    async with collecting(ledger, broker), running(make_agent(config, pace, probes=probes)):
        await until(lambda: len(ledger.reports(NODE)) >= 8, moving=steps_of(pace))
        told = await asyncio.to_thread(ask_status, config.settings.node.state_directory)
    assert isinstance(told["probe_bugs"], int)
    assert told["probe_bugs"] >= 2
    reports = ledger.reports(NODE)
    assert any(m.probe == "dns" for r in reports if r.kind == "bulk" for m in r.measurements)
    assert "ZeroDivisionError" in caplog.text
    assert_whole_chains(ledger)


async def test_the_status_socket_tells_how_it_stands(tmp_path: Path, broker: Broker) -> None:
    """Connected, a pulse on the disk, a receipt heard; after the end nobody answers."""
    ledger = Ledger()
    deep = tmp_path / ("d" * 120)  # longer than a socket's path may be
    config = load_config(write_config(deep, ledger, [broker]))
    directory = config.settings.node.state_directory
    pace = FakePace()
    with pytest.raises(LocalError):
        ask_status(directory)
    async with collecting(ledger, broker), running(make_agent(config, pace)):
        await until(lambda: len(ledger.reports(NODE)) >= 2, moving=steps_of(pace))
        told = json.loads(json.dumps(await asyncio.to_thread(ask_status, directory)))
    assert told["node"] == NODE
    assert told["publish"]["endpoint"] == f"127.0.0.1:{broker.port}"
    assert told["last_pulse"]["seq"] >= 1
    assert told["publish"]["receipts"] >= 1
    with pytest.raises(LocalError, match="no agent runs"):
        ask_status(directory)


async def test_twenty_agents_share_one_loop(tmp_path: Path, broker: Broker) -> None:
    """Many nodes in one process keep apart: own spool, own chain, own receipts."""
    ledger = Ledger()
    pace = FakePace()
    names = [f"kz-test-{number:04}" for number in range(20)]
    paths = [write_config(tmp_path / name, ledger, [broker], node=name) for name in names]
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(collecting(ledger, broker))
        for path in paths:
            await stack.enter_async_context(running(make_agent(load_config(path), pace)))
        await until(
            lambda: all(len(ledger.reports(name)) >= 3 for name in names), moving=steps_of(pace)
        )
    for name in names:
        assert_whole_chains(ledger, name)


async def test_two_agents_cannot_share_a_state_directory(tmp_path: Path, broker: Broker) -> None:
    """The second ends at once with words for its operator."""
    ledger = Ledger()
    config = load_config(write_config(tmp_path / "n", ledger, [broker]))
    async with running(make_agent(config, FakePace())):
        directory = config.settings.node.state_directory
        await until((directory / "status.sock").exists)
        with pytest.raises(LocalError, match="owns this spool"):
            await make_agent(config, FakePace()).run()


@pytest.mark.parametrize("point", POINTS)
async def test_sigkill_at_any_commit_point_loses_and_forks_nothing(
    tmp_path: Path, broker: Broker, point: str
) -> None:
    """Killed early and again later at one point, then run to the end: one whole chain."""
    ledger = Ledger()
    path = write_config(tmp_path / "n", ledger, [broker])
    draw = Random(point)  # noqa: S311  # which occurrence
    async with collecting(ledger, broker):
        for _ in range(2):
            at_close = point == "forget.committed"
            async with child(path, point, 1 if at_close else draw.randint(1, 3)) as node:
                if at_close:
                    await made_some(ledger, 2, node)
                    with contextlib.suppress(ProcessLookupError):
                        node.send_signal(signal.SIGTERM)
                assert await node.wait() == -signal.SIGKILL
        async with child(path, "never", 0) as node:
            await made_some(ledger, 3, node)
            node.send_signal(signal.SIGTERM)
            assert await node.wait() == 0
    assert_whole_chains(ledger)
    assert kinds_of(ledger.reports(NODE)).count("started") >= 1
    assert kinds_of(ledger.reports(NODE))[-1] == "stopped"


@contextlib.asynccontextmanager
async def child(path: Path, point: str, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A node in a process of its own, which does not outlive the context."""
    environment = {**os.environ, "PYTHONPATH": str(Path(agents.__file__).parent.parent)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.agents", str(path), point, str(count), env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def made_some(ledger: Ledger, count: int, node: asyncio.subprocess.Process) -> None:
    """Return when this many more reports have been stored, or the node has ended."""
    wanted = len(ledger.reports(NODE)) + count
    await until(lambda: node.returncode is not None or len(ledger.reports(NODE)) >= wanted)


def test_both_families_is_what_these_tests_assume() -> None:
    """The links that stand in for the host's have both families."""
    assert both_families().families == {"ipv4", "ipv6"}
