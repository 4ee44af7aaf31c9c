"""The node's TLS key, and the request for a certificate that goes to the broker's authority.

The key is P-256, made on the node, readable by its owner only, and never leaves it; the request
(PKCS #10) carries the public half, is signed by the key, and bears the node's id as its common
name, which the broker takes for user and client. It proves who may talk to the broker; evidence is
signed by another key (`sign.keyfile`).
"""

import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from shyraq_agent.disk import create, replace
from shyraq_agent.errors import LocalError
from shyraq_wire.topics import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsRequest:
    """A request on the disk, and the key it speaks for."""

    path: Path
    public_key_sha256: str
    """Of the public key in its DER form (SubjectPublicKeyInfo), hexadecimal."""


def make_tls_key(key_file: Path, node: NodeId, request_file: Path) -> TlsRequest:
    """Make a key and its first request.

    Raises:
        LocalError: Either file exists already, or cannot be written.
    """
    if request_file.exists():
        raise LocalError(_kept(request_file))
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        create(key_file, text)
    except FileExistsError as error:
        raise LocalError(_kept(key_file)) from error
    except OSError as error:
        raise LocalError(f"{key_file}: {error.strerror}") from error
    return _write_request(key, node, request_file)


def renew_request(key_file: Path, node: NodeId, request_file: Path) -> TlsRequest:
    """Ask again for the key that is there, as before a certificate ends; replaces the request.

    Raises:
        LocalError: The key is missing, readable by others, or of another kind; or the request
            cannot be written.
    """
    return _write_request(_read_tls_key(key_file), node, request_file)


def _write_request(key: ec.EllipticCurvePrivateKey, node: NodeId, path: Path) -> TlsRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    try:
        replace(path, made.public_bytes(Encoding.PEM))
    except OSError as error:
        raise LocalError(f"{path}: {error.strerror}") from error
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return TlsRequest(path=path, public_key_sha256=sha256(public).hexdigest())


def _read_tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise LocalError(f"{path}: {error.strerror}; without --renew a key is made") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LocalError(f"{path}: not an unencrypted private key in PEM form") from error
    if mode & 0o077:
        raise LocalError(f"{path}: others can read it (mode {mode:04o}): chmod 600 {path}")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise LocalError(f"{path}: a P-256 key is due, this is another kind")
    return key


def _kept(path: Path) -> str:
    return (
        f"{path} exists already; a key and its request are never overwritten: --renew asks again "
        "for the same key, another path makes another"
    )
