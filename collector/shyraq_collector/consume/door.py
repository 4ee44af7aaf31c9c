"""A door to the broker: always one connection, or on its way to one.

1. A fresh connection each time; subscriptions are made after every connect.
2. Messages are stamped as the socket is read, on the pace, before anything else.
3. Reconnect after a jittered pause that doubles up to a cap and begins again once the
   subscriptions stood: a thousand nodes come back in the same second as we do.
4. Whoever must know of our own faults is told when a connection begins and when it ends. A failing
   broker is logged once, and once when it is back.
"""

import asyncio
import logging
import random
from collections.abc import Callable

from shyraq_collector.clock import Pace
from shyraq_collector.consume.connection import (
    BrokerSettings,
    Connection,
    ConnectionLost,
)
from shyraq_collector.consume.tls import tls_context
from shyraq_collector.facts.reports import Message

_log = logging.getLogger(__name__)


class Door:
    """Keeps one connection for as long as it runs."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        pace: Pace,
        rng: random.Random,
        on_message: Callable[[Message], object],
        on_connected: Callable[[], None],
        on_lost: Callable[[], None],
        topics: tuple[str, ...],
    ) -> None:
        """Begin disconnected.

        Args:
            settings: Where and how.
            pace: Stamps arrivals, times pauses.
            rng: Jitter.
            on_message: Called on the event loop for each message, as it is read.
            on_connected: Called when the subscriptions stand.
            on_lost: Called when a connection whose subscriptions stood has ended.
            topics: What to subscribe to; may be nothing.
        """
        self._settings = settings
        self._pace = pace
        self._rng = rng
        self._on_message = on_message
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._topics = topics
        self._connection: Connection | None = None
        self._stands = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether the subscriptions stand."""
        return self._stands.is_set()

    async def connected(self) -> None:
        """Return when the subscriptions stand."""
        await self._stands.wait()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for the broker's word.

        Raises:
            PeerError: There is no connection, it broke, or the broker refuses or keeps silent.
        """
        connection = self._connection
        if connection is None:
            raise ConnectionLost("the broker is not connected")
        try:
            await connection.publish(topic, payload, retain=retain)
        finally:
            if connection is self._connection and connection.has_ended:
                self._stands.clear()  # seen here before `run` had its turn

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            LocalError: The TLS files cannot be used.
        """
        pause_ms = float(self._settings.backoff_first_ms)
        failing = False
        while True:
            connection = await self._make()
            try:
                await connection.open()
                if self._topics:
                    await connection.subscribe(self._topics)
                if failing:
                    _log.warning("event=broker-back")
                failing, pause_ms = False, self._settings.backoff_first_ms
                await self._stand(connection)
            except ConnectionLost as error:
                if not failing:
                    _log.warning("event=broker-lost error=%s", error)
                failing = True
            finally:
                await connection.close()
            await self._pace.sleep_ms(pause_ms * self._rng.uniform(0.5, 1.0))
            pause_ms = min(pause_ms * 2, self._settings.backoff_cap_ms)

    async def _make(self) -> Connection:
        tls = self._settings.tls
        context = None if tls is None else await asyncio.to_thread(tls_context, tls)
        return Connection(self._settings, context=context, on_message=self._read)

    async def _stand(self, connection: Connection) -> None:
        self._connection = connection
        self._stands.set()
        self._on_connected()
        try:
            await connection.ended()
        finally:
            self._connection = None
            self._stands.clear()
            self._on_lost()

    def _read(self, topic: str, payload: bytes) -> None:
        self._on_message(Message(topic=topic, payload=payload, received_ms=self._pace.now_ms()))
