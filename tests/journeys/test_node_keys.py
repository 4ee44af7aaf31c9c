"""A node's keys and certificate, command by command as the operator guide has them.

The keys are made by the agent's command, the certificate by the collector's, the broker's files by
the collector from its registry, and a real mosquitto with mutual TLS says who came.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shyraq_agent.cli.commands import public_policy
from shyraq_agent.cli.commands import run_command as agent_command
from shyraq_agent.errors import LocalError
from shyraq_agent.meter import Tally
from shyraq_agent.publish.connection import open_connection
from shyraq_agent.publish.endpoint import Endpoint, Tls
from shyraq_agent.sign.keyfile import raw_public_key, read_key
from shyraq_collector.cli.main import run_command as collector_command
from shyraq_wire.topics import NodeId, node_topic
from support.broker import Broker, free_port, running_broker
from support.clock import until

NODE = NodeId("node-almaty-1")


def agent(*arguments: str) -> int:
    """`shyraq-agent` on the node."""
    return agent_command(arguments, make_policy=public_policy)


def collector(*arguments: str) -> None:
    """`shyraq-collector` on the operator's host; it must succeed."""
    assert collector_command(arguments) == 0


@pytest.fixture
def operator(tmp_path: Path) -> Path:
    """An operator's folder with an authority, a broker's certificate and a registry."""
    collector("ca", "init", "--name", "Test", "--ca", str(tmp_path / "ca"))
    files = ["--cert", str(tmp_path / "broker.crt"), "--key", str(tmp_path / "broker.key")]
    collector("ca", "server", "127.0.0.1", "--ca", str(tmp_path / "ca"), *files)
    collector("keygen", str(tmp_path / "receipt.key"))
    (tmp_path / "collector.toml").write_text(
        f'[collector]\ndata_directory = "{tmp_path}"\nkey_file = "{tmp_path / "receipt.key"}"\n'
        '[broker]\nhost = "127.0.0.1"\ntls = false\n'
    )
    return tmp_path


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """The node's own folder, with both keys and a request."""
    folder = tmp_path / "node"
    folder.mkdir(mode=0o700)
    assert agent("keygen", str(folder / "evidence.key")) == 0
    assert agent("keygen", "--tls", str(folder / "tls.key"), "--node", NODE) == 0
    return folder


def register(operator: Path, node: Path) -> None:
    """Public key and request come to the operator; only a certificate goes back."""
    public = raw_public_key(read_key(node / "evidence.key")).hex()
    place = ["--isp", "beeline", "--region", "KZ-75", "--country", "KZ", "--site", "s1"]
    config = ["--config", str(operator / "collector.toml")]
    collector("nodes", "add", NODE, "--public-key", public, *place, *config)
    answer(operator, node, "issue")


def answer(operator: Path, node: Path, command: str) -> None:
    """`ca issue` or `ca renew`."""
    files = ["--request", str(node / "tls.csr"), "--out", str(node / "tls.crt")]
    collector("ca", command, NODE, "--ca", str(operator / "ca"), *files)


@pytest.fixture
def broker(operator: Path, node: Path) -> Iterator[Broker]:
    """A mosquitto whose second listener runs on the files that the collector wrote."""
    register(operator, node)
    files = ["--cert", str(operator / "broker.crt"), "--key", str(operator / "broker.key")]
    config = ["--config", str(operator / "collector.toml"), "--ca", str(operator / "ca")]
    written = ["--out", str(operator), "--port", str(free_port()), "--address", "127.0.0.1"]
    collector("broker-config", *files, *config, *written)
    lines = (operator / "mosquitto.conf").read_text().splitlines()
    with running_broker(operator, kind="mosquitto") as running:
        running.stop()
        user = ["user root"] if os.geteuid() == 0 else []
        own = [line for line in lines if not line.startswith(("listener ", "persistence_location"))]
        conf = [f"listener {running.port} 127.0.0.1", *own, *user, "log_dest stderr"]
        running._config.write_text("\n".join(conf) + "\n")
        running.start()
        yield running


def way(broker: Broker, node: Path) -> Endpoint:
    """The endpoint as the node's configuration gives it."""
    return Endpoint(
        host=broker.host,
        port=broker.port,
        protocol="5",
        transport="tcp",
        tls=Tls(
            ca_file=node.parent / "ca" / "root.crt",
            cert_file=node / "tls.crt",
            key_file=node / "tls.key",
        ),
        connect_timeout_ms=5_000,
        answer_timeout_ms=5_000,
    )


async def talk(broker: Broker, node: Path) -> None:
    """Connect as the node, subscribe to what is its own, and send a report."""
    refusals: list[str] = []
    connection = await open_connection(
        way(broker, node),
        client_id=NODE,
        will_topic=node_topic(NODE, "session"),
        will_payload=b"offline",
        on_refusal=refusals.append,
        floor_ms=0,
        tally=Tally(),
    )
    await connection.subscribe([node_topic(NODE, "receipt")])
    connection.send(node_topic(NODE, "report"), b"x")
    await connection.close()
    assert refusals == []


async def test_the_broker_knows_the_node_by_its_own_certificate(
    operator: Path, node: Path, broker: Broker
) -> None:
    """User and client are the node id; after a renewal with the same key it comes in again."""
    await talk(broker, node)
    named = f"as {NODE} (p5, c0, k60, u'{NODE}')"
    await until(lambda: named in broker.log.read_text())
    before = (node / "tls.crt").read_bytes()
    assert agent("keygen", "--tls", str(node / "tls.key"), "--node", NODE, "--renew") == 0
    answer(operator, node, "renew")
    assert (node / "tls.crt").read_bytes() != before
    await talk(broker, node)


async def test_another_key_does_not_fit_the_certificate(node: Path, broker: Broker) -> None:
    """A certificate is worth nothing without the key that never left the node."""
    (node / "tls.key").unlink()
    (node / "tls.csr").unlink()
    assert agent("keygen", "--tls", str(node / "tls.key"), "--node", NODE) == 0
    with pytest.raises(LocalError, match="TLS files"):
        await talk(broker, node)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tls"],
        ["--tls", "--node", "Not An Id"],
        ["--node", "node-almaty-1"],
        ["--renew"],
    ],
)
def test_what_does_not_belong_together_is_a_usage_error(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, a sentence, and no file."""
    assert agent("keygen", str(tmp_path / "key"), *arguments) == 2
    assert "--node" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
