"""Reading what claims to be the collector's receipt: payload in, receipt or error out.

1. The MQTT payload unpacks to a frame within the limits.
2. The frame is signed by one of the configured collector keys.
3. Its type is that of a receipt in a version this program knows.
4. It is strict JSON of a receipt's form.
5. It is for this node, and names the key that signed it.

Whether its hashes are ours is the spool's business.
"""

from collections.abc import Sequence

from shyraq_wire.codec import unpack
from shyraq_wire.envelope import open_frame
from shyraq_wire.errors import BadSignature, MalformedPayload, UnsupportedVersion
from shyraq_wire.keys import key_id
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
    frame = unpack(payload)
    for key in collector_keys:
        try:
            payload_type, body = open_frame(frame, key)
        except BadSignature:
            continue
        if payload_type != RECEIPT_TYPE:
            raise UnsupportedVersion(f"a receipt is due, not {payload_type[:80]}")
        receipt = decode_receipt(body)
        if receipt.node != node:
            raise MalformedPayload("node: the receipt is for another node")
        if receipt.key != key_id(key):
            raise MalformedPayload("key: the receipt names another key than its signer's")
        return receipt
    raise BadSignature("no configured collector key has signed this receipt")
