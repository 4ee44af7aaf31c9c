"""Topic names: built and parsed in one place."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.errors import LocalError, MalformedTopic
from shyraq_wire.topics import (
    SHARD_COUNT,
    Channel,
    NodeId,
    check_node_id,
    every_node,
    node_topic,
    parse_node_topic,
    shard,
)
from support.reports import node_ids

channels = st.sampled_from(get_args(Channel))


@given(node_ids(), channels)
def test_a_built_topic_parses_back(node: NodeId, channel: Channel) -> None:
    """parse_node_topic(node_topic(n, c)) == (n, c)."""
    assert parse_node_topic(node_topic(node, channel)) == (node, channel)


@given(node_ids(), channels)
def test_the_filter_for_all_nodes_fits_every_topic(node: NodeId, channel: Channel) -> None:
    """Level by level, + or equal."""
    levels = zip(every_node(channel).split("/"), node_topic(node, channel).split("/"), strict=True)
    assert all(wanted in ("+", level) for wanted, level in levels)


def test_shards_are_spread_over_all_sixty_four() -> None:
    """A thousand nodes leave no shard empty, and a node's shard never changes."""
    shards = {shard(NodeId(f"node-{number:04d}")) for number in range(1_000)}
    assert shards == {f"s{number:02d}" for number in range(SHARD_COUNT)}
    assert shard(NodeId("node-0001")) == "s38"


def test_a_topic_of_another_shard_is_malformed() -> None:
    """The shard follows from the node id; no other may carry its reports."""
    topic = node_topic(NodeId("node-0001"), "report")
    with pytest.raises(MalformedTopic, match="shard"):
        parse_node_topic(topic.replace("/s38/", "/s00/"))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "shyraq/1",
        "shyraq/1/fleet/config",
        "shyraq/2/s38/node/node-0001/report",
        "Shyraq/1/s38/node/node-0001/report",
        "/shyraq/1/s38/node/node-0001/report",
        "shyraq/1/s38/node/node-0001/report/",
        "shyraq/1/s38/node/node-0001/report\n",
        "shyraq/1/s38/node/node-0001/report/extra",
        "shyraq/1/s38/node/node-0001/other",
        "shyraq/1/s38/node//report",
        "shyraq/1/s38/node/short/report",
        "shyraq/1/s38/node/NODE-0001/report",
        "shyraq/1/s38/node/node 0001/report",
        "shyraq/1/s38/node/нода-0001/report",
        "shyraq/1/s8/node/node-0001/report",
        "shyraq/1/s+8/node/node-0001/report",
        "shyraq/1/+/node/+/report",
        "shyraq/1/s70/node/node-0001/report",
        "shyraq/1/s٠٨/node/node-0001/report",
        "$SYS/broker/uptime",
        "shyraq/1/s38/node/" + "n" * 33 + "/report",
        "x" * 70_000,
    ],
    ids=lambda topic: ascii(topic[:60]),
)
def test_any_other_topic_is_malformed(topic: str) -> None:
    """Other versions, cases, levels, wildcards and lengths are refused."""
    with pytest.raises(MalformedTopic):
        parse_node_topic(topic)


@given(st.text(max_size=60))
def test_arbitrary_topics_are_malformed(topic: str) -> None:
    """Nothing but MalformedTopic leaves."""
    with pytest.raises(MalformedTopic):
        parse_node_topic(topic)


@given(node_ids())
def test_a_node_id_passes_as_it_is(text: str) -> None:
    """8 to 32 of a-z, 0-9 and hyphen."""
    assert check_node_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "short", "UPPERCASE", "under_score", "n" * 33, "node-001\n", "a/b/c/d/e"]
)
def test_any_other_node_id_is_our_own_mistake(text: str) -> None:
    """Registration refuses it before it can become a topic."""
    with pytest.raises(LocalError, match="node id"):
        check_node_id(text)
