"""The broker's files: what they say, and what a real broker then lets through."""

import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from shyraq_collector.broker_config import (
    COLLECTOR_NAME,
    BrokerFiles,
    access_list,
    mosquitto_configuration,
)
from shyraq_collector.ca.authority import Authority
from shyraq_wire.topics import CANARY, NodeId, every_node, node_topic

ALICE, BORIS = NodeId("node-alice"), NodeId("node-boris")
WAIT_S = 10.0
MQTT5_CONNECT = bytes.fromhex("101000044d5154540502003c000003") + b"abc"
"""CONNECT of MQTT v5 with a clean start and the client id abc (section 3.1)."""
MQTT_CONNACK = b"\x20"


def test_the_access_list_names_each_node_and_no_pattern() -> None:
    """A node has exactly its own topics, and a removed node has none."""
    text = access_list([BORIS, ALICE])
    assert "pattern" not in text
    assert "%" not in text
    block = next(part for part in text.split("\n\n") if part.startswith(f"user {ALICE}\n"))
    assert f"topic write {node_topic(ALICE, 'report')}" in block
    assert BORIS not in block
    assert ALICE not in access_list([BORIS])


def test_a_node_id_cannot_smuggle_a_line_into_the_access_list() -> None:
    """What stands in the list is made from checked ids; the list itself holds one user a node."""
    text = access_list([ALICE, BORIS])
    users = [line.removeprefix("user ") for line in text.splitlines() if line.startswith("user ")]
    assert users == sorted(set(users), key=users.index)
    assert users[2:] == [ALICE, BORIS]


@dataclass(kw_only=True)
class Peer:
    """A raw MQTT v5 client with whatever certificate and manners it was given."""

    port: int
    trust: Path
    certificate: Path | None
    client_id: str
    will: tuple[str, bytes] | None = None
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[ReasonCode] = field(default_factory=list)
    connected: list[ReasonCode] = field(default_factory=list)
    lost: list[ReasonCode] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build the client; nothing is sent yet."""
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self.client_id, protocol=mqtt.MQTTv5
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.trust)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate)
        self.client.tls_set_context(context)
        if self.will is not None:
            self.client.will_set(*self.will, qos=1)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self.connected.append(reason)
        self.client.on_disconnect = lambda _c, _u, _f, reason, _p: self.lost.append(reason)
        self.client.on_publish = lambda _c, _u, _m, reason, _p: self.answers.append(reason)
        self.client.on_message = lambda _c, _u, m: self.heard.append((m.topic, bytes(m.payload)))

    def connect(self) -> bool:
        """Whether the broker let this peer in."""
        try:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
            properties.SessionExpiryInterval = 3600
            self.client.connect("127.0.0.1", self.port, properties=properties, clean_start=False)
        except OSError:
            return False
        self.client.loop_start()
        wait_for(lambda: bool(self.connected or self.lost))
        return bool(self.connected) and not self.connected[0].is_failure

    def publish(self, topic: str, payload: bytes = b"x") -> ReasonCode | None:
        """The broker's answer to a publish; None: it answered by hanging up."""
        before = len(self.answers)
        self.client.publish(topic, payload, qos=1)
        wait_for(lambda: len(self.answers) > before or bool(self.lost))
        return self.answers[before] if len(self.answers) > before else None

    def subscribe(self, *filters: str) -> None:
        """Ask for topics and wait for the answer, which is not to be believed."""
        granted: list[object] = []
        self.client.on_subscribe = lambda _c, _u, _m, reasons, _p: granted.append(reasons)
        self.client.subscribe([(each, SubscribeOptions(qos=1)) for each in filters])
        wait_for(lambda: bool(granted))

    def die(self) -> None:
        """Vanish without a word, so that the broker sends the last will."""
        sock = self.client.socket()
        assert sock is not None
        self.client.loop_stop()
        sock.close()

    def close(self) -> None:
        """Leave properly."""
        self.client.disconnect()
        self.client.loop_stop()


def wait_for(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; fail after ten seconds."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


@dataclass(kw_only=True)
class Door:
    """A real broker behind real certificates."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    authority: Authority
    now_ms: int
    peers: list[Peer] = field(default_factory=list)

    def certificate(self, name: str, *, days_ago: int = 0) -> Path:
        """A certificate and key for a name, in one file."""
        path = self.folder / f"{name}-{days_ago}.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject)
        pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        chain = self.authority.issue(name, pem, self.now_ms - days_ago * 86_400_000)
        path.write_bytes(chain + secret)
        return path

    def peer(
        self,
        name: str,
        *,
        certificate: Path | None = None,
        client_id: str | None = None,
        will: tuple[str, bytes] | None = None,
    ) -> Peer:
        """A connected peer with its own certificate unless another is given."""
        made = Peer(
            port=self.port,
            trust=self.folder / "ca" / "root.crt",
            certificate=certificate or self.certificate(name),
            client_id=name if client_id is None else client_id,
            will=will,
        )
        self.peers.append(made)
        assert made.connect()
        return made

    def stranger(self, certificate: Path | None, maximum: ssl.TLSVersion) -> bool:
        """Whether somebody with these papers is let in.

        With TLS 1.3 a client learns of its refused certificate only when it reads.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.folder / "ca" / "root.crt")
        context.maximum_version = maximum
        if certificate is not None:
            context.load_cert_chain(certificate)
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S) as plain:
            try:
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
                    tls.sendall(MQTT5_CONNECT)
                    return tls.recv(1) == MQTT_CONNACK
            except OSError:
                return False

    def reload(self, nodes: list[NodeId]) -> None:
        """Write the access list anew and tell the broker."""
        (self.folder / "acl").write_text(access_list(nodes))
        self.process.send_signal(signal.SIGHUP)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A mosquitto with our files, and nothing else."""
    now_ms = time.time_ns() // 1_000_000
    authority = Authority(tmp_path / "ca")
    authority.init("Test country", now_ms)
    key, certificate = authority.issue_server(["127.0.0.1"], now_ms)
    (tmp_path / "server.crt").write_bytes(certificate)
    (tmp_path / "server.key").write_bytes(key)
    (tmp_path / "acl").write_text(access_list([ALICE, BORIS]))
    (tmp_path / "acl").chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    text = mosquitto_configuration(
        BrokerFiles(
            access_list=tmp_path / "acl",
            trust_chain=tmp_path / "ca" / "chain.crt",
            certificate=tmp_path / "server.crt",
            key=tmp_path / "server.key",
            revocation_list=tmp_path / "ca" / "crl.pem",
            state_directory=tmp_path,
        ),
        port=port,
        address="127.0.0.1",
    )
    # As root the broker would step down to a user who cannot read this test's folder.
    user = "user root\n" if os.geteuid() == 0 else ""
    (tmp_path / "mosquitto.conf").write_text(user + text)
    path = os.environ["PATH"] + ":/usr/sbin"
    with (tmp_path / "broker.log").open("wb") as log:
        process = subprocess.Popen(
            ["mosquitto", "-c", tmp_path / "mosquitto.conf"],
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": path},
        )
    made = Door(folder=tmp_path, port=port, process=process, authority=authority, now_ms=now_ms)
    wait_for(lambda: can_connect(port) or process.poll() is not None)
    assert process.poll() is None, (tmp_path / "broker.log").read_text()
    yield made
    for peer in made.peers:
        peer.close()
    process.terminate()
    process.wait(timeout=WAIT_S)


def can_connect(port: int) -> bool:
    """Whether something listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_own_topics_are_delivered_and_foreign_ones_are_not(door: Door) -> None:
    """Of forged topics, forged wills and greedy filters nothing reaches anybody."""
    collector = door.peer(COLLECTOR_NAME)
    collector.subscribe(every_node("report"), every_node("session"))
    forged_will = (node_topic(BORIS, "session"), b"forged")
    alice = door.peer(ALICE, will=forged_will)
    greedy = door.peer(BORIS, will=(node_topic(BORIS, "session"), b"my own will"))
    greedy.subscribe("#", every_node("report"), every_node("receipt"), "$share/g/#", CANARY)

    forged = [
        node_topic(BORIS, "report"),
        node_topic(ALICE, "receipt"),
        node_topic(BORIS, "control"),
        "shyraq/1/fleet/config",
        "shyraq/1/log/checkpoint",
        CANARY,
        "elsewhere",
    ]
    refused = [alice.publish(topic) for topic in forged]
    own = alice.publish(node_topic(ALICE, "report"), b"mine")
    collector.publish(node_topic(ALICE, "receipt"), b"for alice")
    alice.die()
    collector.publish(node_topic(BORIS, "receipt"), b"for boris")
    greedy.publish(node_topic(BORIS, "report"), b"last")
    wait_for(lambda: bool(greedy.heard))
    greedy.die()
    wait_for(lambda: (node_topic(BORIS, "session"), b"my own will") in collector.heard)

    assert [str(reason) for reason in refused] == ["Not authorized"] * len(forged)
    assert own is not None
    assert not own.is_failure
    assert collector.heard == [
        (node_topic(ALICE, "report"), b"mine"),
        (node_topic(BORIS, "report"), b"last"),
        (node_topic(BORIS, "session"), b"my own will"),
    ]
    assert set(greedy.heard) == {(node_topic(BORIS, "receipt"), b"for boris")}


def test_asks_come_from_the_collector_only_and_reach_only_the_node_they_are_for(
    door: Door,
) -> None:
    """Nodes can neither ask each other, nor themselves, nor hear what others are asked."""
    collector, alice, boris = door.peer(COLLECTOR_NAME), door.peer(ALICE), door.peer(BORIS)
    collector.subscribe(every_node("report"), every_node("control"))
    for node, own in ((alice, ALICE), (boris, BORIS)):
        node.subscribe(node_topic(own, "control"), every_node("control"), "#", "$share/g/#")
        node.subscribe(node_topic(ALICE, "control"), node_topic(BORIS, "control"))
    refused = [
        node.publish(node_topic(other, "control"), b"forged")
        for node in (alice, boris)
        for other in (ALICE, BORIS)
    ]
    for_alice = collector.publish(node_topic(ALICE, "control"), b"for alice")
    for_boris = collector.publish(node_topic(BORIS, "control"), b"for boris")
    wait_for(lambda: bool(alice.heard and boris.heard))
    alice.publish(node_topic(ALICE, "report"), b"last")
    wait_for(lambda: bool(collector.heard))

    assert [str(reason) for reason in refused] == ["Not authorized"] * 4
    assert for_alice is not None
    assert for_boris is not None
    assert not for_alice.is_failure
    assert not for_boris.is_failure
    assert set(alice.heard) == {(node_topic(ALICE, "control"), b"for alice")}
    assert set(boris.heard) == {(node_topic(BORIS, "control"), b"for boris")}
    assert collector.heard == [(node_topic(ALICE, "report"), b"last")]


def test_a_foreign_client_id_takes_over_nobody(door: Door) -> None:
    """A node that calls itself the collector does not end the collector's session."""
    collector = door.peer(COLLECTOR_NAME)
    alice = door.peer(ALICE, client_id=COLLECTOR_NAME)
    collector.subscribe(every_node("report"))
    alice.publish(node_topic(ALICE, "report"), b"still here")
    wait_for(lambda: bool(collector.heard))
    assert not collector.lost


@pytest.mark.parametrize("papers", ["none", "expired", "foreign", "old-tls"])
def test_without_valid_papers_nobody_gets_in(door: Door, papers: str) -> None:
    """No certificate, one past its end, one of another authority, TLS 1.2: all stay outside."""
    newest = ssl.TLSVersion.TLSv1_3
    match papers:
        case "none":
            let_in = door.stranger(None, newest)
        case "expired":
            let_in = door.stranger(door.certificate(ALICE, days_ago=91), newest)
        case "foreign":
            other = Authority(door.folder / "other")
            other.init("Another country", door.now_ms)
            ours, door.authority = door.authority, other
            let_in = door.stranger(door.certificate(ALICE), newest)
            door.authority = ours
        case _:
            let_in = door.stranger(door.certificate(ALICE), ssl.TLSVersion.TLSv1_2)
    assert not let_in


def test_a_revoked_node_stops_delivering_in_its_open_session(door: Door) -> None:
    """Taken off the list, a node is refused at once, and its certificate opens no new session."""
    collector = door.peer(COLLECTOR_NAME)
    collector.subscribe(every_node("report"))
    papers = door.certificate(ALICE)
    alice, boris = door.peer(ALICE, certificate=papers), door.peer(BORIS)
    alice.publish(node_topic(ALICE, "report"), b"before")

    door.authority.revoke(ALICE, door.now_ms)
    door.reload([BORIS])
    began = time.monotonic()
    after = alice.publish(node_topic(ALICE, "report"), b"after")
    while after is not None and not after.is_failure:
        assert time.monotonic() < began + 60
        after = alice.publish(node_topic(ALICE, "report"), b"after")
    heard_when_refused = len(collector.heard)
    alice.publish(node_topic(ALICE, "report"), b"much later")
    boris.publish(node_topic(BORIS, "report"), b"others go on")
    wait_for(lambda: (node_topic(BORIS, "report"), b"others go on") in collector.heard)
    let_in_again = door.stranger(papers, ssl.TLSVersion.TLSv1_3)

    assert len(collector.heard) == heard_when_refused + 1
    assert not let_in_again


def test_oversize_ends_only_the_senders_session(door: Door) -> None:
    """A packet over the limit is never delivered; others do not notice."""
    collector = door.peer(COLLECTOR_NAME)
    collector.subscribe(every_node("report"))
    alice, boris = door.peer(ALICE), door.peer(BORIS)
    answer = alice.publish(node_topic(ALICE, "report"), bytes(80_000))
    largest = boris.publish(node_topic(BORIS, "report"), bytes(65_537))
    wait_for(lambda: bool(collector.heard))
    assert answer is None or answer.is_failure
    assert largest is not None
    assert not largest.is_failure
    assert [topic for topic, _ in collector.heard] == [node_topic(BORIS, "report")]


def test_a_flood_from_one_node_leaves_the_others_served(door: Door) -> None:
    """5,000 messages from one node, and another's still arrives, with nothing of either lost."""
    collector = door.peer(COLLECTOR_NAME)
    collector.subscribe(every_node("report"))
    alice, boris = door.peer(ALICE), door.peer(BORIS)
    for number in range(5_000):
        alice.client.publish(node_topic(ALICE, "report"), b"%d" % number, qos=1)
    answer = boris.publish(node_topic(BORIS, "report"), b"me too")
    wait_for(lambda: len(collector.heard) == 5_001)
    assert answer is not None
    assert not answer.is_failure
