"""A real collector's house for tests: directory, key, configuration, registry, ledger.

The house outlives any collector that runs in it, so a test may kill one and start another.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from shyraq_collector.app import Collector
from shyraq_collector.clock import Pace, RealPace, RealStopwatch
from shyraq_collector.config import CollectorConfig, load_config
from shyraq_collector.config.keys import make_key_file
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.registry import Registry
from shyraq_collector.store.schema import open_ledger, open_reader
from shyraq_collector.store.writer import CommitPoint

REGIONS = ("KZ-75", "KZ-71", "KZ-10", "KZ-39")
PROVIDERS = ("isp-a", "isp-b", "isp-c", "isp-d")
READY_S = 20.0


class House:
    """Where a collector lives."""

    def __init__(
        self,
        directory: Path,
        *,
        broker_port: int,
        heartbeat_s: int = 60,
        broker_settings: str = "",
        settings: str = "",
    ) -> None:
        """Make key, configuration and an empty ledger.

        Args:
            directory: Exists; everything goes there.
            broker_port: On the loopback address.
            heartbeat_s: Of the agents.
            broker_settings: More lines of the `[broker]` table.
            settings: More tables, such as `[limits]`.
        """
        key = make_key_file(directory / "collector.pem")
        self.receipt_key = key.public_key().public_bytes_raw()
        self.configuration = directory / "collector.toml"
        self.configuration.write_text(
            f"""
[collector]
data_directory = "{directory}"
key_file = "{directory / "collector.pem"}"
heartbeat_s = {heartbeat_s}
[broker]
host = "127.0.0.1"
port = {broker_port}
tls = false
{broker_settings}
[http]
enabled = false
{settings}
"""
        )
        self.ledger_file = directory / "ledger.db"
        open_ledger(self.ledger_file).close()

    @property
    def config(self) -> CollectorConfig:
        """As the collector reads it."""
        return load_config(self.configuration)

    def register(self, node: str, public_key: bytes, *, number: int = 0) -> None:
        """Register a sensor, trusted from the beginning of time.

        Args:
            node: Its id.
            public_key: 32 raw bytes.
            number: Spreads nodes over providers, regions and sites.
        """
        with self.registry() as registry:
            registry.add(
                placement=self.placement(node, number=number),
                public_key=public_key,
                valid_from_ms=0,
            )

    @staticmethod
    def placement(node: str, *, number: int) -> Placement:
        """A sensor; numbers are spread over providers, regions and sites."""
        return Placement(
            node=node,
            isp=PROVIDERS[number % len(PROVIDERS)],
            region=REGIONS[number // len(PROVIDERS) % len(REGIONS)],
            country="KZ",
            access="fixed",
            site=f"site-{number}",
        )

    def revoke(self, node: str, *, at_ms: int) -> None:
        """Trust none of a node's keys from a moment on, as the command beside the collector."""
        with self.registry() as registry:
            registry.revoke(node, at_ms=at_ms, why="test")

    @contextlib.contextmanager
    def registry(self) -> Iterator[Registry]:
        """The registry, on a connection of its own."""
        with contextlib.closing(open_ledger(self.ledger_file)) as connection:
            yield Registry(connection)

    def reader(self) -> "contextlib.closing[sqlite3.Connection]":
        """A read-only connection to the ledger; use it in a `with`."""
        return contextlib.closing(open_reader(self.ledger_file))

    @contextlib.asynccontextmanager
    async def running(
        self,
        *,
        pace: Pace | None = None,
        commit_point: Callable[[CommitPoint], None] = lambda _: None,
    ) -> AsyncIterator[Collector]:
        """A collector that has connected; it is cancelled at the end, which is a clean stop.

        Args:
            pace: None: the host's own clocks.
            commit_point: Called at named points of every commit.
        """
        collector = Collector(
            self.config,
            pace=pace or RealPace(),
            stopwatch=RealStopwatch(),
            commit_point=commit_point,
        )
        task = asyncio.create_task(collector.run())
        ready = asyncio.create_task(collector.ready.wait())
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield collector
        finally:
            ready.cancel()
            task.cancel()
            await asyncio.wait((task, ready))
            if not task.cancelled():
                task.result()  # it died by itself: that must be seen
