"""Handshakes against servers that misbehave: each way has its own step and its own word."""

import hashlib
from datetime import UTC, datetime

import pytest

from shyraq_agent.measure import tls
from shyraq_agent.measure.step import RawMeasurement, RawStep
from shyraq_agent.measure.target import parse_target
from support.authority import Authority, server_context
from support.clock import FakePace
from support.edges import TableResolver, make_edges
from support.hostile_servers import (
    Behaviour,
    close,
    full_backlog,
    reset,
    speak_plainly,
    stay_silent,
    tcp_server,
)

pytestmark = pytest.mark.usefixtures("never_blocks")

HOST = "orda.example"


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The only authority that the agent trusts."""
    return Authority()


async def measure(authority: Authority, port: int, **changes: object) -> RawMeasurement:
    """Measure the name HOST at a loopback port."""
    resolver = TableResolver({HOST: ["127.0.0.1"]})
    edges = make_edges(authority, system_resolver=resolver, **changes)
    return await tls.measure(parse_target(f"{HOST}:{port}"), edges)


def outline(measurement: RawMeasurement) -> list[tuple[str, str | None]]:
    """The steps by name and failure."""
    return [(step.name, step.failure) for step in measurement.steps]


def step_named(measurement: RawMeasurement, name: str) -> RawStep:
    """The one step of this name."""
    (step,) = (each for each in measurement.steps if each.name == name)
    return step


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (reset, "connection_reset"),
        (close, "eof_error"),
        (stay_silent, "generic_timeout_error"),
        (speak_plainly, "ssl_failed_handshake"),
    ],
)
async def test_what_a_server_does_after_client_hello_is_told_apart(
    authority: Authority, behaviour: Behaviour, failure: str
) -> None:
    """A reset, a FIN, silence and clear text fail the handshake, each with its own word."""
    async with tcp_server(behaviour) as port:
        measurement = await measure(authority, port)
    assert outline(measurement) == [("lookup", None), ("connect", None), ("handshake", failure)]
    assert measurement.result == {"tried": 1, "verified": 0}


async def test_silence_of_tcp_fails_the_connect(authority: Authority) -> None:
    """A SYN without an answer is a time-out of the connect, never of the handshake."""
    async with full_backlog() as port:
        measurement = await measure(authority, port)
    assert outline(measurement) == [("lookup", None), ("connect", "generic_timeout_error")]


async def test_a_good_server_is_recorded_with_its_chain(authority: Authority) -> None:
    """Version, cipher, timing and the hash of each certificate are kept."""
    leaf = authority.leaf(HOST)
    async with tcp_server(stay_silent, tls=server_context(leaf)) as port:
        measurement = await measure(authority, port)
    assert [failure for _, failure in outline(measurement)] == [None] * 4
    handshake = step_named(measurement, "handshake").data
    assert handshake["version"] == "TLSv1.3"
    assert handshake["alpn"] == "http/1.1"
    assert handshake["received"]
    verify = step_named(measurement, "verify").data
    assert verify["codes"] == ()
    assert verify["chain"] == [
        {
            "sha256": hashlib.sha256(leaf.der).hexdigest(),
            "subject": f"CN={HOST}",
            "issuer": "CN=Test Root",
            "not_before": "2000-01-01T00:00:00Z",
            "not_after": "2090-01-01T00:00:00Z",
        }
    ]


async def test_a_forced_certificate_is_kept_whole(authority: Authority) -> None:
    """A chain of an unknown authority fails verify, after the handshake, with its DER kept."""
    forger = Authority("Qaznet Trust Network")
    leaf = forger.leaf(HOST)
    async with tcp_server(stay_silent, tls=server_context(leaf, forger.issued)) as port:
        measurement = await measure(authority, port)
    assert outline(measurement)[2:] == [("handshake", None), ("verify", "ssl_unknown_authority")]
    chain = step_named(measurement, "verify").data["chain"]
    assert isinstance(chain, list)
    assert [entry["issuer"] for entry in chain] == ["CN=Qaznet Trust Network"] * 2
    assert all(entry["der"] for entry in chain)


async def test_dates_are_judged_by_the_pace_and_not_by_the_host(authority: Authority) -> None:
    """A node whose clock is wrong sees code 10; the same server is good at the right time."""
    leaf = authority.leaf(HOST, not_after=datetime(2022, 1, 10, tzinfo=UTC))
    async with tcp_server(stay_silent, tls=server_context(leaf)) as port:
        in_time = await measure(authority, port, pace=FakePace())
        late = await measure(authority, port)
    assert step_named(in_time, "verify").failure is None
    assert step_named(late, "verify").failure == "ssl_invalid_certificate"
    assert step_named(late, "verify").data["codes"] == (10,)
