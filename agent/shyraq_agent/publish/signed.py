"""What the collector has signed: payload in, type checked, the key that signed told.

1. The MQTT payload unpacks to a frame within the limits.
2. The frame is signed by one of the configured collector keys.
3. Its type is the one that is due, in a version this program knows.

What stands inside is read by `receipts` and `asks`.
"""

from collections.abc import Sequence

from shyraq_wire.codec import unpack
from shyraq_wire.envelope import open_frame
from shyraq_wire.errors import BadSignature, UnsupportedVersion
from shyraq_wire.keys import KeyId, key_id


def open_signed(
    payload: bytes, payload_type: str, collector_keys: Sequence[bytes]
) -> tuple[KeyId, bytes]:
    """Who signed, and the exact body.

    Args:
        payload: As it came.
        payload_type: The one that is due.
        collector_keys: Raw Ed25519 public keys, any of which may have signed.

    Raises:
        shyraq_wire.errors.PeerError: One of the rules above is broken; `reason` says which.
    """
    frame = unpack(payload)
    for key in collector_keys:
        try:
            found, body = open_frame(frame, key)
        except BadSignature:
            continue
        if found != payload_type:
            raise UnsupportedVersion(f"{payload_type} is due, not {found[:80]}")
        return key_id(key), body
    raise BadSignature("no configured collector key has signed this")
