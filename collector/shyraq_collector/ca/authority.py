"""The folder an authority lives in, and the five things an operator does with it.

    root.crt root.key                   the root; move root.key offline after `init`
    intermediate.crt intermediate.key   signs nodes and servers
    chain.crt                           intermediate + root: what broker and nodes trust
    crl.pem                             what was revoked
    issued.jsonl                        one line for each certificate issued or revoked, append-only

`init` makes it, `issue` and `renew` answer signing requests, `revoke` ends every certificate of a
node, `listing` says what is out there. Key files are created with mode 0600 and never replaced;
everything else is replaced whole (temporary name, fsync, rename), so that a power cut leaves the
old file or the new one. Time comes in as an argument; nothing here talks to a network.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shyraq_collector.ca.certificates import (
    RENEW_BEFORE,
    make_client,
    make_intermediate,
    make_revocation_list,
    make_root,
    make_server,
)
from shyraq_collector.errors import ConfigError

State = Literal["valid", "due", "expired", "revoked"]
"""`due`: less than 30 days left, renew it."""

_KEY_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One certificate that this authority has signed for a node or a server."""

    name: str
    """Node id, or the first host name of a server."""
    kind: Literal["client", "server"]
    serial: int
    sha256: str
    """Of the DER bytes, hexadecimal."""
    not_after_ms: int
    revoked_ms: int | None

    def state(self, now_ms: int) -> State:
        """Where it stands at a moment."""
        if self.revoked_ms is not None:
            return "revoked"
        if now_ms >= self.not_after_ms:
            return "expired"
        left_ms = self.not_after_ms - now_ms
        return "due" if left_ms < RENEW_BEFORE.total_seconds() * 1000 else "valid"


class Authority:
    """One folder with a root, an intermediate and the record of what they signed."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read yet.

        Args:
            folder: Made by `init`, private to the operator.
        """
        self._folder = folder

    def init(self, name: str, now_ms: int) -> None:
        """Make root, intermediate and an empty revocation list.

        Args:
            name: Whose authority it is, for the common names.
            now_ms: Wall clock, milliseconds since 1970.

        Raises:
            ConfigError: The folder already holds an authority.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(self._folder.iterdir()):
            raise ConfigError(f"{self._folder}: not empty; an authority is made only once")
        root_key, key = _new_key(), _new_key()
        root = make_root(f"{name} root", root_key, now_ms)
        intermediate = make_intermediate(
            f"{name} intermediate", key.public_key(), root, root_key, now_ms
        )
        self._write_key("root.key", root_key)
        self._write_key("intermediate.key", key)
        self._replace("root.crt", _pem(root))
        self._replace("intermediate.crt", _pem(intermediate))
        self._replace("chain.crt", _pem(intermediate) + _pem(root))
        self._replace("issued.jsonl", b"")
        self._write_revocation_list(now_ms)

    def issue(self, node: str, request_pem: bytes, now_ms: int) -> bytes:
        """The certificate for a node's signing request, with its chain, as PEM.

        Raises:
            ConfigError: The request is not the node's, or the node holds a certificate that is
                not yet due (then `renew`, or revoke it).
        """
        held = [each for each in self.listing() if each.name == node]
        if any(each.state(now_ms) == "valid" for each in held):
            raise ConfigError(f"{node} holds a valid certificate; use renew or revoke it first")
        return self._sign_client(node, request_pem, now_ms)

    def renew(self, node: str, request_pem: bytes, now_ms: int) -> bytes:
        """A further certificate for a node that already holds one; the old one runs out.

        Raises:
            ConfigError: The request is not the node's, the node never held a certificate, or its
                newest one was revoked.
        """
        held = [each for each in self.listing() if each.name == node]
        if not held:
            raise ConfigError(f"{node} holds no certificate; use issue")
        if held[-1].revoked_ms is not None:
            raise ConfigError(f"{node} was revoked; use issue after deciding that it may return")
        return self._sign_client(node, request_pem, now_ms)

    def issue_server(self, hosts: Sequence[str], now_ms: int) -> tuple[bytes, bytes]:
        """A server's new key and its certificate with chain, both as PEM.

        Raises:
            ConfigError: No host was given, or the authority cannot be read.
        """
        key = _new_key()
        issuer, issuer_key = self._issuer()
        certificate = make_server(hosts, key.public_key(), issuer, issuer_key, now_ms)
        self._record(hosts[0], "server", certificate)
        return _key_pem(key), _pem(certificate) + self._read("intermediate.crt")

    def revoke(self, name: str, now_ms: int) -> tuple[Issued, ...]:
        """End every certificate of a node or server that has not ended; gives those ended now.

        The broker must be told too (its access list and its revocation list): a session that is
        already open does not look at either by itself.

        Raises:
            ConfigError: The name holds nothing that could be revoked.
        """
        ended = tuple(
            each
            for each in self.listing()
            if each.name == name and each.state(now_ms) in {"valid", "due"}
        )
        if not ended:
            raise ConfigError(f"{name} holds no certificate that could be revoked")
        for each in ended:
            self._append({"revoked": f"{each.serial:x}", "at_ms": now_ms})
        self._write_revocation_list(now_ms)
        return ended

    def listing(self) -> tuple[Issued, ...]:
        """Everything issued, oldest first.

        Raises:
            ConfigError: The folder holds no authority, or its record is damaged (line named).
        """
        found: dict[int, Issued] = {}
        for number, entry in self._entries():
            try:
                if "revoked" in entry:
                    serial = int(str(entry["revoked"]), 16)
                    found[serial] = replace(found[serial], revoked_ms=int(str(entry["at_ms"])))
                else:
                    issued = _issued(entry)
                    found[issued.serial] = issued
            except (KeyError, ValueError) as error:
                raise ConfigError(
                    f"{self._folder / 'issued.jsonl'}:{number}: not a line of this record"
                ) from error
        return tuple(found.values())

    def _sign_client(self, node: str, request_pem: bytes, now_ms: int) -> bytes:
        try:
            request = x509.load_pem_x509_csr(request_pem)
        except ValueError as error:
            raise ConfigError("the signing request is not a PEM file") from error
        issuer, key = self._issuer()
        certificate = make_client(node, request, issuer, key, now_ms)
        self._record(node, "client", certificate)
        return _pem(certificate) + self._read("intermediate.crt")

    def _record(
        self, name: str, kind: Literal["client", "server"], certificate: x509.Certificate
    ) -> None:
        not_after_ms = int(certificate.not_valid_after_utc.timestamp()) * 1000
        self._append(
            {
                "name": name,
                "kind": kind,
                "serial": f"{certificate.serial_number:x}",
                "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
                "not_after_ms": not_after_ms,
            }
        )

    def _issuer(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        certificate = x509.load_pem_x509_certificate(self._read("intermediate.crt"))
        key = serialization.load_pem_private_key(self._read("intermediate.key"), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{self._folder / 'intermediate.key'}: not a P-256 key")
        return certificate, key

    def _write_revocation_list(self, now_ms: int) -> None:
        issuer, key = self._issuer()
        revoked = [
            (each.serial, each.revoked_ms) for each in self.listing() if each.revoked_ms is not None
        ]
        made = make_revocation_list(revoked, issuer, key, now_ms)
        self._replace("crl.pem", made.public_bytes(serialization.Encoding.PEM))

    def _entries(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        text = self._read("issued.jsonl").decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            if not isinstance(entry, dict):
                raise ConfigError(f"{self._folder / 'issued.jsonl'}:{number}: not a JSON object")
            yield number, entry

    def _append(self, entry: Mapping[str, object]) -> None:
        line = json.dumps(entry, separators=(",", ":")) + "\n"
        with (self._folder / "issued.jsonl").open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{self._folder / name}: {error.strerror}; make an authority with `ca init`"
            ) from error

    def _write_key(self, name: str, key: ec.EllipticCurvePrivateKey) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._folder / name, flags, _KEY_MODE), "wb") as file:
            file.write(_key_pem(key))
            file.flush()
            os.fsync(file.fileno())

    def _replace(self, name: str, data: bytes) -> None:
        temporary = self._folder / f".{name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(temporary, flags, _PUBLIC_MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / name)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _issued(entry: Mapping[str, object]) -> Issued:
    kind = entry["kind"]
    if kind not in ("client", "server"):
        raise ValueError("kind")
    return Issued(
        name=str(entry["name"]),
        kind="client" if kind == "client" else "server",
        serial=int(str(entry["serial"]), 16),
        sha256=str(entry["sha256"]),
        not_after_ms=int(str(entry["not_after_ms"])),
        revoked_ms=None,
    )
