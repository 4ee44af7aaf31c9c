"""What was read off the socket and is not yet stored: bounded, first in, first out.

A message is stamped when the socket is read, before it waits for anything: time spent in a queue
is ours, not the node's. The inbox also answers how far judging may go: nothing at or after the
oldest arrival that is still on its way to the ledger is known.

When it is full, the newest message is turned away and counted. That costs its node a resend.
"""

import asyncio
from collections import deque
from typing import Final

from shyraq_collector.facts.reports import Message

MAX_MESSAGES: Final = 20_000
MAX_SIZE_BYTES: Final = 128 * 1024 * 1024


class Inbox:
    """Messages between the socket and the commit."""

    def __init__(
        self, *, max_messages: int = MAX_MESSAGES, max_size_bytes: int = MAX_SIZE_BYTES
    ) -> None:
        """Begin empty.

        Args:
            max_messages: Messages waiting to be taken.
            max_size_bytes: Their payloads together.
        """
        self._max_messages = max_messages
        self._max_size_bytes = max_size_bytes
        self._waiting: deque[Message] = deque()
        self._size_bytes = 0
        self._taken_ms: deque[int] = deque()
        self._filled = asyncio.Event()
        self.turned_away = 0
        """Messages turned away since the start because the inbox was full."""

    def offer(self, message: Message) -> bool:
        """Take a message in; False when it was turned away."""
        size_bytes = self._size_bytes + len(message.payload)
        if len(self._waiting) >= self._max_messages or size_bytes > self._max_size_bytes:
            self.turned_away += 1
            return False
        self._waiting.append(message)
        self._size_bytes = size_bytes
        self._filled.set()
        return True

    async def take(self, limit: int, *, gather_s: float = 0.0) -> list[Message]:
        """The next messages, at least one, at most `limit`; they stay counted until `done`.

        Args:
            limit: How many.
            gather_s: Real time to wait for more once there is one, if there are fewer.
        """
        await self._filled.wait()
        if gather_s and len(self._waiting) < limit:
            await asyncio.sleep(gather_s)
        chunk = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self._size_bytes -= sum(len(message.payload) for message in chunk)
        self._taken_ms.extend(message.received_ms for message in chunk)
        if not self._waiting:
            self._filled.clear()
        return chunk

    def done(self, count: int) -> None:
        """The oldest `count` messages that were taken are in the ledger, or refused for good."""
        for _ in range(count):
            self._taken_ms.popleft()

    @property
    def oldest_ms(self) -> int | None:
        """Arrival of the oldest message not yet done; None: nothing is under way."""
        if self._taken_ms:
            return self._taken_ms[0]
        return self._waiting[0].received_ms if self._waiting else None

    def __len__(self) -> int:
        """Messages waiting or under way."""
        return len(self._waiting) + len(self._taken_ms)
