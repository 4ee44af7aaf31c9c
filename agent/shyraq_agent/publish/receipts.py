"""Reading what claims to be the collector's receipt: payload in, receipt or error out.

1. It is signed by one of the configured collector keys, and of a receipt's type (`signed`).
2. It is strict JSON of a receipt's form.
3. It is for this node, and names the key that signed it.

Whether its hashes are ours is the spool's business.
"""

from collections.abc import Sequence

from shyraq_agent.publish.signed import open_signed
from shyraq_wire.receipt import RECEIPT_TYPE, Receipt, decode_receipt
from shyraq_wire.topics import NodeId


def open_receipt(payload: bytes, *, node: NodeId, collector_keys: Sequence[bytes]) -> Receipt:
    """The receipt in an MQTT payload.

    Args:
        payload: As it came.
        node: Whom it must be for.
        collector_keys: Raw Ed25519 public keys, any of which may have signed.

    Raises:
        shyraq_wire.errors.PeerError: One of the rules above is broken; `reason` says which.
    """
    return open_signed(
        payload, RECEIPT_TYPE, decode_receipt, node=node, collector_keys=collector_keys
    )
