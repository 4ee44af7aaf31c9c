"""The rooms joined: words, eyes, desk, ticks; and whole runs on a real broker."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.app.desk import MAX_WAITING, Desk
from shyraq_collector.app.eyes import Eyes, Senses
from shyraq_collector.app.judging import Judging, OwnState
from shyraq_collector.app.public import CommittedState
from shyraq_collector.app.words import reach_of, tell
from shyraq_collector.cli.main import run_command
from shyraq_collector.correlate.pace import Pace as Thresholds
from shyraq_collector.disclose.reader import Mark
from shyraq_collector.disclose.reader import Position as Page
from shyraq_collector.errors import ConfigError
from shyraq_collector.facts.asks import Met
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.incidents import Incident, State
from shyraq_collector.facts.reports import VerifiedReport
from shyraq_collector.facts.signals import Absence, LadderWord, QualitySample, Reach, TargetWord
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.incidents.engine import Engine
from shyraq_collector.incidents.snapshot import FINGERPRINT
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.policy import Policy
from shyraq_collector.store import queries
from shyraq_collector.store.findings import Findings, Memory, memory
from shyraq_collector.store.ingest import Kept
from shyraq_collector.store.judged import without_verdict
from shyraq_collector.store.schema import open_reader
from shyraq_wire.chain import Position
from shyraq_wire.report import REPORT_TYPE, Event, EventKind, Json, Kind, Tier
from support.broker import Broker, free_port, running_broker
from support.clock import STORY_START_MS, FakePace, FakeStopwatch, until
from support.collectors import House
from support.findings import commit, entry, findings, incident
from support.signing import SigningNode, measurement
from support.stored import StoredLedger, placement
from support.talking import Nodes, make_house, told_so_far

NOW_MS = STORY_START_MS
HEARTBEAT_MS = 60_000


# -- words -----------------------------------------------------------------------------------------


class Ears:
    """Writes down what an engine would be told."""

    def __init__(self) -> None:
        """Nothing heard."""
        self.told: list[object] = []
        self.reached: list[object] = []
        self.climbs: list[Reach] = []
        self.samples: list[tuple[str, str, float]] = []
        self.is_placed = True

    def knows(self, node: str) -> bool:
        """Every node, or none."""
        return self.is_placed and node != ""

    def heard(self, node: str, at: float, known_at: float | None = None) -> None:
        """A live report."""
        self.told.append(("heard", node, at if known_at is None else known_at))

    def word(self, node: str, at: float, known_at: float, *, up: bool) -> None:
        """A back-filled word."""
        self.told.append(("word", node, at, known_at, up))

    def absent(self, absence: Absence) -> None:
        """An absence."""
        self.told.append((absence.reason, absence.begin))

    def climbed(self, word: LadderWord) -> None:
        """What a node reaches that is heard."""
        self.climbs.append(word.reach)

    def quality(self, sample: QualitySample) -> None:
        """How fast something went."""
        self.samples.append((sample.metric, sample.target, sample.value))

    def verdict(self, word: TargetWord) -> None:
        """A verdict."""
        self.told.append(word)

    def ladder(self, word: LadderWord) -> None:
        """What the node could reach."""
        self.reached.append((word.reach, word.at, word.known_at))


def ladder(**tiers: tuple[int, int]) -> dict[str, Json]:
    """A ladder's result: (ok, of) by tier, over IPv4."""
    return {"tiers": {name: {"ipv4": {"ok": ok, "of": of}} for name, (ok, of) in tiers.items()}}


def kept(
    ledger: StoredLedger,
    node: SigningNode,
    *,
    live: bool,
    result: dict[str, Json] | None = None,
    events: tuple[EventKind, ...] = (),
    kind: Kind = "pulse",
) -> Kept:
    """A stored report, sealed at the story's start and read an hour later."""
    report = node.report(
        measurements=(measurement("ladder", "", result=result),) if result else (),
        events=tuple(Event(kind=each, offset_ms=0) for each in events),
        kind=kind,
    )
    verified = ledger.verified(node, node.frame(report), received_ms=NOW_MS + 3_600_000)
    assert isinstance(verified, VerifiedReport)
    return Kept(no=1, report=verified, live=live, flags=frozenset())


@pytest.fixture
def node() -> SigningNode:
    """A registered node."""
    return SigningNode()


@pytest.fixture
def ledger(tmp_path: Path, node: SigningNode) -> Iterator[StoredLedger]:
    """A ledger that knows the node."""
    with StoredLedger(tmp_path, node) as made:
        yield made


HEARD_S = NOW_MS / 1000 + 3600


def told(kept_report: Kept) -> list[object]:
    """What one stored report tells."""
    ears = Ears()
    tell(ears, kept_report)
    return ears.told


def test_a_live_report_is_an_arrival_when_its_socket_was_read(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """The node's own clock has no say, and its ladder says nothing new."""
    report = kept(ledger, node, live=True, result=ladder(collector=(0, 1)))
    assert told(report) == [("heard", node.id, HEARD_S)]


@pytest.mark.parametrize(
    ("result", "up"),
    [
        (ladder(collector=(0, 2), abroad=(3, 3)), False),
        (ladder(collector=(1, 2), abroad=(0, 3)), True),
        (ladder(abroad=(0, 3), domestic=(3, 3)), False),
        (ladder(near_abroad=(1, 1)), True),
        (ladder(collector=(0, 0), abroad=(1, 1)), True),
    ],
)
def test_back_fill_says_whether_the_node_reached_us_then(
    ledger: StoredLedger, node: SigningNode, result: dict[str, Json], up: bool
) -> None:
    """The most telling rung that was tried decides; it is known only now."""
    report = kept(ledger, node, live=False, result=result)
    assert told(report) == [("word", node.id, NOW_MS / 1000, HEARD_S, up)]


@pytest.mark.parametrize("result", [None, ladder(domestic=(1, 1)), {"tiers": 3}, {}])
def test_back_fill_without_a_far_rung_says_nothing(
    ledger: StoredLedger, node: SigningNode, result: dict[str, Json] | None
) -> None:
    """Bulk frames, light beats and odd shapes are no word."""
    assert told(kept(ledger, node, live=False, result=result)) == []


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (("paused",), "pause"),
        (("started", "stopped"), "upgrade"),
        (("budget_reached",), None),
        (("paused", "resumed"), None),
        (("clock_stepped",), None),
    ],
)
def test_an_announced_silence_is_told(
    ledger: StoredLedger,
    node: SigningNode,
    events: tuple[EventKind, ...],
    reason: str | None,
) -> None:
    """Only the newest event counts, and only from a live report."""
    heard = ("heard", node.id, HEARD_S)
    said = told(kept(ledger, node, live=True, events=events))
    assert said == ([heard] if reason is None else [heard, (reason, HEARD_S)])
    assert told(kept(ledger, node, live=False, events=events)) == []


def test_a_node_that_is_not_placed_tells_nothing(ledger: StoredLedger, node: SigningNode) -> None:
    """Registered for later, or forgotten: no group to count it in."""
    ears = Ears()
    ears.is_placed = False
    tell(ears, kept(ledger, node, live=True))
    assert ears.told == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(value=json_values)
def test_any_ladder_can_be_read(value: Json) -> None:
    """What a node may sign cannot raise here."""
    node = SigningNode()
    for result in (
        {"tiers": value},
        {"tiers": {"collector": value}},
        {"tiers": {"abroad": {"ipv4": value}}},
        {"tiers": {"abroad": {"ipv4": {"ok": value, "of": value}}}},
    ):
        report = node.report(measurements=(measurement("ladder", "", result=result),))
        verified = VerifiedReport(
            node=node.id,
            key=node.key_id,
            payload_type=REPORT_TYPE,
            frame=b"",
            epoch=node.epoch,
            position=Position(seq=0, sha256="", prev=""),
            report=report,
            received_ms=NOW_MS,
            dated_ms=NOW_MS,
        )
        tell(Ears(), Kept(no=1, report=verified, live=False, flags=frozenset()))


@pytest.mark.parametrize(
    ("tiers", "reach"),
    [
        ({"abroad": True, "domestic": False}, "everywhere"),
        ({"abroad": False, "near_abroad": True}, "everywhere"),
        ({"abroad": False, "domestic": True, "official_domestic": True}, "domestic"),
        ({"abroad": False, "domestic": False, "official_domestic": True}, "white_list"),
        ({"abroad": False, "domestic": False, "resolver": False}, "nowhere"),
        ({"abroad": False, "official_domestic": True}, None),
        ({"abroad": False, "resolver": True, "domestic": False}, None),
        ({"abroad": False}, None),
        ({"domestic": True}, None),
        ({}, None),
    ],
)
def test_a_ladder_is_boiled_down_only_when_enough_of_it_was_climbed(
    tiers: dict[Tier, bool], reach: Reach | None
) -> None:
    """A light beat says nothing of what it did not try."""
    assert reach_of(tiers) == reach


def test_a_full_ladder_tells_what_could_be_reached(ledger: StoredLedger, node: SigningNode) -> None:
    """Back-filled: of the silence, when it was climbed. Live: of a line that is not silent."""
    ears = Ears()
    full = ladder(abroad=(0, 2), domestic=(2, 2))
    for live in (True, False):
        tell(ears, kept(ledger, node, live=live, result=full))
    assert ears.reached == [("domestic", NOW_MS / 1000, HEARD_S)]
    assert ears.climbs == ["domestic"]


# -- eyes ------------------------------------------------------------------------------------------


class World:
    """What the eyes look at, turned by hand."""

    def __init__(self) -> None:
        """All is well, from the first connection on."""
        self.now_ms = NOW_MS
        self.canary_ms: int | None = None
        self.oldest_ms: int | None = None
        self.turned_away = 0
        self.failing = False
        self.eyes = Eyes(
            Senses(
                canary_returned_ms=lambda: self.canary_ms,
                oldest_arrival_ms=lambda: self.oldest_ms,
                turned_away=lambda: self.turned_away,
                ledger_failing=lambda: self.failing,
            ),
            now_ms=lambda: self.now_ms,
            heartbeat_ms=HEARTBEAT_MS,
            blind_since_ms=NOW_MS - 5000,
        )

    def tick(self, *, late_ms: int = 0) -> int | None:
        """The next tick; when our side stumbled, relative to the start."""
        last_ms = self.now_ms
        self.now_ms += HEARTBEAT_MS + late_ms
        if self.canary_ms is not None and self.canary_ms == last_ms - 100:
            self.canary_ms = self.now_ms - 100
        since_ms = self.eyes.stumble(due_ms=self.now_ms - late_ms, last_tick_ms=last_ms)
        return None if since_ms is None else since_ms - NOW_MS

    def connect(self) -> None:
        """The broker is there, and the canary comes back."""
        self.eyes.on_connected()
        self.canary_ms = self.now_ms - 100


def test_a_start_is_a_stumble_until_the_first_connection() -> None:
    """Nobody can have been heard before; afterwards all is well."""
    world = World()
    assert world.tick() == -5000
    world.connect()
    assert world.tick() == -5000
    assert world.tick() is None


def test_a_lost_connection_stumbles_at_every_tick_until_it_stands_again() -> None:
    """Its beginning is told each time, so the hold goes on; then once more, and it is over."""
    world = World()
    world.connect()
    world.tick()
    lost = world.now_ms - NOW_MS
    world.eyes.on_lost()
    assert [world.tick(), world.tick()] == [lost, lost]
    world.eyes.on_connected()
    world.canary_ms = world.now_ms - 100
    assert [world.tick(), world.tick()] == [lost, None]


def test_a_short_break_between_two_ticks_is_not_missed() -> None:
    """Lost and back before anybody looked."""
    world = World()
    world.connect()
    world.tick()
    at = world.now_ms - NOW_MS
    world.eyes.on_lost()
    world.eyes.on_connected()
    assert [world.tick(), world.tick()] == [at, None]


def test_a_canary_that_stays_away_is_a_stumble() -> None:
    """From the moment the last one that came back was sent."""
    world = World()
    world.connect()
    world.tick()
    world.canary_ms = world.now_ms - 200
    sent = world.canary_ms - NOW_MS
    assert world.tick() is None
    assert world.tick() == sent


@pytest.mark.parametrize("fault", ["turned_away", "failing", "late"])
def test_our_own_faults_reach_back_to_the_last_tick(fault: str) -> None:
    """A full inbox, a failing disk, a late tick."""
    world = World()
    world.connect()
    world.tick()
    last = world.now_ms - NOW_MS
    world.turned_away = 3 if fault == "turned_away" else 0
    world.failing = fault == "failing"
    assert world.tick(late_ms=HEARTBEAT_MS // 2 + 1 if fault == "late" else 0) == last
    world.failing = False
    assert world.tick() is None


def test_nothing_is_judged_beyond_what_has_surely_arrived() -> None:
    """The older of the oldest arrival under way and the newest canary that came back."""
    world = World()
    assert world.eyes.watermark_ms() == NOW_MS
    world.canary_ms = NOW_MS + 500
    assert world.eyes.watermark_ms() == NOW_MS + 500
    world.oldest_ms = NOW_MS + 300
    assert world.eyes.watermark_ms() == NOW_MS + 300
    world.oldest_ms = NOW_MS + 900
    assert world.eyes.watermark_ms() == NOW_MS + 500


# -- desk ------------------------------------------------------------------------------------------


class CountingJudge:
    """Says one verdict a report: its seq, as the moment."""

    def __init__(self) -> None:
        """Nothing judged; the test may make it break on one seq."""
        self.breaks_on: int | None = None

    def observe_report(self, placement: Placement, arrived: VerifiedReport) -> list[Verdict]:
        """One verdict."""
        seq = arrived.position.seq
        if seq == self.breaks_on:
            raise ZeroDivisionError
        return [
            Verdict(
                node=arrived.node,
                isp=placement.isp,
                region=placement.region,
                access=placement.access,
                target="t",
                at_ms=seq,
                state="ok",
                layer=None,
                doubt=None,
                rule="r",
                confidence=1.0,
                reason="",
            )
        ]

    def advance(self, now_ms: int) -> list[Verdict]:
        """Time gives nothing."""
        assert now_ms >= 0
        return []

    def news(self) -> tuple[Met, ...]:
        """It meets nobody."""
        return ()


def stored_chain(ledger: StoredLedger, node: SigningNode, count: int) -> list[Kept]:
    """So many stored reports."""
    found, _ = ledger.take(node, *node.frames(count))
    return [each for each in found if each is not None]


@contextlib.asynccontextmanager
async def desk_with(
    judge: CountingJudge,
    node: SigningNode,
    stored: Sequence[Kept],
    *,
    is_crowded: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Desk]:
    """A running desk."""
    desk = Desk(
        judge,
        placement_of=lambda name: placement(name) if name == node.id else None,
        stored_after=lambda no: (each for each in stored if each.no > no),
        is_crowded=is_crowded,
    )
    task = asyncio.ensure_future(desk.run())
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def judged(desk: Desk, count: int) -> list[int]:
    """So many verdicts, by their seq."""
    found: list[Verdict] = []

    async def more() -> None:
        found.extend(await desk.verdicts(NOW_MS))

    await until(lambda: len(found) >= count, moving=more)
    return [each.at_ms for each in found]


async def test_what_is_stored_is_judged_in_order(ledger: StoredLedger, node: SigningNode) -> None:
    """Chunk by chunk, each once."""
    stored = stored_chain(ledger, node, 200)
    async with desk_with(CountingJudge(), node, stored) as desk:
        desk.lay(stored[:150])
        desk.lay(stored[150:])
        assert await judged(desk, 200) == list(range(200))


async def test_receipts_come_first_and_judging_is_never_starved(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """While messages crowd in the judge waits, but not for ever."""
    stored = stored_chain(ledger, node, 100)
    looks = 0

    def is_crowded() -> bool:
        nonlocal looks
        looks += 1
        return True

    async with desk_with(CountingJudge(), node, stored, is_crowded=is_crowded) as desk:
        desk.lay(stored)
        assert await judged(desk, 100) == list(range(100))
    assert looks > 2


async def test_a_judge_that_falls_behind_reads_the_ledger(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """What no longer fits on the desk is not kept in memory, and nothing is lost or repeated."""
    stored = stored_chain(ledger, node, 300)
    async with desk_with(CountingJudge(), node, stored) as desk:
        desk.lay(stored[:10])
        desk.lay([*stored[10:200], *([stored[199]] * MAX_WAITING)])
        desk.lay(stored[200:250])
        first = await judged(desk, 250)
        desk.lay(stored[250:])
        assert first + await judged(desk, 300 - len(first)) == list(range(300))


async def test_one_report_that_breaks_the_judge_stops_nothing(
    ledger: StoredLedger, node: SigningNode, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in the log with its frame; the others are judged."""
    judge = CountingJudge()
    judge.breaks_on = 1
    stored = stored_chain(ledger, node, 4)
    async with desk_with(judge, node, stored) as desk:
        desk.lay(stored)
        assert await judged(desk, 3) == [0, 2, 3]
    assert "event=report-not-judged frame=2 node=node-0001" in caplog.text


async def test_a_warm_judge_goes_on_behind_what_it_has_seen(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """After a restart: the stored ones first, then the new ones."""
    stored = stored_chain(ledger, node, 6)
    async with desk_with(CountingJudge(), node, stored) as desk:
        desk.warm(stored[:4])
        desk.lay(stored[4:])
        assert await judged(desk, 6) == list(range(6))


# -- ticks and what the public reads ---------------------------------------------------------------


class SlowEngine(Engine):
    """Takes as long over a snapshot as the test says."""

    def __init__(self, stopwatch: FakeStopwatch, **options: Any) -> None:  # noqa: ANN401
        """Keep the stopwatch; the rest is the engine's."""
        super().__init__(**options)
        self.snapshot_ms = 0.0
        self._stopwatch = stopwatch

    def snapshot(self) -> bytes:  # type: ignore[explicit-override]  # Python 3.11 has no override
        """The memory, after a while."""
        self._stopwatch.advance(self.snapshot_ms)
        return super().snapshot()


class Ticks:
    """Judging with a clock that the test turns, on a real ledger."""

    def __init__(
        self,
        ledger: StoredLedger,
        *,
        left: Memory | None = None,
        standing: Sequence[Incident] = (),
    ) -> None:
        """Join engine, desk and eyes.

        Args:
            ledger: Where findings go.
            left: What a run before left behind.
            standing: Incidents it has left open.
        """
        self.pace, self.saved = FakePace(), list[Findings]()
        self.stopwatch = FakeStopwatch()
        self.saving_takes_ms = 0
        self.desk = Desk(Judge(Policy()), placement_of=placement, stored_after=lambda _: iter(()))
        self.connected = True
        eyes = Eyes(
            Senses(
                canary_returned_ms=self.pace.now_ms,
                oldest_arrival_ms=lambda: None,
                turned_away=lambda: 0,
                ledger_failing=lambda: False,
            ),
            now_ms=self.pace.now_ms,
            heartbeat_ms=HEARTBEAT_MS,
            blind_since_ms=NOW_MS,
        )
        eyes.on_connected()
        self.judging = Judging(
            make_engine=lambda: self._make_engine(ledger),
            desk=self.desk,
            eyes=eyes,
            pace=self.pace,
            stopwatch=self.stopwatch,
            heartbeat_ms=HEARTBEAT_MS,
            tick_ms=HEARTBEAT_MS,
            own_state=lambda: OwnState(
                broker_connected=self.connected, canary_round_trip_ms=1.0, turned_away=0, nodes=1
            ),
            save=self._save,
            memory=left,
            standing=standing,
            without_verdict=partial(without_verdict, ledger.connection),
        )

    async def _save(self, findings: Findings) -> None:
        self.saved.append(findings)
        self.pace.advance(self.saving_takes_ms)

    def _make_engine(self, ledger: StoredLedger) -> SlowEngine:
        self.engine = SlowEngine(
            self.stopwatch,
            pace=Thresholds(),
            placements=ledger.registry.placements(NOW_MS),
            cadence_s=60,
        )
        return self.engine

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Ticks"]:
        """Tick inside the block."""
        task = asyncio.ensure_future(self.judging.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def beat(self, count: int) -> None:
        """So many heartbeats, each with its tick."""
        for _ in range(count):
            before = len(self.saved)
            await self.pace.run_for(HEARTBEAT_MS)
            await until(lambda before=before: len(self.saved) > before)  # type: ignore[misc]


async def test_ticks_come_at_multiples_of_the_heartbeat(ledger: StoredLedger) -> None:
    """Absolute ones, whenever the collector was started; a wall clock set back waits."""
    ticks = Ticks(ledger)
    ticks.pace.advance(12_345)
    async with ticks.running():
        await ticks.beat(3)
        assert [each.at_ms % HEARTBEAT_MS for each in ticks.saved] == [0, 0, 0]
        ticks.pace.step_wall_clock(-10 * HEARTBEAT_MS)
        for _ in range(5):
            await ticks.pace.run_for(HEARTBEAT_MS)
        assert len(ticks.saved) == 3


async def test_ticks_that_were_slept_through_are_one(ledger: StoredLedger) -> None:
    """A frozen collector does not judge its own absence minute by minute."""
    ticks = Ticks(ledger)
    async with ticks.running():
        await ticks.beat(1)
    ticks.pace.advance(10 * HEARTBEAT_MS)
    await ticks.judging.tick(
        ticks.pace.now_ms() // HEARTBEAT_MS * HEARTBEAT_MS, NOW_MS + 2 * HEARTBEAT_MS
    )
    assert [each.view.hold for each in ticks.saved] == ["starting", "hold"]
    await ticks.judging.tick(ticks.saved[-1].at_ms, ticks.saved[-1].at_ms)
    assert len(ticks.saved) == 2


async def test_a_tick_that_falls_due_during_a_commit_is_not_passed_over(
    ledger: StoredLedger,
) -> None:
    """A slow disk makes it late, not missing."""
    ticks = Ticks(ledger)
    ticks.saving_takes_ms = HEARTBEAT_MS
    async with ticks.running():
        await ticks.pace.run_for(HEARTBEAT_MS)
        await until(lambda: len(ticks.saved) >= 2)
        ticks.saving_takes_ms = 0
    first, second = (each.at_ms for each in ticks.saved[:2])
    assert second - first == HEARTBEAT_MS


async def test_a_costly_snapshot_is_taken_seldom_and_its_cursor_with_it(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """In between, what is stored stays behind the cursor, and is given again after a crash."""
    ticks = Ticks(ledger)
    ticks.engine.snapshot_ms = 700
    async with ticks.running():
        await ticks.beat(1)
        ticks.judging.take([each for each in ledger.take(node, node.frame())[0] if each])
        await ticks.beat(1)
        commit(ledger, *ticks.saved)
        ticks.stopwatch.advance(70_000)
        await ticks.beat(1)
    assert [each.snapshot is not None for each in ticks.saved] == [True, False, True]
    left = memory(ledger.connection)
    assert left is not None
    assert (left.cursor, left.ticked_ms) == (0, ticks.saved[0].at_ms)
    assert ticks.saved[2].cursor == 1


async def test_the_view_says_why_nothing_is_judged(ledger: StoredLedger) -> None:
    """Starting first, then holding after the start's own stumble, then judging."""
    ticks = Ticks(ledger)
    async with ticks.running():
        await ticks.beat(8)
        ticks.connected = False
        await ticks.beat(1)
    holds = [each.view.hold for each in ticks.saved]
    assert holds[:2] == ["starting", "starting"]
    assert holds[-2:] == [None, "hold"]


@pytest.mark.parametrize("snapshot", [b'{"version": 0}', b"[", b"{}", b'{"fields": "%s"}'])
async def test_a_snapshot_of_other_fields_is_not_guessed_at(
    ledger: StoredLedger, caplog: pytest.LogCaptureFixture, snapshot: bytes
) -> None:
    """The engine begins with an empty memory, and the log says so; right fields may be damaged."""
    snapshot = snapshot.replace(b"%s", FINGERPRINT.encode())
    old = Memory(cursor=5, ticked_ms=NOW_MS - HEARTBEAT_MS, snapshot=snapshot)
    ticks = Ticks(ledger, left=old)
    assert ticks.judging.cursor == 5
    assert "event=snapshot-refused" in caplog.text
    async with ticks.running():
        await ticks.beat(1)
    assert ticks.saved[-1].cursor == 5


@pytest.mark.parametrize(
    ("state", "settled"),
    [("suspected", "dismissed"), ("partial_restore", "closed"), ("restored", "closed")],
)
async def test_what_a_lost_memory_left_open_is_settled_once(
    ledger: StoredLedger, state: State, settled: State
) -> None:
    """One entry says that observation was interrupted, and when; no return is made up."""
    left_open = incident(entry(0, "suspected"), entry(1, state))
    commit(ledger, findings(entries=left_open.history, incidents=(left_open,)))
    old = Memory(cursor=5, ticked_ms=NOW_MS - HEARTBEAT_MS, snapshot=b"{}")
    ticks = Ticks(ledger, left=old, standing=queries.standing(ledger.connection))
    async with ticks.running():
        await ticks.beat(2)
    assert [len(each.entries) for each in ticks.saved] == [1, 0]
    commit(ledger, *ticks.saved)
    told = queries.incident(ledger.connection, left_open.id)
    assert told is not None
    assert (told.state, told.restored_at) == (settled, left_open.restored_at)
    assert told.history[:-1] == left_open.history
    assert told.history[-1].at == NOW_MS / 1000 - 60
    assert "observation was interrupted" in told.history[-1].note
    assert queries.standing(ledger.connection) == []


def test_the_public_reads_what_was_committed(ledger: StoredLedger) -> None:
    """Views, incidents, entries, counts, as the ledger has them; the broker is asked live."""
    begun = entry(0, "suspected")
    commit(ledger, findings(NOW_MS, entries=(begun,)))
    ledger.take(SigningNode(), SigningNode(seed="forged").frame())
    with contextlib.closing(open_reader(ledger.path)) as connection:
        state = CommittedState(connection, started_ms=NOW_MS, is_connected=lambda: False)
        seen = state.view()
        assert seen is not None
        assert (seen.at, seen.hold) == (NOW_MS / 1000, "hold")
        assert state.view(NOW_MS / 1000 - 1) is None
        assert state.incident(begun.incident) == incident(begun)
        assert [each.id for each in state.incidents(None, 5)] == [begun.incident]
        behind = Page(suspected_at=NOW_MS / 1000, incident=begun.incident)
        assert state.incidents(behind, 5) == []
        assert [each.id for each in state.standing()] == [begun.incident]
        assert [(each.sequence, each.entry) for each in state.entries(0, 5)] == [(1, begun)]
        assert state.mark() == Mark(view_at=NOW_MS / 1000, sequence=1)
        health = state.health()
        assert (health.broker, health.started_at) == ("lost", NOW_MS / 1000)
        assert health.refused == {"bad-signature": 1}


# -- whole runs ------------------------------------------------------------------------------------


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A running broker that forgets everything when it is killed."""
    directory = tmp_path / "broker"
    directory.mkdir()
    with running_broker(directory) as running:
        yield running


async def test_a_report_goes_all_the_way_and_comes_back_as_a_receipt(
    tmp_path: Path, broker: Broker
) -> None:
    """Stored, receipted under the ledger's id, counted, and seen in the view."""
    nodes = Nodes(broker, 4)
    house = make_house(tmp_path, broker, nodes)
    async with house.running(pace=nodes.pace), nodes.connected(house.receipt_key):
        await nodes.beat(house)
        with house.reader() as reader:
            assert queries.counters(reader) == {"live": 4, "stored": 4}
            view = queries.view(reader)
    assert view is not None
    assert (view.broker_connected, view.nodes, view.hold) == (True, 4, "starting")


async def test_a_silent_network_is_told_and_a_restart_says_nothing_twice(
    tmp_path: Path, broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of four networks falls silent; the incident goes on over a stop in its middle.

    Afterwards the command line explains it from the engine's memory: lines, scores, plot.
    """
    nodes = Nodes(broker, 12)
    house = make_house(tmp_path, broker, nodes)
    alive = [node for number, node in enumerate(nodes.all) if number % 4]

    async def beat_until(state: str) -> None:
        while state not in {entry.state for entry in told_so_far(house)}:
            await nodes.beat(house, alive)

    async with nodes.connected(house.receipt_key):
        async with house.running(pace=nodes.pace):
            for _ in range(8):
                await nodes.beat(house)
            await beat_until("suspected")
        async with house.running(pace=nodes.pace):
            await beat_until("confirmed")
    said = told_so_far(house)
    assert len({entry.incident for entry in said}) == 1
    assert [entry.number for entry in said] == list(range(len(said)))
    assert said[-1].scope.isps == ("isp-a",)
    plot = tmp_path / "why.svg"
    asked = ["incidents", "show", said[0].incident, "--config", str(house.configuration)]
    assert run_command([*asked, "--why", "--json", "--plot", str(plot)]) == 0
    why = json.loads(capsys.readouterr().out)["why"]
    assert [(line["isp"], line["is_down"]) for line in why["lines"]] == [("isp-a", True)] * 3
    assert max(point["score"] for point in why["trace"]) >= 13
    assert plot.read_text().startswith("<svg")
    assert run_command([*asked, "--why"]) == 0
    assert "lines, first fallen first" in capsys.readouterr().out


async def test_our_own_broken_broker_is_no_outage(tmp_path: Path, broker: Broker) -> None:
    """Everybody is silent with it; nothing is told, and judging goes on afterwards."""
    nodes = Nodes(broker, 12)
    house = make_house(tmp_path, broker, nodes)
    async with house.running(pace=nodes.pace):
        async with nodes.connected(house.receipt_key):
            for _ in range(6):
                await nodes.beat(house)
        await asyncio.to_thread(broker.kill)
        with house.reader() as reader:

            def is_holding() -> bool:
                view = queries.view(reader)
                return view is not None and not view.broker_connected and view.hold == "hold"

            await until(is_holding, moving=nodes.let_a_second_pass)
            for _ in range(300):
                await nodes.let_a_second_pass()
        await asyncio.to_thread(broker.start)
        async with nodes.connected(house.receipt_key):
            canaries = nodes.canaries
            await until(lambda: nodes.canaries > canaries, moving=nodes.let_a_second_pass)

            async def pulse_again() -> None:
                await nodes.pulse(nodes.all)
                await nodes.let_a_second_pass()

            newest = [nodes.told(node) for node in nodes.all]
            await until(lambda: all(map(nodes.has_more, nodes.all, newest)), moving=pulse_again)
            for _ in range(5):
                await nodes.beat(house)
    assert told_so_far(house) == []


def lines_by_network(house: House) -> dict[str | None, int]:
    """Of how many lines something is known, as of the last tick."""
    with house.reader() as reader:
        view = queries.view(reader)
    groups = view.groups if view is not None else ()
    return {each.isp: each.lines for each in groups if each.access is each.region is None}


async def test_a_command_beside_the_collector_is_seen_without_a_restart(
    tmp_path: Path, broker: Broker
) -> None:
    """A node that is registered now is heard; one that is revoked is refused and told so."""
    nodes = Nodes(broker, 2)
    first, second = nodes.all
    house = make_house(tmp_path, broker, Nodes(broker, 1))
    async with house.running(pace=nodes.pace), nodes.connected(house.receipt_key):
        with house.reader() as reader:
            await nodes.pulse(nodes.all)
            await until(lambda: nodes.told(first) == 0)
            await until(lambda: queries.counters(reader).get("refused:unknown-node") == 1)
        house.register(second.id, second.public_key, number=1)
        house.revoke(first.id, at_ms=nodes.pace.now_ms())

        async def pulse() -> None:
            await nodes.pulse(nodes.all)
            await nodes.let_a_second_pass()

        def refusals() -> set[str]:
            return {each.reason for each in nodes.receipts[first.id].refused}

        await until(lambda: nodes.told(second) >= 0, moving=pulse)
        await until(lambda: refusals() == {"revoked-key"}, moving=pulse)

        lines = partial(lines_by_network, house)
        await until(lambda: lines().get("isp-b") == 1, moving=pulse)
        assert lines()["isp-a"] == 0


async def test_what_was_said_for_later_comes_true_without_a_restart(
    tmp_path: Path, broker: Broker
) -> None:
    """A node moves, and another leaves, ten minutes after the operator said so."""
    nodes = Nodes(broker, 2)
    first, second = nodes.all
    house = make_house(tmp_path, broker, nodes)

    lines = partial(lines_by_network, house)
    async with house.running(pace=nodes.pace), nodes.connected(house.receipt_key):
        later_ms = nodes.pace.now_ms() + 600_000
        with house.registry() as registry:
            moved = replace(house.placement(first.id, number=0), isp="isp-c")
            registry.place(moved, valid_from_ms=later_ms)
        house.revoke(second.id, at_ms=later_ms)
        while nodes.pace.now_ms() < later_ms - 60_000:
            await nodes.beat(house)
        assert (lines().get("isp-a"), lines().get("isp-b"), lines().get("isp-c")) == (1, 1, None)

        async def pulse() -> None:
            await nodes.pulse([first])
            await nodes.let_a_second_pass()

        await until(lambda: (lines().get("isp-b"), lines().get("isp-c")) == (0, 1), moving=pulse)
        assert nodes.pace.now_ms() >= later_ms


async def test_a_report_stored_after_its_key_was_revoked_keeps_no_collector_from_starting(
    tmp_path: Path, broker: Broker
) -> None:
    """Revocations are heard of seconds late, or said of the past: then a restart reads both."""
    nodes = Nodes(broker, 2)
    first, second = nodes.all
    house = make_house(tmp_path, broker, nodes)
    async with house.running(pace=nodes.pace), nodes.connected(house.receipt_key):
        await nodes.pulse(nodes.all)
        await until(lambda: nodes.told(first) == nodes.told(second) == 0)
    house.revoke(first.id, at_ms=nodes.pace.now_ms() - 60_000)
    nodes.receipts.clear()
    async with house.running(pace=nodes.pace), nodes.connected(house.receipt_key):
        await nodes.pulse([second])
        await until(lambda: nodes.told(second) == 1)


async def test_the_public_api_answers_from_the_same_ledger(tmp_path: Path, broker: Broker) -> None:
    """Status, health and incidents over HTTP while the collector runs."""
    nodes, port = Nodes(broker, 12), free_port()
    house = make_house(tmp_path, broker, nodes)
    text = house.configuration.read_text()
    house.configuration.write_text(text.replace("enabled = false", f"port = {port}"))
    async with house.running(pace=nodes.pace), nodes.connected(house.receipt_key):
        await nodes.beat(house)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as asking:
            health = (await asking.get("/api/v1/health")).json()
            assert (health["broker"], health["reports_stored"]) == ("connected", 12)
            status = (await asking.get("/api/v1/status")).json()
            assert status["countries"][0]["country"] == "KZ"
            assert "node-0001" not in json.dumps(status)
            assert (await asking.get("/api/v1/incidents")).status_code == 200


async def test_an_http_address_that_is_taken_is_a_mistake_of_the_configuration(
    tmp_path: Path, broker: Broker
) -> None:
    """Said before anything is opened."""
    house = make_house(tmp_path, broker, Nodes(broker, 0))
    text = house.configuration.read_text()
    house.configuration.write_text(text.replace("enabled = false", f"port = {broker.port}"))
    with pytest.raises(ConfigError, match=r"http\.host, http\.port"):
        async with house.running():
            pass
