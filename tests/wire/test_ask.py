"""Asks: an exact inverse, bounded in time and number, nothing unreadable signed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.ask import ASK_TYPE, MAX_ADDRESSES, MAX_VALIDITY_MS, Ask, decode_ask, encode_ask
from shyraq_wire.codec import write_json
from shyraq_wire.envelope import open_frame
from shyraq_wire.errors import LocalError, MalformedPayload
from shyraq_wire.keys import KeyId
from support.reports import EXAMPLE_NODE, asks
from support.vectors import read_vectors

GOLDEN = read_vectors("wire/golden-frames.json")
ASK = Ask(
    node=EXAMPLE_NODE,
    key=KeyId("b" * 64),
    number=7,
    at="2022-01-05T10:30:00.000Z",
    until="2022-01-05T10:35:00.000Z",
    target="https://courier.example.org/",
    addresses=("192.0.2.1", "2001:db8::1"),
)


@given(asks())
def test_an_encoded_ask_decodes_to_itself(ask: Ask) -> None:
    """decode_ask(encode_ask(a)) == a."""
    assert decode_ask(encode_ask(ask)) == ask


@given(st.binary(max_size=200))
def test_arbitrary_payloads_are_malformed(data: bytes) -> None:
    """Nothing but MalformedPayload leaves."""
    with pytest.raises(MalformedPayload):
        decode_ask(data)


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("node", "x", "node: "),
        ("key", "", "key: "),
        ("number", -1, "number: "),
        ("number", True, "number: "),
        ("at", "now", "at: "),
        ("until", "2022-01-05T10:29:59.999Z", "until: "),
        ("until", "2022-01-05T11:30:00.001Z", "until: "),
        ("target", "x" * 2049, "target: "),
        ("addresses", [], "addresses: "),
        ("addresses", "192.0.2.1", "addresses: "),
        ("addresses", [f"192.0.2.{n}" for n in range(MAX_ADDRESSES + 1)], "addresses: "),
        ("addresses", ["192.0.2.1", "192.0.2.1"], "addresses: "),
        ("addresses", ["192.0.2.1", "courier.example.org"], "addresses[1]: "),
        ("addresses", ["fe80::1%eth0"], "addresses[0]: "),
        ("addresses", ["192.0.2.1:443/"], "addresses[0]: "),
        ("addresses", [3221225985], "addresses[0]: "),
    ],
)
def test_what_is_beyond_the_bounds_is_refused_by_both_sides(
    field: str,
    value: Any,  # noqa: ANN401  # any JSON
    path: str,
) -> None:
    """By the reader with the field's path; by the writer before it is signed."""
    source = json.loads(encode_ask(ASK)) | {field: value}
    with pytest.raises(MalformedPayload) as caught:
        decode_ask(write_json(source))
    assert str(caught.value).startswith(path)
    written: dict[str, Any] = {field: tuple(value) if isinstance(value, list) else value}
    with pytest.raises(LocalError):
        encode_ask(replace(ASK, **written))


def test_an_ask_may_hold_for_an_hour_and_for_a_moment() -> None:
    """Both ends of the range."""
    for until in ("2022-01-05T11:30:00.000Z", ASK.at):
        assert decode_ask(encode_ask(replace(ASK, until=until))).until == until
    assert MAX_VALIDITY_MS == 3_600_000


def test_the_golden_ask_still_reads() -> None:
    """An ask signed by an earlier build decodes and encodes to the same bytes."""
    (golden,) = (each for each in GOLDEN["frames"] if each["name"] == "an ask")
    payload_type, payload = open_frame(
        bytes.fromhex(golden["frame"]), bytes.fromhex(GOLDEN["public_key"])
    )
    assert payload_type == ASK_TYPE
    assert encode_ask(decode_ask(payload)) == payload
