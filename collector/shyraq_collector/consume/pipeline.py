"""From the inbox to the ledger: chunks are verified in threads and stored in order of arrival.

    inbox → rates → verify (threads) → quota → writer → judging, receipts

Three tasks hand chunks on, so that the next chunk is verified while the last one is committed, and
several committed together. Between them are short queues: when the ledger is slow, the inbox fills,
and only the inbox turns anything away.

Nothing here decides what is true: `verify` does, and `store` does.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from shyraq_collector.consume.inbox import Inbox
from shyraq_collector.consume.rates import Rates
from shyraq_collector.consume.receipts import Receipts
from shyraq_collector.facts.reports import Message, Reason, Rejection, VerifiedReport
from shyraq_collector.store.ingest import Kept
from shyraq_collector.store.writer import Stored
from shyraq_collector.verify import KeyRing, verify_all
from shyraq_wire.errors import MalformedTopic
from shyraq_wire.topics import parse_node_topic

CHUNK_MESSAGES: Final = 64
"""Messages for one thread at a time: a hand-over costs as much as a few signatures."""

_GATHER_S: Final = 0.01
"""Real time that a small chunk waits for more: what a chunk costs besides is then shared."""

_CHUNKS_AHEAD: Final = 8

Item = VerifiedReport | Rejection


class Ledger(Protocol):
    """Where reports are stored."""

    async def store(self, items: Sequence[Item]) -> Stored:
        """Return when a chunk is committed."""
        ...


class Pipeline:
    """Joins inbox, verification, ledger and receipts."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        rates: Rates,
        keys: Callable[[], KeyRing],
        threads: ThreadPoolExecutor,
        ledger: Ledger,
        receipts: Receipts,
        on_kept: Callable[[Sequence[Kept]], None],
    ) -> None:
        """Begin idle.

        Args:
            inbox: What was read.
            rates: How much each node may send.
            keys: The registry's keys now.
            threads: Where signatures are checked.
            ledger: Where reports are stored.
            receipts: What is told to whom.
            on_kept: Called on the event loop with each commit's new reports, in order.
        """
        self._inbox = inbox
        self._rates = rates
        self._keys = keys
        self._threads = threads
        self._ledger = ledger
        self._receipts = receipts
        self._on_kept = on_kept
        self._verifying: asyncio.Queue[asyncio.Task[list[Item]]] = asyncio.Queue(_CHUNKS_AHEAD)
        self._storing: asyncio.Queue[tuple[int, asyncio.Task[Stored]]] = asyncio.Queue(
            _CHUNKS_AHEAD
        )

    async def run(self) -> None:
        """Work until cancelled; a bug in verification or storage ends it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._verify(group))
            group.create_task(self._store(group))
            group.create_task(self._finish())

    async def _verify(self, group: asyncio.TaskGroup) -> None:
        while True:
            chunk = await self._inbox.take(CHUNK_MESSAGES, gather_s=_GATHER_S)
            await self._verifying.put(group.create_task(self._verify_chunk(chunk)))

    async def _verify_chunk(self, chunk: Sequence[Message]) -> list[Item]:
        keys = self._keys()
        admitted = [self._admits(message, keys) for message in chunk]
        looked_at = [message for message, ok in zip(chunk, admitted, strict=True) if ok]
        loop = asyncio.get_running_loop()
        results = iter(await loop.run_in_executor(self._threads, verify_all, looked_at, keys))
        return [
            next(results) if ok else _refuse(message, "over-rate")
            for message, ok in zip(chunk, admitted, strict=True)
        ]

    async def _store(self, group: asyncio.TaskGroup) -> None:
        while True:
            items = [self._within_quota(item) for item in await (await self._verifying.get())]
            task = group.create_task(self._ledger.store(items))
            await self._storing.put((len(items), task))

    async def _finish(self) -> None:
        while True:
            count, task = await self._storing.get()
            stored = await task
            self._on_kept(stored.kept)
            self._inbox.done(count)
            self._receipts.tell(stored.receipts)

    def _admits(self, message: Message, keys: KeyRing) -> bool:
        try:
            node, _ = parse_node_topic(message.topic)
        except MalformedTopic:
            return True
        return node not in keys or self._rates.admits(node)

    def _within_quota(self, item: Item) -> Item:
        if isinstance(item, Rejection) or self._rates.admits_bytes(
            item.node, len(item.frame), item.received_ms
        ):
            return item
        return Rejection(
            reason="over-quota",
            topic="",
            node=item.node,
            payload=b"",
            received_ms=item.received_ms,
        )


def _refuse(message: Message, reason: Reason) -> Rejection:
    node, _ = parse_node_topic(message.topic)
    return Rejection(
        reason=reason,
        topic=message.topic,
        node=node,
        payload=b"",
        received_ms=message.received_ms,
    )
