"""The demo's world: real configurations, real processes on loopback, and nothing left behind."""

import io
import socket
from pathlib import Path

import pytest
from rich.console import Console

from shyraq_agent.config import load_config as load_agent
from shyraq_collector.config import load_config as load_collector
from shyraq_demo.account import Deed, Said
from shyraq_demo.addresses import BROKER_PORT, DNS_PORT, claim
from shyraq_demo.broker import find
from shyraq_demo.compare import Finding
from shyraq_demo.country import Country
from shyraq_demo.fleet import nodes
from shyraq_demo.listening import listener
from shyraq_demo.narrator import Narrator
from shyraq_demo.start import Start
from shyraq_demo.story_toml import load
from shyraq_demo.telling import edges
from shyraq_demo.world import World

SOURCE = Path(__file__).parents[2] / "deploy" / "demo" / "stories" / "january.toml"
JANUARY = load(SOURCE)

TINY = """
[story]
id = "tiny"
title = "Three nodes"
starts_at = 2022-01-04T12:00:00Z
heartbeat_s = 60
length = 5
compression = 30
country = "KZ"
nodes_per_cell = 3
[[network]]
isp = "kcell"
name = "Kcell"
access = "mobile"
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
name = "example.org"
place = "abroad"
role = "neutral"
rtt_ms = 5
[[fault]]
id = "cut"
says = "Kcell is cut."
kind = "cut"
where = {}
begins = 1
ends = 5
"""


@pytest.fixture
def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_the_story_has_fifty_nodes_each_at_a_site_of_its_own() -> None:
    """Four networks in four regions with three nodes, and two controls abroad."""
    everyone = list(nodes(JANUARY))
    assert len(everyone) == 50
    assert len({node.id for node in everyone}) == len({node.site for node in everyone}) == 50
    controls = [node for node in everyone if node.role == "control"]
    assert len({node.isp for node in controls}) == 2


def test_the_programs_accept_the_configurations(tmp_path: Path) -> None:
    """Every file of a run is one that an operator could have written."""
    with claim() as plan:
        Country(JANUARY, plan, tmp_path)
        world = World(JANUARY, SOURCE, plan, tmp_path, program=find(None), page_port=None)
    files = sorted(tmp_path.glob("nodes/*/agent.toml"))
    assert len(files) == 50
    for path in (files[0], files[-1]):
        assert load_agent(path).settings.node.heartbeat_s == 60
    collector = load_collector(world.collector_configuration)
    assert collector.heartbeat_s == 60
    assert collector.http.host == world.page[0]


def test_edges_come_in_order_and_returns_before_new_faults() -> None:
    """A network that is handed from one fault to the next is not whole in between."""
    found = edges(JANUARY)
    keys = [(edge.at_heartbeats, edge.is_begin) for edge in found]
    assert keys == sorted(keys)
    assert len({edge.name for edge in found}) == len(found)


def test_the_start_survives_its_line() -> None:
    """What one process writes the other reads."""
    start = Start(anchor_monotonic_ns=1, starts_at_ms=2, factor=30)
    assert start.pace().factor == 30
    assert '"factor": 30' in start.line()


async def test_a_world_runs_and_leaves_nothing(tmp_path: Path, free_port: int) -> None:
    """Nodes report, the collector stores, and behind the context nothing listens or runs."""
    source = tmp_path / "tiny.toml"
    source.write_text(TINY)
    with claim() as plan:
        world = World(load(source), source, plan, tmp_path, program=find(None), page_port=free_port)
        async with world, listener(world.page) as ear:
            pace = await world.begin()
            await ear.wait()
            while (await ear.health())["reports_stored"] < 5:
                await pace.sleep_ms(10_000)
            await world.country.turn(2)
            assert not await ear.listen()
        for at in (world.page, (plan.broker(), BROKER_PORT), (plan.resolver(1), DNS_PORT)):
            socket.create_server(at).close()


def test_the_narrator_tells_deeds_and_words_with_their_delay() -> None:
    """Each line has the heartbeat, who speaks, and how long after the deed."""
    out = io.StringIO()
    narrator = Narrator(JANUARY, Console(file=out, width=200))
    edge = edges(JANUARY)[0]
    at_ms = JANUARY.starts_at_ms + 120_000
    narrator.open(("127.0.0.1", 8022), "mosquitto")
    narrator.deed(Deed(edge=edge.name, at_ms=at_ms), edge)
    narrator.said(
        Said(
            incident="aaaa",
            number=0,
            published_at_ms=at_ms + 150_000,
            kind="outage",
            state="confirmed",
            level="isp",
            isps=frozenset({"kcell"}),
            regions=frozenset(),
            access=frozenset(),
            exempt=frozenset(),
            sites=frozenset(),
        )
    )
    narrator.end(
        [Finding(what="the cut", expected="it", found="[it]", delay_heartbeats=2.5, is_right=True)]
    )
    told = out.getvalue()
    assert "http://127.0.0.1:8022/" in told
    assert edge.fault.says in told
    assert "outage confirmed · isp · kcell (+2.5 heartbeats)" in told
    assert "[it]" in told
