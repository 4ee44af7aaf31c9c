"""Everything that runs in a run, opened and closed in order; all state in one directory.

    this process   tells the story, listens, compares
    broker         mosquitto or nats-server
    country        servers, resolvers, the doors of every network, canaries
    collector      as shipped, with its own configuration file and registry
    nodes          every node and control, so that a stall cannot look like two dead networks

The country opens first; collector and nodes load, get one anchor, and the story begins. Each
process has a session of its own, so that a busy neighbour in ours takes nothing from theirs.
"""

import asyncio
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from shyraq_agent.sign.keyfile import raw_public_key, write_new_key
from shyraq_demo.addresses import PAGE_PORT, Plan
from shyraq_demo.broker import Broker, Program
from shyraq_demo.child import Child
from shyraq_demo.errors import WorldError
from shyraq_demo.fleet import Rendezvous, bundle_of, configuration, nodes
from shyraq_demo.ledger import register, write_configuration
from shyraq_demo.pace import StoryPace
from shyraq_demo.remote import RemoteCountry
from shyraq_demo.start import READY, Start
from shyraq_demo.story import Story

LOAD_S: Final = 90.0
"""How long a process may take to load on a busy machine."""
_WATCH_S: Final = 0.5


class World:
    """One run, as an asynchronous context: inside it all runs, behind it nothing is left."""

    def __init__(
        self,
        story: Story,
        source: Path,
        plan: Plan,
        directory: Path,
        *,
        program: Program,
        page_port: int | None,
    ) -> None:
        """Write keys, configurations and the registry; nothing is started yet.

        Args:
            story: What stands where.
            source: The story's file, for the country's process.
            plan: Addresses that this run has claimed.
            directory: Empty; everything of this run goes there.
            program: The broker to use.
            page_port: On 127.0.0.1; None: at an address of the run's own.
        """
        self._story = story
        self._source = source
        self._directory = directory
        self._program = program
        self._plan = plan
        self.page: Final = (
            (plan.page(), PAGE_PORT) if page_port is None else ("127.0.0.1", page_port)
        )
        self.broker: Final = Broker(program, plan.broker(), directory)
        self.collector_configuration: Final = self._prepare()
        self._children: list[Child] = []
        self._paced: list[Child] = []

    async def __aenter__(self) -> Self:
        """Open everything up to the moment before the story; `country` takes orders then.

        Raises:
            WorldError: Something does not start.
        """
        self._check_page()
        try:
            await self.broker.start()
            run = str(self._plan.run)
            country = await self._load("country", [str(self._source), run, str(self._directory)])
            await country.hear(READY, within_s=LOAD_S)
            self.country = RemoteCountry(country)
            self._paced = [
                await self._load("collector", [str(self.collector_configuration)]),
                await self._load("nodes", [str(self._directory / "nodes"), self._plan.prefix]),
            ]
            for child in self._paced:
                await child.hear(READY, within_s=LOAD_S)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        await self._close()

    async def begin(self) -> StoryPace:
        """Anchor the story at this moment.

        Raises:
            WorldError: A process has gone.
        """
        start = Start(
            anchor_monotonic_ns=time.monotonic_ns(),
            starts_at_ms=self._story.starts_at_ms,
            factor=self._story.compression,
        )
        for child in self._paced:
            await child.tell(start.line())
        return start.pace()

    async def watch(self) -> None:
        """Look after every process until cancelled.

        Raises:
            WorldError: One has died; its last words are quoted.
        """
        while True:
            self.check()
            await asyncio.sleep(_WATCH_S)

    def check(self) -> None:
        """Return if every process is alive.

        Raises:
            WorldError: One has died; its last words are quoted.
        """
        for child in self._children:
            child.check()
        self.broker.check()

    def _check_page(self) -> None:
        """Refuse a page address that is taken, before anything is built."""
        try:
            socket.create_server(self.page).close()
        except OSError as error:
            raise WorldError(
                f"the page cannot be at {self.page[0]}:{self.page[1]}: {error.strerror}; "
                "choose another with --port"
            ) from error

    async def _load(self, name: str, arguments: list[str]) -> Child:
        module = f"shyraq_demo.{name}_process"
        child = await Child.start(
            name,
            [sys.executable, "-m", module, *arguments],
            log=self._directory / f"{name}.log",
            talks=True,
        )
        self._children.append(child)
        return child

    async def _close(self) -> None:
        await asyncio.gather(*(child.stop() for child in self._children))
        await self.broker.stop()

    def _prepare(self) -> Path:
        """Keys, configuration files and the registry."""
        home = self._directory / "collector"
        home.mkdir()
        receipt_key = raw_public_key(write_new_key(home / "collector.pem"))
        meeting = Rendezvous(
            plan=self._plan,
            protocol=self._program.protocol,
            receipt_key=receipt_key.hex(),
            bundle=bundle_of(self._directory),
        )
        keys = []
        for node in nodes(self._story):
            place = self._directory / "nodes" / node.id
            place.mkdir(parents=True)
            keys.append((node, raw_public_key(write_new_key(place / "node.pem"))))
            text = configuration(self._story, node, place, meeting)
            (place / "agent.toml").write_text(text)
        register(self._story, home / "ledger.db", keys)
        return write_configuration(
            self._story, self._plan, program=self._program, at_page=self.page, directory=home
        )
