"""MQTT payloads and strict JSON: bounded, exact, and nothing but our own errors."""

import json
import time
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.codec import pack, read_json, sha256_hex, unpack, write_json
from shyraq_wire.envelope import MAX_FRAME_SIZE_BYTES
from shyraq_wire.errors import (
    FrameTooLarge,
    LocalError,
    MalformedFrame,
    MalformedPayload,
    PeerError,
)
from support.reports import json_objects
from support.vectors import read_vectors

STRICT_JSON = read_vectors("wire/strict-json.json")["vectors"]
PATIENCE_S = 2.0
"""Far more than any linear reading of 64 KiB takes, far less than a quadratic one."""


@given(st.binary(max_size=3_000))
def test_what_is_packed_unpacks_to_the_same_frame(frame: bytes) -> None:
    """unpack(pack(x)) == x."""
    assert unpack(pack(frame)) == frame


@pytest.mark.parametrize("fill", [b"\x00", b"shyraq "])
def test_packing_never_costs_more_than_the_format_byte(fill: bytes) -> None:
    """What compresses is compressed; what does not travels raw behind one byte."""
    frame = (fill * MAX_FRAME_SIZE_BYTES)[:MAX_FRAME_SIZE_BYTES]
    assert pack(frame)[0] == 1
    assert len(pack(frame)) < 1_000
    noise = b"".join(bytes.fromhex(sha256_hex(bytes((n, k)))) for n in range(8) for k in range(9))
    assert pack(noise) == b"\x00" + noise


def test_a_frame_of_the_limit_packs_and_one_byte_more_does_not() -> None:
    """Nobody sends what every reader refuses."""
    frame = bytes(MAX_FRAME_SIZE_BYTES)
    assert unpack(pack(frame)) == frame
    assert unpack(b"\x00" + frame) == frame
    with pytest.raises(LocalError):
        pack(frame + b"\x00")


def test_what_passes_the_limit_raw_or_inflated_is_too_large() -> None:
    """A bomb of 200 MiB costs no more than the frame limit; size alone decides for raw."""
    bomb = b"\x01" + _bomb(200 * 2**20)[: MAX_FRAME_SIZE_BYTES - 1]
    for payload in (
        b"\x00" + bytes(MAX_FRAME_SIZE_BYTES + 1),
        b"\x01" + zlib.compress(bytes(MAX_FRAME_SIZE_BYTES + 1)),
        bomb,
        b"\x01" * (MAX_FRAME_SIZE_BYTES + 2),
    ):
        with pytest.raises(FrameTooLarge):
            unpack(payload)


def _bomb(size: int) -> bytes:
    stream = zlib.compressobj(9)
    block = bytes(2**20)
    return b"".join(stream.compress(block) for _ in range(size // len(block))) + stream.flush()


def test_a_bomb_inside_a_bomb_is_opened_once() -> None:
    """Only one layer is ever inflated."""
    inner = zlib.compress(bytes(60_000))
    assert unpack(b"\x01" + zlib.compress(b"\x01" + inner)) == b"\x01" + inner


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x02frame",
        b"\xffframe",
        b"1frame",
        b"\x01",
        b"\x01frame",
        b"\x01" + zlib.compress(b"frame")[:-1],
        b"\x01" + zlib.compress(b"frame")[:-4] + b"\x00\x00\x00\x00",
        b"\x01" + zlib.compress(b"frame") + b"\x00",
        b"\x01" + zlib.compress(b"frame") * 2,
        b"\x01\x1f\x8b" + zlib.compress(b"frame"),
        b"\x01\x78\xbb\x00\x00\x00\x01" + zlib.compress(b"frame")[2:],
    ],
    ids=(
        "empty",
        "format 2",
        "format 255",
        "digit",
        "no stream",
        "no zlib",
        "cut",
        "checksum",
        "byte behind",
        "two streams",
        "gzip",
        "dictionary",
    ),
)
def test_a_payload_that_is_not_one_whole_packing_is_malformed(payload: bytes) -> None:
    """Unknown formats, cut streams, wrong checksums and trailing bytes are refused."""
    with pytest.raises(MalformedFrame):
        unpack(payload)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x00", b"\x01", b"\x01\x78\x9c"]))
def test_arbitrary_payloads_unpack_or_are_peer_errors(data: bytes, head: bytes) -> None:
    """Nothing but a PeerError leaves, and never more than the frame limit."""
    with suppress(PeerError):
        assert len(unpack(head + data)) <= MAX_FRAME_SIZE_BYTES


def test_any_buffer_unpacks_to_bytes() -> None:
    """MQTT libraries hand over bytearrays, too."""
    for wrap in (bytearray, memoryview):
        payload: Any = wrap(pack(b"frame"))
        assert type(unpack(payload)) is bytes
        text: Any = wrap(b'{"a":1}')
        assert read_json(text) == {"a": 1}
    wrong: Any = "frame"
    with pytest.raises(TypeError):
        unpack(wrong)
    with pytest.raises(TypeError):
        read_json(wrong)


@given(json_objects())
def test_what_is_written_reads_the_same(value: dict[str, object]) -> None:
    """read_json(write_json(x)) == x."""
    assert read_json(write_json(value)) == value


@given(json_objects())
def test_the_strict_reader_agrees_with_the_standard_one(value: dict[str, object]) -> None:
    """On well-made objects, escaped or not, strictness changes nothing."""
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert read_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize("vector", STRICT_JSON, ids=lambda vector: vector["name"])
def test_the_reader_takes_and_refuses_what_the_vectors_say(vector: dict[str, Any]) -> None:
    """Every vector is taken as an object or refused as MalformedPayload, quickly."""
    payload = bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()
    if vector["accept"]:
        assert isinstance(read_json(payload), dict)
    else:
        with pytest.raises(MalformedPayload):
            read_json(payload)


@given(st.binary(max_size=100) | st.text('{}[]",:\\u0123 eE+-.\n', max_size=100).map(str.encode))
def test_arbitrary_text_reads_or_is_malformed(data: bytes) -> None:
    """Nothing but MalformedPayload leaves."""
    with suppress(MalformedPayload):
        assert isinstance(read_json(data), dict)


@pytest.mark.parametrize("vector", STRICT_JSON, ids=lambda vector: vector["name"])
def test_a_complaint_about_json_is_short(vector: dict[str, Any]) -> None:
    """A log line about a bad payload stays a line."""
    if not vector["accept"] and "text" in vector:
        with pytest.raises(MalformedPayload) as caught:
            read_json(vector["text"].encode())
        assert len(str(caught.value)) < 200


_FULL = MAX_FRAME_SIZE_BYTES
PATHOLOGICAL = {
    "quotes": b'"' * _FULL,
    "escaped quotes": b'{"a":"' + b'\\"' * (_FULL // 2) + b'"}',
    "backslashes": b'{"a":"' + b"\\" * _FULL + b'"}',
    "unclosed strings": b'"\\\n' * (_FULL // 3),
    "open brackets": b"[" * _FULL,
    "open braces": b"{" * _FULL,
    "closed brackets": b"]" * _FULL,
    "brackets in pairs": b"[]" * (_FULL // 2),
    "nested pairs": b"[" * (_FULL // 2) + b"]" * (_FULL // 2),
    "nested objects": b'{"":' * (_FULL // 5) + b"1" + b"}" * (_FULL // 5),
    "many small lists": b'{"a":[' + b"[[]]," * (_FULL // 5) + b"[]]}",
    "a long integer": b'{"a":' + b"9" * _FULL + b"}",
    "a long fraction": b'{"a":0.' + b"9" * _FULL + b"}",
    "a long tiny fraction": b'{"a":0.' + b"0" * _FULL + b"1e65536}",
    "a long exponent": b'{"a":1e' + b"9" * _FULL + b"}",
    "a long number with exponent": b'{"a":' + b"1" * _FULL + b"e-65536}",
    "white space": b"{" + b" " * _FULL + b"}",
    "escapes": b'{"a":"' + b"\\u00e9" * (_FULL // 6) + b'"}',
    "keys of equal hash length": b"{" + b",".join(b'"%05d":0' % n for n in range(7_000)) + b"}",
    "commas": b"," * _FULL,
    "minus signs": b'{"a":' + b"-" * _FULL + b"}",
    "continuation bytes": b"\x80" * _FULL,
}


@pytest.mark.parametrize("payload", PATHOLOGICAL.values(), ids=PATHOLOGICAL.keys())
def test_a_full_frame_of_nonsense_is_read_in_linear_time(payload: bytes) -> None:
    """No text within the frame limit holds the reader up, and no other error leaves."""
    started = time.perf_counter()
    with suppress(MalformedPayload):
        read_json(payload)
    assert time.perf_counter() - started < PATIENCE_S


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": "\ud800"},
        {"\udfff": 1},
        {"a": b"bytes"},
        {"a": {1, 2}},
        {("a",): 1},
    ],
    ids=repr,
)
def test_what_json_cannot_say_is_our_own_mistake(value: dict[str, object]) -> None:
    """NaN, infinities, lone surrogates and foreign types are refused before they are signed."""
    with pytest.raises(LocalError):
        write_json(value)


def test_an_endless_value_is_our_own_mistake() -> None:
    """A value that holds itself is refused, not followed."""
    value: dict[str, object] = {}
    value["self"] = value
    with pytest.raises(LocalError):
        write_json(value)


def test_the_hash_is_sha256_in_hexadecimal() -> None:
    """The standard's example: SHA-256 of "abc"."""
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
