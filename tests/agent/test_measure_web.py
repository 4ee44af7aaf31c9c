"""Pages: phase by phase, redirect by redirect, never further than the policy and ceilings let."""

import asyncio
import gzip
import hashlib
import json
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shyraq_agent.measure import web
from shyraq_agent.measure.edges import Resolver
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import parse_target
from support.authority import Authority, server_context
from support.clock import FakeStopwatch
from support.edges import SHORT_LIMITS, TableResolver, make_edges
from support.hostile_servers import (
    Behaviour,
    answer_with,
    close,
    dns_answer,
    dns_server,
    page,
    redirect,
    reset,
    site,
    stay_silent,
    tcp_server,
)

pytestmark = pytest.mark.usefixtures("never_blocks")

HOST = "orda.example"
AUTHORITY = Authority()
CONTEXT = server_context(AUTHORITY.leaf(HOST, "www.example"))
NAMES = TableResolver(
    {HOST: ["127.0.0.1"], "www.example": ["127.0.0.1"], "lan.example": ["10.1.1.1"]}
)


async def measure(url: str, **changes: object) -> RawMeasurement:
    """Fetch a URL with the test's own names."""
    edges = make_edges(AUTHORITY, **{"system_resolver": NAMES, **changes})
    return await web.measure(parse_target(url), edges)


def outline(measurement: RawMeasurement) -> list[tuple[str, str | None]]:
    """The steps by name and failure."""
    return [(step.name, step.failure) for step in measurement.steps]


def request_data(measurement: RawMeasurement) -> Mapping[str, Any]:
    """What the last request saw."""
    return [step for step in measurement.steps if step.name == "request"][-1].data


async def fetch(behaviour: Behaviour) -> RawMeasurement:
    """Fetch the front page of a plain http site."""
    async with tcp_server(behaviour) as port:
        return await measure(f"http://{HOST}:{port}/")


async def test_a_page_over_tls_is_five_steps() -> None:
    """Lookup, connect, handshake, verify, request; the page by hash, size and title."""
    body = (
        b"<html><head><TITLE lang=kk>\xd0\x9e\xd1\x80\xd0\xb4\xd0\xb0 &amp;\n news</title></html>"
    )
    heads: list[bytes] = []
    pages = {"/": page(body, headers={"Content-Type": "text/html", "X-Lab": "1"})}
    async with tcp_server(site(pages, heads), tls=CONTEXT) as port:
        measurement = await measure(f"https://{HOST}:{port}/")
    names = ["lookup", "connect", "handshake", "verify", "request"]
    assert outline(measurement) == [(name, None) for name in names]
    data = request_data(measurement)
    assert (data["status"], data["title"]) == (200, "Орда & news")
    assert data["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert (data["body_size_bytes"], data["body_truncated"]) == (len(body), False)
    assert data["headers"] == {"content-length": str(len(body)), "content-type": "text/html"}
    assert "x-lab" in data["header_names"]
    assert measurement.result == {"requests": 1, "last_status": 200}
    (head,) = heads
    assert head.startswith(b"GET / HTTP/1.1\r\n")
    assert b"cookie" not in head.lower()
    assert b"shyraq" not in head.lower()
    assert b"python" not in head.lower()


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (reset, "connection_reset"),
        (close, "eof_error"),
        (stay_silent, "generic_timeout_error"),
        (answer_with(b"SSH-2.0-OpenSSH_9.2\r\n"), "http_request_failed"),
        (answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), "eof_error"),
        (
            answer_with(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "http_request_failed",
        ),
        (answer_with(b"HTTP/1.1 200 OK\r\nContent-Le"), "eof_error"),
        (
            answer_with(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
            ),
            "http_request_failed",
        ),
        (answer_with(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000), "http_request_failed"),
    ],
)
async def test_what_a_server_does_to_a_request_is_told_apart(
    behaviour: Behaviour, failure: str
) -> None:
    """Reset, FIN, silence, another protocol, a body cut short, a head without end."""
    measurement = await fetch(behaviour)
    assert outline(measurement)[1:] == [("connect", None), ("request", failure)]
    assert measurement.result == {"requests": 0, "last_status": None}


async def test_a_page_is_read_up_to_the_ceiling() -> None:
    """What is beyond it is neither read nor hashed, and the page is marked as cut."""
    measurement = await fetch(site({"/": page(b"x" * 200_000)}))
    data = request_data(measurement)
    assert (data["body_size_bytes"], data["body_truncated"]) == (65_536, True)
    assert data["body_sha256"] == hashlib.sha256(b"x" * 65_536).hexdigest()
    assert "body" not in data


async def test_over_tls_less_is_read() -> None:
    """Nobody on the way can have changed it: the head of the page is enough, and costs less."""
    async with tcp_server(site({"/": page(b"x" * 200_000)}), tls=CONTEXT) as port:
        data = request_data(await measure(f"https://{HOST}:{port}/"))
    assert (data["body_size_bytes"], data["body_truncated"]) == (8_192, True)
    assert data["headers"]["content-length"] == "200000"


async def test_a_packed_page_is_not_inflated() -> None:
    """A server that packs against our wish is hashed as it came: no bomb can burst here."""
    packed = gzip.compress(b"<title>bomb</title>" + b"\0" * 10_000_000)
    measurement = await fetch(site({"/": page(packed, headers={"Content-Encoding": "gzip"})}))
    assert request_data(measurement)["body_size_bytes"] == len(packed)
    assert request_data(measurement)["title"] is None


async def test_a_page_of_a_thousand_unclosed_titles_costs_no_time() -> None:
    """Reading a title is linear in a hostile page."""
    measurement = await fetch(site({"/": page(b"<title" * 5_000 + b"<title>" * 4_000)}))
    assert request_data(measurement)["title"] is None
    assert measurement.duration_ms < 1_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html; charset=windows-1251", "<title>Шырақ</title>".encode()),
        ("text/html; charset=punycode", b"<title>x</title>"),
        ("text/html; charset=\xff", b"\xff\xfe<title>\xed\xa0\x80</title>"),
        ("text/html; charset=utf-8", b"<title>&#xD800;&#0;</title>"),
    ],
)
async def test_no_text_of_a_page_breaks_the_report(content_type: str, body: bytes) -> None:
    """Odd charsets, lone surrogates and zeros end as text that JSON can carry."""
    measurement = await fetch(site({"/": page(body, headers={"Content-Type": content_type})}))
    data = request_data(measurement)
    for text in (data["title"], data["body"], data["headers"]["content-type"]):
        assert str(text).encode("utf-8")


async def test_redirects_are_followed_one_by_one() -> None:
    """Each hop has its own steps and depth; the last page counts."""
    async with tcp_server(site({"/b": page(b"done")}), tls=CONTEXT) as secure:
        pages = {"/": redirect("/a"), "/a": redirect(f"https://www.example:{secure}/b#part")}
        async with tcp_server(site(pages)) as port:
            measurement = await measure(f"http://{HOST}:{port}/")
    requests = [step.data for step in measurement.steps if step.name == "request"]
    assert [(each["depth"], each["status"]) for each in requests] == [(0, 302), (1, 302), (2, 200)]
    assert requests[2]["url"] == f"https://www.example:{secure}/b"
    assert measurement.result == {"requests": 3, "last_status": 200}


@pytest.mark.parametrize(
    ("location", "step", "failure"),
    [
        ("http://10.0.0.1/admin", "connect", "egress_forbidden"),
        ("http://[fd00::1]/", "connect", "egress_forbidden"),
        ("http://[::ffff:192.168.1.1]/", "connect", "egress_forbidden"),
        ("http://lan.example/", "lookup", "dns_bogon_error"),
        ("http://2130706433/", "lookup", "egress_forbidden"),
        ("http://printer.local/", "lookup", "egress_forbidden"),
        ("http://wifi/login", "lookup", "egress_forbidden"),
        ("http://orda.example:22/", "redirect", "http_unexpected_redirect_url"),
        ("/", "redirect", "http_unexpected_redirect_url"),
        ("http:///", "redirect", "http_unexpected_redirect_url"),
        ("ftp://orda.example/", "redirect", "http_invalid_redirect_location_host"),
        ("javascript:alert(1)", "redirect", "http_invalid_redirect_location_host"),
        ("http://user:word@orda.example/", "redirect", "http_invalid_redirect_location_host"),
        ("http://a..b/", "redirect", "http_invalid_redirect_location_host"),
        ("http://[::1/", "redirect", "http_invalid_redirect_location_host"),
        ("http://orda.example:99999/", "redirect", "http_invalid_redirect_location_host"),
    ],
)
async def test_a_redirect_that_may_not_be_followed_is_a_step(
    location: str, step: str, failure: str
) -> None:
    """Into the home, to another service, in a circle, to nowhere: written down, not followed."""
    measurement = await fetch(site({"/": redirect(location)}))
    assert (measurement.steps[-1].name, measurement.steps[-1].failure) == (step, failure)
    assert measurement.result == {"requests": 1, "last_status": 302}


async def test_redirects_end_at_the_ceiling() -> None:
    """Ten are followed, the eleventh is written down."""
    pages = {"/": redirect("/1"), **{f"/{n}": redirect(f"/{n + 1}") for n in range(1, 20)}}
    measurement = await fetch(site(pages))
    assert measurement.result == {"requests": 11, "last_status": 302}
    assert measurement.steps[-1].data["reason"] == "one redirect too many"


async def test_many_hops_over_tls_fit_one_report() -> None:
    """With every phase a step, the report's ceiling still holds and what is missing is said."""
    pages = {"/": redirect("/1"), **{f"/{n}": redirect(f"/{n + 1}") for n in range(1, 20)}}
    many = TableResolver({HOST: ["127.0.0.1", "127.0.0.2", "::1", "::2"]})
    isp = Resolver(role="isp", address="10.0.0.53")
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(tcp_server(site(pages), tls=CONTEXT))
        for host in ("127.0.0.2", "::1"):
            server = tcp_server(site(pages), tls=CONTEXT, host=host, port=port)
            await stack.enter_async_context(server)
        url = f"https://{HOST}:{port}/"
        measurement = await measure(url, system_resolver=many, resolvers=(isp,))
    assert len(measurement.steps) <= 64
    assert measurement.steps[-1].data["reason"] == "no room for more steps"
    assert "steps_left_out" not in measurement.result


async def test_a_redirect_that_comes_too_late_is_not_followed() -> None:
    """A site that takes a minute for its first page does not hold the probe for ten more."""
    stopwatch = FakeStopwatch()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stopwatch.advance(61_000)
        await site({"/": redirect("/next")})(reader, writer)

    async with tcp_server(slow) as port:
        measurement = await measure(f"http://{HOST}:{port}/", stopwatch=stopwatch)
    assert measurement.steps[-1].data["reason"] == "comes too late"


@pytest.mark.parametrize("with_alert", [True, False])
async def test_a_page_without_a_length_ends_with_the_connection(*, with_alert: bool) -> None:
    """Over TLS with the close alert or without it: many servers forget it."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n<title>all</title>")
        await writer.drain()
        if not with_alert:
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        writer.close()

    async with tcp_server(behaviour, tls=CONTEXT) as port:
        measurement = await measure(f"https://{HOST}:{port}/")
    assert outline(measurement)[-1] == ("request", None)
    assert request_data(measurement)["title"] == "all"


async def test_a_server_that_fills_everything_still_fits_a_report() -> None:
    """Headers, bodies, hops: what is least telling goes, and the result says what went."""
    noise = {f"X-{n:03}" + "n" * 60: "v" for n in range(200)}
    noise |= dict.fromkeys(("Server", "Via", "Retry-After"), "\x01" * 900)
    pages = {
        f"/{n}": page(b"\0" * 1024, status="302 Found", headers={"Location": f"/{n + 1}", **noise})
        for n in range(12)
    }
    pages["/"] = redirect("/0")
    measurement = await fetch(site(pages))
    size = len(json.dumps([dict(step.data) for step in measurement.steps]).encode())
    assert size < 48 * 1024
    assert measurement.result["requests"] == 11
    assert measurement.result["fields_left_out"]


async def test_no_request_goes_over_a_connection_that_did_not_verify() -> None:
    """A forger learns the name in the ClientHello and nothing more."""
    heads: list[bytes] = []
    forged = server_context(Authority("Forger").leaf(HOST))
    async with tcp_server(site({}, heads), tls=forged) as port:
        measurement = await measure(f"https://{HOST}:{port}/secret")
    assert outline(measurement)[-1] == ("verify", "ssl_unknown_authority")
    assert heads == []


async def test_each_address_is_tried_and_the_first_good_one_is_asked() -> None:
    """One dead address among two is a step, not a dead site."""
    both = TableResolver({HOST: ["127.0.0.2", "127.0.0.1"]})
    async with tcp_server(site({"/": page(b"ok")})) as port:
        measurement = await measure(f"http://{HOST}:{port}/", system_resolver=both)
    connects = {
        step.data["address"]: step.failure for step in measurement.steps if step.name == "connect"
    }
    assert connects == {"127.0.0.2": "connection_refused", "127.0.0.1": None}
    assert request_data(measurement)["address"] == "127.0.0.1"


async def test_the_networks_own_resolver_is_asked_beside_the_hosts() -> None:
    """Both answers are noted on the first hop; addresses that only one gives are tried too."""
    async with (
        dns_server(lambda query: [(0, dns_answer(query, "127.0.0.2"))]) as dns_port,
        tcp_server(site({"/": page(b"ok")})) as port,
    ):
        isp = Resolver(role="isp", address="127.0.0.1", port=dns_port)
        measurement = await measure(f"http://{HOST}:{port}/", resolvers=(isp,))
    asked = [(s.data["engine"], s.data["query"]) for s in measurement.steps if s.name == "lookup"]
    assert asked == [("system", "ANY"), ("udp", "A"), ("udp", "AAAA")]
    tried = {step.data["address"] for step in measurement.steps if step.name == "connect"}
    assert tried == {"127.0.0.1", "127.0.0.2"}


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_measurement_that_is_stopped_leaves_no_connection(scheme: str) -> None:
    """In the middle of a handshake or of a request: the server sees the end at once."""
    heard, ended = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        heard.set()
        with suppress(ConnectionResetError):
            await reader.read(4096)
        ended.set()

    async with tcp_server(listen) as port:
        task = asyncio.create_task(measure(f"{scheme}://{HOST}:{port}/"))
        await heard.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ended.wait()
    assert task.cancelled()


async def test_a_slow_drip_ends_at_the_limit() -> None:
    """A server that sends a byte now and then cannot hold a probe beyond the step's limit."""
    drip = answer_with(*[b"H"] * 50, pause_ms=50)
    async with tcp_server(drip) as port:
        limits = replace(SHORT_LIMITS, request_ms=200)
        measurement = await measure(f"http://{HOST}:{port}/", limits=limits)
    assert outline(measurement)[-1] == ("request", "generic_timeout_error")
    assert len(request_data(measurement)["received"]) >= 2


@given(
    answer=st.binary(max_size=300),
    head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nLocation: "]),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_answer_does_anything_but_end_in_a_step(answer: bytes, head: bytes) -> None:
    """Whatever bytes a server sends, the measurement is data."""
    measurement = await fetch(answer_with(head + answer))
    assert measurement.steps
