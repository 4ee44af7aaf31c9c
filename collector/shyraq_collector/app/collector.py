"""One collector, from broker to receipt to incident, top to bottom.

    door → inbox → pipeline (rates, verify, quota) → ledger → receipts → door
                                                       └→ judging (engine, judge) → ledger → public

Start: open the ledger, read the registry, take over the engine's memory and give it the frames
behind its cursor, and only then open the door. Stop: cancel `run`; what was handed to the ledger is
committed, the rest was never receipted and comes again.

Several collectors may run in one process: nothing here is global.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from shyraq_collector.app.rooms import READERS, Edges, Rooms
from shyraq_collector.app.serving import bind
from shyraq_collector.clock import Pace, Stopwatch
from shyraq_collector.config import CollectorConfig
from shyraq_collector.config.keys import read_key_file
from shyraq_collector.disclose.places import load_countries
from shyraq_collector.store.schema import open_reader
from shyraq_collector.store.writer import CommitPoint, Writer

_THREADS: Final = 2
"""For signatures: they are checked outside the interpreter's lock."""


class Collector:
    """Everything between the broker and the ledger, and what follows from it."""

    def __init__(
        self,
        config: CollectorConfig,
        *,
        pace: Pace,
        stopwatch: Stopwatch,
        rng: random.Random | None = None,
        commit_point: Callable[[CommitPoint], None] = lambda _: None,
    ) -> None:
        """Keep what `run` needs; nothing is opened yet.

        Args:
            config: As read from the file.
            pace: Stamps, windows, ticks.
            stopwatch: Rates and round trips.
            rng: Jitter of reconnects; None: seeded by the system.
            commit_point: Called at named points of every commit; crash tests kill there.
        """
        self._edges = Edges(
            config=config,
            pace=pace,
            stopwatch=stopwatch,
            rng=rng or random.SystemRandom(),
            commit_point=commit_point,
        )
        self.opened = asyncio.Event()
        """Set when ledger and HTTP address are open and the memory is read; no broker needed."""
        self.ready = asyncio.Event()
        """Set when the subscriptions stand for the first time."""

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            ConfigError: The key file, the HTTP address or a country file cannot be used.
            LocalError: The ledger cannot be opened, or a certificate file cannot be used.
        """
        config = self._edges.config
        key = await asyncio.to_thread(read_key_file, config.key_file)
        async with contextlib.AsyncExitStack() as stack:
            listening = None
            countries = await asyncio.to_thread(load_countries, config.http.countries_directory)
            if config.http.enabled:
                listening = stack.enter_context(bind(config.http.host, config.http.port))
            writer = await asyncio.to_thread(self._open_writer)
            stack.push_async_callback(writer.close)
            threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="verify")
            stack.callback(threads.shutdown, wait=False, cancel_futures=True)
            readers = [
                stack.enter_context(contextlib.closing(open_reader(config.ledger_file)))
                for _ in range(READERS)
            ]
            rooms = Rooms(
                edges=self._edges,
                key=key,
                writer=writer,
                threads=threads,
                readers=readers,
                countries=countries,
            )
            await rooms.remember()
            self.opened.set()
            await rooms.run(listening, self.ready)

    def _open_writer(self) -> Writer:
        edges, path = self._edges, self._edges.config.ledger_file
        path.parent.mkdir(parents=True, exist_ok=True)
        return Writer(path, stopwatch=edges.stopwatch, commit_point=edges.commit_point)
