"""Reading what claims to be the collector's ask: payload in, ask or error out.

1. It is signed by one of the configured collector keys, and of an ask's type (`signed`).
2. It is strict JSON of an ask's form, within its bounds.
3. It is for this node, and names the key that signed it.

Whether it is obeyed is decided elsewhere.
"""

from collections.abc import Sequence

from shyraq_agent.publish.signed import open_signed
from shyraq_wire.ask import ASK_TYPE, Ask, decode_ask
from shyraq_wire.topics import NodeId


def open_ask(payload: bytes, *, node: NodeId, collector_keys: Sequence[bytes]) -> Ask:
    """The ask in an MQTT payload.

    Args:
        payload: As it came.
        node: Whom it must be for.
        collector_keys: Raw Ed25519 public keys, any of which may have signed.

    Raises:
        shyraq_wire.errors.PeerError: One of the rules above is broken; `reason` says which.
    """
    return open_signed(payload, ASK_TYPE, decode_ask, node=node, collector_keys=collector_keys)
