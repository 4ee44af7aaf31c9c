"""The nodes of a story: who they are, where they stand, and each one's own configuration file.

Three or more nodes stand in each cell, each at a site of its own; one control node in each
network abroad. Every node has its own key and state directory and the ordinary TOML file that
a Pi would have; only the addresses in it are the demo's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from shyraq_demo.addresses import (
    BROKER_PORT,
    DNS_PORT,
    ECHO_PORT,
    TLS_PORT,
    Plan,
    network_abroad,
    network_of_cell,
)
from shyraq_demo.story import Access, Site, Story, cells

PROBE_HEARTBEATS: Final = 0.4
"""How long a rung of the ladder may take, in heartbeats of real time."""
PAGE_HEARTBEATS: Final = 6
"""Between two measurements of a page, as in an event window."""
PAGE_NODES: Final = 1
"""Nodes of a cell that measure pages; fifty nodes share one process here."""
ANSWER_HEARTBEATS: Final = 0.5
"""How long the broker may take to answer, in heartbeats of real time."""
_TIERS: Final = {"official": "official_domestic", "ordinary": "domestic", "far": "abroad"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node and its place."""

    id: str
    network: int
    """Third octet of its addresses."""
    isp: str
    region: str | None
    country: str
    access: Access | None
    site: str
    role: Literal["sensor", "control"]
    measures_pages: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendezvous:
    """What every node must know of the world."""

    plan: Plan
    protocol: Literal["5", "3.1.1"]
    receipt_key: str
    """The collector's public key, hexadecimal."""
    bundle: Path


def bundle_of(directory: Path) -> Path:
    """Where a country writes the root that its nodes are to trust.

    Args:
        directory: Of the run.
    """
    return directory / "country" / "trust.pem"


def nodes(story: Story) -> Iterator[Node]:
    """Every node of a story."""
    for index, cell in enumerate(cells(story)):
        number = network_of_cell(index)
        for place in range(story.nodes_per_cell):
            name = f"demo-{number:03d}-{place:02d}"
            yield Node(
                id=name,
                network=number,
                isp=cell.isp,
                region=cell.region,
                country=story.country,
                access=cell.access,
                site=f"site-{number:03d}-{place:02d}",
                role="sensor",
                measures_pages=place < PAGE_NODES,
            )
    for index, abroad in enumerate(story.abroad):
        number = network_abroad(index)
        yield Node(
            id=f"demo-{number:03d}-00",
            network=number,
            isp=abroad.isp,
            region=None,
            country=abroad.country,
            access=None,
            site=f"site-{number:03d}-00",
            role="control",
            measures_pages=True,
        )


def configuration(story: Story, node: Node, home: Path, meeting: Rendezvous) -> str:
    """A node's configuration file.

    Args:
        story: For cadence and sites.
        node: Whose.
        home: Its directory; the key is `node.pem` there.
        meeting: The world.
    """
    plan, number = meeting.plan, node.network
    real_heartbeat_s = story.heartbeat_s / story.compression
    probe_ms = min(4000, round(1000 * PROBE_HEARTBEATS * real_heartbeat_s))
    lines = [
        *_table("node", id=node.id, state_directory=home / "state", key_file=home / "node.pem"),
        f"heartbeat_s = {story.heartbeat_s}",
        *_table("collector", receipt_keys=[meeting.receipt_key]),
        *_table("[broker]", host=plan.broker(number), port=BROKER_PORT, tls=False),
        f'protocol = "{meeting.protocol}"',
        f"connect_timeout_s = {real_heartbeat_s * ANSWER_HEARTBEATS}",
        f"answer_timeout_s = {real_heartbeat_s * ANSWER_HEARTBEATS}",
        *_table("network", gateways=[plan.gateway(number)], system_resolver=False),
        f'trust_bundle = "{meeting.bundle}"',
        *_table("[resolver]", role="isp", address=plan.resolver(number), port=DNS_PORT),
        *_ladder(story.sites, plan, number),
        *(
            line
            for name in _own_pages(story, node)
            for line in _table("[target]", target=page(name))
        ),
        *_table("lists", shipped=False),
        *_table("cadence", ladder_s=10 * story.heartbeat_s, web_s=page_period_s(story)),
        f"vitals_s = {30 * story.heartbeat_s}",
        *_table("limits", ladder_ms=probe_ms, lookup_ms=2000, late_answer_ms=50),
        *_table("budget", monthly_bytes=20_000_000_000),
    ]
    return "\n".join(lines) + "\n"


def pages(story: Story) -> list[str]:
    """The names of the sites that are measured as pages."""
    return [site.name for site in story.sites if site.role in ("neutral", "target")]


def _own_pages(story: Story, node: Node) -> list[str]:
    """Pages are measured by some nodes of each network, as in a fleet that rotates subsets."""
    return pages(story) if node.measures_pages else []


def page(name: str) -> str:
    """A site's page as the nodes are told to measure it."""
    return f"https://{name}:{TLS_PORT}/"


def page_period_s(story: Story) -> int:
    """Seconds of the story between two measurements of a page, as in an event window."""
    return PAGE_HEARTBEATS * story.heartbeat_s


def _ladder(sites: Sequence[Site], plan: Plan, number: int) -> Iterator[str]:
    yield from _table("[ladder]", tier="gateway", host=plan.gateway(number), port=0, proof="ping")
    resolver, responder = plan.resolver(number), plan.responder(number)
    yield from _table("[ladder]", tier="resolver", host=resolver, port=DNS_PORT, proof="dns")
    yield from _table("[ladder]", tier="collector", host=responder, port=ECHO_PORT, proof="echo")
    for index, site in enumerate(sites):
        tier = _TIERS.get(site.role)
        if tier is not None:
            at = plan.site(index, number)
            yield from _table("[ladder]", tier=tier, host=at, port=TLS_PORT, proof="tls")
            yield f'server_name = "{site.name}"'


def _table(table: str, **values: str | int | float | Path | list[str]) -> list[str]:
    return [f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]


def _toml(value: str | float | Path | list[str]) -> str:
    """A TOML value; the texts of a run hold nothing that needs escaping."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"'
