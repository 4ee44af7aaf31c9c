"""A collector in memory: takes frames from a real broker, verifies, keeps, signs receipts.

Small, and real where it matters to a node: signatures, hashes, intervals, forks, ledger ids. What
it lacks is disk, database and judgement. It can be silent, refuse, and forget.
"""

import asyncio
import bisect
import contextlib
from collections.abc import AsyncIterator

import aiomqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_wire.codec import pack, sha256_hex, unpack
from shyraq_wire.envelope import open_frame, seal
from shyraq_wire.keys import key_id
from shyraq_wire.moments import format_moment
from shyraq_wire.receipt import (
    MAX_INTERVALS,
    RECEIPT_TYPE,
    EpochReceipt,
    Interval,
    Receipt,
    Refusal,
    encode_receipt,
)
from shyraq_wire.report import Report
from shyraq_wire.report_json import decode_report
from shyraq_wire.topics import NodeId, every_node, node_topic, parse_node_topic
from support.broker import Broker
from support.clock import STORY_START_MS


class Ledger:
    """What a collector holds of one or more nodes' chains."""

    def __init__(self, *, ledger_id: str = "a1" * 16, at_ms: int = STORY_START_MS) -> None:
        """Begin empty, with a key of its own.

        Args:
            ledger_id: 32 hexadecimal digits.
            at_ms: The collector's wall clock, for its receipts.
        """
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw()
        self.ledger_id = ledger_id
        self.at_ms = at_ms
        self.node_keys: dict[NodeId, bytes] = {}
        self.frames: dict[tuple[NodeId, str, int], tuple[str, Report]] = {}
        self._bounds: dict[tuple[NodeId, str], list[list[int]]] = {}
        self.arrivals: list[tuple[NodeId, str, int]] = []
        """Every frame in the order in which it came, duplicates included."""
        self.forks: list[tuple[NodeId, str, int]] = []
        self.refusals: dict[NodeId, list[Refusal]] = {}
        self.refuse: set[int] = set()
        """Sequence numbers to refuse."""
        self.passes_over: set[int] = set()
        """Sequence numbers that are neither stored nor refused, as if they never came."""
        self.is_silent = False
        """Stores nothing and answers nothing."""

    def admit(self, node: str, public_key: bytes) -> None:
        """Register a node."""
        self.node_keys[NodeId(node)] = public_key

    @property
    def duplicates(self) -> int:
        """Arrivals of frames that were there already."""
        return len(self.arrivals) - len(set(self.arrivals))

    def reports(self, node: str) -> list[Report]:
        """A node's stored reports, in chain order of each epoch."""
        keys = sorted(key for key in self.frames if key[0] == node)
        return [self.frames[key][1] for key in keys]

    def take(self, topic: str, payload: bytes) -> bytes | None:
        """Store one message and give the receipt's MQTT payload; None: no answer."""
        if self.is_silent:
            return None
        node, _ = parse_node_topic(topic)
        frame = unpack(payload)
        _, body = open_frame(frame, self.node_keys[node])
        report = decode_report(body)
        key = (node, report.epoch, report.seq)
        if report.seq in self.passes_over:
            return None
        self.arrivals.append(key)
        sha256 = sha256_hex(frame)
        if report.seq in self.refuse:
            refusal = Refusal(epoch=report.epoch, seq=report.seq, sha256=sha256, reason="test")
            self.refusals.setdefault(node, []).append(refusal)
        else:
            self._store(key, sha256, report)
        return self.receipt(node)

    def receipt(self, node: str) -> bytes:
        """The MQTT payload of a node's cumulative receipt."""
        node_id = NodeId(node)
        epochs = sorted(epoch for name, epoch in self._bounds if name == node_id)
        receipt = Receipt(
            node=node_id,
            ledger=self.ledger_id,
            key=key_id(self.public_key),
            at=format_moment(self.at_ms),
            epochs=tuple(
                EpochReceipt(epoch=epoch, intervals=self._intervals(node_id, epoch))
                for epoch in epochs
            ),
            refused=tuple(self.refusals.get(node_id, [])[-64:]),
        )
        return pack(seal(encode_receipt(receipt), RECEIPT_TYPE, self.key))

    def restore(self, ledger_id: str) -> None:
        """As if an older backup, here an empty one, had been put back."""
        self.ledger_id = ledger_id
        self.frames.clear()
        self._bounds.clear()

    def _store(self, key: tuple[NodeId, str, int], sha256: str, report: Report) -> None:
        if key in self.frames:
            if self.frames[key][0] != sha256:
                self.forks.append(key)
            return
        self.frames[key] = (sha256, report)
        node, epoch, seq = key
        bounds = self._bounds.setdefault((node, epoch), [])
        at = bisect.bisect(bounds, [seq])
        bounds.insert(at, [seq, seq])
        for low in (at, at - 1):  # join with the next, then with the one before
            if 0 <= low < len(bounds) - 1 and bounds[low][1] + 1 == bounds[low + 1][0]:
                bounds[low][1] = bounds.pop(low + 1)[1]

    def _intervals(self, node: NodeId, epoch: str) -> tuple[Interval, ...]:
        return tuple(
            Interval(lo=lo, hi=hi, sha256=self.frames[node, epoch, hi][0])
            for lo, hi in self._bounds[node, epoch][-MAX_INTERVALS:]
        )


@contextlib.asynccontextmanager
async def collecting(ledger: Ledger, broker: Broker) -> AsyncIterator[None]:
    """A collector with this ledger is connected to the broker inside the context."""
    ready = asyncio.Event()
    task = asyncio.create_task(_collect(ledger, broker, ready))
    try:
        await ready.wait()
        yield
    finally:
        while not task.done():
            # Before Python 3.12, wait_for, which aiomqtt publishes by, forgets a cancellation that
            # comes together with the answer.
            task.cancel()
            await asyncio.wait([task], timeout=0.1)


async def _collect(ledger: Ledger, broker: Broker, ready: asyncio.Event) -> None:
    """Serve, and connect again whenever the broker was away."""
    version = aiomqtt.ProtocolVersion.V5 if broker.protocol == "5" else aiomqtt.ProtocolVersion.V311
    while True:
        try:
            async with aiomqtt.Client(
                broker.host, broker.port, identifier="test-collector", protocol=version, timeout=5
            ) as client:
                await client.subscribe(every_node("report"), qos=1)
                ready.set()
                async for message in client.messages:
                    topic = str(message.topic)
                    receipt = ledger.take(topic, message.payload)
                    if receipt is not None:
                        node, _ = parse_node_topic(topic)
                        await client.publish(
                            node_topic(node, "receipt"), receipt, qos=1, retain=True
                        )
        except aiomqtt.MqttError:
            await asyncio.sleep(0.05)
