"""A certificate authority for tests that can also make every certificate a server should not.

`Authority.leaf` signs a key for some names and dates; `server_context` gives the TLS context that
serves it. Dates are free, so that expired and future certificates need no fake clock.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

EARLY = datetime(2000, 1, 1, tzinfo=UTC)
LATE = datetime(2090, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        """The certificate as it travels."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate as bundles hold it."""
        return self.certificate.public_bytes(Encoding.PEM)


class Authority:
    """A root, or an intermediate of another authority."""

    def __init__(
        self,
        name: str = "Test Root",
        *,
        above: "Authority | None" = None,
        not_before: datetime = EARLY,
        not_after: datetime = LATE,
        rsa_bits: int | None = None,
    ) -> None:
        """Make the key and the certificate.

        Args:
            name: Common name.
            above: Signs this one; None: it signs itself.
            not_before: Start of its validity.
            not_after: End of its validity.
            rsa_bits: An RSA key of this length; None: a P-256 key.
        """
        key = _new_key(rsa_bits)
        issuer = self if above is None else above
        subject = _name(name)
        builder = _builder(subject, key, not_before, not_after).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        builder = builder.add_extension(_KEY_USAGE, critical=True)
        if above is None:
            self.issued = Issued(
                certificate=builder.issuer_name(subject).sign(key, hashes.SHA256()), key=key
            )
        else:
            self.issued = Issued(certificate=issuer._sign(builder), key=key)

    def leaf(
        self,
        *names: str,
        not_before: datetime = EARLY,
        not_after: datetime = LATE,
        self_signed: bool = False,
        rsa_bits: int | None = None,
    ) -> Issued:
        """A server certificate.

        Args:
            names: Host names or addresses; none: it carries no name.
            not_before: Start of its validity.
            not_after: End of its validity.
            self_signed: Signed by its own key instead of this authority.
            rsa_bits: An RSA key of this length; None: a P-256 key.
        """
        key = _new_key(rsa_bits)
        subject = _name(names[0] if names else "nameless")
        builder = _builder(subject, key, not_before, not_after).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        if self_signed:
            certificate = builder.issuer_name(subject).sign(key, hashes.SHA256())
        else:
            certificate = self._sign(builder)
        return Issued(certificate=certificate, key=key)

    def write_bundle(self, path: Path) -> Path:
        """Write this authority as a bundle of one, and return the path."""
        path.write_bytes(self.issued.pem)
        return path

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        above = self.issued.certificate
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self.issued.key.public_key()
        )
        return (
            builder.issuer_name(above.subject)
            .add_extension(identifier, critical=False)
            .sign(self.issued.key, hashes.SHA256())
        )


def server_context(leaf: Issued, *above: Issued) -> ssl.SSLContext:
    """A TLS server context that serves a leaf, and these certificates after it.

    Args:
        leaf: What the server shows.
        above: Intermediates, or anything else to put into the chain.
    """
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    with TemporaryDirectory() as folder:  # load_cert_chain reads files only
        path = Path(folder) / "chain.pem"
        path.write_bytes(b"".join((key, leaf.pem, *(each.pem for each in above))))
        context.load_cert_chain(path)
    return context


def _new_key(rsa_bits: int | None) -> Key:
    if rsa_bits is None:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65_537, rsa_bits)


def _builder(
    subject: x509.Name,
    key: Key,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
