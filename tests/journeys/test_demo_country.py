"""The demo's country on real loopback sockets: servers, resolvers, faults, canaries."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import dns.message
import pytest

from shyraq_demo.addresses import BROKER_PORT, HTTP_PORT, TLS_PORT, Plan, claim, network_of_cell
from shyraq_demo.country import Country
from shyraq_demo.errors import EffectError
from shyraq_demo.pace import StoryPace
from shyraq_demo.story import FaultKind, Where
from shyraq_demo.story_toml import parse
from shyraq_demo.treatment import faults_on

HEAD = """
[story]
id = "small"
title = "Everything once"
starts_at = 2022-01-04T12:00:00Z
heartbeat_s = 60
length = 30
compression = 30
country = "KZ"
nodes_per_cell = 3
[[network]]
isp = "kcell"
name = "Kcell"
access = "mobile"
[[network]]
isp = "beeline"
name = "Beeline"
access = "fixed"
[[region]]
code = "KZ-75"
name = "Almaty"
[[abroad]]
isp = "hetzner"
name = "Hetzner"
country = "DE"
[[abroad]]
isp = "ovh"
name = "OVH"
country = "FR"
[[site]]
name = "egov.kz"
place = "domestic"
role = "official"
rtt_ms = 0
[[site]]
name = "orda.kz"
place = "abroad"
role = "target"
rtt_ms = 20
"""


def fault(kind: FaultKind) -> str:
    """One fault on Kcell from 10 to 20."""
    about = "" if kind in ("cut", "border-cut") else 'site = "orda.kz"\n'
    about += "delay_ms = 60\n" if kind == "slow" else ""
    return (
        f'[[fault]]\nid = "it"\nsays = "it"\nkind = "{kind}"\nbegins = 10\nends = 20\n'
        f'where = {{ isps = ["kcell"] }}\n{about}'
    )


@pytest.fixture
async def plan() -> AsyncIterator[Plan]:
    """Addresses, and a broker that welcomes everyone and answers pings."""

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(2)
        if head:
            await reader.readexactly(head[1])
            writer.write(b"\x20\x02\x00\x00")
        while await reader.read(2) == b"\xc0\x00":
            writer.write(b"\xd0\x00")
        writer.close()

    with claim() as made:
        server = await asyncio.start_server(welcome, made.broker(), BROKER_PORT)
        yield made
        server.close()
        await server.wait_closed()


KINDS: list[FaultKind] = [
    "cut",
    "border-cut",
    "drop",
    "refuse",
    "reset",
    "hang",
    "slow",
    "page",
    "certificate",
    "dns-lie",
    "dns-nxdomain",
    "dns-silence",
]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_fault_takes_effect_and_ends(
    kind: FaultKind, plan: Plan, tmp_path: Path
) -> None:
    """Every kind of fault is put on one network, proved by canaries, and taken off again."""
    country = Country(parse(HEAD + fault(kind), source="it"), plan, tmp_path)
    await country.begin()
    try:
        for heartbeats in (0, 10, 20):
            await country.turn(heartbeats)
    finally:
        await country.close()


async def test_only_the_named_network_feels_a_fault(plan: Plan, tmp_path: Path) -> None:
    """While Kcell is cut, Beeline and the networks abroad are whole."""
    story = parse(HEAD + fault("cut"), source="it")
    country = Country(story, plan, tmp_path)
    await country.begin()
    try:
        await country.turn(10)
        for network, cell in country.networks.items():
            is_silent = network.resolver.answer(_query("orda.kz")) is None
            assert is_silent == (cell is not None and cell.isp == "kcell")
    finally:
        await country.close()


async def test_sites_prove_themselves_to_the_bundle_and_the_impostor_does_not(
    plan: Plan, tmp_path: Path
) -> None:
    """A node's trust bundle accepts the origin and refuses the forced certificate."""
    country = Country(parse(HEAD + fault("certificate"), source="it"), plan, tmp_path)
    await country.begin()
    trust = ssl.create_default_context(cafile=country.bundle)
    site = (plan.site(1, network_of_cell(0)), TLS_PORT)
    try:
        _, writer = await asyncio.open_connection(*site, ssl=trust, server_hostname="orda.kz")
        writer.transport.abort()
        await country.turn(10)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(*site, ssl=trust, server_hostname="orda.kz")
    finally:
        await country.close()


async def test_a_forged_page_is_served_in_the_clear(plan: Plan, tmp_path: Path) -> None:
    """The page fault acts on plain HTTP alone."""
    country = Country(parse(HEAD + fault("page"), source="it"), plan, tmp_path)
    await country.begin()
    try:
        await country.turn(10)
        reader, writer = await asyncio.open_connection(plan.site(1, network_of_cell(0)), HTTP_PORT)
        writer.write(b"GET / HTTP/1.1\r\nHost: orda.kz\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"403"
        writer.transport.abort()
    finally:
        await country.close()


async def test_a_switch_without_effect_stops_the_story(plan: Plan, tmp_path: Path) -> None:
    """If a resolver goes on telling the truth under a lie, the canary raises."""
    story = parse(HEAD + fault("dns-lie"), source="it")
    country = Country(story, plan, tmp_path)
    await country.begin()
    try:
        for network in country.networks:
            network.resolver.records["orda.kz"] = plan.nobody(0)
        with pytest.raises(EffectError, match=r"orda\.kz"):
            await country.turn(10)
    finally:
        await country.close()


def test_networks_abroad_have_no_faults() -> None:
    """A fault that names nobody acts on the whole country and on nothing else."""
    text = fault("cut").replace('{ isps = ["kcell"] }', "{}")
    story = parse(HEAD + text, source="it")
    assert faults_on(story, None, 15) == ()
    assert story.faults[0].where == Where()


def test_two_runs_take_different_addresses() -> None:
    """A second demo on the same machine does not meet the first."""
    with claim() as first, claim() as second:
        assert first.prefix != second.prefix


async def test_the_pace_runs_faster_and_agrees_between_copies() -> None:
    """Thirty story seconds pass in a real one, for everyone who has the anchor."""
    anchor = time.monotonic_ns()
    paces = [StoryPace(anchor_monotonic_ns=anchor, starts_at_ms=10**12, factor=30)] * 2
    before = paces[0].now_ms()
    await paces[0].sleep_ms(3_000)
    assert paces[1].now_ms() - before >= 3_000
    assert paces[0].now_ms() - 10**12 == pytest.approx(paces[1].uptime_ms() - 3_600_000, abs=1_000)


def _query(name: str) -> bytes:
    return dns.message.make_query(name, "A").to_wire()
