"""The signed envelope: one Ed25519 signature over DSSE's pre-authentication encoding.

    frame = signature(64) || "DSSEv1" SP len(type) SP type SP len(body) SP body

Rules of acceptance, in this order:

1. a frame is at most `MAX_FRAME_SIZE_BYTES` and long enough to hold a signature;
2. the signature is checked over everything behind it, before anything is parsed;
3. what was signed is exactly one PAE: decimal lengths without leading zeros or signs, single
   spaces, nothing behind the body, a printable ASCII type.

The body is never re-serialised: stored, hashed and exported as received. Whoever has the
public key can check a frame with openssl: the first 64 bytes are the signature, the rest the
message. `to_dsse` and `from_dsse` turn a frame into DSSE's JSON form and back, byte for byte.

Bytes may come in any buffer (bytes, bytearray, memoryview); they are copied before they are
looked at, so that nothing changes between check and use, and what comes back is bytes. Text
where bytes are due is a TypeError: a bug of the caller, never a matter of the other side.

What this module does not do: know keys by node, look at time, or read the body.

Source: DSSE v1 protocol and envelope (secure-systems-lab).
"""

import base64
import binascii
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_wire.errors import BadSignature, FrameTooLarge, LocalError, MalformedFrame
from shyraq_wire.keys import load_evidence_key

MAX_FRAME_SIZE_BYTES = 64 * 1024
"""A frame above this is refused before the spool and after the broker."""

SIGNATURE_SIZE_BYTES = 64

_PAE = re.compile(rb"DSSEv1 (0|[1-9][0-9]{0,5}) ")
_LENGTH = re.compile(rb" (0|[1-9][0-9]{0,5}) ")
_TYPE = re.compile(r"[\x21-\x7e]{1,255}")
_KEYID = re.compile(r"[\x20-\x7e]{0,255}")


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that are signed.

    Args:
        payload_type: Media type of the payload.
        payload: Any bytes.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, payload_type: str, private_key: Ed25519PrivateKey) -> bytes:
    """The frame that carries a payload under a signature.

    Args:
        payload: The exact bytes to sign.
        payload_type: Printable ASCII, no spaces, 1 to 255 characters; it alone decides what
            the payload is and in which version.
        private_key: The signer's evidence key.

    Raises:
        LocalError: The type is not printable ASCII, or the frame would pass the size limit.
        TypeError: The key is of another algorithm, or the payload is no buffer.
    """
    if not isinstance(private_key, Ed25519PrivateKey):
        raise TypeError(f"an Ed25519 private key is due, not {type(private_key).__name__}")
    if not _TYPE.fullmatch(payload_type):
        start = payload_type[:80]
        raise LocalError(f"payload type must be 1 to 255 printable ASCII, no spaces: {start!r}")
    message = pae(payload_type, memoryview(payload).tobytes())
    if SIGNATURE_SIZE_BYTES + len(message) > MAX_FRAME_SIZE_BYTES:
        size = SIGNATURE_SIZE_BYTES + len(message)
        raise LocalError(f"frame of {size} bytes; the limit is {MAX_FRAME_SIZE_BYTES}")
    return private_key.sign(message) + message


def open_frame(frame: bytes, public_key_raw: bytes) -> tuple[str, bytes]:
    """The payload type and exact payload of a frame whose signature holds.

    Args:
        frame: The bytes as received.
        public_key_raw: The 32 raw bytes of the key that must have signed.

    Raises:
        WeakKey: The key may not stand behind evidence.
        FrameTooLarge: The frame passes `MAX_FRAME_SIZE_BYTES`.
        MalformedFrame: Too short to hold a signature, or well signed but not a PAE.
        BadSignature: The signature does not hold; nothing was parsed.
    """
    signature, message = _split(frame)
    verify(public_key_raw, message, signature)
    return _parse_pae(message)


def verify(public_key_raw: bytes, message: bytes, signature: bytes) -> None:
    """Return only if the signature over the message holds under an acceptable key.

    Raises:
        WeakKey: The key may not stand behind evidence.
        BadSignature: The signature does not hold.
    """
    key = load_evidence_key(public_key_raw)
    try:
        key.verify(memoryview(signature).tobytes(), memoryview(message).tobytes())
    except InvalidSignature as error:
        raise BadSignature("the signature does not hold under this key") from error


def to_dsse(frame: bytes, keyid: str) -> str:
    """The DSSE v1 JSON envelope with the same payload and signature.

    Args:
        frame: A frame in its exact form; the signature is carried over, not checked.
        keyid: Id of the signing key (see `keys.key_id`), at most 255 printable ASCII. It
            stands outside the signature: a hint to the reader, never a proof.

    Raises:
        LocalError: The key id is not printable ASCII.
        MalformedFrame: The bytes are not a frame.
        FrameTooLarge: The frame passes the size limit.
    """
    if not _KEYID.fullmatch(keyid):
        raise LocalError(f"key id must be at most 255 printable ASCII: {keyid[:80]!r}")
    signature, message = _split(frame)
    payload_type, payload = _parse_pae(message)
    return _dsse_text(payload_type, payload, signature, keyid)


def from_dsse(text: str, *, keyid: str | None = None) -> bytes:
    """The frame inside a DSSE v1 JSON envelope as `to_dsse` writes it.

    Strict: the envelope is built again from what was read and must be equal to the text, so
    that one frame under one key id has one exported form. The signature is carried over, not
    checked.

    Args:
        text: The envelope.
        keyid: The only key id to accept. None: any, since DSSE leaves it unsigned; then two
            texts that differ in it alone hold the same frame, and the frame is what counts.

    Raises:
        MalformedFrame: The text is not exactly what `to_dsse` writes.
        FrameTooLarge: The frame would pass the size limit.
        TypeError: The text is not a string.
    """
    if not isinstance(text, str):
        raise TypeError(f"an envelope is text, not {type(text).__name__}")
    if len(text) > 2 * MAX_FRAME_SIZE_BYTES:
        raise FrameTooLarge(f"envelope of {len(text)} characters")
    try:
        envelope = json.loads(text)
        payload_type, encoded = envelope["payloadType"], envelope["payload"]
        (entry,) = envelope["signatures"]
        named = entry["keyid"]
        payload = base64.b64decode(encoded, validate=True)
        signature = base64.b64decode(entry["sig"], validate=True)
        again = _dsse_text(payload_type, payload, signature, named)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedFrame("not a DSSE envelope with one signature") from error
    if again != text or not _is_text(named, _KEYID):
        raise MalformedFrame("the DSSE envelope is not in its one exact form")
    if keyid is not None and named != keyid:
        raise MalformedFrame("the DSSE envelope names another key")
    if len(signature) != SIGNATURE_SIZE_BYTES or not _is_text(payload_type, _TYPE):
        raise MalformedFrame("the DSSE envelope holds no frame")
    frame = signature + pae(payload_type, payload)
    if len(frame) > MAX_FRAME_SIZE_BYTES:
        raise FrameTooLarge(f"frame of {len(frame)} bytes; the limit is {MAX_FRAME_SIZE_BYTES}")
    return frame


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _split(frame: bytes) -> tuple[bytes, bytes]:
    frame = memoryview(frame).tobytes()
    if len(frame) > MAX_FRAME_SIZE_BYTES:
        raise FrameTooLarge(f"frame of {len(frame)} bytes; the limit is {MAX_FRAME_SIZE_BYTES}")
    if len(frame) < SIGNATURE_SIZE_BYTES:
        raise MalformedFrame(f"{len(frame)} bytes cannot hold a signature")
    return frame[:SIGNATURE_SIZE_BYTES], frame[SIGNATURE_SIZE_BYTES:]


def _parse_pae(message: bytes) -> tuple[str, bytes]:
    head = _PAE.match(message)
    if head is None:
        raise MalformedFrame("what was signed is not a DSSE v1 encoding")
    type_end = head.end() + int(head[1])
    payload_type = message[head.end() : type_end].decode("latin-1")
    middle = _LENGTH.match(message, type_end)
    if middle is None or not _TYPE.fullmatch(payload_type):
        raise MalformedFrame("the payload type is not printable ASCII of the length it states")
    payload = message[middle.end() :]
    if len(payload) != int(middle[1]):
        raise MalformedFrame(f"payload of {len(payload)} bytes, stated as {int(middle[1])}")
    return payload_type, payload


def _dsse_text(payload_type: str, payload: bytes, signature: bytes, keyid: str) -> str:
    return json.dumps(
        {
            "payload": _base64(payload),
            "payloadType": payload_type,
            "signatures": [{"keyid": keyid, "sig": _base64(signature)}],
        }
    )


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")
