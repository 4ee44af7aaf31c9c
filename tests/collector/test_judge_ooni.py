"""Judging OONI web_connectivity measurements."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.facts.verdicts import OoniRefusal, OoniVerdict
from shyraq_collector.judge.addresses import agree, is_bogon, only_loopback, strangers
from shyraq_collector.judge.ooni import judge_ooni, v04, v05_flags, v05_steps
from shyraq_collector.judge.pages import Page, Style, same_page

VECTORS = Path(__file__).parent.parent / "vectors" / "ooni"
EXPECTED = list(csv.DictReader((VECTORS / "expected.csv").read_text("utf-8").splitlines()))

Measurement = dict[str, object]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["dns_nxdomain_error", "", "127.0.0.1", "::1", "https://[", "depth=0", "A"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def _load(name: str) -> Measurement:
    text = (VECTORS / f"{name}.json").read_text(encoding="utf-8")
    return cast("Measurement", json.loads(text))


def _judged(measurement: Mapping[str, object]) -> OoniVerdict:
    verdict = judge_ooni(measurement)
    assert isinstance(verdict, OoniVerdict)
    return verdict


FAILURES = st.sampled_from(
    [
        None,
        "connection_refused",
        "connection_reset",
        "dns_nxdomain_error",
        "eof_error",
        "generic_timeout_error",
        "network_unreachable",
        "ssl_unknown_authority",
        "unknown_failure: odd",
    ]
)
PUBLIC = ["93.184.216.34", "151.101.1.57", "2400:cafe::1"]
VERSIONS = st.sampled_from(["0.4.1", "0.4.3", "0.5.3", "0.5.26", "0.5.28", ""])


@st.composite
def _observed(draw: st.DrawFn) -> Measurement:
    """What a probe may have seen of a site, in every combination, with or without ids."""
    host, scheme = "courier.example.org", draw(st.sampled_from(["http", "https"]))
    port = 443 if scheme == "https" else 80
    is_numbered = draw(st.booleans())

    def ids(number: int) -> Measurement:
        tags = ["depth=0", "fetch_body=true"]
        return {"transaction_id": number, "tags": tags} if is_numbered else {}

    addresses = draw(st.lists(st.sampled_from(PUBLIC), unique=True, max_size=3))
    failure = None if addresses else draw(FAILURES)
    answers = [{"ipv6" if ":" in ip else "ipv4": ip} for ip in addresses]
    query = {"engine": "getaddrinfo", "hostname": host, "failure": failure, "answers": answers}
    connects, handshakes = [], []
    for number, ip in enumerate(addresses, start=2):
        failure = draw(FAILURES)
        endpoint = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        connects.append({"ip": ip, "port": port, "status": {"failure": failure}} | ids(number))
        if failure is None and scheme == "https":
            name = {"server_name": host, "failure": draw(FAILURES)}
            handshakes.append({"address": endpoint} | name | ids(number))
    reply = {"code": draw(st.sampled_from([200, 403, 500])), "body": "x" * draw(st.integers(0, 99))}
    request = {
        "request": {"url": f"{scheme}://{host}/"},
        "response": reply,
        "failure": draw(FAILURES),
    }
    return {
        "test_name": "web_connectivity",
        "test_version": draw(VERSIONS),
        "input": f"{scheme}://{host}/",
        "test_keys": {
            "queries": [query | ids(1)],
            "tcp_connect": connects,
            "tls_handshakes": handshakes,
            "requests": draw(st.sampled_from([[], [request | ids(2)]])),
        },
    }


@settings(max_examples=300, deadline=None)
@given(measurement=_observed(), control=st.sampled_from([None, {}, {"http_request": {}}, "odd"]))
def test_nobody_is_accused_without_a_control(measurement: Measurement, control: object) -> None:
    """Whatever a probe saw at public addresses, alone it is no blocking."""
    keys = cast("Measurement", measurement["test_keys"])
    keys["control"] = control
    assert _judged(measurement).blocking in (None, False)
    keys["control_failure"] = "generic_timeout_error"
    assert _judged(measurement).blocking in (None, False)


@settings(max_examples=300, deadline=None)
@given(measurement=_observed(), failure=FAILURES.filter(bool), names=st.booleans())
def test_a_site_that_fails_for_the_control_too_is_not_blocked(
    measurement: Measurement, failure: str, names: bool
) -> None:
    """Where the control finds the same addresses and reaches none of them, nobody is accused."""
    keys = cast("Measurement", measurement["test_keys"])
    url = cast("str", measurement["input"])
    port = 443 if url.startswith("https") else 80
    endpoints = [f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip in PUBLIC]
    keys["control"] = {
        "dns": {"failure": None, "addrs": PUBLIC} if names else {"failure": None, "addrs": []},
        "tcp_connect": {endpoint: {"status": False, "failure": failure} for endpoint in endpoints},
        "http_request": {"failure": failure, "status_code": -1, "body_length": -1},
    }
    if not names:
        keys["queries"], keys["tcp_connect"], keys["tls_handshakes"] = [], [], []
    assert _judged(measurement).blocking in (None, False, "dns")


@pytest.mark.parametrize("row", EXPECTED, ids=[row["file"] for row in EXPECTED])
def test_vector_gives_its_verdict(row: dict[str, str]) -> None:
    """Each hand-made measurement gets the verdict and the rule written beside it."""
    verdict = _judged(_load(row["file"]))
    assert json.dumps(verdict.blocking) == row["blocking"]
    assert json.dumps(verdict.accessible) == row["accessible"]
    assert verdict.rule == row["rule"]
    assert verdict.reason.endswith(".")


def test_every_vector_is_expected_and_every_expectation_has_a_vector() -> None:
    """The folder and the table of expectations name the same files."""
    assert {path.stem for path in VECTORS.glob("*.json")} == {row["file"] for row in EXPECTED}


def test_every_rule_has_a_vector() -> None:
    """No rule stands in a table without a measurement that it decides."""
    ids = {rule.id for rule in v04.RULES} | {rule.id for rule in v05_flags.RULES}
    ids |= {rule.id for rule in v05_steps.RULES}
    ids |= {v05_steps.NOTHING.id, v05_steps.WRONG_ADDRESS.id}
    hidden_by_dns = {"ooni.v05.loopback", "ooni.v05.lookup-failed"}
    decided = {row["rule"] for row in EXPECTED}
    assert ids - decided == hidden_by_dns


@settings(deadline=None)  # loaded machines
@given(row=st.sampled_from(EXPECTED), lie=JSON)
def test_conclusions_in_the_file_are_ignored(row: dict[str, str], lie: object) -> None:
    """Whatever a file itself concludes changes nothing."""
    measurement = _load(row["file"])
    before = _judged(measurement)
    keys = cast("Measurement", measurement["test_keys"])
    for name in (
        "blocking",
        "accessible",
        "dns_consistency",
        "dns_experiment_failure",
        "http_experiment_failure",
        "body_length_match",
        "body_proportion",
        "headers_match",
        "status_code_match",
        "title_match",
        "x_blocking_flags",
        "x_dns_flags",
        "x_null_null_flags",
        "x_status",
    ):
        keys[name] = lie
    assert _judged(measurement) == before


@settings(deadline=None)  # loaded machines
@given(test_keys=JSON, version=JSON, target=JSON)
def test_arbitrary_json_never_crashes(test_keys: object, version: object, target: object) -> None:
    """Any JSON under the right test name is judged or refused, never an exception."""
    verdict = judge_ooni(
        {
            "test_name": "web_connectivity",
            "test_version": version,
            "input": target,
            "test_keys": test_keys,
        }
    )
    assert isinstance(verdict, OoniVerdict | OoniRefusal)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), row=st.sampled_from(EXPECTED), junk=JSON)
def test_damaged_measurements_never_crash(
    data: st.DataObject, row: dict[str, str], junk: object
) -> None:
    """Any part of a real measurement may be replaced by anything."""
    measurement = _load(row["file"])
    for _ in range(data.draw(st.integers(1, 3))):
        _damage(data, measurement, junk)
    verdict = judge_ooni(measurement)
    assert isinstance(verdict, OoniVerdict | OoniRefusal)
    if isinstance(verdict, OoniVerdict):
        assert json.loads(json.dumps(verdict.as_json()))["rule"] == verdict.rule


def _damage(data: st.DataObject, measurement: Measurement, junk: object) -> None:
    holder, key = measurement, "test_keys"
    for _ in range(data.draw(st.integers(1, 6))):
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        holder, key = cast("Measurement", inner), cast("str", data.draw(st.sampled_from(keys)))
    holder[key] = junk


@pytest.mark.parametrize(
    ("measurement", "word"),
    [
        ({}, "missing"),
        ({"test_name": "telegram", "test_keys": {"a": 1}}, "telegram"),
        ({"test_name": ["web_connectivity"], "test_keys": {"a": 1}}, "web_connectivity"),
        ({"test_name": "web_connectivity"}, "test_keys"),
        ({"test_name": "web_connectivity", "test_keys": []}, "test_keys"),
    ],
)
def test_other_things_are_refused(measurement: Measurement, word: str) -> None:
    """What is not a web_connectivity measurement is refused with the field named."""
    refusal = judge_ooni(measurement)
    assert isinstance(refusal, OoniRefusal)
    assert word in refusal.problem


def test_version_decides_before_shape() -> None:
    """The same observations are read as the probe of that version would have read them."""
    measurement = _load("v05-nxdomain-both")
    assert _judged(measurement).accessible is False
    measurement["test_version"] = "0.4.3"
    assert _judged(measurement).accessible is True


def test_shape_decides_without_a_version() -> None:
    """A file without a readable version is read by its shape."""
    walk, flat, flags = _load("v05-tcp"), _load("v04-tcp"), _load("v05-flags-tcp")
    for measurement in (walk, flat, flags):
        measurement["test_version"] = None
    assert _judged(walk).rule.startswith("ooni.v05.")
    assert _judged(flat).rule.startswith("ooni.v04.")
    assert _judged(flags).rule.startswith("ooni.v05-flags.")


def _page(
    *, status: int = 200, size: int = 1000, title: str = "", headers: str = "", cut: bool = False
) -> Page:
    return Page(
        status=status,
        body_bytes=size,
        title=title,
        headers=frozenset(headers.split()),
        truncated=cut,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "style", "same"),
    [
        (_page(size=701), _page(size=1000), "v043", True),
        (_page(size=700, headers="a"), _page(size=1000), "v043", False),
        (_page(size=1000), _page(size=701), "v043", True),
        (_page(size=0), _page(size=0), "v043", True),  # equal sets of headers: none at all
        (_page(size=0), _page(size=0), "cautious", False),
        (_page(size=0, headers="via"), _page(headers="via"), "v043", True),
        (_page(size=0, headers="via"), _page(headers="via"), "cautious", True),
        (_page(size=10, headers="via"), _page(headers="via"), "v043", False),
        (_page(size=10, headers="via x-odd"), _page(headers="via x-odd"), "v043", True),
        (_page(size=10), _page(), "v043", False),
        (_page(size=0, headers="via", title="Evening"), _page(headers="via"), "walk", False),
        (_page(size=0, headers="x-odd via"), _page(headers="x-odd age"), "walk", True),
        (_page(size=0, title="Home of the Courier"), _page(title="courier"), "walk", True),
        (_page(size=0, headers="a", title="ours"), _page(headers="b", title=""), "v043", True),
        (_page(size=0, headers="a", title="ours"), _page(headers="b", title=""), "cautious", False),
        (_page(size=0, title="Мир"), _page(title="Мяч"), "walk", False),  # six bytes each
        (_page(cut=True, headers="a"), _page(headers="b"), "v043", False),
        (_page(cut=True, headers="a", title="same1"), _page(title="same1"), "v043", False),
        (_page(cut=True, headers="a", title="same1"), _page(title="same1"), "walk", True),
        (_page(status=404), _page(status=404), "walk", True),
        (_page(size=0, headers="content-length"), _page(headers="content-length"), "walk", True),
        (_page(size=0, headers="content-length"), _page(headers="content-length"), "ours", False),
        (_page(size=0, headers="x-paper"), _page(headers="x-paper"), "ours", True),
        (_page(size=0, title="Evening"), _page(title="Evening"), "ours", True),
        (_page(status=0), _page(status=0), "walk", False),
        (_page(status=500), _page(status=200), "walk", False),
    ],
)
def test_pages_are_compared_as_each_version_did(
    ours: Page, theirs: Page, style: Style, same: bool
) -> None:
    """Status and one of length, headers and title, with each version's own edges."""
    assert same_page(ours, theirs, style) is same


def test_addresses_agree_by_number_then_by_network() -> None:
    """AS numbers decide where they are written; else shared hosts and prefixes do."""
    numbers = {"192.0.2.1": frozenset({64500}), "198.51.100.1": frozenset({64500})}
    assert agree(["192.0.2.1"], ["198.51.100.1"], numbers)
    assert not agree(["192.0.2.1"], ["198.51.100.1"], {})
    assert agree(["104.16.1.1"], ["172.67.1.1"], {})  # one large host, two prefixes
    assert agree(["2400:cafe:1::1"], ["2400:cafe:2::1"], {})
    assert not agree(["2001:db8:1::1"], ["2001:db8:2::1"], {})  # in nobody's network
    assert agree(["93.184.1.1"], ["93.184.216.1"], {})
    assert not agree(["10.10.34.1"], ["10.10.35.1"], {})
    apart = {"192.0.2.1": frozenset({64500}), "192.0.2.2": frozenset({64501})}
    assert not agree(["192.0.2.1"], ["192.0.2.2"], apart)
    assert not agree([], ["192.0.2.1"], {})
    assert not agree(["not an address"], ["192.0.2.1"], {})


@settings(deadline=None)  # loaded machines
@given(
    st.lists(st.ip_addresses().map(str), max_size=6),
    st.lists(st.ip_addresses().map(str), max_size=6),
)
def test_strangers_are_a_part_of_the_probes_addresses(ours: list[str], theirs: list[str]) -> None:
    """An address of the control is never strange, and nothing else is invented."""
    found = strangers(ours, theirs, {})
    assert found <= set(ours)
    assert not found & set(theirs)


def test_bogons_and_loopback() -> None:
    """Addresses that cannot be public are known, and loopback apart."""
    assert is_bogon("10.10.34.35")
    assert is_bogon("100.64.0.1")
    assert is_bogon("::1")
    assert not is_bogon("9.9.9.9")
    assert not is_bogon("nonsense")
    assert only_loopback(["127.0.0.1", "::1", "nonsense"])
    assert not only_loopback(["127.0.0.1", "9.9.9.9"])
    assert not only_loopback([])
