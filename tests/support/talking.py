"""Nodes that talk to a running collector over a real broker, and turn everybody's clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from shyraq_collector.canary import BEATS_PER_HEARTBEAT
from shyraq_collector.consume.connection import BrokerSettings, Connection
from shyraq_collector.facts.incidents import Entry
from shyraq_collector.store import queries
from shyraq_wire.codec import pack, unpack
from shyraq_wire.envelope import open_frame
from shyraq_wire.receipt import Receipt, decode_receipt
from shyraq_wire.report import Measurement
from shyraq_wire.topics import CANARY, every_node
from support.broker import Broker
from support.clock import FakePace, until
from support.collectors import House
from support.signing import SigningNode, measurement

HEARTBEAT_MS = 60_000
TICK_MS = HEARTBEAT_MS // 2
BEAT_MS = HEARTBEAT_MS // BEATS_PER_HEARTBEAT


class Nodes:
    """A few nodes that talk to a real broker, hear their receipts, and turn everybody's clock."""

    def __init__(
        self,
        broker: Broker,
        count: int,
        measure: Callable[[SigningNode], Measurement] = lambda _: measurement(),
    ) -> None:
        """Make keys; nothing is connected.

        Args:
            broker: Where they meet the collector.
            count: How many.
            measure: What a node has measured in each heartbeat.
        """
        self._measure = measure
        self.all = [SigningNode(f"node-{n:04d}", epoch=f"{n:032x}") for n in range(count)]
        self.pace = FakePace()
        self.receipts: dict[str, Receipt] = {}
        self.canaries = 0
        self._broker, self._key = broker, b""
        self._connection = self._make()

    def _make(self) -> Connection:
        broker = self._broker
        return Connection(
            BrokerSettings(
                host=broker.host, port=broker.port, protocol=broker.protocol, client_id="nodes"
            ),
            context=None,
            on_message=self._hear,
        )

    @contextlib.asynccontextmanager
    async def connected(self, key: bytes) -> AsyncIterator["Nodes"]:
        """Connect; the key is the collector's."""
        self._key, self._connection = key, self._make()
        await self._connection.open()
        await self._connection.subscribe([every_node("receipt"), CANARY])
        try:
            yield self
        finally:
            await self._connection.close()

    async def beat(
        self,
        house: House,
        nodes: Sequence[SigningNode] | None = None,
        *,
        has_died: Callable[[], bool] = lambda: False,
    ) -> None:
        """One heartbeat: a pulse of each node, receipted; then the clock, canary by canary.

        Args:
            house: Whose collector is to have ticked.
            nodes: Who pulses; None: all.
            has_died: Whether no tick is to be waited for any more.
        """
        nodes = self.all if nodes is None else nodes
        await self.pulse(nodes)
        await until(lambda: all(self.told(node) == node.seq - 1 for node in nodes))
        for _ in range(BEATS_PER_HEARTBEAT):
            before = self.canaries
            self.pace.advance(BEAT_MS)
            await until(lambda before=before: has_died() or self.canaries > before)  # type: ignore[misc]
            if self.pace.now_ms() % TICK_MS < BEAT_MS:
                await self._ticked(house, has_died)

    async def _ticked(self, house: House, has_died: Callable[[], bool]) -> None:
        """Return once the last tick that was due has been committed."""
        tick_ms = self.pace.now_ms() // TICK_MS * TICK_MS
        with house.reader() as reader:
            await until(lambda: has_died() or (queries.mark(reader)[0] or 0) >= tick_ms)

    async def pulse(self, nodes: Sequence[SigningNode]) -> None:
        """One report of each node, now."""
        for node in nodes:
            report = node.report(at_ms=self.pace.now_ms(), measurements=(self._measure(node),))
            payload = pack(node.frame(report))
            await self._connection.publish(node.topic, payload, retain=False)

    def told(self, node: SigningNode) -> int:
        """The newest seq that a node has been told of; -1: none."""
        receipt = self.receipts.get(node.id)
        if receipt is None:
            return -1
        return max((i.hi for each in receipt.epochs for i in each.intervals), default=-1)

    def has_more(self, node: SigningNode, than: int) -> bool:
        """Whether a node has been told of a newer report than this one."""
        return self.told(node) > than

    async def let_a_second_pass(self) -> None:
        """For whatever waits on the pace: reconnects, looks at the registry."""
        self.pace.advance(1000)
        await asyncio.sleep(0.002)

    def _hear(self, topic: str, payload: bytes) -> None:
        if topic == CANARY:
            self.canaries += 1
            return
        receipt = decode_receipt(open_frame(unpack(payload), self._key)[1])
        assert receipt.node in topic
        self.receipts[receipt.node] = receipt


def make_house(tmp_path: Path, broker: Broker, nodes: Nodes, *, settings: str = "") -> House:
    """A house that knows the nodes: four networks, three regions."""
    directory = tmp_path / "collector"
    directory.mkdir()
    house = House(directory, broker_port=broker.port, settings=settings)
    for number, node in enumerate(nodes.all):
        house.register(node.id, node.public_key, number=number)
    return house


def told_so_far(house: House) -> list[Entry]:
    """Every timeline entry."""
    with house.reader() as reader:
        return [each for _, each in queries.entries(reader, after=0, limit=99)]
