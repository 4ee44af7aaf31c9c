"""The test country: its mechanisms work, the probes see them, and the judge says what is true.

A part of the table that takes seconds; `make lab` runs the whole.
"""

import json
import os
import re
import struct
import subprocess
import sys
from ipaddress import ip_address, ip_network
from typing import Any

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab import reference
from netlab.few import FEW
from netlab.geography import ADMITTED, cables, routes
from netlab.injector import forge
from netlab.rows import GUILTY, INNOCENT, MECHANISMS, ROWS
from netlab.sandbox import TESTS, require_sandbox
from netlab.sites import BLOCK_PAGE_HOST, DEAD_HOST, SITES, addresses_in
from netlab.tracing import TRACES
from shyraq_agent.egress import AddressPolicy

REFERENCE = TESTS.parent / "docs" / "reference" / "lab.md"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A few rows, run in a sandbox of this test's own."""
    folder = tmp_path_factory.mktemp("country")
    sandbox = require_sandbox("root" if os.geteuid() == 0 else "user", rules=True)
    done = subprocess.run(
        [*sandbox, sys.executable, "-m", "netlab.trial", str(folder), "few"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    findings = json.loads(done.stdout)
    assert isinstance(findings, dict)
    return {**findings, "truth": (folder / "truth.jsonl").read_text()}


def test_every_row_is_as_the_table_says(found: dict[str, Any]) -> None:
    """Steps and verdict, from real packets to the rule."""
    assert [row for row in found["rows"] if row["problem"]] == []
    assert len(found["rows"]) == len(FEW)


def test_no_innocent_row_is_accused(found: dict[str, Any]) -> None:
    """Neither blocked nor throttled is ever said where nobody interferes."""
    assert found["score"]["accused"] == 0
    assert found["score"]["found"] == found["score"]["guilty"]


def test_a_trace_finds_the_routers_and_the_hop_that_answers_for_the_censor(
    found: dict[str, Any],
) -> None:
    """Over both families, without a capability; and nothing of the node's own network is told."""
    assert [each for each in found["traces"] if each["problem"]] == []
    assert len(found["traces"]) == len(TRACES)


def test_the_ground_truth_names_every_deed_with_its_time(found: dict[str, Any]) -> None:
    """Mechanism, target, start and end, one line each."""
    deeds = [json.loads(line) for line in found["truth"].splitlines()]
    wanted = [row.mechanism for row in FEW] + [trace.mechanism for trace in TRACES]
    assert len(deeds) == sum(each is not None for each in wanted)
    assert all(deed["mechanism"] in MECHANISMS for deed in deeds)
    assert all(0 < deed["start_ms"] <= deed["end_ms"] for deed in deeds)


def test_the_table_is_wide_enough() -> None:
    """At least 40 rows, each mechanism in one of them, and no row twice."""
    assert len(ROWS) >= 40
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert {row.mechanism for row in ROWS} - {None} == set(MECHANISMS)
    assert not any(row.said[0] in ("blocked", "throttled") for row in INNOCENT)
    beyond = [row for row in GUILTY if row.beyond]
    assert len(beyond) <= 0.05 * len(GUILTY)


def test_only_documentation_prefixes_are_used_and_no_route_leads_out() -> None:
    """Each address of each cable, host and route; and the gateway has no default."""
    prefixes = [ip_network(each) for each in ADMITTED]
    used = [
        each.partition("/")[0]
        for cable in cables()
        for each in (*cable.here_addresses, *cable.there_addresses)
    ]
    used += [each.partition("/")[0] for place in ("world", "home") for each in addresses_in(place)]
    used += [address for site in SITES for address in (*site.addresses, *site.elsewhere)]
    used += [BLOCK_PAGE_HOST, DEAD_HOST]
    laid = [line for lines in routes().values() for line in lines]
    used += [found[1] for line in laid if (found := re.search(r"via (\S+)", line))]
    strangers = [
        address for address in used if not any(ip_address(address) in prefix for prefix in prefixes)
    ]
    assert strangers == []
    assert not any("default" in line for line in routes()["gateway"])


def test_the_product_itself_would_refuse_the_countrys_addresses() -> None:
    """Only the lab's entry points admit them."""
    policy = AddressPolicy()
    assert all(policy.check(address) for site in SITES for address in site.addresses)


def test_the_reference_is_the_table_in_words() -> None:
    """docs/reference/lab.md is generated."""
    assert REFERENCE.read_text() == reference.page()


@given(
    name=st.from_regex(r"[a-z]{1,20}\.example", fullmatch=True),
    port=st.integers(1024, 65535),
    family=st.sampled_from([4, 6]),
)
def test_a_forged_answer_is_a_whole_frame_with_right_checksums(
    name: str, port: int, family: int
) -> None:
    """The asker's kernel takes it: addresses and ports turned round, both sums right."""
    query = dns.message.make_query(name, "A").to_wire()
    frame = _question(query, port, family)
    forged = forge(frame, name, ("192.0.2.1",))
    assert forged is not None
    start = 34 if family == 4 else 54
    addresses = forged[26:34] if family == 4 else forged[22:54]
    assert forged[:12] == frame[6:12] + frame[:6]
    assert struct.unpack_from("!HH", forged, start) == (53, port)
    udp = forged[start:]
    assert _sums_up(addresses + struct.pack("!IxxxB", len(udp), 17) + udp)
    assert family == 6 or _sums_up(forged[14:34])
    answer = dns.message.from_wire(udp[8:])
    assert "192.0.2.1" in answer.to_text()
    assert forge(frame, "another.example", ("192.0.2.1",)) is None


def _question(query: bytes, port: int, family: int) -> bytes:
    udp = struct.pack("!HHHH", port, 53, 8 + len(query), 0) + query
    macs = bytes(range(12))
    if family == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
        return macs + b"\x08\x00" + head + bytes([198, 18, 1, 2, 198, 51, 100, 53]) + udp
    head = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64)
    return macs + b"\x86\xdd" + head + bytes(range(32)) + udp


def _sums_up(data: bytes) -> bool:
    """RFC 1071: the sum over data with its checksum is all ones."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF
