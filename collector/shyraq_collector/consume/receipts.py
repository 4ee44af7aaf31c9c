"""Signing and publishing receipts: the newest word per node, as fast as the broker takes it.

1. What a commit calls for is kept per node until it is published; a newer commit replaces it, so
   that a slow broker costs freshness, never memory.
2. It is dated and signed when its turn comes, and published with QoS 1; a node's last one is
   retained.
3. When the connection breaks, or the broker refuses, what was not acknowledged stays due and is
   tried again after a pause: a failure that comes at once must never keep the event loop.

What this module does not do: decide what a receipt says (`store.told`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_collector.clock import Pace
from shyraq_collector.errors import PeerError
from shyraq_collector.store.told import ReceiptContent
from shyraq_collector.store.writer import CommitPoint
from shyraq_wire.codec import pack
from shyraq_wire.envelope import seal
from shyraq_wire.keys import key_id
from shyraq_wire.moments import format_moment
from shyraq_wire.receipt import RECEIPT_TYPE, Receipt, encode_receipt
from shyraq_wire.topics import NodeId, node_topic

_PUBLISHERS: Final = 16
"""Receipts on their way at once: the broker's PUBACK takes a round trip each."""

_PAUSE_MS: Final = 1_000
"""Before another attempt after a failure, on the pace."""


class Outlet(Protocol):
    """Where receipts leave."""

    async def connected(self) -> None:
        """Return when something can be published."""
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1; PeerError when the broker did not acknowledge it."""
        ...


class Receipts:
    """Receipts that are due, and the tasks that publish them."""

    def __init__(
        self,
        *,
        key: Ed25519PrivateKey,
        ledger: str,
        pace: Pace,
        outlet: Outlet,
        commit_point: Callable[[CommitPoint], None] = lambda _: None,
    ) -> None:
        """Begin with nothing due.

        Args:
            key: The collector's receipt key.
            ledger: Id of the ledger.
            pace: Dates the receipts.
            outlet: Where they go.
            commit_point: Called when a receipt is published; crash tests kill there.
        """
        self._key = key
        self._key_id = key_id(key.public_key().public_bytes_raw())
        self._ledger = ledger
        self._pace = pace
        self._outlet = outlet
        self._commit_point = commit_point
        self._due: OrderedDict[NodeId, tuple[ReceiptContent, ...]] = OrderedDict()
        self._some_due = asyncio.Event()
        self._busy: set[NodeId] = set()

    def tell(self, contents: Mapping[NodeId, tuple[ReceiptContent, ...]]) -> None:
        """Make receipts due; an older one for the same node that has not left is replaced."""
        self._due.update(contents)
        if self._due:
            self._some_due.set()

    def __len__(self) -> int:
        """Nodes that wait for a receipt."""
        return len(self._due.keys() | self._busy)

    async def run(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_PUBLISHERS):
                group.create_task(self._publish_due())

    async def _publish_due(self) -> None:
        while True:
            await self._some_due.wait()
            node = next((node for node in self._due if node not in self._busy), None)
            if node is None:
                self._some_due.clear()
                continue
            contents = self._due.pop(node)
            self._busy.add(node)
            try:
                await self._publish(node, contents)
            except PeerError:
                self._due.setdefault(node, contents)
                await self._pace.sleep_ms(_PAUSE_MS)
            finally:
                self._busy.discard(node)
                self._some_due.set()

    async def _publish(self, node: NodeId, contents: tuple[ReceiptContent, ...]) -> None:
        await self._outlet.connected()
        for number, content in enumerate(contents, start=1):
            payload = pack(self._seal(node, content))
            await self._outlet.publish(
                node_topic(node, "receipt"), payload, retain=number == len(contents)
            )
        self._commit_point("receipt-published")

    def _seal(self, node: NodeId, content: ReceiptContent) -> bytes:
        receipt = Receipt(
            node=node,
            ledger=self._ledger,
            key=self._key_id,
            at=format_moment(self._pace.now_ms()),
            epochs=content.epochs,
            refused=content.refused,
        )
        return seal(encode_receipt(receipt), RECEIPT_TYPE, self._key)
