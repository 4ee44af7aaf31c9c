"""The loopback canary: a message to ourselves through the broker, on a connection of its own.

It leaves by its own client (its silence must not share the collector's session) and comes back on
the collector's connection, in one row with the reports. So each round trip proves that everything
the broker had accepted when the canary left has been read since. Judging may go up to the moment
the newest returned canary was sent, and no further: a stalled broker or event loop must not look
like a country gone silent.

The canary says nothing of the nodes' own way to the broker; control nodes abroad do that. They
are ordinary agents that the registry knows by their role.

What this module does not do: open a hold or a connection.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from shyraq_collector.clock import Pace, Stopwatch
from shyraq_collector.errors import PeerError
from shyraq_collector.facts.reports import Message
from shyraq_wire.topics import CANARY

BEATS_PER_HEARTBEAT: Final = 4
"""Canaries sent in one heartbeat of the fleet; judging lags by one of them."""

_OUTSTANDING: Final = 256

Publish = Callable[[str, bytes], Awaitable[None]]


class Canary:
    """Sends, recognises and times its own messages."""

    def __init__(
        self,
        *,
        heartbeat_ms: int,
        pace: Pace,
        stopwatch: Stopwatch,
        new_nonce: Callable[[], str],
    ) -> None:
        """Begin without a round trip.

        Args:
            heartbeat_ms: Of the fleet.
            pace: When canaries are due, and their stamps.
            stopwatch: How long a round trip takes.
            new_nonce: Text that nobody else can guess, new at each call.
        """
        self._interval_ms = heartbeat_ms / BEATS_PER_HEARTBEAT
        self._pace = pace
        self._stopwatch = stopwatch
        self._new_nonce = new_nonce
        self._outstanding: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self.returned_ms: int | None = None
        """When the newest canary that came back was sent, on the pace's wall clock."""
        self.round_trip_ms: float | None = None
        """How long that one took, in real time."""

    async def run(self, publish: Publish) -> None:
        """Send one at each beat until cancelled, whatever became of the one before.

        Args:
            publish: Sends a payload on a topic; PeerError when it could not.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._send(publish))
                await self._pace.sleep_ms(self._interval_ms)

    def heard(self, message: Message) -> bool:
        """Whether the message is on the canary's topic; one of ours ends its round trip."""
        if message.topic != CANARY:
            return False
        sent = self._outstanding.pop(message.payload.decode("ascii", "replace"), None)
        if sent is not None and (self.returned_ms is None or sent[0] > self.returned_ms):
            self.returned_ms = sent[0]
            self.round_trip_ms = self._stopwatch.elapsed_ms() - sent[1]
        return True

    async def _send(self, publish: Publish) -> None:
        nonce = self._new_nonce()
        self._outstanding[nonce] = (self._pace.now_ms(), self._stopwatch.elapsed_ms())
        if len(self._outstanding) > _OUTSTANDING:
            self._outstanding.popitem(last=False)
        with contextlib.suppress(PeerError):
            await publish(CANARY, nonce.encode("ascii"))
