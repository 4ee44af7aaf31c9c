"""The collector's side of a run, prepared as an operator would: key, configuration, registry.

All nodes are put into the registry by its own code, as `shyraq-collector nodes add` does it,
with validity from a day before the story. What the operator knows of targets (neutral names,
cadence) stands in the configuration file.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from shyraq_collector.facts.fleet import Placement
from shyraq_collector.registry import Registry
from shyraq_collector.store.schema import open_ledger
from shyraq_demo.addresses import BROKER_PORT, Plan
from shyraq_demo.broker import Program
from shyraq_demo.fleet import ANSWER_HEARTBEATS, Node, page, page_period_s, pages
from shyraq_demo.story import Story

CONFIG_NAME: Final = "collector.toml"
_BEFORE: Final = timedelta(days=1)


def write_configuration(
    story: Story, plan: Plan, *, program: Program, at_page: tuple[str, int], directory: Path
) -> Path:
    """The collector's configuration file; returns its path.

    Args:
        story: For targets and cadence.
        plan: Where the broker is.
        program: Which MQTT version it speaks.
        at_page: Where to serve the page.
        directory: Of the collector; holds its key, `collector.pem`.
    """
    real_heartbeat_s = story.heartbeat_s / story.compression
    lines = [
        "[collector]",
        'data_directory = "."',
        'key_file = "collector.pem"',
        f"heartbeat_s = {story.heartbeat_s}",
        "[broker]",
        f'host = "{plan.broker()}"',
        f"port = {BROKER_PORT}",
        f'protocol = "{program.protocol}"',
        "tls = false",
        f"connect_timeout_s = {real_heartbeat_s * ANSWER_HEARTBEATS}",
        f"answer_timeout_s = {real_heartbeat_s * ANSWER_HEARTBEATS}",
        "[http]",
        f'host = "{at_page[0]}"',
        f"port = {at_page[1]}",
    ]
    path = directory / CONFIG_NAME
    path.write_text("\n".join([*lines, *_targets(story)]) + "\n")
    return path


def _targets(story: Story) -> Iterator[str]:
    """What the operator knows of the pages that the nodes measure."""
    neutral = {site.name for site in story.sites if site.role == "neutral"}
    for name in pages(story):
        yield "[[target]]"
        yield f'name = "{page(name)}"'
        yield f"cadence_s = {page_period_s(story)}"
        yield f"neutral = {str(name in neutral).lower()}"


def register(story: Story, ledger: Path, keys: Iterable[tuple[Node, bytes]]) -> None:
    """Put every node into the registry.

    Args:
        story: For the date.
        ledger: The collector's file; made when absent.
        keys: Each node with its raw public key.
    """
    valid_from_ms = story.starts_at_ms - _BEFORE // timedelta(milliseconds=1)
    connection = open_ledger(ledger)
    try:
        registry = Registry(connection)
        for node, public_key in keys:
            placement = Placement(
                node=node.id,
                isp=node.isp,
                region=node.region,
                country=node.country,
                access=node.access,
                site=node.site,
                role=node.role,
            )
            registry.add(placement=placement, public_key=public_key, valid_from_ms=valid_from_ms)
    finally:
        connection.close()
