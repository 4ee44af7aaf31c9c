"""Whole runs on a real broker: harm that is told by words, and what a crash in it changes."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from shyraq_collector.cli.main import run_command
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.incidents import Incident
from shyraq_collector.store import queries
from shyraq_collector.store.writer import CommitPoint
from shyraq_wire.report import Json, Measurement
from support.broker import Broker, running_broker
from support.collectors import House
from support.signing import SigningNode, measurement
from support.talking import Nodes, make_house, told_so_far
from support.web import RIGHT, https, lookup, web

GOOD, SILENT = (
    web([lookup(RIGHT), *https()]),
    web([lookup(RIGHT), *https(handshake="generic_timeout_error")]),
)
TARGETS = f"""
[[target]]
name = "{GOOD.target}"
cadence_s = 300
"""


class CrashError(Exception):
    """Stands for a power cut at a commit point."""


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Callable[[], Broker]]:
    """Running brokers, one for each story."""
    with contextlib.ExitStack() as stack:
        number = count()

        def start() -> Broker:
            directory = tmp_path / f"broker-{next(number)}"
            directory.mkdir()
            return stack.enter_context(running_broker(directory))

        yield start


@dataclass
class Story:
    """Twelve sensors of four networks and a control abroad; something befalls one network.

    Attributes:
        nodes: All, the control last.
        house: Where the collector lives.
    """

    nodes: Nodes
    house: House

    @classmethod
    def make(
        cls, directory: Path, broker: Broker, harmed: Measurement, good: Measurement
    ) -> "Story":
        """Lay out nodes and house.

        Args:
            directory: Made for this story.
            broker: Running.
            harmed: What the network isp-a measures from the fourth heartbeat on.
            good: What everybody else does, and everybody before.
        """

        def measure(node: SigningNode) -> Measurement:
            return harmed if node in nodes.all[:12:4] and node.seq >= 4 else good

        nodes = Nodes(broker, 12, measure)
        directory.mkdir()
        house = make_house(directory, broker, nodes, settings=TARGETS)
        control = SigningNode("control-0001")
        with house.registry() as registry:
            registry.add(
                placement=Placement(
                    node=control.id,
                    isp="far",
                    region=None,
                    country="DE",
                    access=None,
                    site="far-1",
                    role="control",
                ),
                public_key=control.public_key,
                valid_from_ms=0,
            )
        nodes.all.append(control)
        return cls(nodes, house)

    async def play(self, beats: int, *, crash_at: int | None = None) -> int:
        """So many heartbeats; how many were played before the collector died, if it did."""
        died, armed = False, False

        def commit_point(point: CommitPoint) -> None:
            nonlocal died
            if armed and point == "job-before-commit":
                died = True
                raise CrashError

        async def beat_on() -> int:
            nonlocal armed
            async with self.house.running(pace=self.nodes.pace, commit_point=commit_point):
                for number in range(beats):
                    armed = number == crash_at
                    await self.nodes.beat(self.house, has_died=lambda: died)
                    if died:
                        break
            return number + 1

        async with self.nodes.connected(self.house.receipt_key):
            if crash_at is None:
                return await beat_on()
            with contextlib.suppress(ExceptionGroup):
                await beat_on()
            assert died
            return crash_at + 1

    def incidents(self) -> list[Incident]:
        """What stands in the ledger."""
        with self.house.reader() as reader:
            return queries.incidents(reader)


def essence(incident: Incident) -> tuple[object, ...]:
    """What a crash must not change."""
    return (
        incident.id,
        incident.kind,
        incident.cause,
        incident.scope,
        incident.onset,
        incident.state,
        incident.grade,
        [entry.number for entry in incident.history],
        [entry.state for entry in incident.history],
    )


BEATS = 14


@pytest.mark.parametrize("back", [0, 1])
async def test_a_crash_before_a_tick_is_committed_changes_no_incident(
    tmp_path: Path, brokers: Callable[[], Broker], back: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is blocked is told as such: the same incident, with the same id, crash or no crash.

    Afterwards the command line explains it from the memory: lines, words, scores, plot.
    """
    steady = Story.make(tmp_path / "steady", brokers(), harmed=SILENT, good=GOOD)
    begin_ms = steady.nodes.pace.now_ms()
    await steady.play(BEATS)
    (incident,) = steady.incidents()
    assert (incident.kind, incident.state) == ("blocking", "confirmed")
    assert (incident.scope.isps, incident.scope.targets) == (("isp-a",), (GOOD.target,))
    said_at = round((incident.suspected_at * 1000 - begin_ms) / 60_000) - 1 - back
    crashing = Story.make(tmp_path / "crashing", brokers(), harmed=SILENT, good=GOOD)
    played = await crashing.play(BEATS, crash_at=said_at)
    await crashing.play(BEATS - played)
    assert [essence(each) for each in crashing.incidents()] == [essence(incident)]
    said = told_so_far(crashing.house)
    assert [entry.number for entry in said] == list(range(len(said)))
    plot = tmp_path / "why.svg"
    asked = ["incidents", "show", incident.id, "--config", str(crashing.house.configuration)]
    assert run_command([*asked, "--why", "--json", "--plot", str(plot)]) == 0
    why = json.loads(capsys.readouterr().out)["why"]
    assert {(line["isp"], line["says"]["word"]) for line in why["lines"]} == {("isp-a", "blocked")}
    assert why["lines"][0]["says"]["target"] == GOOD.target
    assert max(point["score"] for point in why["trace"]) >= 13
    assert plot.read_text().startswith("<svg")
    assert run_command([*asked, "--why"]) == 0
    assert "first to say so first" in capsys.readouterr().out


def ladder(**tiers: bool) -> Measurement:
    """A full ladder: which tiers answered."""
    counts: dict[str, Json] = {
        name: {"ipv4": {"ok": int(ok), "of": 1}} for name, ok in tiers.items()
    }
    return measurement("ladder", "", result={"tiers": counts})


async def test_a_white_list_that_admits_the_broker_is_told(
    tmp_path: Path, brokers: Callable[[], Broker]
) -> None:
    """Every line is heard all the while; one network's ladders reach official sites alone."""
    listed = ladder(abroad=False, domestic=False, official_domestic=True, collector=True)
    free = ladder(abroad=True, domestic=True, official_domestic=True, collector=True)
    story = Story.make(tmp_path / "listed", brokers(), harmed=listed, good=free)
    await story.play(10)
    (incident,) = story.incidents()
    assert (incident.kind, incident.cause, incident.state) == ("outage", "white-list", "confirmed")
    assert incident.scope.isps == ("isp-a",)
    assert incident.history[-1].evidence.test == "ladder"


async def test_an_outside_source_decides_what_was_cut_off_from_us(
    tmp_path: Path, brokers: Callable[[], Broker], capsys: pytest.CaptureFixture[str]
) -> None:
    """Everybody is silent and the control is heard: cut off; what others see is written down."""
    story = Story.make(tmp_path / "cut", brokers(), harmed=GOOD, good=GOOD)
    nodes, house = story.nodes, story.house
    async with nodes.connected(house.receipt_key):
        async with house.running(pace=nodes.pace):
            for _ in range(8):
                await nodes.beat(house)
            while not any(each.confirmed_at for each in story.incidents()):
                await nodes.beat(house, nodes.all[12:])
            (incident,) = story.incidents()
            assert incident.cause == "cut-off"
            words = ["incidents", "outside", incident.id, "national", "--source", "ioda"]
            asked = [*words, "--config", str(house.configuration)]
            assert await asyncio.to_thread(run_command, asked) == 0
            await nodes.beat(house, nodes.all[12:])
        async with house.running(pace=nodes.pace):
            await nodes.beat(house, nodes.all[12:])
    (incident,) = story.incidents()
    assert incident.cause == "national"
    assert [entry.note for entry in incident.history].count(
        "an outside source decides the cause"
    ) == 1
    assert "says ioda" in capsys.readouterr().out
    assert run_command(["incidents", "outside", "f" * 16, *asked[3:]]) == 1
