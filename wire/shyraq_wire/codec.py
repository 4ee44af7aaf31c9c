"""Bytes and values: frames for the wire, JSON text, reports, receipts.

An MQTT payload is one format byte and the frame: 0 raw, 1 zlib. Inflating stops at the frame
limit, whatever the compressed bytes promise. The packing is not signed and one frame has many
packings: only the frame inside is ever hashed, stored or compared.

JSON is read strictly, because a signature covers bytes and must mean one thing: UTF-8 without
a byte order mark, an object, nesting at most 16, no duplicate keys, no NaN or infinity,
numbers within a double, integers within 64 bits, no lone surrogates. Keys are compared as
they read after unescaping, not normalised. A number too small for a double reads as zero.
Fields that this version does not know are passed over.
"""

import hashlib
import json
import math
import re
import zlib
from collections.abc import Mapping
from typing import Final, NoReturn

from shyraq_wire.envelope import MAX_FRAME_SIZE_BYTES
from shyraq_wire.errors import FrameTooLarge, LocalError, MalformedFrame, MalformedPayload

MAX_DEPTH: Final = 16
"""Nesting of objects and arrays in a payload."""

_RAW, _ZLIB = 0, 1
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A string, or an unclosed one to the end: it always matches, so the scan stays linear."""
_ODD_NUMBERS = re.compile(rb"[0-9]{19}|[0-9][eE]")
"""Without these, every integer is within 64 bits and every number within a double."""
_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_CURLY = bytes.maketrans(b"[]", b"{}")
_INTEGER_LIMIT = 2**63


def sha256_hex(frame: bytes) -> str:
    """The hash by which a frame is chained, receipted and found."""
    return hashlib.sha256(frame).hexdigest()


def pack(frame: bytes) -> bytes:
    """The MQTT payload for a frame: zlib where that is shorter, else raw.

    Raises:
        LocalError: The frame passes the frame limit.
    """
    if len(frame) > MAX_FRAME_SIZE_BYTES:
        raise LocalError(f"frame of {len(frame)} bytes; the limit is {MAX_FRAME_SIZE_BYTES}")
    packed = zlib.compress(frame, 6)
    if len(packed) < len(frame):
        return bytes((_ZLIB,)) + packed
    return bytes((_RAW,)) + frame


def unpack(payload: bytes) -> bytes:
    """The frame inside an MQTT payload, given in any buffer.

    Raises:
        FrameTooLarge: The frame, or what it inflates to, passes the frame limit.
        MalformedFrame: Empty, an unknown format byte, or not one whole zlib stream.
    """
    payload = memoryview(payload).tobytes()
    if not payload:
        raise MalformedFrame("an empty MQTT payload")
    if len(payload) > MAX_FRAME_SIZE_BYTES + 1:
        raise FrameTooLarge(f"MQTT payload of {len(payload)} bytes")
    match payload[0]:
        case 0:
            return payload[1:]
        case 1:
            return _inflate(payload[1:])
        case other:
            raise MalformedFrame(f"format byte {other}; known are 0 (raw) and 1 (zlib)")


def read_json(payload: bytes) -> Mapping[str, object]:
    """The object that a payload holds, read strictly.

    Raises:
        MalformedPayload: One of the rules at the top of this module is broken.
    """
    try:
        payload = memoryview(payload).tobytes()
        text = payload.decode("utf-8")
        skeleton = _without_strings(payload)
        _check_depth(skeleton)
        odd = _ODD_NUMBERS.search(skeleton) is not None  # a call for each number costs
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite if odd else None,
            parse_int=_bounded if odd else None,
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate fails here
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not strict JSON: {_first_words(error)}") from error
    if not isinstance(value, dict):
        raise MalformedPayload("the payload is not a JSON object")
    return value


def write_json(value: Mapping[str, object]) -> bytes:
    """Compact UTF-8 JSON.

    Raises:
        LocalError: A number is not finite, a text has a lone surrogate, or a value is not
            of JSON's types.
    """
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalError(f"cannot be written as JSON: {_first_words(error)}") from error


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        frame = stream.decompress(data, MAX_FRAME_SIZE_BYTES + 1)
    except zlib.error as error:
        raise MalformedFrame("the payload does not inflate") from error
    if len(frame) > MAX_FRAME_SIZE_BYTES:
        raise FrameTooLarge(f"inflates to more than {MAX_FRAME_SIZE_BYTES} bytes")
    if not stream.eof or stream.unused_data:
        raise MalformedFrame("the payload is not one whole zlib stream")
    return frame


def _without_strings(payload: bytes) -> bytes:
    """What stands outside of strings."""
    if b"\\" in payload:
        return _STRINGS.sub(b'"', payload)
    return b'"'.join(payload.split(b'"')[::2])


def _check_depth(skeleton: bytes) -> None:
    """Refuse deep nesting before the parser recurses; each pass peels one level."""
    brackets = skeleton.translate(_CURLY, _BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"{}", b"")
    if brackets:
        raise ValueError(f"nesting deeper than {MAX_DEPTH}, or brackets that do not match")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object with duplicate keys")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond the range of a double")
    return number


def _bounded(text: str) -> int:
    if len(text) > 20 or not -_INTEGER_LIMIT <= (number := int(text)) < _INTEGER_LIMIT:
        raise ValueError("an integer beyond 64 bits")
    return number


def _first_words(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)[:120]
