"""The ticks: what was stored goes in, what is concluded is committed.

At each absolute multiple of half the heartbeat:

1. If our own side stumbled since the last tick, the engine is told first (`eyes`).
2. The judge's verdicts since the last tick are taken, in the order of what was measured, and the
   engine is told of each measurement once.
3. What others say of an incident is told, and the engine judges up to the watermark.
4. Snapshot, cursor, timeline entries, incidents, verdicts and view are committed together. A tick
   that says nothing may do without a snapshot: with thousands of nodes writing one takes a good
   part of a second, and is done so seldom that it costs a hundredth of the time.

Between ticks, what a commit stored is given to engine and judge at once, in order. After a restart
the engine takes over the last snapshot and is given the frames behind the cursor and the verdicts
of later ticks; the time in between is a stumble like any other. What the warmed judge says a second
time stands in the ledger already, and is not told again.

A snapshot of other fields is not guessed at: the engine begins with an empty memory, and says so in
the log. Incidents that the ledger leaves open and the memory does not know are settled at the first
tick: observation was interrupted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_collector.app.desk import Desk
from shyraq_collector.app.eyes import Eyes
from shyraq_collector.app.words import tell, tell_verdict
from shyraq_collector.clock import Pace, Stopwatch
from shyraq_collector.facts.fleet import NodeId, Placement
from shyraq_collector.facts.incidents import Entry, Incident
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.incidents.engine import Engine
from shyraq_collector.incidents.interrupted import settle
from shyraq_collector.store.findings import Findings, Hold, Memory, View
from shyraq_collector.store.ingest import Kept
from shyraq_collector.store.outside import OutsideSaying

_STARTING_HEARTBEATS: Final = 3
"""Ticks of a first run before the engine can have learned anything."""

_SNAPSHOT_SHARE: Final = 100
"""A snapshot is due again after so many times what the last one took."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnState:
    """What the view says of the collector itself."""

    broker_connected: bool
    canary_round_trip_ms: float | None
    turned_away: int
    nodes: int


class Judging:
    """Engine, judge and ticks."""

    def __init__(
        self,
        *,
        make_engine: Callable[[], Engine],
        desk: Desk,
        eyes: Eyes,
        pace: Pace,
        stopwatch: Stopwatch,
        heartbeat_ms: int,
        tick_ms: int,
        own_state: Callable[[], OwnState],
        save: Callable[[Findings], Awaitable[None]],
        memory: Memory | None,
        standing: Iterable[Incident] = (),
        without_verdict: Callable[[Sequence[Verdict]], list[Verdict]] = list,
        outside_after: Callable[[int], Sequence[OutsideSaying]] = lambda _: (),
    ) -> None:
        """Join the parts and take over the memory of the run before.

        Args:
            make_engine: A new one, with today's placements.
            desk: The judge's.
            eyes: Our own stumbles, and the watermark.
            pace: When ticks are due.
            stopwatch: What a snapshot costs.
            heartbeat_ms: Of the fleet.
            tick_ms: Distance of ticks.
            own_state: Asked at each tick, for the view.
            save: Commits what one tick found.
            memory: What the last tick left behind; None at the first start.
            standing: Incidents that the ledger has not settled.
            without_verdict: Which of some verdicts are the first on their measurement, as far as
                the ledger knows; called in a thread.
            outside_after: What others have said since a number; called in a thread.
        """
        self._desk = desk
        self._eyes = eyes
        self._pace = pace
        self._stopwatch = stopwatch
        self._snapshot_due_ms = 0.0
        self._heartbeat_ms = heartbeat_ms
        self._tick_ms = tick_ms
        self._own_state = own_state
        self._save = save
        self._started_ms = pace.now_ms()
        self._last_tick_ms = self._started_ms if memory is None else memory.ticked_ms
        self._seen_until_ms = self._last_tick_ms
        self._is_first_run = memory is None
        self._cursor = 0 if memory is None else memory.cursor
        self._engine = _remember(make_engine, memory)
        known = {incident.id for incident in self._engine.incidents()}
        self._lost = [incident for incident in standing if incident.id not in known]
        self._without_verdict = without_verdict
        self._outside_after = outside_after
        self._outside_no = 0

    @property
    def cursor(self) -> int:
        """Number of the newest frame that the engine has been given."""
        return self._cursor

    def take(self, kept: Sequence[Kept]) -> None:
        """Newly stored reports, in order."""
        self.catch_up(kept)
        self._desk.lay(kept)

    def catch_up(self, kept: Iterable[Kept]) -> None:
        """Stored reports that only the engine has not been given yet."""
        for each in kept:
            tell(self._engine, each)
            self._cursor = each.no

    def catch_up_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Verdicts of ticks that left no snapshot, in the order in which they were committed."""
        for verdict in verdicts:
            tell_verdict(self._engine, verdict)

    def place(self, placement: Placement) -> None:
        """A node is new, or has moved."""
        self._engine.place(placement)

    def forget(self, node: NodeId) -> None:
        """A node has left for good: it is in no count any more."""
        self._engine.forget(node)

    async def run(self) -> None:
        """Tick until cancelled; ticks that were slept through are one.

        One that falls due while the last is still being committed comes right after it.
        """
        judged_ms = self._pace.now_ms()
        while True:
            now_ms = self._pace.now_ms()
            # Not later than now: a wall clock that was set back would put all of it off.
            due_ms = (min(judged_ms, now_ms) // self._tick_ms + 1) * self._tick_ms
            await self._pace.sleep_ms(due_ms - now_ms)
            now_ms = self._pace.now_ms()
            if now_ms < due_ms:
                continue  # the wall clock was set back
            judged_ms = max(due_ms, now_ms // self._tick_ms * self._tick_ms)
            await self.tick(judged_ms, due_ms)

    async def tick(self, at_ms: int, due_ms: int) -> None:
        """One tick.

        Args:
            at_ms: The newest multiple of a tick that has passed.
            due_ms: The multiple that was slept for; earlier when this tick is late.
        """
        if at_ms <= self._last_tick_ms:
            return
        stumbled_ms = self._eyes.stumble(due_ms=due_ms, last_tick_ms=self._last_tick_ms)
        if stumbled_ms is not None:
            self._engine.hold(at_ms / 1000, since=stumbled_ms / 1000)
        watermark_ms = self._eyes.watermark_ms()
        verdicts = await self._desk.verdicts(watermark_ms)
        met = await self._desk.met()
        for verdict in await self._first_verdicts(verdicts):
            tell_verdict(self._engine, verdict)
        for saying in await asyncio.to_thread(self._outside_after, self._outside_no):
            self._engine.outside(saying.incident, saying.word)
            self._outside_no = saying.no
        # From here to the snapshot nothing may wait: what is told in between is behind the cursor.
        entries = self._engine.tick(at_ms / 1000, watermark=watermark_ms / 1000)
        touched = {entry.incident for entry in entries}
        incidents = [each for each in self._engine.incidents() if each.id in touched]
        settled = self._settle_lost(at_ms)
        findings = Findings(
            at_ms=at_ms,
            cursor=self._cursor,
            snapshot=self._snapshot(entries),
            entries=[*entries, *(incident.history[-1] for incident in settled)],
            incidents=[*incidents, *settled],
            verdicts=verdicts,
            view=self._view(at_ms, min(at_ms, watermark_ms)),
            met=met,
        )
        self._last_tick_ms = at_ms
        await self._save(findings)

    async def _first_verdicts(self, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """Those that the engine has not been told of, in the order of what was measured."""
        old = [each for each in verdicts if each.at_ms < self._started_ms]
        new = [each for each in verdicts if each.at_ms >= self._started_ms]
        if old:
            new += await asyncio.to_thread(self._without_verdict, old)
        return sorted(new, key=lambda each: (each.at_ms, each.node, each.target))

    def _settle_lost(self, at_ms: int) -> list[Incident]:
        """Incidents of a memory that is lost, with their last entry; once."""
        lost, self._lost = self._lost, []
        return [
            settle(incident, seen_until=self._seen_until_ms / 1000, published_at=at_ms / 1000)
            for incident in lost
        ]

    def _snapshot(self, entries: Sequence[Entry]) -> bytes | None:
        """The engine's memory, when something was said or it is due again."""
        began_ms = self._stopwatch.elapsed_ms()
        if not entries and began_ms < self._snapshot_due_ms:
            return None
        snapshot = self._engine.snapshot()
        ended_ms = self._stopwatch.elapsed_ms()
        self._snapshot_due_ms = ended_ms + _SNAPSHOT_SHARE * (ended_ms - began_ms)
        return snapshot

    def _view(self, at_ms: int, judged_to_ms: int) -> View:
        own = self._own_state()
        return View(
            at_ms=at_ms,
            groups=tuple(self._engine.groups()),
            hold=self._hold(at_ms, own),
            started_ms=self._started_ms,
            broker_connected=own.broker_connected,
            canary_round_trip_ms=own.canary_round_trip_ms,
            judged_to_ms=judged_to_ms,
            turned_away=own.turned_away,
            nodes=own.nodes,
        )

    def _hold(self, at_ms: int, own: OwnState) -> Hold | None:
        health = self._engine.health
        if health.blind_since is not None:
            return "own-fault"
        starting_ms = _STARTING_HEARTBEATS * self._heartbeat_ms
        if self._is_first_run and at_ms - self._started_ms < starting_ms:
            return "starting"
        if health.held_until > at_ms / 1000 or not own.broker_connected:
            return "hold"
        return None


def _remember(make_engine: Callable[[], Engine], memory: Memory | None) -> Engine:
    """An engine with the memory of the run before, or with none where it cannot be read."""
    engine = make_engine()
    if memory is None:
        return engine
    try:
        engine.restore(memory.snapshot)
    except ValueError as error:
        _log.warning("event=snapshot-refused remedy=empty-memory error=%s", error)
        return make_engine()
    return engine
