"""`once` measures real servers in namespaces, and sends nothing where it may not."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from netlab.addresses import ADMITTED, CANARY
from netlab.lab import run_lab
from netlab.sandbox import require_sandbox
from netlab.world import place_of, url_of
from support.hostile_addresses import FORBIDDEN_ADDRESSES

_COUNT = len(FORBIDDEN_ADDRESSES)

SITES = (
    "https://orda.example/",
    "http://orda.example/",
    "https://silent.example/",
    "https://reset.example/",
    "https://forged.example/",
    "https://nowhere.example/",
    "orda.example",
    "198.51.100.10:443",
)

HOSTILE = (
    *(url_of(each) for each in FORBIDDEN_ADDRESSES),
    *(f"http://forbidden{n}.example/" for n in range(_COUNT)),
    *(f"http://twice{n}.example/" for n in range(_COUNT)),
    *(f"http://redirect.example/{n}" for n in range(_COUNT)),
    *(f"quic://{place_of(each)}" for each in FORBIDDEN_ADDRESSES),
    *(f"quic://forbidden{n}.example:443" for n in range(_COUNT)),
    *(f"trace://{place_of(each)}" for each in FORBIDDEN_ADDRESSES),
    *(f"trace://forbidden{n}.example:443" for n in range(_COUNT)),
)


@pytest.fixture(scope="module", params=["root", "user"])
def findings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """All targets measured once in a fresh sandbox."""
    folder = tmp_path_factory.mktemp("lab")
    return run_lab(require_sandbox(request.param), folder, "netlab.once", (*SITES, *HOSTILE))


def measurement_of(findings: dict[str, Any], target: str) -> dict[str, Any]:
    """The one measurement of a target."""
    (measurement,) = (each for each in findings["printed"] if each["target"] == target)
    assert isinstance(measurement, dict)
    return measurement


def endings(findings: dict[str, Any], target: str) -> set[tuple[str, str | None]]:
    """The steps on one target by name and failure, lookups that worked left out."""
    steps = measurement_of(findings, target)["steps"]
    return {(step["name"], step["failure"]) for step in steps} - {("lookup", None)}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("https://silent.example/", ("handshake", "generic_timeout_error")),
        ("https://reset.example/", ("handshake", "connection_reset")),
        ("https://forged.example/", ("verify", "ssl_unknown_authority")),
        ("https://nowhere.example/", ("lookup", "dns_nxdomain_error")),
        ("198.51.100.10:443", ("connect", "connection_refused")),
    ],
)
def test_each_fault_on_the_wire_has_its_own_step_and_word(
    findings: dict[str, Any], target: str, expected: tuple[str, str]
) -> None:
    """Real packets, the host's own resolver, and the same words as on loopback."""
    assert expected in endings(findings, target)
    assert measurement_of(findings, target)["result"].get("last_status") is None


@pytest.mark.parametrize("target", ["https://orda.example/", "http://orda.example/"])
def test_a_site_is_fetched_over_both_families(findings: dict[str, Any], target: str) -> None:
    """Both addresses are tried to the end, a redirect is followed, the page is read once."""
    measurement = measurement_of(findings, target)
    tried = {step["data"].get("address") for step in measurement["steps"]}
    assert {"192.0.2.10", "2001:db8::10"} <= tried
    assert measurement["result"]["last_status"] == 200
    assert measurement["steps"][-1]["data"]["title"] == "Orda"


def test_the_ladder_counts_what_answered(findings: dict[str, Any]) -> None:
    """A host that accepts and stays silent is not alive; an echo abroad is."""
    assert measurement_of(findings, "")["steps"][1]["data"]["method"] == "icmp"
    assert measurement_of(findings, "")["result"]["tiers"] == {
        "link": {"ipv4": {"ok": 1, "of": 1}, "ipv6": {"ok": 1, "of": 1}},
        "gateway": {"ipv4": {"ok": 1, "of": 1}},
        "resolver": {"ipv4": {"ok": 1, "of": 1}},
        "domestic": {"ipv4": {"ok": 1, "of": 1}, "ipv6": {"ok": 1, "of": 1}},
        "abroad": {"ipv4": {"ok": 1, "of": 2}},
    }


def test_every_hostile_target_ends_in_a_refusal(findings: dict[str, Any]) -> None:
    """Forbidden addresses are data in the measurement: refused, by name or by redirect."""
    refusals = {"egress_forbidden", "dns_bogon_error"}
    let_through = [
        target
        for target in HOSTILE
        if not refusals & {failure for _, failure in endings(findings, target)}
    ]
    assert let_through == []


def test_not_one_packet_goes_to_a_forbidden_address(findings: dict[str, Any]) -> None:
    """By capture on every interface: only the lab's own prefixes, and the capture's canary."""
    admitted = [ip_network(prefix) for prefix in ADMITTED]
    outside = {
        address: packets
        for address, packets in findings["packets"].items()
        if not any(ip_address(address) in prefix for prefix in admitted)
    }
    assert outside == {CANARY: 1}
    assert sum(findings["packets"].values()) > len(HOSTILE)
