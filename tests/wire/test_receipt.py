"""Receipts: an exact inverse, intervals in order, nothing unreadable signed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.codec import write_json
from shyraq_wire.envelope import MAX_FRAME_SIZE_BYTES, open_frame, seal
from shyraq_wire.errors import LocalError, MalformedPayload
from shyraq_wire.fields import MAX_SAFE_INTEGER
from shyraq_wire.keys import KeyId
from shyraq_wire.receipt import (
    MAX_INTERVALS,
    MAX_REFUSED,
    RECEIPT_TYPE,
    EpochReceipt,
    Interval,
    Receipt,
    Refusal,
    decode_receipt,
    encode_receipt,
)
from shyraq_wire.topics import NodeId
from support.reports import EXAMPLE_EPOCH, EXAMPLE_NODE, receipts
from support.vectors import read_vectors

GOLDEN = read_vectors("wire/golden-frames.json")
HASH = "a" * 64


def _receipt(*intervals: tuple[int, int], refused: tuple[Refusal, ...] = ()) -> Receipt:
    epoch = EpochReceipt(
        epoch=EXAMPLE_EPOCH,
        intervals=tuple(Interval(lo=lo, hi=hi, sha256=HASH) for lo, hi in intervals),
    )
    return Receipt(
        node=EXAMPLE_NODE,
        ledger="f" * 32,
        key=KeyId("b" * 64),
        at="2022-01-05T10:30:00.000Z",
        epochs=(epoch,),
        refused=refused,
    )


@given(receipts())
def test_an_encoded_receipt_decodes_to_itself(receipt: Receipt) -> None:
    """decode_receipt(encode_receipt(r)) == r."""
    assert decode_receipt(encode_receipt(receipt)) == receipt


@given(st.binary(max_size=200))
def test_arbitrary_payloads_are_malformed(data: bytes) -> None:
    """Nothing but MalformedPayload leaves."""
    with pytest.raises(MalformedPayload):
        decode_receipt(data)


@pytest.mark.parametrize(
    "intervals",
    [
        [(5, 4)],
        [(0, 4), (4, 6)],
        [(0, 4), (5, 6)],
        [(0, 4), (2, 3)],
        [(8, 9), (0, 4)],
        [(0, 4), (0, 4)],
        [(-1, 4)],
        [(0, 2**53)],
    ],
)
def test_intervals_out_of_order_are_refused_by_both_sides(intervals: list[tuple[int, int]]) -> None:
    """Reversed, overlapping, touching, unsorted, doubled and unbounded intervals."""
    with pytest.raises(LocalError):
        encode_receipt(_receipt(*intervals))
    source = json.loads(encode_receipt(_receipt((0, 4))))
    source["epochs"][0]["intervals"] = [
        {"lo": lo, "hi": hi, "sha256": HASH} for lo, hi in intervals
    ]
    with pytest.raises(MalformedPayload, match=r"\Aepochs\[0\]\.intervals"):
        decode_receipt(write_json(source))


def test_an_epoch_that_stands_twice_is_refused() -> None:
    """Two rows for one epoch would leave it open which of them counts."""
    source = json.loads(encode_receipt(_receipt((0, 4))))
    source["epochs"] *= 2
    with pytest.raises(MalformedPayload, match="epochs: "):
        decode_receipt(write_json(source))


def test_an_empty_receipt_says_that_nothing_is_stored() -> None:
    """A new ledger starts so; an epoch without intervals may stand, too."""
    assert decode_receipt(encode_receipt(_receipt())).epochs[0].intervals == ()
    source = json.loads(encode_receipt(_receipt()))
    del source["epochs"], source["refused"]
    assert decode_receipt(write_json(source)).epochs == ()


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("node", "x", "node: "),
        ("ledger", "f" * 31, "ledger: "),
        ("key", "", "key: "),
        ("at", "now", "at: "),
        ("epochs", 5, "epochs: "),
        ("epochs", [{}], "epochs[0].epoch: "),
        ("refused", [{"epoch": EXAMPLE_EPOCH}], "refused[0].seq: "),
        ("refused", [None], "refused[0]: "),
    ],
)
def test_a_complaint_names_the_field_by_its_path(field: str, value: object, path: str) -> None:
    """The node's log says what was wrong with a receipt."""
    source = json.loads(encode_receipt(_receipt((0, 4)))) | {field: value}
    with pytest.raises(MalformedPayload) as caught:
        decode_receipt(write_json(source))
    assert str(caught.value).startswith(path)


def test_a_receipt_holds_as_much_as_the_limits_say_within_a_frame() -> None:
    """256 intervals and 64 refusals fit a frame; one more of either is our own mistake."""
    intervals = [(4 * n, 4 * n + 1) for n in range(MAX_INTERVALS + 1)]
    refusal = Refusal(epoch=EXAMPLE_EPOCH, seq=3, sha256=HASH, reason="malformed-payload")
    full = _receipt(*intervals[:-1], refused=(refusal,) * MAX_REFUSED)
    payload = encode_receipt(full)
    assert decode_receipt(payload) == full
    assert len(payload) < MAX_FRAME_SIZE_BYTES
    with pytest.raises(LocalError):
        encode_receipt(_receipt(*intervals))
    with pytest.raises(LocalError):
        encode_receipt(_receipt(refused=(refusal,) * (MAX_REFUSED + 1)))


def test_the_longest_receipt_there_can_be_fits_a_frame() -> None:
    """A node cannot bring its collector to a receipt that may not travel: 256 epochs, all told."""
    last = MAX_SAFE_INTEGER
    epochs = tuple(
        EpochReceipt(epoch=f"{n:032x}", intervals=(Interval(lo=last, hi=last, sha256=HASH),))
        for n in range(MAX_INTERVALS)
    )
    refusal = Refusal(epoch=EXAMPLE_EPOCH, seq=last, sha256=HASH, reason="r" * 64)
    receipt = replace(
        _receipt(refused=(refusal,) * MAX_REFUSED), node=NodeId("n" * 32), epochs=epochs
    )
    frame = seal(encode_receipt(receipt), RECEIPT_TYPE, Ed25519PrivateKey.generate())
    assert len(frame) < MAX_FRAME_SIZE_BYTES


def test_the_golden_receipt_still_reads() -> None:
    """A receipt signed by an earlier build decodes and encodes to the same bytes."""
    golden: dict[str, Any]
    (golden,) = (each for each in GOLDEN["frames"] if each["name"] == "a receipt")
    payload_type, payload = open_frame(
        bytes.fromhex(golden["frame"]), bytes.fromhex(GOLDEN["public_key"])
    )
    assert payload_type == RECEIPT_TYPE
    assert encode_receipt(decode_receipt(payload)) == payload
