"""Lookups against resolvers that lie, race, refuse, mumble or say nothing."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure import dns
from shyraq_agent.measure.edges import Resolver, ResolverRole
from shyraq_agent.measure.lookup import Question, decode_reply
from shyraq_agent.measure.step import RawMeasurement, RawStep
from shyraq_agent.measure.target import parse_target
from support.authority import Authority
from support.edges import SHORT_LIMITS, TableResolver, make_edges
from support.hostile_servers import (
    Datagrams,
    close,
    dns_answer,
    dns_server,
    tcp_server,
)

pytestmark = pytest.mark.usefixtures("never_blocks")

NAME = "orda.example"
GOOD = "127.0.0.1"
FORGED = "127.6.6.6"


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Lookups trust nobody; the edges want one all the same."""
    return Authority()


async def ask(
    authority: Authority, port: int, *, role: ResolverRole = "isp", **changes: object
) -> RawMeasurement:
    """Ask one DNS server on loopback for NAME."""
    resolvers = (Resolver(role=role, address="127.0.0.1", port=port),)
    edges = make_edges(authority, resolvers=resolvers, **changes)
    return await dns.measure(parse_target(NAME), edges)


def lookup(measurement: RawMeasurement, engine: str, query: str = "A") -> RawStep:
    """The one lookup by this engine and query type."""
    (step,) = (
        each
        for each in measurement.steps
        if (each.data["engine"], each.data["query"]) == (engine, query)
    )
    return step


def once(datagram: Callable[[bytes], bytes]) -> Callable[[bytes], Datagrams]:
    """A server that answers each query at once."""
    return lambda query: [(0, datagram(query))]


async def test_an_honest_resolver_is_asked_five_ways(authority: Authority) -> None:
    """System, and A and AAAA over UDP, and A over TCP; each is a step of its own."""
    async with dns_server(once(lambda query: dns_answer(query, GOOD, "::1"))) as port:
        system = TableResolver({NAME: [GOOD]})
        measurement = await ask(authority, port, system_resolver=system)
    assert {(s.data["engine"], s.data["query"]) for s in measurement.steps} == {
        ("system", "ANY"),
        ("udp", "A"),
        ("udp", "AAAA"),
        ("tcp", "A"),
    }
    assert [step.failure for step in measurement.steps] == [None] * 4
    assert lookup(measurement, "udp").data["answers"] == (GOOD,)
    assert lookup(measurement, "udp", "AAAA").data["answers"] == ("::1",)
    assert measurement.result == {"lookups": 4, "answered": 4}


async def test_the_true_answer_behind_a_forged_one_is_seen(authority: Authority) -> None:
    """The first answer with our id decides; the second is noted with its time."""

    def race(query: bytes) -> Datagrams:
        return [(1, dns_answer(query, FORGED)), (60, dns_answer(query, GOOD))]

    async with dns_server(race) as port:
        step = lookup(await ask(authority, port), "udp")
    assert step.data["answers"] == (FORGED,)
    datagrams = step.data["datagrams"]
    assert isinstance(datagrams, list)
    assert [each["answers"] for each in datagrams] == [(FORGED,), (GOOD,)]
    assert datagrams[1]["at_ms"] >= 50
    assert step.data["answered_ms"] == datagrams[0]["at_ms"]


async def test_an_answer_after_the_window_is_not_waited_for(authority: Authority) -> None:
    """The socket closes when the window is over, so a step has an end."""

    def late(query: bytes) -> Datagrams:
        return [(0, dns_answer(query, GOOD)), (5_000, dns_answer(query, FORGED))]

    async with dns_server(late) as port:
        step = lookup(await ask(authority, port), "udp")
    assert step.failure is None
    assert len(step.data["datagrams"]) == 1  # type: ignore[arg-type]
    assert SHORT_LIMITS.late_answer_ms <= step.duration_ms < 2_000


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (lambda query: dns_answer(query, rcode="NXDOMAIN"), "dns_nxdomain_error"),
        (lambda query: dns_answer(query, rcode="SERVFAIL"), "dns_servfail_error"),
        (lambda query: dns_answer(query, rcode="REFUSED"), "dns_refused_error"),
        (lambda query: dns_answer(query, rcode="NOTIMP"), "dns_server_misbehaving"),
        (dns_answer, "dns_no_answer"),
        (lambda query: query[:2] + b"\xff" * 20, "dns_server_misbehaving"),
        (lambda query: query[:2] + b"\x84", "dns_reply_with_wrong_query_id"),
        (lambda query: query, "dns_server_misbehaving"),
        (lambda query: dns_answer(query, GOOD, query_id=1), "dns_reply_with_wrong_query_id"),
        (lambda query: dns_answer(query, "10.0.0.1"), "dns_bogon_error"),
        (lambda query: dns_answer(query, "0.0.0.0"), "dns_bogon_error"),  # noqa: S104
    ],
)
async def test_each_kind_of_no_has_its_word(
    authority: Authority, reply: Callable[[bytes], bytes], failure: str
) -> None:
    """Refusals, garbage, an echo of the question, another id, an address that cannot be."""
    async with dns_server(once(reply)) as port:
        measurement = await ask(authority, port)
    assert lookup(measurement, "udp").failure == failure
    assert lookup(measurement, "tcp").failure == failure


async def test_a_wrong_id_does_not_hide_the_right_answer(authority: Authority) -> None:
    """A blind forgery is noted, and the real answer still decides."""

    def blind(query: bytes) -> Datagrams:
        forged = dns_answer(query, FORGED, query_id=(query[0] << 8 | query[1]) ^ 1)
        return [(0, forged), (20, dns_answer(query, GOOD))]

    async with dns_server(blind) as port:
        step = lookup(await ask(authority, port), "udp")
    assert (step.failure, step.data["answers"]) == (None, (GOOD,))
    datagrams = step.data["datagrams"]
    assert isinstance(datagrams, list)
    assert [each["id_matches"] for each in datagrams] == [False, True]


async def test_an_answer_to_another_question_is_misbehaving(authority: Authority) -> None:
    """Our id under another name is no answer to what was asked."""

    def other(query: bytes) -> bytes:
        return query[:2] + dns_answer(query, GOOD)[2:].replace(b"\x04orda", b"\x04adro")

    async with dns_server(once(other)) as port:
        step = lookup(await ask(authority, port), "udp")
    assert step.failure == "dns_server_misbehaving"


async def test_silence_is_a_time_out(authority: Authority) -> None:
    """No datagram within the limit; over TCP the same."""
    async with dns_server(lambda _query: []) as port:
        measurement = await ask(authority, port)
    assert lookup(measurement, "udp").failure == "generic_timeout_error"
    assert lookup(measurement, "tcp").failure in {"generic_timeout_error", "eof_error"}
    assert measurement.result == {"lookups": 3, "answered": 0}


async def test_a_closed_port_is_a_refusal(authority: Authority) -> None:
    """The ICMP error of the host arrives as a refused connection, over UDP too."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        measurement = await ask(authority, taken.getsockname()[1])
    assert lookup(measurement, "udp").failure == "connection_refused"
    assert lookup(measurement, "tcp").failure == "connection_refused"


async def test_a_resolver_that_hangs_up_over_tcp_is_an_eof(authority: Authority) -> None:
    """A FIN where the length was due."""
    async with tcp_server(close) as port:
        measurement = await ask(authority, port)
    assert lookup(measurement, "tcp").failure == "eof_error"


async def test_a_flood_of_forged_ids_does_not_push_the_answer_out(authority: Authority) -> None:
    """The hundredth datagram still decides when it is the first with our id."""

    def flood(query: bytes) -> Datagrams:
        forged = dns_answer(query, FORGED, query_id=(query[0] << 8 | query[1]) ^ 1)
        return [*[(0.0, forged)] * 100, (10, dns_answer(query, GOOD))]

    # Server and probe share one busy process here; that an answer comes late is another test.
    patient = replace(SHORT_LIMITS, lookup_ms=4_000)
    async with dns_server(flood) as port:
        step = lookup(await ask(authority, port, limits=patient), "udp")
    assert (step.failure, step.data["answers"]) == (None, (GOOD,))
    assert len(step.data["datagrams"]) == 9  # type: ignore[arg-type]


async def test_a_flood_of_answers_is_cut(authority: Authority) -> None:
    """At most eight datagrams are noted, however many come."""

    def flood(query: bytes) -> Datagrams:
        return [(0, dns_answer(query, GOOD))] * 40

    async with dns_server(flood) as port:
        step = lookup(await ask(authority, port), "udp")
    assert len(step.data["datagrams"]) == 8  # type: ignore[arg-type]


async def test_an_answer_that_does_not_fit_says_so(authority: Authority) -> None:
    """The TC bit is noted."""

    def truncated(query: bytes) -> bytes:
        answer = bytearray(dns_answer(query, GOOD))
        answer[2] |= 0x02
        return bytes(answer)

    async with dns_server(once(truncated)) as port:
        step = lookup(await ask(authority, port), "udp")
    assert step.data["truncated"] is True


async def test_an_address_that_runs_no_resolver_is_asked_once(authority: Authority) -> None:
    """Any answer from there was injected; over TCP there is nobody to ask."""
    async with dns_server(once(lambda query: dns_answer(query, FORGED))) as port:
        measurement = await ask(authority, port, role="silent")
    (step,) = measurement.steps
    assert (step.data["resolver"], step.data["answers"]) == ("silent", (FORGED,))


@pytest.mark.parametrize("answers", [[], ["10.0.0.1", "192.168.1.1"]])
async def test_the_hosts_own_resolver_may_have_nothing_to_offer(
    authority: Authority, answers: Sequence[str]
) -> None:
    """No address, or only addresses of the home, is a failed lookup with its answers kept."""
    edges = make_edges(authority, system_resolver=TableResolver({NAME: answers}))
    (step,) = (await dns.measure(parse_target(NAME), edges)).steps
    assert step.failure == ("dns_bogon_error" if answers else "dns_no_answer")
    assert step.data["answers"] == tuple(answers)


async def test_a_resolver_at_home_is_asked_only_as_the_named_gateway(
    authority: Authority,
) -> None:
    """Else no packet goes there; and its address is never written down."""
    async with dns_server(once(lambda query: dns_answer(query, "8.8.8.8"))) as port:
        stranger = await ask(authority, port, policy=AddressPolicy())
        gateway = await ask(authority, port, policy=AddressPolicy(gateways=["127.0.0.1"]))
    assert {step.failure for step in stranger.steps} == {"egress_forbidden"}
    assert lookup(gateway, "udp").failure is None
    assert "resolver_address" not in lookup(gateway, "udp").data


@given(st.binary(max_size=200))
def test_no_datagram_does_anything_but_decode_or_be_noted(data: bytes) -> None:
    """Whatever arrives on the socket, reading it never raises."""
    question = Question(name=NAME, query_type="A")
    for datagram in (data, b"\x12\x34" + data, dns_head() + data):
        reply = decode_reply(datagram, question, 0x1234)
        assert reply.id_matches == (len(datagram) >= 12 and datagram[:2] == b"\x12\x34")


@given(st.integers(0, 2**32))
def test_a_damaged_answer_is_decoded_or_noted(seed: int) -> None:
    """Bytes flipped in a real answer never raise either."""
    rng = Random(seed)  # noqa: S311  # damage for a test
    answer = bytearray(dns_answer(dns_query(), GOOD, "1.2.3.4"))
    for _ in range(rng.randint(1, 4)):
        answer[rng.randrange(len(answer))] = rng.randrange(256)
    decode_reply(bytes(answer), Question(name=NAME, query_type="A"), 0x1234)


def dns_query() -> bytes:
    """A query for NAME with the id 0x1234."""
    return dns_head() + b"\x04orda\x07example\x00\x00\x01\x00\x01"


def dns_head() -> bytes:
    """The header of a query with one question."""
    return b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
