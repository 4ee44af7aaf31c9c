"""Golden frames: bytes that every build, and openssl alone, must agree on."""

import os
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_wire.codec import pack, sha256_hex, unpack
from shyraq_wire.envelope import from_dsse, open_frame, seal, to_dsse
from shyraq_wire.keys import key_id
from support.vectors import read_vectors

GOLDEN = read_vectors("wire/golden-frames.json")
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(GOLDEN["secret_key"]))
README = Path(__file__).parents[2] / "wire" / "README.md"
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
    """The commands as they stand in wire/README.md, as a stranger types them."""
    (folder / "frame").write_bytes(frame)
    done = subprocess.run(
        ["sh", "-ec", "\n".join([*MAKE_KEY, *CHECK_FRAME])],
        cwd=folder,
        env=os.environ | {"KEY_HEX": GOLDEN["public_key"]},
        capture_output=True,
        check=False,
        timeout=20,
    )
    return b"Verified Successfully" in done.stdout and done.returncode == 0


def _commands(first_word: str) -> list[str]:
    """The indented block of the README that starts with this word."""
    lines = README.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"    {first_word} "))
    return [line.strip() for line in takewhile(bool, lines[start:])]


MAKE_KEY = _commands("printf")
CHECK_FRAME = _commands("head")


@each_frame
def test_openssl_alone_verifies_a_frame(golden: dict[str, Any], tmp_path: Path) -> None:
    """The first 64 bytes are the signature, the rest the message; no program of ours is needed."""
    frame = bytes.fromhex(golden["frame"])
    assert _openssl_verifies(frame, tmp_path)
    assert not _openssl_verifies(frame[:-1] + bytes((frame[-1] ^ 1,)), tmp_path)
