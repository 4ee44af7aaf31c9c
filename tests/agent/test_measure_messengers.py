"""Messengers: each endpoint is asked as far as its proof goes, on real sockets."""

from collections.abc import Mapping

import pytest

from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure import messengers
from shyraq_agent.measure.services import Endpoint, EndpointProof, Services
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import parse_target
from support.authority import Authority, server_context
from support.edges import TableResolver, make_edges
from support.hostile_servers import full_backlog, reset, stay_silent, tcp_server

pytestmark = pytest.mark.usefixtures("never_blocks")

APP, WEB = "app.example", "web.example"
NAMES: Mapping[str, list[str]] = {APP: ["127.0.0.1"], WEB: ["127.0.0.1"]}


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The only authority that the agent trusts."""
    return Authority()


def service(*endpoints: tuple[str, int, EndpointProof]) -> Services:
    """One service with these endpoints."""
    return {
        "signal": tuple(
            Endpoint(host=host, port=port, proof=proof) for host, port, proof in endpoints
        )
    }


async def measure(authority: Authority, services: Services, **changes: object) -> RawMeasurement:
    """Measure the service."""
    edges = make_edges(authority, system_resolver=TableResolver(NAMES), **changes)
    return await messengers.measure(parse_target("messenger:signal"), edges, services=services)


def outline(measurement: RawMeasurement) -> list[tuple[str, str | None]]:
    """The steps by name and failure, lookups that worked left out."""
    return [(each.name, each.failure) for each in measurement.steps if each.name != "lookup"]


async def test_a_service_of_its_own_protocol_is_asked_for_a_connection(
    authority: Authority,
) -> None:
    """TCP only: nothing is said to a server that speaks no TLS."""
    said: list[bytes] = []

    async def listen(reader: object, _writer: object) -> None:
        said.append(await reader.read(10))  # type: ignore[attr-defined]

    async with tcp_server(listen) as port:
        measurement = await measure(authority, service(("127.0.0.1", port, "connect")))
    assert outline(measurement) == [("connect", None)]
    assert said in ([], [b""])
    assert measurement.result == {
        "tried": 1,
        "reached": 1,
        "goal": "tcp",
        "endpoints": {f"127.0.0.1:{port}": {"ok": 1, "of": 1}},
    }


async def test_a_certificate_is_verified_where_the_bundle_knows_its_authority(
    authority: Authority,
) -> None:
    """A forced certificate fails the service; a good one reaches it."""
    forger = Authority("Forger")
    good = server_context(authority.leaf(WEB))
    forged = server_context(forger.leaf(APP), forger.issued)
    async with (
        tcp_server(stay_silent, tls=good) as web,
        tcp_server(stay_silent, tls=forged) as app,
    ):
        measurement = await measure(authority, service((WEB, web, "verify"), (APP, app, "verify")))
    assert sorted(failure or "" for name, failure in outline(measurement) if name == "verify") == [
        "",
        "ssl_unknown_authority",
    ]
    assert measurement.result["reached"] == 1
    assert measurement.result["goal"] == "tls"


async def test_a_service_with_an_authority_of_its_own_is_heard_to_its_server_hello(
    authority: Authority,
) -> None:
    """No certificate is asked for where none can be judged."""
    stranger = Authority("Their Own")
    async with tcp_server(stay_silent, tls=server_context(stranger.leaf(APP))) as port:
        measurement = await measure(authority, service((APP, port, "hello")))
    assert outline(measurement) == [("connect", None), ("hello", None)]
    assert measurement.result["reached"] == 1


async def test_each_fault_has_its_step_and_its_word(authority: Authority) -> None:
    """A reset after ClientHello, a silent address and a name that is gone are told apart."""
    async with tcp_server(reset) as torn, full_backlog() as silent:
        measurement = await measure(
            authority,
            service((APP, torn, "hello"), (WEB, silent, "connect"), ("gone.example", 443, "hello")),
        )
    assert ("hello", "connection_reset") in outline(measurement)
    assert ("connect", "generic_timeout_error") in outline(measurement)
    assert ("lookup", "dns_nxdomain_error") in [
        (each.name, each.failure) for each in measurement.steps
    ]
    assert measurement.result["tried"] == 3
    assert measurement.result["reached"] == 0


async def test_a_forbidden_address_is_refused(authority: Authority) -> None:
    """No list can turn a node against its host's own network."""
    measurement = await measure(authority, service((APP, 443, "verify")), policy=AddressPolicy())
    steps = [(each.name, each.failure) for each in measurement.steps]
    assert ("lookup", "dns_bogon_error") in steps
    assert "connect" not in dict(steps)


async def test_what_is_no_service_is_nothing_to_try(authority: Authority) -> None:
    """A probe asked for by hand on another kind of target does not break."""
    edges = make_edges(authority)
    measurement = await messengers.measure(parse_target("orda.example:443"), edges)
    assert measurement.steps == ()
    assert measurement.result["tried"] == 0
