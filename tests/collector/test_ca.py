"""The authority: who gets a certificate, what it opens, and how it ends."""

import json
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from shyraq_collector.ca.authority import Authority
from shyraq_collector.errors import ConfigError

NODE = "node-0001"
DAY_MS = 86_400_000
NOW_MS = 1_780_000_000_000

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def request_for(name: str, key: PrivateKey | None = None) -> tuple[bytes, PrivateKey]:
    """A signing request as a node makes it, and the key behind it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, algorithm)
    return made.public_bytes(serialization.Encoding.PEM), key


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A fresh authority in an empty folder."""
    made = Authority(tmp_path / "ca")
    made.init("Test country", NOW_MS)
    return made


def write_pair(folder: Path, name: str, certificate: bytes, key: PrivateKey) -> Path:
    """Certificate and key in one file, as `ssl` loads them."""
    path = folder / f"{name}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(certificate + secret)
    return path


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLObject:
    """Run a TLS handshake in memory; gives the server's end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="broker.example")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [ours, theirs]
    for _ in range(10):
        for end in tuple(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    assert not waiting
    return theirs


def test_a_node_and_a_server_shake_hands_under_the_chain(
    authority: Authority, tmp_path: Path
) -> None:
    """A client certificate opens a TLS 1.3 session whose peer name is the node id."""
    real_now_ms = int((tmp_path / "ca" / "crl.pem").stat().st_mtime * 1000)
    folder = tmp_path / "now"
    authority = Authority(folder)
    authority.init("Test country", real_now_ms)
    pem, key = request_for(NODE)
    node_file = write_pair(tmp_path, "node", authority.issue(NODE, pem, real_now_ms), key)
    secret, certificate = authority.issue_server(["broker.example", "127.0.0.1"], real_now_ms)
    server_file = tmp_path / "server.pem"
    server_file.write_bytes(certificate + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    server.load_cert_chain(server_file)
    server.load_verify_locations(folder / "chain.crt")
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(folder / "root.crt")
    client.load_cert_chain(node_file)

    peer = shake_hands(client, server).getpeercert()

    assert peer is not None
    assert peer["subject"] == ((("commonName", NODE),),)


def test_keys_are_private_and_never_replaced(authority: Authority, tmp_path: Path) -> None:
    """Key files have mode 0600, and a second init refuses the folder."""
    for name in ("root.key", "intermediate.key"):
        assert stat.S_IMODE((tmp_path / "ca" / name).stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="not empty"):
        authority.init("Again", NOW_MS)


def test_the_root_may_be_taken_away(authority: Authority, tmp_path: Path) -> None:
    """Everyday work needs no root key: issue and revoke go on when it is offline."""
    (tmp_path / "ca" / "root.key").unlink()
    authority.issue(NODE, request_for(NODE)[0], NOW_MS)
    authority.revoke(NODE, NOW_MS + 1)


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("node-0002", None, "names"),
        (NODE, rsa.generate_private_key(public_exponent=65537, key_size=2048), "P-256"),
        (NODE, ed25519.Ed25519PrivateKey.generate(), "P-256"),
        (NODE, ec.generate_private_key(ec.SECP384R1()), "P-256"),
    ],
    ids=["another-node", "rsa", "ed25519", "p-384"],
)
def test_a_request_that_is_not_the_nodes_is_refused(
    authority: Authority, name: str, key: PrivateKey | None, words: str
) -> None:
    """Only a P-256 request in the node's own name gets a certificate."""
    pem, _ = request_for(name, key)
    with pytest.raises(ConfigError, match=words):
        authority.issue(NODE, pem, NOW_MS)
    assert authority.listing() == ()


@pytest.mark.parametrize("name", ["+/#", "node/0001", "node+001", "a", "Node-0001", "x" * 33])
def test_names_with_broker_wildcards_never_get_a_certificate(
    authority: Authority, name: str
) -> None:
    """A common name can hold nothing that a broker's access list would read as a pattern."""
    with pytest.raises(ConfigError, match="node id"):
        authority.issue(name, request_for(name)[0], NOW_MS)


def test_a_request_signed_by_another_key_is_refused(authority: Authority) -> None:
    """The request must prove possession of the key it carries."""
    pem, _ = request_for(NODE)
    der = bytearray(x509.load_pem_x509_csr(pem).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    broken = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ConfigError, match="not signed by the key"):
        authority.issue(NODE, broken, NOW_MS)
    with pytest.raises(ConfigError, match="PEM"):
        authority.issue(NODE, b"not a request", NOW_MS)


def test_issue_renew_revoke_are_kept_apart(authority: Authority) -> None:
    """A second certificate needs renew, and a revoked node needs a decision."""
    pem, _ = request_for(NODE)
    with pytest.raises(ConfigError, match="use issue"):
        authority.renew(NODE, pem, NOW_MS)
    authority.issue(NODE, pem, NOW_MS)
    with pytest.raises(ConfigError, match="use renew"):
        authority.issue(NODE, pem, NOW_MS)
    authority.renew(NODE, pem, NOW_MS + 60 * DAY_MS)
    assert [each.state(NOW_MS + 61 * DAY_MS) for each in authority.listing()] == ["due", "valid"]
    assert len(authority.revoke(NODE, NOW_MS + 61 * DAY_MS)) == 2
    assert [each.state(NOW_MS) for each in authority.listing()] == ["revoked", "revoked"]
    with pytest.raises(ConfigError, match="revoked"):
        authority.renew(NODE, pem, NOW_MS + 62 * DAY_MS)
    with pytest.raises(ConfigError, match="no certificate that could be revoked"):
        authority.revoke(NODE, NOW_MS + 62 * DAY_MS)


def test_the_revocation_list_names_exactly_the_revoked(
    authority: Authority, tmp_path: Path
) -> None:
    """The list is signed by the intermediate and outlives every leaf it may name."""
    authority.issue(NODE, request_for(NODE)[0], NOW_MS)
    authority.issue("node-0002", request_for("node-0002")[0], NOW_MS)
    (ended,) = authority.revoke(NODE, NOW_MS + DAY_MS)
    made = x509.load_pem_x509_crl((tmp_path / "ca" / "crl.pem").read_bytes())
    issuer = x509.load_pem_x509_certificate((tmp_path / "ca" / "intermediate.crt").read_bytes())
    key = issuer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert made.is_signature_valid(key)
    assert [ended.serial] == [each.serial_number for each in made]
    assert made.next_update_utc == issuer.not_valid_after_utc


def test_a_damaged_record_names_the_line(authority: Authority, tmp_path: Path) -> None:
    """An operator is told the file and line, and nothing is signed on a guess."""
    record = tmp_path / "ca" / "issued.jsonl"
    for text in ("{", "[]", json.dumps({"name": NODE}), json.dumps({"revoked": "ff", "at_ms": 1})):
        record.write_text(text + "\n")
        with pytest.raises(ConfigError, match=r"issued\.jsonl:1"):
            authority.listing()


def test_an_absent_authority_says_what_to_do(tmp_path: Path) -> None:
    """The remedy stands in the error."""
    with pytest.raises(ConfigError, match="ca init"):
        Authority(tmp_path).listing()


def test_a_server_needs_a_name(authority: Authority) -> None:
    """A certificate for nobody is refused."""
    with pytest.raises(ConfigError, match="at least one host"):
        authority.issue_server([], NOW_MS)
