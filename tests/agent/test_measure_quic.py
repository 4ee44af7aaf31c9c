"""HTTP/3 handshakes beside TLS, against real QUIC servers on loopback."""

import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random

import pytest

from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure import quic
from shyraq_agent.measure.limits import Limits
from shyraq_agent.measure.quic import TRIES
from shyraq_agent.measure.step import RawMeasurement, RawStep
from shyraq_agent.measure.target import parse_target
from shyraq_agent.meter import Tally
from support.authority import Authority, server_context
from support.edges import TableResolver, make_edges
from support.hostile_servers import reset, stay_silent, tcp_server, udp_server
from support.quic import other_version_server, quic_server

pytestmark = pytest.mark.usefixtures("never_blocks")

HOST = "orda.example"
QUICKLY = Limits(
    lookup_ms=300,
    late_answer_ms=30,
    connect_ms=300,
    handshake_ms=300,
    request_ms=300,
    quic_ms=150,
    ladder_ms=300,
)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The only authority that the agent trusts."""
    return Authority()


async def measure(
    authority: Authority, port: int, *addresses: str, meter: Tally | None = None
) -> RawMeasurement:
    """Measure the name HOST at a loopback port."""
    resolver = TableResolver({HOST: list(addresses) or ["127.0.0.1"]})
    edges = make_edges(authority, system_resolver=resolver, limits=QUICKLY, meter=meter or Tally())
    return await quic.measure(parse_target(f"quic://{HOST}:{port}"), edges)


def outline(measurement: RawMeasurement) -> list[tuple[str, str | None]]:
    """The steps by name and failure."""
    return [(step.name, step.failure) for step in measurement.steps]


def quic_step(measurement: RawMeasurement) -> RawStep:
    """The one step over UDP."""
    (step,) = (each for each in measurement.steps if each.name == "quic")
    return step


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_host_that_speaks_both_is_met_both_ways(authority: Authority, address: str) -> None:
    """TLS first, then one QUIC handshake is enough; both families."""
    leaf, meter = authority.leaf(HOST), Tally()
    async with (
        tcp_server(stay_silent, tls=server_context(leaf), host=address) as port,
        quic_server(leaf, authority.issued, host=address, port=port),
    ):
        measurement = await measure(authority, port, address, meter=meter)
    assert outline(measurement) == [
        ("lookup", None),
        ("connect", None),
        ("handshake", None),
        ("verify", None),
        ("quic", None),
    ]
    step = quic_step(measurement)
    assert step.data["tries"] == 1
    assert step.data["alpn"] == "h3"
    assert step.data["failures"] == []
    assert measurement.result == {"tried": 1, "verified": 1, "answered": 1}
    assert meter.used_bytes > 4_000


async def test_silence_over_udp_is_tried_three_times(authority: Authority) -> None:
    """One failure is never enough, and TLS at the same address stands beside it."""
    leaf = authority.leaf(HOST)
    async with (
        tcp_server(stay_silent, tls=server_context(leaf)) as port,
        udp_server(lambda _: None, port=port),
    ):
        measurement = await measure(authority, port)
    step = quic_step(measurement)
    assert step.failure == "generic_timeout_error"
    assert step.data["tries"] == TRIES >= 3
    assert step.data["failures"] == ["generic_timeout_error"] * TRIES
    assert measurement.result == {"tried": 1, "verified": 1, "answered": 0}


async def test_a_port_that_nobody_serves_is_refused(authority: Authority) -> None:
    """The ICMP error reaches the step as its own word."""
    leaf = authority.leaf(HOST)
    async with tcp_server(stay_silent, tls=server_context(leaf)) as port:
        measurement = await measure(authority, port)
    assert quic_step(measurement).failure == "connection_refused"


async def test_a_version_that_nobody_knows_has_its_own_word(authority: Authority) -> None:
    """Version negotiation without a common version is no silence."""
    leaf = authority.leaf(HOST)
    async with (
        tcp_server(stay_silent, tls=server_context(leaf)) as port,
        other_version_server(port=port),
    ):
        measurement = await measure(authority, port)
    assert quic_step(measurement).failure == "quic_incompatible_version"


async def test_garbage_is_no_answer(authority: Authority) -> None:
    """Whatever comes back, the step fails with a word and the agent goes on."""
    leaf, rng = authority.leaf(HOST), Random(11)  # noqa: S311  # bytes of a test

    def garble(initial: bytes) -> bytes:
        kind = rng.randrange(3)
        if kind == 0:
            return rng.randbytes(rng.randrange(1, 1200))
        if kind == 1:
            return initial[: rng.randrange(1, len(initial))]
        return b"\xc0\x00\x00\x00\x01" + rng.randbytes(rng.randrange(1200))

    async with (
        tcp_server(stay_silent, tls=server_context(leaf)) as port,
        udp_server(garble, port=port),
    ):
        for _ in range(4):
            measurement = await measure(authority, port)
            assert quic_step(measurement).failure == "generic_timeout_error"


async def test_a_server_without_http3_fails_the_handshake(authority: Authority) -> None:
    """No common ALPN is an alert of TLS, in the server's own words."""
    leaf = authority.leaf(HOST)
    async with (
        tcp_server(stay_silent, tls=server_context(leaf)) as port,
        quic_server(leaf, port=port, alpn=["other"]),
    ):
        measurement = await measure(authority, port)
    assert quic_step(measurement).failure == "ssl_failed_handshake"
    assert quic_step(measurement).data["reason"]


async def test_quic_is_tried_where_tls_is_torn_down(authority: Authority) -> None:
    """What escapes a block is recorded."""
    leaf = authority.leaf(HOST)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(tcp_server(reset))
        await stack.enter_async_context(quic_server(leaf, port=port))
        measurement = await measure(authority, port)
    assert outline(measurement)[2:] == [("handshake", "connection_reset"), ("quic", None)]
    assert measurement.result == {"tried": 1, "verified": 0, "answered": 1}


async def test_a_forbidden_address_gets_no_datagram(authority: Authority) -> None:
    """The refusal stands once, at the connect; nothing is sent over UDP either."""
    got: list[bytes] = []
    async with udp_server(got.append, host="127.0.0.1", port=0) as port:
        edges = make_edges(
            authority,
            system_resolver=TableResolver({HOST: ["127.0.0.1", "::1"]}),
            limits=QUICKLY,
            policy=AddressPolicy(admitted=["::1/128"]),
        )
        measurement = await quic.measure(parse_target(f"quic://{HOST}:{port}"), edges)
    assert measurement.result["tried"] == 2
    assert ("connect", "egress_forbidden") in outline(measurement)
    addresses = {step.data["address"] for step in measurement.steps if step.name == "quic"}
    assert addresses == {"::1"}
    assert got == []


def test_the_agent_does_not_load_quic_before_it_is_needed() -> None:
    """Three megabytes and two seconds on a small board, for who measures no QUIC."""
    script = "import sys, shyraq_agent.cli.commands; print('aioquic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


async def test_one_address_of_each_family_is_tried_and_every_one_that_is_asked_about(
    authority: Authority,
) -> None:
    """A CDN names many; an ask means each."""
    many = ["127.0.0.1", "127.0.0.2", "::1"]
    edges = make_edges(authority, system_resolver=TableResolver({HOST: many}), limits=QUICKLY)
    target = parse_target(f"quic://{HOST}:9")
    usual = await quic.measure(target, edges)
    asked = await quic.measure(target, replace(edges, given={HOST: tuple(many)}))

    def addresses(seen: RawMeasurement) -> list[object]:
        return [step.data["address"] for step in seen.steps if step.name == "connect"]

    assert sorted(map(str, addresses(usual))) == ["127.0.0.1", "::1"]
    assert addresses(asked) == many
