"""The broker's configuration and access list, written from the registry.

1. One listener: TLS 1.3, a client certificate from our authority, its common name taken as user
   name *and* as client id, so that nobody can take over another's session.
2. One block in the access list for each node that may talk: its own report and session up, its own
   receipt and control down, the fleet's signed topics. No pattern: with one, a node whose
   certificate still stands would go on delivering after it was taken out of the registry.
3. Every limit is explicit; the broker's defaults lose messages silently.

The texts are made here and written by the command line; the broker reads both again on SIGHUP, and
a node that left the list stops delivering at once even in a session that is still open. Whoever
tests this must look at deliveries: the broker grants subscriptions that the list forbids.

Written for mosquitto 2.0. No clock, no disk, no network.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from shyraq_wire.envelope import MAX_FRAME_SIZE_BYTES
from shyraq_wire.topics import (
    CANARY,
    FLEET_CONFIG,
    LOG_CHECKPOINT,
    PREFIX,
    NodeId,
    every_node,
    node_topic,
)

COLLECTOR_NAME: Final = "shyraq-collector"
"""Common name of the collector's own client certificate."""

CANARY_NAME: Final = "shyraq-canary"
"""Common name of the canary's: its silence must not share the collector's session."""

_PACKET_SIZE_BYTES: Final = MAX_FRAME_SIZE_BYTES + 1024
"""A whole frame, its format byte, and an MQTT header with the longest topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFiles:
    """Where the broker finds what its configuration names."""

    access_list: PurePath
    trust_chain: PurePath
    """Intermediate and root, as `ca init` writes `chain.crt`."""
    certificate: PurePath
    key: PurePath
    revocation_list: PurePath
    state_directory: PurePath
    """Writable by the broker: sessions and retained messages over a restart."""


def mosquitto_configuration(
    files: BrokerFiles, *, port: int = 8883, address: str | None = None, nodes: int = 100
) -> str:
    """The text of mosquitto.conf.

    Args:
        files: The paths that go into it.
        port: Where nodes connect, 1 to 65535.
        address: Bind to this one; None: all of the host's.
        nodes: How many nodes may talk. A tenth more are let in, rounded up to a hundred, so that
            the file, and the restart it costs, changes only when the fleet has grown a lot.
    """
    listen = f"listener {port}" if address is None else f"listener {port} {address}"
    return f"""\
# Written by `shyraq-collector broker-config`; change the registry, not this file.
per_listener_settings false
allow_anonymous false
acl_file {files.access_list}

persistence true
persistence_location {files.state_directory}/
autosave_interval 60
persistent_client_expiration 14d

max_packet_size {_PACKET_SIZE_BYTES}
max_inflight_messages 100
max_queued_messages 200000
max_queued_bytes 536870912
max_keepalive 300
set_tcp_nodelay true

{listen}
max_connections {-(-(nodes + nodes // 10 + 20) // 100) * 100}
allow_zero_length_clientid false
cafile {files.trust_chain}
certfile {files.certificate}
keyfile {files.key}
crlfile {files.revocation_list}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
use_username_as_clientid true
"""


def access_list(nodes: Iterable[NodeId]) -> str:
    """The text of the access list.

    Args:
        nodes: Every node that may talk now: registered, with a key that is not revoked.
    """
    blocks = [
        _block(
            COLLECTOR_NAME,
            read=(every_node("report"), every_node("session"), CANARY, "$SYS/broker/#"),
            write=(
                every_node("receipt"),
                every_node("control"),
                FLEET_CONFIG,
                LOG_CHECKPOINT,
            ),
        ),
        _block(CANARY_NAME, read=(CANARY,), write=(CANARY,)),
    ]
    blocks += [
        _block(
            node,
            read=(
                node_topic(node, "receipt"),
                node_topic(node, "control"),
                FLEET_CONFIG,
                LOG_CHECKPOINT,
            ),
            write=(node_topic(node, "report"), node_topic(node, "session")),
        )
        for node in sorted(nodes)
    ]
    head = (
        f"# Written by `shyraq-collector broker-config`: who may say and hear what on {PREFIX}/.\n"
    )
    return head + "\n" + "\n".join(blocks)


def _block(user: str, *, read: Iterable[str], write: Iterable[str]) -> str:
    lines = [f"user {user}"]
    lines += [f"topic read {topic}" for topic in read]
    lines += [f"topic write {topic}" for topic in write]
    return "\n".join(lines) + "\n"
