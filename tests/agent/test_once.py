"""Measuring a list once and showing it to a person."""

import asyncio
import json

import pytest

from shyraq_agent.measure import PROBE_OF_KIND, PROBES, misuse
from shyraq_agent.measure.responder import Pairing
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import Ladder, Rung, parse_target
from shyraq_agent.once import measure_once, render_steps, render_table, to_json, went_wrong
from support.authority import Authority, server_context
from support.edges import TableResolver, make_edges
from support.hostile_servers import (
    page,
    redirect,
    reset,
    site,
    stay_silent,
    tcp_server,
    udp_server,
)

HOST = "orda.example"
AUTHORITY = Authority()
CONTEXT = server_context(AUTHORITY.leaf(HOST))
PAGES = {
    "/": page(b"<title>Orda</title>"),
    "/steering": page("<title>\u009b31m Orda</title>".encode()),
    "/gone": page(b"", status="404 Not Found"),
    "/lan": redirect("http://10.0.0.1/"),
    "/loop": redirect("/loop"),
}


async def measure(*paths: str) -> dict[str, RawMeasurement]:
    """Measure paths of a good site, and a broken one; `{}` is where the port goes."""
    table = TableResolver({HOST: ["127.0.0.1"]})
    edges = make_edges(AUTHORITY, system_resolver=table)
    async with (
        tcp_server(site(PAGES), tls=CONTEXT) as good,
        tcp_server(reset) as bad,
        udp_server() as echo,
    ):
        ports = {"good": good, "bad": bad}
        texts = [path.format(**ports) for path in paths]
        rung = Rung(tier="abroad", host="127.0.0.1", port=echo, proof="echo")
        seen: list[RawMeasurement] = []
        measured = await measure_once(
            [parse_target(text) for text in texts],
            edges,
            ladder=Ladder(rungs=(rung,)),
            progress=seen.append,
        )
    assert [each.target for each in measured] == ["", *texts]
    assert sorted(map(id, seen)) == sorted(map(id, measured))
    return dict(zip(("ladder", *paths), measured, strict=True))


async def test_each_kind_of_target_gets_its_probe() -> None:
    """URLs are fetched, endpoints shaken hands with, names looked up, the ladder climbed."""
    found = await measure("https://orda.example:{good}/", "orda.example:{good}", "orda.example")
    assert [each.probe for each in found.values()] == ["ladder", "web", "tls", "dns"]
    assert not any(went_wrong(each) for each in found.values())


@pytest.mark.parametrize(
    ("text", "outcome", "is_wrong"),
    [
        ("quic://orda.example:{good}", "quic: connection_refused", True),
        ("trace://orda.example:{good}", "ok", False),
        ("trace://10.0.0.1:443", "udp_path: egress_forbidden", True),
        ("https://orda.example:{good}/", "HTTP 200", False),
        ("https://orda.example:{good}/gone", "HTTP 404", False),
        ("https://orda.example:{good}/lan", "connect: egress_forbidden", True),
        ("https://orda.example:{good}/loop", "http_unexpected_redirect_url", True),
        ("https://orda.example:{bad}/", "handshake: connection_reset", True),
        ("orda.example:{good}", "ok", False),
        ("orda.example:{bad}", "handshake: connection_reset", True),
        ("nowhere.example", "lookup: dns_nxdomain_error", True),
        ("10.0.0.1:443", "connect: egress_forbidden", True),
    ],
)
async def test_the_last_step_tells_how_it_ended(text: str, outcome: str, is_wrong: bool) -> None:
    """The table names the step that ended a measurement, or what came of it."""
    measurement = (await measure(text))[text]
    assert went_wrong(measurement) is is_wrong
    assert outcome in render_table([measurement])


async def test_the_table_fits_eighty_columns() -> None:
    """Long targets and long words are cut, never wrapped."""
    found = await measure("https://orda.example:{good}/" + "long/" * 30, "nowhere.example")
    lines = render_table(list(found.values())).splitlines()
    assert max(map(len, lines)) < 80
    assert lines[2:4] == [
        "ladder link                        ipv4 1 of 1, ipv6 1 of 1",
        "ladder abroad                      ipv4 1 of 1",
    ]


async def test_a_measurement_can_be_read_step_by_step() -> None:
    """Every step with its time, its word in a sentence, and what it saw."""
    text = "https://orda.example:{bad}/"
    lines = render_steps((await measure(text))[text]).splitlines()
    assert lines[0].startswith("web https://orda.example:")
    assert any("handshake" in line and line.endswith("connection_reset") for line in lines)
    assert any("torn down by a reset" in line for line in lines)
    assert any('server_name: "orda.example"' in line for line in lines)


async def test_what_was_seen_fits_a_terminal_and_does_not_steer_it() -> None:
    """No line is longer than 80 columns; a title's control characters are escaped."""
    text = "https://orda.example:{good}/steering"
    shown = render_steps((await measure(text))[text])
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "\\u009b31m" in shown
    assert "- sha256:" in shown
    assert "\u009b" not in shown


async def test_a_route_is_told_hop_by_hop() -> None:
    """Who answered from each distance, a line each."""
    text = "trace://orda.example:{good}"
    lines = render_steps((await measure(text))[text]).splitlines()
    hops = [line.split() for line in lines if line.split()[:1] == ["1"]]
    assert [hop[:3] for hop in hops[:2]] == [["1", "private", "end,"], ["1", "*", "end,"]]


async def test_all_that_was_seen_is_json() -> None:
    """Step times count from the start of the measurement."""
    text = "https://orda.example:{good}/"
    measurement = (await measure(text))[text]
    told = json.loads(json.dumps(to_json(measurement)))
    assert [step["name"] for step in told["steps"]] == [step.name for step in measurement.steps]
    assert 0 <= told["steps"][0]["started_ms"] <= told["duration_ms"]
    assert told["result"] == {"requests": 1, "last_status": 200}


async def test_few_targets_are_measured_at_once() -> None:
    """A long list does not open a hundred sockets together."""
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
        targets = [parse_target(f"http://127.0.0.1:{port}/{n}") for n in range(12)]
        await measure_once(targets, make_edges(AUTHORITY))
    assert most <= 5


def test_an_empty_list_is_an_empty_table() -> None:
    """A head and nothing under it."""
    assert len(render_table([]).splitlines()) == 2


@pytest.mark.parametrize("probe", sorted(PROBES))
def test_every_probe_says_which_targets_it_is_for(probe: str) -> None:
    """What it cannot measure is refused with a sentence, before anything is sent."""
    assert probe in {
        each for each in PROBES for kind in PROBE_OF_KIND if misuse(each, kind) is None
    }
    refused = [text for kind in PROBE_OF_KIND if (text := misuse(probe, kind)) is not None]
    assert all(text.startswith(f"{probe} is for ") for text in refused)
    assert refused


def test_the_probe_of_each_kind_can_measure_it() -> None:
    """The default is never refused."""
    assert not any(misuse(probe, kind) for kind, probe in PROBE_OF_KIND.items())


async def test_another_probe_can_be_asked_for() -> None:
    """A name beside a neutral one, shown step by step."""
    resolver = TableResolver({HOST: ["127.0.0.1"]})
    edges = make_edges(AUTHORITY, system_resolver=resolver, pairing=Pairing(rounds=1))
    async with tcp_server(stay_silent, tls=CONTEXT) as port:
        target = parse_target(f"{HOST}:{port}")
        (seen,) = await measure_once([target], edges, probe="name_pair")
    assert seen.probe == "name_pair"
    assert not went_wrong(seen)
    shown = render_steps(seen)
    assert 'server_name: "example.com"' in shown
    assert 'server_name: "orda.example"' in shown
    assert "ok" in render_table([seen])
