"""Signing and publishing asks: one control, one target, the addresses to try.

1. The number is the moment in milliseconds, or one more than the last one given out to the same
   node, whichever is higher; so it rises over restarts too, with nothing kept. After a wall clock
   was set back, nodes refuse until it has caught up: no answer, never a wrong one.
2. An ask holds for `VALID_MS`, and is never retained: who comes back later is asked anew.
3. What the broker did not take is not sent again; what is still in question is planned again.

Who is asked, and what, is decided by `judge.asking`.
"""

from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_collector.clock import Pace
from shyraq_collector.errors import PeerError
from shyraq_collector.facts.asks import Errand
from shyraq_wire.ask import ASK_TYPE, Ask, encode_ask
from shyraq_wire.codec import pack
from shyraq_wire.envelope import seal
from shyraq_wire.keys import key_id
from shyraq_wire.moments import format_moment
from shyraq_wire.topics import NodeId, node_topic

VALID_MS: Final = 3 * 60_000
"""Long enough for the target's turn to come at the node, a minute after its last."""


class Outlet(Protocol):
    """Where asks leave."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1; PeerError when the broker did not acknowledge it."""
        ...


class Asks:
    """Sends errands as signed asks."""

    def __init__(self, *, key: Ed25519PrivateKey, pace: Pace, outlet: Outlet) -> None:
        """Begin with nothing sent.

        Args:
            key: The collector's key, the same that signs receipts.
            pace: Dates the asks.
            outlet: Where they go.
        """
        self._key = key
        self._key_id = key_id(key.public_key().public_bytes_raw())
        self._pace = pace
        self._outlet = outlet
        self._numbers: dict[NodeId, int] = {}

    async def send(self, errand: Errand) -> bool:
        """Whether the broker took the ask."""
        topic = node_topic(errand.node, "control")
        try:
            await self._outlet.publish(topic, pack(self.seal(errand)), retain=False)
        except PeerError:
            return False
        return True

    def seal(self, errand: Errand) -> bytes:
        """The next ask to a node, as a frame."""
        now_ms = self._pace.now_ms()
        number = max(now_ms, self._numbers.get(errand.node, -1) + 1)
        self._numbers[errand.node] = number
        ask = Ask(
            node=errand.node,
            key=self._key_id,
            number=number,
            at=format_moment(now_ms),
            until=format_moment(now_ms + VALID_MS),
            target=errand.target,
            addresses=errand.addresses,
        )
        return seal(encode_ask(ask), ASK_TYPE, self._key)
