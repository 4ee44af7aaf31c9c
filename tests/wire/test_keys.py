"""Evidence keys: honest ones load, weak and second encodings never do."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.envelope import verify
from shyraq_wire.errors import BadSignature, WeakKey
from shyraq_wire.keys import key_id, load_evidence_key
from support.vectors import read_vectors

RFC_8032 = read_vectors("wire/ed25519-rfc8032.json")["vectors"]
WEAK = read_vectors("wire/ed25519-weak-keys.json")
SMALL_ORDER = [each["public_key"] for each in WEAK["small_order"]]
MIXED_ORDER = [each["public_key"] for each in WEAK["mixed_order"]]
PRIME = 2**255 - 19


@given(st.binary(min_size=32, max_size=32))
def test_every_generated_key_loads(seed: bytes) -> None:
    """Whatever an honest generator makes may stand behind evidence."""
    raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert load_evidence_key(raw).public_bytes_raw() == raw


@pytest.mark.parametrize("vector", RFC_8032, ids=lambda vector: vector["name"])
def test_the_vectors_of_rfc_8032_verify(vector: dict[str, str]) -> None:
    """Key, message and signature of the standard's examples agree, and no other message does."""
    public, message, signature = (
        bytes.fromhex(vector[name]) for name in ("public_key", "message", "signature")
    )
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vector["secret_key"]))
    assert private.public_key().public_bytes_raw() == public
    assert private.sign(message) == signature
    verify(public, message, signature)
    with pytest.raises(BadSignature):
        verify(public, message + b"\x00", signature)


@pytest.mark.parametrize("text", SMALL_ORDER)
def test_the_fourteen_encodings_of_small_order_are_weak(text: str) -> None:
    """None of the eight points, in any of their encodings, may stand behind evidence."""
    with pytest.raises(WeakKey):
        load_evidence_key(bytes.fromhex(text))


def test_under_a_small_order_key_one_signature_fits_every_message() -> None:
    """Why rule 4 is there: the bare library accepts what nobody signed, this package does not."""
    identity = (1).to_bytes(32, "little")
    nobodys = identity + bytes(32)
    for message in (b"reachable", b"cut off", b""):
        Ed25519PublicKey.from_public_bytes(identity).verify(nobodys, message)
        with pytest.raises(WeakKey):
            verify(identity, message, nobodys)


def test_the_vectors_hold_fourteen_small_order_encodings_of_eight_points() -> None:
    """The file is whole: eight canonical encodings, orders 1, 2, 4 and 8, six more spellings."""
    orders = sorted(each["order"] for each in WEAK["small_order"] if each["canonical"])
    assert orders == [1, 2, 4, 4, 8, 8, 8, 8]
    assert len(set(SMALL_ORDER)) == 14


@pytest.mark.parametrize("text", WEAK["y_not_reduced"])
def test_an_encoding_that_is_not_reduced_is_weak(text: str) -> None:
    """A y at or above the field prime is a second spelling of another key."""
    raw = bytes.fromhex(text)
    assert int.from_bytes(raw, "little") & (2**255 - 1) >= PRIME
    with pytest.raises(WeakKey, match="canonical"):
        load_evidence_key(raw)


@pytest.mark.parametrize("text", MIXED_ORDER)
def test_a_key_of_mixed_order_is_weak(text: str) -> None:
    """An honest key plus a small-order point makes verifiers disagree."""
    with pytest.raises(WeakKey, match="subgroup"):
        load_evidence_key(bytes.fromhex(text))


@pytest.mark.parametrize("text", WEAK["not_on_curve"])
def test_an_encoding_of_no_point_is_weak(text: str) -> None:
    """Half of all y have no x."""
    with pytest.raises(WeakKey, match="curve"):
        load_evidence_key(bytes.fromhex(text))


@pytest.mark.parametrize("size", [0, 1, 31, 33, 57, 64, 70_000])
def test_a_key_of_another_length_is_weak(size: int) -> None:
    """An evidence key is 32 raw bytes: no PEM, no DER, no hexadecimal."""
    with pytest.raises(WeakKey, match="32 bytes"):
        load_evidence_key(b"\x42" * size)


@given(st.binary(max_size=40))
def test_arbitrary_bytes_load_or_are_weak(raw: bytes) -> None:
    """Nothing but WeakKey leaves, and what loads keeps its bytes."""
    try:
        key = load_evidence_key(raw)
    except WeakKey:
        return
    assert key.public_bytes_raw() == raw


def test_an_honest_key_with_its_sign_bit_flipped_is_another_honest_key() -> None:
    """The sign bit chooses between x and -x; both are fine, and they do not mix."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    raw = private.public_key().public_bytes_raw()
    mirrored = raw[:31] + bytes((raw[31] ^ 0x80,))
    load_evidence_key(mirrored)
    with pytest.raises(BadSignature):
        verify(mirrored, b"message", private.sign(b"message"))


def test_a_key_id_is_the_sha256_of_the_raw_bytes() -> None:
    """The id of 32 zero bytes is a number anyone can compute."""
    assert key_id(bytes(32)) == "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
