"""MQTT topic names: build and parse, one place for both wings.

    shyraq/1/<shard>/node/<node id>/<channel>       report, session up; receipt, control down
    shyraq/1/fleet/config                           signed configuration, retained
    shyraq/1/log/checkpoint                         signed log checkpoint, retained
    shyraq/1/canary                                 the collector's own loop through the broker

The shard, s00 to s63, follows from the node id, so that several collectors can divide the
fleet by subscription. The node id in the topic, in the client certificate and in the signed
payload must be the same; this module only gives the first of the three.
"""

import hashlib
import re
from typing import Final, Literal, NewType

from shyraq_wire.errors import LocalError, MalformedTopic

NodeId = NewType("NodeId", str)
"""Opaque, given at registration, never reused: `[a-z0-9-]{8,32}`."""

Channel = Literal["report", "session", "receipt", "control"]

PREFIX: Final = "shyraq/1"
SHARD_COUNT: Final = 64
FLEET_CONFIG: Final = f"{PREFIX}/fleet/config"
LOG_CHECKPOINT: Final = f"{PREFIX}/log/checkpoint"
CANARY: Final = f"{PREFIX}/canary"

NODE_ID: Final = re.compile(r"[a-z0-9-]{8,32}")
_NODE_TOPIC = re.compile(
    r"shyraq/1/(s[0-6][0-9])/node/([a-z0-9-]{8,32})/(report|session|receipt|control)"
)


def check_node_id(text: str) -> NodeId:
    """The text as a node id.

    Raises:
        LocalError: It is not 8 to 32 of a-z, 0-9 and hyphen.
    """
    if not NODE_ID.fullmatch(text):
        raise LocalError(f"a node id is 8 to 32 of a-z, 0-9 and hyphen, not {text!r}")
    return NodeId(text)


def shard(node: NodeId) -> str:
    """The shard of a node, s00 to s63: first byte of SHA-256 of the id, modulo 64."""
    return f"s{hashlib.sha256(node.encode()).digest()[0] % SHARD_COUNT:02d}"


def node_topic(node: NodeId, channel: Channel) -> str:
    """The topic of one node's channel."""
    return f"{PREFIX}/{shard(node)}/node/{node}/{channel}"


def every_node(channel: Channel) -> str:
    """The subscription filter for one channel of all nodes."""
    return f"{PREFIX}/+/node/+/{channel}"


def parse_node_topic(topic: str) -> tuple[NodeId, Channel]:
    """The node and channel that a topic names.

    Raises:
        MalformedTopic: Not a node topic, or the shard is not the node's.
    """
    match = _NODE_TOPIC.fullmatch(topic)
    if match is None:
        raise MalformedTopic("not a node topic")
    node = NodeId(match[2])
    if match[1] != shard(node):
        raise MalformedTopic("the shard is not this node's")
    channel: Channel
    match match[3]:
        case "report":
            channel = "report"
        case "session":
            channel = "session"
        case "receipt":
            channel = "receipt"
        case _:
            channel = "control"
    return node, channel
