"""What the collector has signed: payload in, type checked, the key that signed told.

1. The MQTT payload unpacks to a frame within the limits.
2. The frame is signed by one of the configured collector keys.
3. Its type is the one that is due, in a version this program knows.

4. Its body is of its kind's form.
5. It is for this node, and names the key that signed it.

What stands inside is read by `receipts` and `asks`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from shyraq_wire.codec import unpack
from shyraq_wire.envelope import open_frame
from shyraq_wire.errors import BadSignature, MalformedPayload, UnsupportedVersion
from shyraq_wire.keys import KeyId, key_id
from shyraq_wire.topics import NodeId


class Addressed(Protocol):
    """What the collector signs names its reader and its signer."""

    @property
    def node(self) -> NodeId:
        """Whom it is for."""
        ...

    @property
    def key(self) -> KeyId:
        """Who says to have signed it."""
        ...


T = TypeVar("T", bound=Addressed)


def open_signed(
    payload: bytes,
    payload_type: str,
    decode: Callable[[bytes], T],
    *,
    node: NodeId,
    collector_keys: Sequence[bytes],
) -> T:
    """What the collector has signed for this node.

    Args:
        payload: As it came.
        payload_type: The one that is due.
        decode: Reads a body of that type, or raises a PeerError.
        node: Whom it must be for.
        collector_keys: Raw Ed25519 public keys, any of which may have signed.

    Raises:
        shyraq_wire.errors.PeerError: One of the rules above is broken; `reason` says which.
    """
    signer, body = _open(unpack(payload), payload_type, collector_keys)
    said = decode(body)
    if said.node != node:
        raise MalformedPayload("node: it is for another node")
    if said.key != signer:
        raise MalformedPayload("key: it names another key than its signer's")
    return said


def _open(frame: bytes, payload_type: str, collector_keys: Sequence[bytes]) -> tuple[KeyId, bytes]:
    """Who signed, and the exact body."""
    for key in collector_keys:
        try:
            found, body = open_frame(frame, key)
        except BadSignature:
            continue
        if found != payload_type:
            raise UnsupportedVersion(f"{payload_type} is due, not {found[:80]}")
        return key_id(key), body
    raise BadSignature("no configured collector key has signed this")
