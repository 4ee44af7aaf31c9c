"""Golden frames: bytes that every build, and openssl alone, must agree on."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shyraq_wire.codec import pack, sha256_hex, unpack
from shyraq_wire.envelope import from_dsse, open_frame, seal, to_dsse
from shyraq_wire.keys import key_id
from support.vectors import read_vectors

GOLDEN = read_vectors("wire/golden-frames.json")
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(GOLDEN["secret_key"]))
PUBLIC = bytes.fromhex(GOLDEN["public_key"])

each_frame = pytest.mark.parametrize("golden", GOLDEN["frames"], ids=lambda golden: golden["name"])


@each_frame
def test_sealing_again_gives_the_golden_bytes(golden: dict[str, Any]) -> None:
    """The format has not moved by a bit since the file was written."""
    payload, frame = bytes.fromhex(golden["payload"]), bytes.fromhex(golden["frame"])
    assert seal(payload, golden["payload_type"], PRIVATE) == frame
    assert sha256_hex(frame) == golden["sha256"]
    assert unpack(pack(frame)) == frame


@each_frame
def test_the_golden_bytes_open(golden: dict[str, Any]) -> None:
    """Type and payload come back exactly."""
    opened = open_frame(bytes.fromhex(golden["frame"]), PUBLIC)
    assert opened == (golden["payload_type"], bytes.fromhex(golden["payload"]))


@each_frame
def test_the_golden_export_is_the_same_frame(golden: dict[str, Any]) -> None:
    """DSSE text and frame turn into each other, byte for byte."""
    frame = bytes.fromhex(golden["frame"])
    assert to_dsse(frame, GOLDEN["key_id"]) == golden["dsse"]
    assert from_dsse(golden["dsse"], keyid=GOLDEN["key_id"]) == frame


def test_the_key_id_belongs_to_the_key() -> None:
    """Pair and id in the file fit each other."""
    assert PRIVATE.public_key().public_bytes_raw() == PUBLIC
    assert key_id(PUBLIC) == GOLDEN["key_id"]


def _openssl_verifies(frame: bytes, folder: Path) -> bool:
    """The README's commands, as a stranger types them."""
    pem = Ed25519PublicKey.from_public_bytes(PUBLIC).public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "node.pem").write_bytes(pem)
    (folder / "frame").write_bytes(frame)
    commands = (
        "head -c 64 frame > signature && tail -c +65 frame > message && "
        "openssl pkeyutl -verify -pubin -inkey node.pem -rawin -in message -sigfile signature"
    )
    done = subprocess.run(
        ["sh", "-c", commands], cwd=folder, capture_output=True, check=False, timeout=20
    )
    return done.returncode == 0


@each_frame
def test_openssl_alone_verifies_a_frame(golden: dict[str, Any], tmp_path: Path) -> None:
    """The first 64 bytes are the signature, the rest the message; no program of ours is needed."""
    frame = bytes.fromhex(golden["frame"])
    assert _openssl_verifies(frame, tmp_path)
    assert not _openssl_verifies(frame[:-1] + bytes((frame[-1] ^ 1,)), tmp_path)
