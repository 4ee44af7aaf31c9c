"""One run's rooms, joined: who is given what, and which tasks run side by side.

Every part gets its edges by constructor; nothing here decides anything.
"""

import asyncio
import random
import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from shyraq_collector.app.asking import Asking
from shyraq_collector.app.desk import WARM_FRAMES, WARM_MS, Desk
from shyraq_collector.app.engine import make_engine, pace_of
from shyraq_collector.app.eyes import Eyes, Senses
from shyraq_collector.app.fleet import Fleet
from shyraq_collector.app.judging import Judging, OwnState
from shyraq_collector.app.public import CommittedState
from shyraq_collector.app.serving import serve
from shyraq_collector.canary import Canary
from shyraq_collector.clock import Pace, Stopwatch
from shyraq_collector.config import CollectorConfig
from shyraq_collector.consume.asks import Asks
from shyraq_collector.consume.connection import BrokerSettings
from shyraq_collector.consume.door import Door
from shyraq_collector.consume.inbox import Inbox
from shyraq_collector.consume.pipeline import Pipeline
from shyraq_collector.consume.rates import Rates
from shyraq_collector.consume.receipts import Receipts
from shyraq_collector.disclose.api import build
from shyraq_collector.disclose.places import Country
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.reports import Message
from shyraq_collector.judge.judge import Judge
from shyraq_collector.registry import Registry
from shyraq_collector.store import queries
from shyraq_collector.store.findings import Findings, memory, met, save
from shyraq_collector.store.history import frames
from shyraq_collector.store.ingest import Kept
from shyraq_collector.store.judged import judged_after, without_verdict
from shyraq_collector.store.outside import outside_after
from shyraq_collector.store.schema import ledger_id
from shyraq_collector.store.writer import CommitPoint, Writer
from shyraq_wire.topics import CANARY, every_node

READERS: Final = 3
"""Read-only connections: for the registry, for stored frames, for the public room."""

_CROWD_MESSAGES: Final = 128
"""Messages on their way to the ledger before judging lets them pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What touches the world outside."""

    config: CollectorConfig
    pace: Pace
    stopwatch: Stopwatch
    rng: random.Random
    commit_point: Callable[[CommitPoint], None]


class Rooms:
    """One run's rooms, joined."""

    def __init__(
        self,
        *,
        edges: Edges,
        key: Ed25519PrivateKey,
        writer: Writer,
        threads: ThreadPoolExecutor,
        readers: Sequence[sqlite3.Connection],
        countries: Mapping[str, Country],
    ) -> None:
        """Join the parts; nothing runs yet.

        Args:
            edges: What touches the world outside.
            key: Signs receipts and asks.
            writer: Of the ledger.
            threads: For signatures.
            readers: `READERS` read-only connections to the ledger.
            countries: Names for the public page.
        """
        self._countries = countries
        self._config = config = edges.config
        self._pace = pace = edges.pace
        self._rng = edges.rng
        self._stopwatch = edges.stopwatch
        self._writer = writer
        self._registry_reader, self._history_reader, self._public_reader = readers
        self._fleet = Fleet(Registry(self._registry_reader), pace)
        self._inbox = Inbox(
            max_messages=config.inbox_messages, max_size_bytes=config.inbox_size_bytes
        )
        self._canary = Canary(
            heartbeat_ms=config.heartbeat_s * 1000,
            pace=pace,
            stopwatch=edges.stopwatch,
            new_nonce=lambda: secrets.token_hex(16),
        )
        self._memory = memory(self._history_reader)
        self._eyes = self._make_eyes()
        self._door = self._make_door(config.broker, (every_node("report"), CANARY), self._eyes)
        self._canary_door = self._make_door(config.canary, (), None)
        self._receipts = Receipts(
            key=key,
            ledger=ledger_id(self._history_reader),
            pace=pace,
            outlet=self._door,
            commit_point=edges.commit_point,
        )
        judge = Judge(config.policy)
        judge.learn(met(self._history_reader))
        self._desk = Desk(
            judge,
            placement_of=self._fleet.placement,
            stored_after=lambda no: self._stored(after=no),
            is_crowded=lambda: len(self._inbox) > _CROWD_MESSAGES,
        )
        self._asking = Asking(
            questions=lambda at_ms: self._desk.between(lambda: judge.questions(at_ms)),
            placements=self._placed,
            is_connected=lambda: self._door.is_connected,
            send=Asks(key=key, pace=pace, outlet=self._door).send,
            pace=pace,
        )
        self._judging = self._make_judging()
        self._pipeline = Pipeline(
            inbox=self._inbox,
            rates=Rates(config.limits, edges.stopwatch),
            keys=lambda: self._fleet.keys,
            threads=threads,
            ledger=writer,
            receipts=self._receipts,
            on_kept=self._judging.take,
        )

    async def remember(self) -> None:
        """Give the engine what it has not seen, and the judge what it has forgotten."""
        after = self._judging.cursor
        for kept in await asyncio.to_thread(lambda: list(self._stored(after=after))):
            self._judging.catch_up((kept,))
        if self._memory is not None:
            self._judging.catch_up_verdicts(
                judged_after(self._history_reader, self._memory.ticked_ms)
            )
        since_ms = self._pace.now_ms() - WARM_MS
        await asyncio.to_thread(
            lambda: self._desk.warm(self._stored(since_ms=since_ms, newest=WARM_FRAMES))
        )

    async def run(self, listening: socket.socket | None, ready: asyncio.Event) -> None:
        """Every task, until one fails or all are cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (
                self._pipeline.run(),
                self._receipts.run(),
                self._door.run(),
                self._canary_door.run(),
                self._canary.run(self._canary_door.publish),
                self._fleet.run(self._judging.place, self._judging.forget),
                self._desk.run(),
                self._judging.run(),
                self._asking.run(),
                self._say_ready(ready),
            ):
                group.create_task(work)
            if listening is not None:
                group.create_task(serve(self._public_app(), listening))

    async def _say_ready(self, ready: asyncio.Event) -> None:
        await self._door.connected()
        ready.set()

    def _make_eyes(self) -> Eyes:
        now_ms = self._pace.now_ms()
        return Eyes(
            Senses(
                canary_returned_ms=lambda: self._canary.returned_ms,
                oldest_arrival_ms=lambda: self._inbox.oldest_ms,
                turned_away=lambda: self._inbox.turned_away,
                ledger_failing=lambda: self._writer.failing,
            ),
            now_ms=self._pace.now_ms,
            heartbeat_ms=self._config.heartbeat_s * 1000,
            blind_since_ms=now_ms if self._memory is None else self._memory.ticked_ms,
        )

    def _make_door(
        self, settings: BrokerSettings, topics: tuple[str, ...], eyes: Eyes | None
    ) -> Door:
        return Door(
            settings,
            pace=self._pace,
            rng=self._rng,
            on_message=self._read,
            on_connected=_nothing if eyes is None else eyes.on_connected,
            on_lost=_nothing if eyes is None else eyes.on_lost,
            topics=topics,
        )

    def _make_judging(self) -> Judging:
        config = self._config
        return Judging(
            make_engine=lambda: make_engine(config, self._fleet.placements.values()),
            desk=self._desk,
            eyes=self._eyes,
            pace=self._pace,
            stopwatch=self._stopwatch,
            heartbeat_ms=config.heartbeat_s * 1000,
            tick_ms=round(pace_of(config).tick_s * 1000),
            own_state=lambda: OwnState(
                broker_connected=self._door.is_connected,
                canary_round_trip_ms=self._canary.round_trip_ms,
                turned_away=self._inbox.turned_away,
                nodes=len(self._fleet.placements),
            ),
            save=self._save,
            memory=self._memory,
            standing=queries.standing(self._history_reader),
            without_verdict=lambda said: without_verdict(self._history_reader, said),
            outside_after=lambda no: outside_after(self._history_reader, no),
        )

    async def _save(self, findings: Findings) -> None:
        await self._writer.run(lambda connection: save(connection, findings))

    def _stored(
        self, *, after: int = 0, since_ms: int = 0, newest: int | None = None
    ) -> Iterator[Kept]:
        return frames(
            self._history_reader, self._fleet.keys, after=after, since_ms=since_ms, newest=newest
        )

    def _placed(self) -> Iterable[Placement]:
        """The fleet now: the registry's view of it is replaced when it changes."""
        return self._fleet.placements.values()

    def _read(self, message: Message) -> None:
        if not self._canary.heard(message):
            self._inbox.offer(message)

    def _public_app(self) -> FastAPI:
        state = CommittedState(
            self._public_reader,
            started_ms=self._pace.now_ms(),
            is_connected=lambda: self._door.is_connected,
        )
        return build(
            state, self._pace, heartbeat_s=self._config.heartbeat_s, countries=self._countries
        )


def _nothing() -> None:
    """What the canary's own connection means to our eyes: its silence speaks for itself."""
