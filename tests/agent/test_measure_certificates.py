"""Chains: judged by the agent's own bundle, authority, name and dates apart."""

from datetime import UTC, datetime
from pathlib import Path

import certifi
import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.measure.certificates import FAILURE_OF_CODE, Trust, describe, load_der
from shyraq_wire.failure import FAILURES
from support.authority import Authority

HOST = "orda.example"
NOW_MS = 1_641_376_800_000
"""2022-01-05."""
BEFORE = datetime(2021, 1, 1, tzinfo=UTC)
AFTER = datetime(2023, 1, 1, tzinfo=UTC)

ROOT = Authority()
MIDDLE = Authority("Test Middle", above=ROOT)
FORGER = Authority("Information Security Certification Authority")
LEAF = ROOT.leaf(HOST)
TRUST = Trust([ROOT.issued.certificate])


def codes(*chain: bytes, host: str = HOST) -> tuple[int, ...]:
    """What the bundle says of a chain on 5 January 2022."""
    return TRUST.verify(chain, host, now_ms=NOW_MS).codes


def test_a_chain_that_leads_to_the_bundle_is_good() -> None:
    """Directly, over an intermediate, with more than needed, and with the root itself."""
    leaf, under = ROOT.leaf(HOST), MIDDLE.leaf(HOST)
    assert codes(leaf.der) == ()
    assert codes(under.der, MIDDLE.issued.der) == ()
    assert codes(under.der, FORGER.issued.der, MIDDLE.issued.der, ROOT.issued.der) == ()
    assert TRUST.verify([leaf.der], HOST, now_ms=NOW_MS).failure is None


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("*.orda.example",), "www.orda.example"),
        (("other.example", "ORDA.example"), HOST),
        (("192.0.2.1",), "192.0.2.1"),
        (("2001:db8::1",), "2001:db8::1"),
    ],
)
def test_names_and_addresses_match(names: tuple[str, ...], host: str) -> None:
    """Wildcards cover one label; an address must stand there as an address."""
    assert codes(ROOT.leaf(*names).der, host=host) == ()


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("other.example",), HOST),
        (("*.orda.example",), HOST),
        (("*.orda.example",), "a.b.orda.example"),
        (("*.example",), "192.0.2.1"),
        (("192.0.2.1",), "192.0.2.2"),
        ((), HOST),
    ],
)
def test_another_name_is_code_62(names: tuple[str, ...], host: str) -> None:
    """A good chain for somebody else, or for nobody."""
    found = TRUST.verify([ROOT.leaf(*names).der], host, now_ms=NOW_MS)
    assert (found.codes, found.failure) == ((62,), "ssl_invalid_hostname")


def test_an_unknown_authority_is_told_by_what_was_served() -> None:
    """Codes 18 to 21, as OpenSSL counts them."""
    forged = FORGER.leaf(HOST)
    assert codes(forged.der) == (21,)
    assert codes(forged.der, MIDDLE.issued.der) == (20,)
    assert codes(forged.der, FORGER.issued.der) == (19,)
    assert codes(ROOT.leaf(HOST, self_signed=True).der) == (18,)
    assert codes(MIDDLE.leaf(HOST).der) == (21,)
    assert {FAILURE_OF_CODE[each] for each in (18, 19, 20, 21)} == {"ssl_unknown_authority"}


def test_dates_are_their_own_question() -> None:
    """Expired and not yet valid, of the leaf or of what signed it."""
    old_middle = Authority("Old Middle", above=ROOT, not_after=BEFORE)
    assert codes(ROOT.leaf(HOST, not_after=BEFORE).der) == (10,)
    assert codes(ROOT.leaf(HOST, not_before=AFTER).der) == (9,)
    assert codes(old_middle.leaf(HOST, not_after=BEFORE).der, old_middle.issued.der) == (10,)
    assert codes(old_middle.leaf(HOST).der, old_middle.issued.der) == (10,)
    expired = TRUST.verify([ROOT.leaf(HOST, not_after=BEFORE).der], HOST, now_ms=NOW_MS)
    assert expired.failure == "ssl_invalid_certificate"


def test_an_expired_forgery_for_another_name_is_all_three() -> None:
    """The most telling code gives the failure; the rest is for who doubts the clock."""
    found = TRUST.verify([FORGER.leaf("other.example", not_after=BEFORE).der], HOST, now_ms=NOW_MS)
    assert (found.codes, found.failure) == ((21, 62, 10), "ssl_unknown_authority")


def test_a_leaf_that_signs_is_no_authority() -> None:
    """A server's own certificate cannot vouch for another."""
    leaf = ROOT.leaf("somebody.example")
    impostor = Authority("impostor")
    impostor.issued = leaf
    found = TRUST.verify([impostor.leaf(HOST).der, leaf.der], HOST, now_ms=NOW_MS)
    assert (found.codes, found.failure) == ((1,), "ssl_invalid_certificate")
    assert found.reason


def test_a_weak_key_is_not_taken_for_an_unknown_authority() -> None:
    """What the verifier refuses for reasons of its own is told with its words."""
    weak = Authority("Weak Middle", above=ROOT, rsa_bits=1024)
    chain = [weak.leaf(HOST).der, weak.issued.der]
    found = TRUST.verify(chain, HOST, now_ms=NOW_MS)
    assert (found.codes, found.failure) == ((1,), "ssl_invalid_certificate")
    assert found.reason
    assert TRUST.verify(chain, "other.example", now_ms=NOW_MS).codes == (62, 1)


@given(st.lists(st.binary(max_size=64), max_size=3))
def test_bytes_that_are_no_certificate_are_code_1(chain: list[bytes]) -> None:
    """Garbage, or nothing at all, is an invalid certificate and never an exception."""
    found = TRUST.verify(chain, HOST, now_ms=NOW_MS)
    assert (found.codes, found.failure) == ((1,), "ssl_invalid_certificate")


@given(st.integers(0), st.integers(1, 255))
def test_a_damaged_certificate_never_passes(place: int, flip: int) -> None:
    """One byte changed anywhere in what is signed, and the chain is refused."""
    signed = LEAF.certificate.tbs_certificate_bytes
    damaged = bytearray(LEAF.der)
    damaged[LEAF.der.index(signed) + place % len(signed)] ^= flip
    assert codes(bytes(damaged)) != ()


def test_a_certificate_is_described_by_hash_names_and_dates() -> None:
    """Hash of the DER, RFC 4514 names, RFC 3339 dates; only the hash where it cannot be read."""
    assert describe(LEAF.der) == {
        "sha256": LEAF.certificate.fingerprint(hashes.SHA256()).hex(),
        "subject": "CN=orda.example",
        "issuer": "CN=Test Root",
        "not_before": "2000-01-01T00:00:00Z",
        "not_after": "2090-01-01T00:00:00Z",
    }
    assert list(describe(b"garbage")) == ["sha256"]
    assert load_der(b"garbage") is None


def test_the_shipped_bundle_can_be_read() -> None:
    """The bundle that certifi installs gives authorities; odd serial numbers do not stop it."""
    Trust.from_bundle(Path(certifi.where()))


def test_a_file_without_certificates_is_no_bundle(tmp_path: Path) -> None:
    """An empty trust would make every certificate look forged."""
    path = tmp_path / "bundle.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    with pytest.raises(ValueError, match=r"bundle\.pem: no certificate in PEM form"):
        Trust.from_bundle(path)


def test_every_code_has_a_word_of_the_vocabulary() -> None:
    """No code leads outside the closed set."""
    assert set(FAILURE_OF_CODE.values()) <= set(FAILURES)
