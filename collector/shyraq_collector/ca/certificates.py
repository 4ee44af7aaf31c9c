"""The three kinds of certificate, each with what it may do and for how long.

| kind | lives | key | may |
|---|---|---|---|
| root | 20 years | P-256, kept offline | sign intermediates and their revocation list |
| intermediate | 5 years | P-256, on the collector's host | sign nodes and servers |
| client | 90 days | P-256, made on the node | open a TLS session as the node its name says |
| server | 90 days | P-256 | answer for the host names it lists |

Every certificate begins an hour early: a node whose clock is a little behind must not be locked
out. Profile: RFC 5280. This module reads no clock and touches no file.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shyraq_collector.errors import ConfigError
from shyraq_wire.topics import NODE_ID

ROOT_LIFE: Final = timedelta(days=20 * 365)
INTERMEDIATE_LIFE: Final = timedelta(days=5 * 365)
LEAF_LIFE: Final = timedelta(days=90)
RENEW_BEFORE: Final = timedelta(days=30)
"""A certificate this close to its end is listed as due; a 30-day blackout still survives."""

_EARLY: Final = timedelta(hours=1)


def moment(epoch_ms: int) -> datetime:
    """The aware moment for milliseconds since 1970, whole seconds as X.509 wants them."""
    return datetime.fromtimestamp(epoch_ms // 1000, tz=UTC)


def make_root(name: str, key: ec.EllipticCurvePrivateKey, now_ms: int) -> x509.Certificate:
    """A self-signed root that may stand above exactly one level of authority.

    Args:
        name: Common name, shown in every chain.
        key: The root's own key.
        now_ms: Wall clock, milliseconds since 1970.
    """
    subject = _name(name)
    builder = _begin(subject, subject, key.public_key(), now_ms, ROOT_LIFE)
    builder = _as_authority(builder, path_length=1)
    return builder.sign(key, hashes.SHA256())


def make_intermediate(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    now_ms: int,
) -> x509.Certificate:
    """The authority that signs leaves, under the root."""
    builder = _begin(_name(name), root.subject, public_key, now_ms, INTERMEDIATE_LIFE)
    builder = _as_authority(builder, path_length=0)
    return _under(builder, root).sign(root_key, hashes.SHA256())


def make_client(
    node: str,
    request: x509.CertificateSigningRequest,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    now_ms: int,
) -> x509.Certificate:
    """A node's client certificate; only its public key is taken from the request.

    Args:
        node: The node id that becomes the common name.
        request: What the node sent; it must be signed by its own P-256 key and name the node.
        issuer: The intermediate.
        issuer_key: Its key.
        now_ms: Wall clock, milliseconds since 1970.

    Raises:
        ConfigError: The request does not prove its key, names another node, or the key is not
            P-256.
    """
    key = check_request(request, node)
    builder = _begin(_name(node), issuer.subject, key, now_ms, LEAF_LIFE)
    return _as_leaf(builder, issuer, ExtendedKeyUsageOID.CLIENT_AUTH).sign(
        issuer_key, hashes.SHA256()
    )


def make_server(
    hosts: Sequence[str],
    public_key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    now_ms: int,
) -> x509.Certificate:
    """A server certificate for host names and addresses; the first is the common name.

    Raises:
        ConfigError: No host was given.
    """
    if not hosts:
        raise ConfigError("a server certificate needs at least one host name or address")
    builder = _begin(_name(hosts[0]), issuer.subject, public_key, now_ms, LEAF_LIFE)
    names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
    builder = builder.add_extension(names, critical=False)
    return _as_leaf(builder, issuer, ExtendedKeyUsageOID.SERVER_AUTH).sign(
        issuer_key, hashes.SHA256()
    )


def make_revocation_list(
    revoked: Sequence[tuple[int, int]],
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    now_ms: int,
) -> x509.CertificateRevocationList:
    """The revocation list of an issuer.

    It outlives the issuer's leaves: a list past its next update would lock every node out, in
    the very week nobody can renew it.

    Args:
        revoked: (serial number, moment of revocation in ms) of each certificate.
        issuer: Whose list.
        issuer_key: Its key.
        now_ms: Wall clock, milliseconds since 1970.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(moment(now_ms) - _EARLY)
        .next_update(issuer.not_valid_after_utc)
    )
    for serial, at_ms in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(entry.revocation_date(moment(at_ms)).build())
    return builder.sign(issuer_key, hashes.SHA256())


def check_request(request: x509.CertificateSigningRequest, node: str) -> ec.EllipticCurvePublicKey:
    """The public key of a request that proves it and names this node.

    Raises:
        ConfigError: See `make_client`.
    """
    if not NODE_ID.fullmatch(node):
        raise ConfigError(f"a node id is 8 to 32 of a-z, 0-9 and hyphen, not {node!r}")
    try:
        request.public_key()
        valid = request.is_signature_valid
    except (InvalidSignature, ValueError, TypeError) as error:
        raise ConfigError("the signing request cannot be read") from error
    if not valid:
        raise ConfigError("the signing request is not signed by the key it carries")
    names = [each.value for each in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [node]:
        raise ConfigError(f"the signing request names {names or 'nobody'}, not {node}")
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError("the signing request's key is not on the curve P-256")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now_ms: int,
    life: timedelta,
) -> x509.CertificateBuilder:
    now = moment(now_ms)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(_usage(authority=True), critical=True)


def _as_leaf(
    builder: x509.CertificateBuilder, issuer: x509.Certificate, purpose: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    return (
        _under(builder, issuer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )


def _under(builder: x509.CertificateBuilder, issuer: x509.Certificate) -> x509.CertificateBuilder:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    return builder.add_extension(identifier, critical=False)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
