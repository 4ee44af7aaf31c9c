"""From a node to the collector as it happens in life: sealed by the agent, verified on arrival.

A measurement travels as one signed frame under the node's own key. What the collector makes of
its clock (`future-time`, `wrong-clock`) is what the judge is told; nothing is passed by.
"""

import secrets
from typing import Final

from shyraq_agent.clock import Pace, RealPace
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.sign import Contents, Signer
from shyraq_agent.spool import Place
from shyraq_collector.facts.reports import Message, VerifiedReport
from shyraq_collector.verify import RegisteredKey, verify
from shyraq_wire.chain import GENESIS
from shyraq_wire.codec import pack
from shyraq_wire.report import ClockState, ConfigRef
from support.signing import SigningNode

_CONFIG: Final = ConfigRef(version=1, sha256="0" * 64)


def carried(place: str, raw: RawMeasurement, pace: Pace) -> VerifiedReport:
    """A measurement as the collector has it.

    Args:
        place: Where it was made; names the node and its key.
        raw: As the probe left it.
        pace: The node's clocks, right or wrong.
    """
    node = SigningNode(f"lab-{place}")
    signer = Signer(
        node=node.id,
        private_key=node.private_key,
        boot_id="lab",
        software="shyraq-agent/lab",
        config=_CONFIG,
        pace=pace,
        read_clock=lambda: ClockState(source="ntp", error_ms=10),
    )
    chain = Place(epoch=secrets.token_hex(16), seq=0, prev=GENESIS, dropped=(), floor_ms=0)
    frame = signer.seal(chain, Contents(kind="bulk", measurements=(raw,)))
    received_ms = RealPace().now_ms()
    key = RegisteredKey(
        id=node.key_id, public_key=node.public_key, valid_from_ms=received_ms, revoked_ms=None
    )
    message = Message(topic=node.topic, payload=pack(frame), received_ms=received_ms)
    arrived = verify(message, {node.id: (key,)})
    if not isinstance(arrived, VerifiedReport):
        raise TypeError(f"{place}: {arrived.reason} {arrived.detail}")
    return arrived
