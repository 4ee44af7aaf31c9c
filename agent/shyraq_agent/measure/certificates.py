"""Certificate chains: what was served, and whether the agent's own bundle vouches for it.

The handshake takes any certificate, so that a forged one is recorded whole; whether it is good
is decided here, from the served bytes. The system's store is never asked: a root that someone
forced into it would pass there. The verifier is that of `cryptography` (RFC 5280 paths, web
PKI rules for authorities); names match as in RFC 9525. When it refuses, three questions are
asked apart, so that an expired forgery is seen as both:

    authority   does a row of signatures lead from it to the bundle, whatever else is wrong?
    name        does the certificate carry the name that was asked for?
    time        is it within its dates, by the clock that was given?

The answers are OpenSSL's verify codes, most telling first:

    20 18 19 21   ssl_unknown_authority      no issuer known; self-signed; self-signed in the
                                             chain; a lone leaf whose issuer is not known
    62            ssl_invalid_hostname
    9 10          ssl_invalid_certificate    not yet valid; expired
    1             ssl_invalid_certificate    anything else, bytes that are no certificate included

A reader who does not trust the node's clock passes over 9 and 10 and keeps the rest.
"""

import hashlib
import ssl
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import verification

from shyraq_wire.failure import Failure
from shyraq_wire.report import Json

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_CERTIFICATES = 10
_MAX_NAME_LENGTH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the bundle says of one served chain."""

    codes: tuple[int, ...]
    """OpenSSL's verify codes, most telling first; empty: the chain is good."""
    reason: str | None = None
    """The verifier's own words for code 1."""

    @property
    def failure(self) -> Failure | None:
        """The word for the first code; None when the chain is good."""
        return FAILURE_OF_CODE[self.codes[0]] if self.codes else None


class Trust:
    """The authorities that the agent itself trusts."""

    def __init__(self, roots: Sequence[x509.Certificate]) -> None:
        """Keep the authorities.

        Args:
            roots: At least one.
        """
        self._store = verification.Store(list(roots))
        self._roots: dict[x509.Name, list[x509.Certificate]] = {}
        for root in roots:
            self._roots.setdefault(root.subject, []).append(root)

    @classmethod
    def from_bundle(cls, path: Path) -> "Trust":
        """Read a bundle of PEM certificates; does file I/O, so call it before the loop runs.

        Raises:
            ValueError: No certificate in the file can be read.
            OSError: The file cannot be read.
        """
        roots = [
            root
            for each in path.read_bytes().split(_PEM_END)
            if _PEM_START in each and (root := _load_pem(each + _PEM_END)) is not None
        ]
        if not roots:
            raise ValueError(f"{path}: no certificate in PEM form")
        return cls(roots)

    def verify(self, chain: Sequence[bytes], host: str, *, now_ms: int) -> Verification:
        """Judge a served chain.

        Args:
            chain: DER certificates as served, the server's own first.
            host: The name or address that was asked for.
            now_ms: Wall clock, milliseconds since 1970.
        """
        certificates = [load_der(each) for each in chain[:_MAX_CERTIFICATES]]
        leaf = certificates[0] if certificates else None
        if leaf is None:
            return Verification(codes=(1,), reason="not a certificate")
        others = [each for each in certificates[1:] if each is not None]
        now = _EPOCH + timedelta(milliseconds=now_ms)
        reason = self._path_problem(leaf, others, now)
        codes = () if _has_name(leaf, host) else (62,)
        if reason is not None:
            unknown = self._authority_codes(leaf, others)
            untimely = _time_codes((leaf, *others), now)
            other = () if unknown or untimely else (1,)
            codes = (*unknown, *codes, *untimely, *other)
        return Verification(codes=codes, reason=reason if 1 in codes else None)

    def _authority_codes(
        self, leaf: x509.Certificate, others: Sequence[x509.Certificate]
    ) -> tuple[int, ...]:
        """Codes 18 to 21 where no row of signatures leads to the bundle."""
        last, unused = leaf, list(others)
        while True:
            if any(_is_issued_by(last, root) for root in self._roots.get(last.issuer, ())):
                return ()
            above = next((each for each in unused if _is_issued_by(last, each)), None)
            if above is None:
                break
            unused.remove(above)
            last = above
        if leaf.issuer == leaf.subject:
            return (18,)
        if any(each.issuer == each.subject for each in others):
            return (19,)
        return (20,) if others else (21,)

    def _path_problem(
        self, leaf: x509.Certificate, others: list[x509.Certificate], at: datetime
    ) -> str | None:
        """Why no path leads from the leaf to the bundle at this moment, whatever its name."""
        policy = (
            verification.PolicyBuilder()
            .store(self._store)
            .time(at.replace(tzinfo=None))
            .extension_policies(ca_policy=_AUTHORITY_RULES, ee_policy=_LEAF_RULES)
        )
        try:
            policy.build_client_verifier().verify(leaf, others)  # this kind takes any name
        except (verification.VerificationError, ValueError) as error:
            return str(error)[:_MAX_NAME_LENGTH]
        return None


def served_chain(tls: ssl.SSLObject) -> list[bytes]:
    """The DER certificates that a server sent, its own first; empty before the handshake."""
    public = getattr(tls, "get_unverified_chain", None)  # from Python 3.13 on
    if public is not None:
        return list(cast("Sequence[bytes] | None", public()) or ())
    inner = tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001  # no public way before 3.13
    served = inner.get_unverified_chain() or ()
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in served]


def describe(der: bytes) -> dict[str, Json]:
    """A certificate in the fields that are reported; only the hash where it cannot be read."""
    described: dict[str, Json] = {"sha256": hashlib.sha256(der).hexdigest()}
    certificate = load_der(der)
    if certificate is not None:
        described |= {
            "subject": certificate.subject.rfc4514_string()[:_MAX_NAME_LENGTH],
            "issuer": certificate.issuer.rfc4514_string()[:_MAX_NAME_LENGTH],
            "not_before": _moment(certificate.not_valid_before_utc),
            "not_after": _moment(certificate.not_valid_after_utc),
        }
    return described


def load_der(der: bytes) -> x509.Certificate | None:
    """The certificate in these bytes; None where they hold none that can be used."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd serial numbers and name lengths are common
            certificate = x509.load_der_x509_certificate(der)
            # These are parsed on first use; one that cannot be read is no certificate to us.
            _ = certificate.extensions, certificate.subject, certificate.issuer
            certificate.public_key()
    except _NOT_X509:
        return None
    return certificate


def _load_pem(pem: bytes) -> x509.Certificate | None:
    try:
        return load_der(ssl.PEM_cert_to_DER_cert(pem[pem.index(_PEM_START) :].decode("ascii")))
    except ValueError:
        return None


def _has_name(leaf: x509.Certificate, host: str) -> bool:
    """RFC 9525: only the subject alternative name counts; `*` is one whole left-most label."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        parent = host.lower().partition(".")[2]
        wanted = {host.lower(), f"*.{parent}"} if "." in parent else {host.lower()}
        return any(name.lower() in wanted for name in names.get_values_for_type(x509.DNSName))


def _time_codes(certificates: Sequence[x509.Certificate], now: datetime) -> tuple[int, ...]:
    if any(now < each.not_valid_before_utc for each in certificates):
        return (9,)
    return (10,) if any(now > each.not_valid_after_utc for each in certificates) else ()


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key signed it; what else the issuer may be does not count here."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


_UNKNOWN = Failure("ssl_unknown_authority")
_INVALID = Failure("ssl_invalid_certificate")

FAILURE_OF_CODE: Final = MappingProxyType(
    {
        20: _UNKNOWN,
        18: _UNKNOWN,
        19: _UNKNOWN,
        21: _UNKNOWN,
        62: Failure("ssl_invalid_hostname"),
        9: _INVALID,
        10: _INVALID,
        1: _INVALID,
    }
)
"""X509_V_ERR_* of OpenSSL's x509_vfy.h, those that this module gives."""

_NOT_X509: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for bytes that are no usable certificate."""


_AUTHORITY_RULES: Final = verification.ExtensionPolicy.webpki_defaults_ca()
_LEAF_RULES: Final = verification.ExtensionPolicy.permit_all()
"""Lenient with the leaf: what browsers let pass must not look like censorship here."""

_PEM_START: Final = b"-----BEGIN CERTIFICATE-----"
_PEM_END: Final = b"-----END CERTIFICATE-----"
