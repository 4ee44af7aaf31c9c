"""The node's TLS key and its request: made once, private, and asked for again."""

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from shyraq_agent.errors import LocalError
from shyraq_agent.publish.request import make_tls_key, renew_request
from shyraq_agent.sign.keyfile import write_new_key
from shyraq_wire.topics import NodeId

NODE = NodeId("node-almaty-1")


def test_the_request_names_the_node_and_proves_the_key(tmp_path: Path) -> None:
    """P-256, mode 0600, common name = node id, signed by the key itself."""
    made = make_tls_key(tmp_path / "tls.key", NODE, tmp_path / "tls.csr")
    request = x509.load_pem_x509_csr(made.path.read_bytes())
    key = load_pem_private_key((tmp_path / "tls.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert request.public_key() == key.public_key()
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == f"CN={NODE}"
    assert stat.S_IMODE((tmp_path / "tls.key").stat().st_mode) == 0o600


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A second time is refused, whichever of the two files is there, and the key stays."""
    key_file, request_file = tmp_path / "tls.key", tmp_path / "tls.csr"
    make_tls_key(key_file, NODE, request_file)
    before = key_file.read_bytes()
    with pytest.raises(LocalError, match="--renew"):
        make_tls_key(key_file, NODE, request_file)
    request_file.unlink()
    with pytest.raises(LocalError, match="never overwritten"):
        make_tls_key(key_file, NODE, request_file)
    assert key_file.read_bytes() == before
    assert not request_file.exists()


def test_renewing_asks_again_for_the_same_key(tmp_path: Path) -> None:
    """Another request, the same public key; the key file is not touched."""
    key_file, request_file = tmp_path / "tls.key", tmp_path / "tls.csr"
    first = make_tls_key(key_file, NODE, request_file)
    text = request_file.read_bytes()
    again = renew_request(key_file, NODE, request_file)
    assert again == first
    assert request_file.read_bytes() != text
    other = make_tls_key(tmp_path / "next.key", NODE, tmp_path / "next.csr")
    assert other.public_key_sha256 != first.public_key_sha256


def test_a_key_that_cannot_be_asked_for_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Missing, no key, the evidence key, another curve, readable by others, unwritable."""
    request_file = tmp_path / "tls.csr"
    (tmp_path / "text").write_text("no key")
    (tmp_path / "text").chmod(0o600)
    write_new_key(tmp_path / "evidence")
    other = ec.generate_private_key(ec.SECP384R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "p384").write_bytes(pem)
    (tmp_path / "p384").chmod(0o600)
    make_tls_key(tmp_path / "open", NODE, tmp_path / "open.csr")
    (tmp_path / "open").chmod(0o644)
    faults = {
        "absent": "without --renew",
        "text": "PEM",
        "evidence": "P-256",
        "p384": "P-256",
        "open": "chmod 600",
    }
    for name, words in faults.items():
        with pytest.raises(LocalError, match=words):
            renew_request(tmp_path / name, NODE, request_file)
    with pytest.raises(LocalError, match="nowhere"):
        make_tls_key(tmp_path / "nowhere" / "tls.key", NODE, request_file)
    with pytest.raises(LocalError, match="nowhere"):
        make_tls_key(tmp_path / "good.key", NODE, tmp_path / "nowhere" / "tls.csr")
    assert not request_file.exists()
