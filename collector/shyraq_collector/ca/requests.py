"""A key and its signing request, for the collector's own sessions at the broker."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shyraq_collector.errors import ConfigError
from shyraq_wire.topics import NODE_ID


def make_request(name: str) -> tuple[bytes, bytes]:
    """A new P-256 key and the request that proves it, both as PEM.

    Args:
        name: Becomes the common name; the form of a node id.

    Raises:
        ConfigError: The name has another form.
    """
    if not NODE_ID.fullmatch(name):
        raise ConfigError(f"a name is 8 to 32 of a-z, 0-9 and hyphen, not {name!r}")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return (
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
    )
