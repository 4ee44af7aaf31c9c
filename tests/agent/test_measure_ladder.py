"""The ladder: what counts as alive, tier by tier, and what a beat costs."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure.edges import Links
from shyraq_agent.measure.ladder import LadderProbe
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import MAX_RUNGS, Ladder, Proof, Rung
from shyraq_wire.report import MAX_STEPS, Tier
from support.authority import Authority, server_context
from support.edges import SHORT_LIMITS, TableResolver, make_edges
from support.hostile_servers import (
    Behaviour,
    close,
    dns_answer,
    dns_server,
    full_backlog,
    reset,
    speak_plainly,
    stay_silent,
    tcp_server,
    udp_server,
)

pytestmark = pytest.mark.usefixtures("never_blocks")

HOST = "bank.example"
AUTHORITY = Authority()
CONTEXT = server_context(AUTHORITY.leaf(HOST))
LINK = {"ipv4": {"ok": 1, "of": 1}, "ipv6": {"ok": 1, "of": 1}}


def rung(tier: Tier, port: int, proof: Proof = "tls", host: str = "127.0.0.1") -> Rung:
    """A rung on loopback."""
    return Rung(tier=tier, host=host, port=port, proof=proof)


async def climb(*rungs: Rung, light: bool = False, **changes: object) -> RawMeasurement:
    """Climb once with fresh edges."""
    return await LadderProbe(Ladder(rungs=rungs), make_edges(AUTHORITY, **changes)).climb(
        light=light
    )


def outline(measurement: RawMeasurement) -> list[tuple[str, str | None]]:
    """The steps but the link's by name and failure."""
    return [(step.name, step.failure) for step in measurement.steps if step.name != "link"]


async def test_counts_are_by_tier_and_family() -> None:
    """Each tier has its k of n; what was not tried is absent."""
    async with (
        tcp_server(stay_silent, tls=CONTEXT) as alive,
        tcp_server(stay_silent, tls=CONTEXT, host="::1") as alive6,
        tcp_server(stay_silent) as dead,
        udp_server() as echo,
        dns_server(lambda query: [(0, dns_answer(query, rcode="REFUSED"))]) as resolver,
    ):
        measurement = await climb(
            rung("resolver", resolver, "dns"),
            rung("domestic", alive),
            rung("domestic", alive6, host="::1"),
            rung("domestic", dead),
            rung("abroad", echo, "echo"),
        )
    assert (measurement.probe, measurement.target) == ("ladder", "")
    assert measurement.result == {
        "tiers": {
            "link": LINK,
            "resolver": {"ipv4": {"ok": 1, "of": 1}},
            "domestic": {"ipv4": {"ok": 1, "of": 2}, "ipv6": {"ok": 1, "of": 1}},
            "abroad": {"ipv4": {"ok": 1, "of": 1}},
        }
    }


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (stay_silent, "generic_timeout_error"),
        (reset, "connection_reset"),
        (close, "eof_error"),
        (speak_plainly, "ssl_failed_handshake"),
    ],
)
async def test_an_open_port_is_no_sign_of_life(behaviour: Behaviour, failure: str) -> None:
    """Under a white list SYNs are answered; only a ServerHello counts."""
    async with tcp_server(behaviour) as port:
        measurement = await climb(rung("abroad", port))
    assert outline(measurement) == [("connect", None), ("hello", failure)]
    assert measurement.result["tiers"] == {"link": LINK, "abroad": {"ipv4": {"ok": 0, "of": 1}}}


async def test_any_certificate_is_a_sign_of_life() -> None:
    """Whether it is good is not the ladder's question; the handshake ends at the ServerHello."""
    forged = server_context(Authority("Forger").leaf("other.example"))
    async with tcp_server(stay_silent, tls=forged) as port:
        assert outline(await climb(rung("abroad", port))) == [("connect", None), ("hello", None)]


async def test_a_dropped_syn_takes_no_longer_than_a_rung_may() -> None:
    """Connect and hello share the rung's time."""
    async with full_backlog() as port:
        measurement = await climb(rung("abroad", port))
    assert outline(measurement) == [("connect", "generic_timeout_error")]
    assert measurement.duration_ms < SHORT_LIMITS.ladder_ms + 300


async def test_only_our_own_nonce_is_an_echo() -> None:
    """A forged answer, an echoed question and silence prove nothing."""
    async with AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(udp_server(reply))
            for reply in (
                lambda _question: b"shyraq!1" + bytes(24),
                lambda question: question,
                lambda _question: None,
            )
        ]
        measurement = await climb(*(rung("collector", port, "echo") for port in ports))
    assert outline(measurement) == [("echo", "generic_timeout_error")] * 3


async def test_one_lost_datagram_is_not_death() -> None:
    """The nonce is sent up to three times."""
    lost: list[bytes] = []

    def deaf_at_first(question: bytes) -> bytes | None:
        lost.append(question)
        return b"shyraq!1" + question[8:] if len(lost) == 3 else None

    async with udp_server(deaf_at_first) as port:
        assert outline(await climb(rung("collector", port, "echo"))) == [("echo", None)]
    assert len(set(lost)) == 1


async def test_a_closed_udp_port_is_a_refusal() -> None:
    """The ICMP error arrives at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert outline(await climb(rung("collector", port, "echo"))) == [("echo", "connection_refused")]


async def test_a_gateway_that_refuses_is_alive() -> None:
    """A reset from the router is as good as a ping; the step says which it was, not where."""
    gateways = AddressPolicy(gateways=["127.0.0.1"])
    measurement = await climb(rung("gateway", 9, "ping"), policy=gateways)
    (step,) = (each for each in measurement.steps if each.name == "ping")
    assert step.failure is None
    assert step.data["method"] in {"icmp", "tcp"}
    assert "address" not in step.data


async def test_a_gateway_that_was_not_named_gets_no_packet() -> None:
    """The host's network is touched only where the host said so."""
    measurement = await climb(rung("gateway", 80, "ping"), policy=AddressPolicy())
    assert outline(measurement) == [("ping", "egress_forbidden")]


@pytest.mark.parametrize("proof", ["tls", "echo"])
async def test_a_forbidden_rung_gets_no_packet(proof: Proof) -> None:
    """The ladder goes through the address policy like every probe."""
    measurement = await climb(rung("abroad", 443, proof, host="10.0.0.1"))
    assert outline(measurement) == [(proof, "egress_forbidden")]


async def test_a_resolver_that_says_nothing_is_dead() -> None:
    """Any answer with our id is life; a wrong id or silence is not."""
    async with (
        dns_server(lambda _query: []) as silent,
        dns_server(lambda query: [(0, dns_answer(query, query_id=1))]) as blind,
    ):
        limits = replace(SHORT_LIMITS, lookup_ms=100)
        measurement = await climb(
            rung("resolver", silent, "dns"), rung("resolver", blind, "dns"), limits=limits
        )
    assert {failure for _, failure in outline(measurement)} == {
        "generic_timeout_error",
        "dns_reply_with_wrong_query_id",
    }


async def test_a_name_that_no_longer_resolves_is_tried_where_it_was() -> None:
    """A dead resolver does not look like a dead country."""
    table: dict[str, Sequence[str]] = {HOST: ["127.0.0.1", "::1", "127.0.0.2"]}
    async with tcp_server(stay_silent, tls=CONTEXT) as port:
        edges = make_edges(AUTHORITY, system_resolver=TableResolver(table))
        ladder = LadderProbe(Ladder(rungs=(rung("domestic", port, host=HOST),)), edges)
        before = await ladder.climb()
        table.clear()
        after = await ladder.climb()
    tier = {"ipv4": {"ok": 1, "of": 1}, "ipv6": {"ok": 0, "of": 1}}
    assert before.result["tiers"] == after.result["tiers"] == {"link": LINK, "domestic": tier}
    assert outline(after)[0] == ("lookup", "dns_nxdomain_error")


async def test_a_name_that_never_resolved_counts_as_failed() -> None:
    """It was tried; leaving it out would hide the failure."""
    measurement = await climb(rung("domestic", 443, host=HOST), system_resolver=TableResolver({}))
    assert measurement.result["tiers"] == {"link": LINK, "domestic": {"ipv4": {"ok": 0, "of": 1}}}


async def test_a_host_without_a_link_says_so() -> None:
    """No interface is up: the first rung already is broken, IPv6 was not there to try."""
    measurement = await climb(links=lambda: Links(families=frozenset()))
    assert measurement.steps[0].failure == "network_down"
    assert measurement.result == {"tiers": {"link": {"ipv4": {"ok": 0, "of": 1}}}}


async def test_the_light_beat_prefers_an_echo_and_tries_one_place_only() -> None:
    """Link, gateway, and one datagram to the collector; a handshake only where there is no echo."""
    gateways = AddressPolicy(gateways=["127.0.0.1"], admitted=["127.0.0.0/8"])
    async with tcp_server(stay_silent, tls=CONTEXT) as tls, udp_server() as echo:
        rungs = (
            rung("gateway", 9, "ping"),
            rung("domestic", tls),
            rung("abroad", tls),
            rung("collector", tls),
            rung("collector", echo, "echo"),
        )
        full = await climb(*rungs, light=True, policy=gateways)
        without_collector = await climb(*rungs[:3], light=True, policy=gateways)
        gateway_only = await climb(rungs[0], light=True, policy=gateways)
    assert [name for name, _ in outline(full)] == ["ping", "echo"]
    assert [name for name, _ in outline(without_collector)] == ["ping", "connect", "hello"]
    assert [name for name, _ in outline(gateway_only)] == ["ping"]


async def test_the_tallest_ladder_fits_one_report_and_opens_few_sockets_at_once() -> None:
    """Every rung a name with two families: all steps are kept, at most eight rungs at a time."""
    table = {HOST: ["127.0.0.1"]}
    open_now, most = 0, 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            await stay_silent(reader, writer)
        finally:
            open_now -= 1

    async with tcp_server(slow) as port:
        limits = replace(SHORT_LIMITS, ladder_ms=60)
        rungs = [rung("abroad", port, host=HOST) for _ in range(MAX_RUNGS)]
        measurement = await climb(*rungs, limits=limits, system_resolver=TableResolver(table))
    assert most <= 9
    assert len(measurement.steps) <= MAX_STEPS
    tiers = measurement.result["tiers"]
    assert tiers == {"link": LINK, "abroad": {"ipv4": {"ok": 0, "of": MAX_RUNGS}}}
