"""From the broker to the ledger and back, on a real broker and with real signatures."""

import asyncio
import contextlib
import itertools
import random
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_collector.clock import RealStopwatch
from shyraq_collector.consume.connection import (
    BrokerSettings,
    Connection,
    ConnectionLost,
)
from shyraq_collector.consume.door import Door
from shyraq_collector.consume.inbox import Inbox
from shyraq_collector.consume.pipeline import Pipeline
from shyraq_collector.consume.rates import Limits, Rates
from shyraq_collector.consume.receipts import Receipts
from shyraq_collector.consume.socketwatch import Buffered
from shyraq_collector.consume.tls import Tls, tls_context
from shyraq_collector.errors import LocalError, PeerError
from shyraq_collector.facts.reports import Message
from shyraq_collector.store.ingest import Kept
from shyraq_collector.store.told import ReceiptContent
from shyraq_collector.store.writer import Writer
from shyraq_wire.codec import pack, unpack
from shyraq_wire.envelope import open_frame
from shyraq_wire.receipt import RECEIPT_TYPE, EpochReceipt, Interval, Receipt, decode_receipt
from shyraq_wire.topics import NodeId, every_node, node_topic
from support.broker import Broker, free_port, running_broker
from support.clock import STORY_START_MS, FakePace, FakeStopwatch, settle, until
from support.pace import FastPace
from support.signing import SigningNode
from support.stored import StoredLedger

HOST = "127.0.0.1"
NOW_MS = STORY_START_MS
LEDGER = "5a" * 16


def message(number: int = 0, *, size_bytes: int = 10) -> Message:
    """A message that arrived `number` ms after the story began."""
    return Message(topic="t", payload=bytes(size_bytes), received_ms=NOW_MS + number)


# -- inbox -----------------------------------------------------------------------------------------


async def test_the_inbox_gives_messages_in_the_order_of_arrival() -> None:
    """In chunks of at most what was asked for."""
    inbox = Inbox()
    for number in range(5):
        assert inbox.offer(message(number))
    assert [m.received_ms - NOW_MS for m in await inbox.take(3)] == [0, 1, 2]
    assert [m.received_ms - NOW_MS for m in await inbox.take(3)] == [3, 4]
    waiting = asyncio.ensure_future(inbox.take(3))
    await settle()
    assert not waiting.done()
    inbox.offer(message(5))
    assert len(await waiting) == 1


@pytest.mark.parametrize("inbox", [Inbox(max_messages=3), Inbox(max_size_bytes=39)])
async def test_a_full_inbox_turns_the_newest_away_and_counts_it(inbox: Inbox) -> None:
    """By number and by size; there is room again once something was taken."""
    assert [inbox.offer(message(n)) for n in range(5)] == [True, True, True, False, False]
    assert inbox.turned_away == 2
    await inbox.take(1)
    assert inbox.offer(message(9))


async def test_the_oldest_arrival_counts_until_it_is_done() -> None:
    """Waiting or under way: nothing behind it may be judged."""
    inbox = Inbox()
    said = [inbox.oldest_ms]
    inbox.offer(message(1))
    inbox.offer(message(2))
    said.append(inbox.oldest_ms)
    await inbox.take(1)
    said.append(inbox.oldest_ms)
    inbox.done(1)
    said.append(inbox.oldest_ms)
    assert said == [None, NOW_MS + 1, NOW_MS + 1, NOW_MS + 2]
    assert len(inbox) == 1


# -- rates -----------------------------------------------------------------------------------------


def test_a_node_may_burst_and_then_keeps_to_its_rate() -> None:
    """The bucket refills with real time; nodes do not share one."""
    stopwatch, node, other = FakeStopwatch(), NodeId("node-0001"), NodeId("node-0002")
    rates = Rates(Limits(messages_per_s=10, burst_messages=3), stopwatch)
    assert [rates.admits(node) for _ in range(4)] == [True, True, True, False]
    assert rates.admits(other)
    stopwatch.advance(250)
    assert [rates.admits(node) for _ in range(3)] == [True, True, False]
    stopwatch.advance(1_000_000)
    assert [rates.admits(node) for _ in range(4)] == [True, True, True, False]


def test_stored_bytes_are_counted_by_day() -> None:
    """The quota is whole again at midnight UTC of the pace's clock."""
    rates = Rates(Limits(stored_bytes_per_day=100), FakeStopwatch())
    node = NodeId("node-0001")
    assert rates.admits_bytes(node, 60, NOW_MS)
    assert not rates.admits_bytes(node, 60, NOW_MS)
    assert rates.admits_bytes(node, 40, NOW_MS)
    assert rates.admits_bytes(node, 100, NOW_MS + 86_400_000)


# -- receipts --------------------------------------------------------------------------------------


_TOO_OFTEN = 1_000


class Outlet:
    """Takes receipts when the test lets it, in memory."""

    def __init__(self) -> None:
        """Connected, and quick."""
        self.is_open, self.failing, self.failures = asyncio.Event(), False, 0
        self.is_open.set()
        self.sent: list[tuple[str, Receipt, bool]] = []

    async def connected(self) -> None:
        """Return when the test has opened it."""
        await self.is_open.wait()

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Keep what was published."""
        if self.failing:
            self.failures += 1
            if self.failures == _TOO_OFTEN:
                self.failing = False  # else nothing else would ever run again, this test neither
            raise PeerError("lost")
        kind, body = open_frame(unpack(payload), KEY.public_key().public_bytes_raw())
        assert kind == RECEIPT_TYPE
        self.sent.append((topic, decode_receipt(body), retain))


KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def content(hi: int) -> ReceiptContent:
    """A receipt that covers 0 to hi."""
    interval = Interval(lo=0, hi=hi, sha256=f"{hi:064x}")
    return ReceiptContent(
        epochs=(EpochReceipt(epoch="ab" * 16, intervals=(interval,)),), refused=()
    )


@contextlib.asynccontextmanager
async def publishing(outlet: Outlet, pace: FakePace | None = None) -> AsyncIterator[Receipts]:
    """Receipts, on their way."""
    receipts = Receipts(key=KEY, ledger=LEDGER, pace=pace or FakePace(), outlet=outlet)
    task = asyncio.ensure_future(receipts.run())
    try:
        yield receipts
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_a_receipt_is_signed_dated_and_retained() -> None:
    """It names ledger and key, so that a node knows whose word it is."""
    outlet, node = Outlet(), NodeId("node-0001")
    async with publishing(outlet) as receipts:
        receipts.tell({node: (content(7),)})
        await until(lambda: len(receipts) == 0)
    ((topic, receipt, retain),) = outlet.sent
    assert (topic, retain) == (node_topic(node, "receipt"), True)
    assert (receipt.node, receipt.ledger, receipt.at) == (node, LEDGER, "2022-01-05T10:00:00.000Z")
    assert receipt.epochs == content(7).epochs


async def test_only_the_last_of_a_nodes_receipts_is_retained() -> None:
    """The branches of a fork are told in order."""
    outlet = Outlet()
    async with publishing(outlet) as receipts:
        receipts.tell({NodeId("node-0001"): (content(1), content(2))})
        await until(lambda: len(receipts) == 0)
    assert [(r.epochs[0].intervals[0].hi, retain) for _, r, retain in outlet.sent] == [
        (1, False),
        (2, True),
    ]


async def test_the_newest_word_replaces_what_has_not_left() -> None:
    """A broker that is away costs freshness, not memory; afterwards each node hears once."""
    outlet = Outlet()
    outlet.is_open.clear()
    nodes = [NodeId(f"node-{number:04d}") for number in range(40)]
    async with publishing(outlet) as receipts:
        for hi in range(10):
            receipts.tell({node: (content(hi),) for node in nodes})
            await settle()
        outlet.is_open.set()
        await until(lambda: len(receipts) == 0)
    newest = {receipt.node: receipt.epochs[0].intervals[0].hi for _, receipt, _ in outlet.sent}
    assert newest == dict.fromkeys(nodes, 9)
    assert len(outlet.sent) <= 40 + 16


async def test_a_receipt_that_broke_off_stays_due() -> None:
    """It is published on the next connection, unless a newer one is due by then."""
    outlet, node, pace = Outlet(), NodeId("node-0001"), FakePace()
    outlet.failing = True
    async with publishing(outlet, pace) as receipts:
        receipts.tell({node: (content(3),)})
        await until(lambda: outlet.failures > 0)
        assert len(receipts) == 1
        outlet.failing = False
        await settle()
        pace.advance(1_000)
        await until(lambda: len(receipts) == 0)
    assert [receipt.epochs for _, receipt, _ in outlet.sent] == [content(3).epochs]


async def test_failures_that_come_at_once_are_paced() -> None:
    """A connection that has just ended refuses without waiting: everything else must still run."""
    outlet, node, pace = Outlet(), NodeId("node-0001"), FakePace()
    outlet.failing = True
    async with publishing(outlet, pace) as receipts:
        receipts.tell({node: (content(3),)})
        for tried in range(1, 4):
            await until(lambda tried=tried: outlet.failures >= tried)  # type: ignore[misc]
            await settle()
            assert outlet.failures == tried
            pace.advance(1_000)


# -- connection and door ---------------------------------------------------------------------------


@pytest.fixture(params=["mosquitto", "nats"])
def broker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A running broker: one that speaks MQTT 5, one that speaks only 3.1.1."""
    with running_broker(tmp_path, kind=request.param) as running:
        yield running


def settings(
    broker: Broker | int, name: str = "collector", *, answer_timeout_ms: int = 5000
) -> BrokerSettings:
    """Loopback, impatient."""
    return BrokerSettings(
        host=HOST,
        port=broker if isinstance(broker, int) else broker.port,
        protocol="5" if isinstance(broker, int) else broker.protocol,
        client_id=name,
        connect_timeout_ms=2000,
        answer_timeout_ms=answer_timeout_ms,
        backoff_first_ms=10,
        backoff_cap_ms=50,
    )


@contextlib.asynccontextmanager
async def client(broker: Broker, *topics: str) -> AsyncIterator[tuple[Connection, list[Message]]]:
    """Another client of the broker, and what it reads."""
    heard: list[Message] = []
    connection = Connection(
        settings(broker, "client"),
        context=None,
        on_message=lambda t, p: heard.append(Message(topic=t, payload=p, received_ms=0)),
    )
    await connection.open()
    if topics:
        await connection.subscribe(topics)
    try:
        yield connection, heard
    finally:
        await connection.close()


class Told:
    """What a door has told."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.messages: list[Message] = []
        self.events: list[str] = []


@contextlib.asynccontextmanager
async def door(
    broker: Broker | int,
    *,
    on_message: Callable[[Message], object] | None = None,
    answer_timeout_ms: int = 5000,
) -> AsyncIterator[tuple[Door, Told]]:
    """A running door."""
    told = Told()
    made = Door(
        settings(broker, answer_timeout_ms=answer_timeout_ms),
        pace=FastPace(1),
        rng=random.Random(1),  # noqa: S311  # jitter
        on_message=on_message or told.messages.append,
        on_connected=lambda: told.events.append("connected"),
        on_lost=lambda: told.events.append("lost"),
        topics=(every_node("report"),),
    )
    task = asyncio.ensure_future(made.run())
    try:
        yield made, told
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_what_is_published_is_read_and_stamped(broker: Broker) -> None:
    """Topic, bytes and the moment of reading; other channels do not arrive."""
    async with door(broker) as (made, told), client(broker) as (node, _):
        await made.connected()
        topic = node_topic(NodeId("node-0001"), "report")
        await node.publish(topic, b"\x00\xff", retain=False)
        await node.publish(topic.replace("report", "session"), b"x", retain=False)
        await until(lambda: bool(told.messages))
        assert [(m.topic, m.payload) for m in told.messages] == [(topic, b"\x00\xff")]
        assert 0 <= told.messages[0].received_ms - NOW_MS < 60_000


async def test_the_door_comes_back_after_the_broker(broker: Broker) -> None:
    """Killed and forgetful: the subscription is made again, and both edges are told."""
    async with door(broker) as (made, told):
        await made.connected()
        await asyncio.to_thread(broker.kill)
        await until(lambda: told.events == ["connected", "lost"])
        assert not made.is_connected
        with pytest.raises(PeerError):
            await made.publish("x", b"")
        await asyncio.to_thread(broker.start)
        await until(lambda: made.is_connected)
        async with client(broker) as (node, _):
            await node.publish(node_topic(NodeId("node-0001"), "report"), b"y", retain=False)
            await until(lambda: bool(told.messages))
    assert told.events[:3] == ["connected", "lost", "connected"]


async def test_a_receipt_reaches_a_node_that_connects_later(broker: Broker) -> None:
    """Retained by the broker."""
    async with door(broker) as (made, _):
        await made.connected()
        await made.publish("shyraq/1/x", b"word", retain=True)
        async with client(broker, "shyraq/1/#") as (_, heard):
            await until(lambda: bool(heard))
            assert heard[0].payload == b"word"


async def test_a_bug_of_the_handler_is_not_taken_for_the_network(broker: Broker) -> None:
    """It ends the door instead of making it reconnect for ever."""

    def broken(_: Message) -> None:
        raise ZeroDivisionError

    async def meet_it() -> None:
        async with door(broker, on_message=broken) as (made, _):
            await made.connected()
            async with client(broker) as (node, _):
                await node.publish(node_topic(NodeId("node-0001"), "report"), b"", retain=False)
                await until(lambda: not made.is_connected)
                await settle()

    with pytest.raises(ZeroDivisionError):
        await meet_it()


class RudeServer:
    """Accepts connections and does with them what the test says."""

    def __init__(self, answer: bytes) -> None:
        """Choose the port.

        Args:
            answer: Written to every client before the connection is closed.
        """
        self.port, self._answer, self.count = free_port(), answer, 0
        self._serving: set[asyncio.Task[None] | None] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve."""
        server = await asyncio.start_server(self._serve, HOST, self.port)
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()
            await asyncio.gather(*(task for task in self._serving if task is not None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        self.count += 1
        with contextlib.suppress(ConnectionError):
            await reader.read(10)
            writer.write(self._answer)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("answer", [b"", b"\x20\x03\x00\x87\x00", b"\xff\xff\xff"])
async def test_an_end_before_connack_is_noticed_at_once(answer: bytes) -> None:
    """Closed, refused, or nonsense: three attempts pass before one time-out of ten minutes."""
    server = RudeServer(answer)
    async with server.running(), door(server.port, answer_timeout_ms=600_000):
        await until(lambda: server.count >= 3)


async def test_a_broker_that_says_nothing_is_given_up_after_the_timeout() -> None:
    """A socket that accepts and stays silent."""
    with socket.create_server((HOST, 0)) as silent:
        connection = Connection(
            settings(silent.getsockname()[1], answer_timeout_ms=200),
            context=None,
            on_message=lambda _, __: None,
        )
        with pytest.raises(ConnectionLost):
            await connection.open()


def certificates(directory: Path) -> tuple[str, Tls]:
    """Files for a broker that asks for certificates, and for one client."""
    authority = trustme.CA()
    server, ours = authority.issue_cert(HOST), authority.issue_cert(common_name="collector")
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server.cert_chain_pems[0].write_to_path(str(directory / "server.pem"))
    server.private_key_pem.write_to_path(str(directory / "server.key"))
    ours.cert_chain_pems[0].write_to_path(str(directory / "ours.pem"))
    ours.private_key_pem.write_to_path(str(directory / "ours.key"))
    extra = (
        f"cafile {directory}/ca.pem\ncertfile {directory}/server.pem\n"
        f"keyfile {directory}/server.key\ntls_version tlsv1.3\nrequire_certificate true\n"
    )
    tls = Tls(
        ca_file=directory / "ca.pem",
        certificate_file=directory / "ours.pem",
        key_file=directory / "ours.key",
    )
    return extra, tls


async def test_the_door_proves_itself_over_tls(tmp_path: Path) -> None:
    """TLS 1.3 with our own certificate; without it, or to a stranger, nothing opens."""
    extra, tls = certificates(tmp_path)
    (tmp_path / "other").mkdir()
    _, stranger = certificates(tmp_path / "other")
    heard: list[bytes] = []
    with running_broker(tmp_path, kind="mosquitto", extra=extra) as broker:
        with_tls = replace(settings(broker), tls=tls)
        connection = Connection(
            with_tls, context=tls_context(tls), on_message=lambda _, body: heard.append(body)
        )
        await connection.open()
        await connection.subscribe(["a/b"])
        await connection.publish("a/b", b"hello", retain=False)
        await until(lambda: heard == [b"hello"])
        await connection.close()
        for bad in (replace(tls, certificate_file=None, key_file=None), stranger):
            refused = Connection(with_tls, context=tls_context(bad), on_message=lambda _, __: None)
            with pytest.raises(ConnectionLost):
                await refused.open()


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """At the start, not after a time-out."""
    absent = Tls(ca_file=tmp_path / "absent.pem", certificate_file=None, key_file=None)
    with pytest.raises(LocalError, match="TLS files"):
        tls_context(absent)


async def test_a_publication_that_the_broker_refuses_is_told(tmp_path: Path) -> None:
    """Its reason code would else be swallowed, and no node would ever hear a receipt."""
    (tmp_path / "acl").write_text("topic read #\n")
    (tmp_path / "acl").chmod(0o600)
    extra = f"acl_file {tmp_path}/acl"
    with running_broker(tmp_path, kind="mosquitto", extra=extra) as broker:
        async with client(broker) as (node, _):
            with pytest.raises(PeerError, match="refuses a message on a/b: Not authorized"):
                await node.publish("a/b", b"", retain=False)


async def test_a_socket_closed_over_unsent_bytes_is_not_watched_again(tmp_path: Path) -> None:
    """Its number may be another connection's by then, which would never be heard again."""
    loop = asyncio.get_running_loop()
    with running_broker(tmp_path) as broker:
        connection = Connection(settings(broker), context=None, on_message=lambda _, __: None)
        await connection.open()
        with broker.frozen():
            connection._paho.publish("a/b", bytes(8_000_000), qos=1)
            connection._shut()
            left, right = socket.socketpair()
            await asyncio.sleep(0)
            for each in (left, right):
                assert not loop.remove_writer(each.fileno())
                assert not loop.remove_reader(each.fileno())
                each.close()


def test_the_inner_parts_that_are_used_are_still_there() -> None:
    """A new release of aiomqtt or paho that renames them fails here first."""
    for name in ("_on_disconnect", "_wait_for", "_client_connect", "_misc_loop"):
        assert hasattr(aiomqtt.Client, name)
    for name in ("_sock_close", "_create_socket"):
        assert hasattr(paho.Client, name)
    assert hasattr(paho.Client, "connect_timeout")


async def test_a_small_chunk_waits_a_moment_for_more_and_a_full_one_does_not() -> None:
    """What arrives while it waits comes along; nothing is taken twice or out of order."""
    inbox = Inbox()
    messages = [Message(topic="t", payload=b"", received_ms=ms) for ms in range(5)]
    inbox.offer(messages[0])
    taking = asyncio.ensure_future(inbox.take(3, gather_s=0.001))
    await asyncio.sleep(0)
    for message in messages[1:]:
        inbox.offer(message)
    assert await taking == messages[:3]
    assert await inbox.take(2, gather_s=3600) == messages[3:]
    assert inbox.oldest_ms == 0


def test_a_socket_read_at_once_gives_out_what_was_sent_piece_by_piece() -> None:
    """Whatever the sizes asked for; what is left in memory is told as pending."""
    left, right = socket.socketpair()
    with left, right:
        right.setblocking(False)
        buffered = Buffered(right)
        sent = bytes(range(256)) * 300
        left.setblocking(False)
        left.sendall(sent)
        got = b""
        sizes = itertools.cycle((1, 2, 7, 1000))
        while len(got) < len(sent):
            got += buffered.recv(next(sizes))
        assert got == sent
        assert buffered.pending() == 0
        with pytest.raises(BlockingIOError):
            buffered.recv(1)
        left.sendall(b"abc")
        assert (buffered.recv(1), buffered.pending()) == (b"a", 2)
        left.close()
        assert (buffered.recv(9), buffered.recv(9)) == (b"bc", b"")


# -- pipeline --------------------------------------------------------------------------------------


class Line:
    """Everything from inbox to receipts, on a real ledger."""

    def __init__(self, directory: Path, *nodes: SigningNode, limits: Limits | None = None) -> None:
        """Register the nodes.

        Args:
            directory: Of the ledger.
            nodes: Who may send.
            limits: How much.
        """
        with StoredLedger(directory, *nodes) as ledger:
            self.keys, self.path = ledger.registry.key_ring(), ledger.path
        self.inbox, self.outlet = Inbox(), Outlet()
        self.kept: list[Kept] = []
        self.stopwatch = FakeStopwatch()
        self.writer = Writer(self.path, stopwatch=RealStopwatch(), window_ms=5)
        self.receipts = Receipts(key=KEY, ledger=LEDGER, pace=FakePace(), outlet=self.outlet)
        self.threads = ThreadPoolExecutor(2)
        self.pipeline = Pipeline(
            inbox=self.inbox,
            rates=Rates(limits or Limits(), self.stopwatch),
            keys=lambda: self.keys,
            threads=self.threads,
            ledger=self.writer,
            receipts=self.receipts,
            on_kept=self.kept.extend,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Line"]:
        """Work until the end of the block."""
        tasks = [asyncio.ensure_future(work) for work in (self.pipeline.run(), self.receipts.run())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self.writer.close()
            self.threads.shutdown()

    def send(self, node: SigningNode, payloads: Sequence[bytes]) -> None:
        """Put messages into the inbox as the door does."""
        for payload in payloads:
            self.inbox.offer(Message(topic=node.topic, payload=payload, received_ms=NOW_MS))

    async def rest(self) -> None:
        """Until nothing is under way."""
        await until(lambda: len(self.inbox) == 0 and len(self.receipts) == 0)

    def count(self, name: str) -> int:
        """A counter of the ledger."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            row = connection.execute(
                "SELECT value FROM counter WHERE node_no = 0 AND name = ?", (name,)
            ).fetchone()
        return 0 if row is None else int(row[0])


async def test_reports_are_stored_in_order_and_receipted(tmp_path: Path) -> None:
    """Hundreds of frames of two nodes through threads: order of arrival, one last receipt each."""
    nodes = [SigningNode("node-0001"), SigningNode("node-0002")]
    line = Line(tmp_path, *nodes)
    async with line.running():
        for _ in range(150):
            for node in nodes:
                line.send(node, [node.payload()])
        await line.rest()
        assert [(k.report.node, k.report.position.seq) for k in line.kept] == [
            (node.id, seq) for seq in range(150) for node in nodes
        ]
        last = {receipt.node: receipt for _, receipt, _ in line.outlet.sent}
        assert {node: r.epochs[0].intervals[0].hi for node, r in last.items()} == {
            node.id: 149 for node in nodes
        }


async def test_the_bad_do_not_stop_the_good(tmp_path: Path) -> None:
    """Forged, broken and foreign messages between good ones: all good ones are stored."""
    node, stranger = SigningNode(), SigningNode("stranger-1")
    line = Line(tmp_path, node)
    async with line.running():
        for number in range(40):
            bad = [b"", b"\x01bomb", b"\x00" + bytes(200), stranger.payload()][number % 4]
            line.send(node, [bad, node.payload()])
            line.send(stranger, [stranger.payload()])
        line.inbox.offer(Message(topic="nonsense", payload=b"", received_ms=NOW_MS))
        await line.rest()
    assert len(line.kept) == 40
    assert line.count("refused:malformed-frame") == 20
    assert line.count("refused:bad-signature") == 20
    assert line.count("refused:unknown-node") == 40
    assert line.count("refused:malformed-topic") == 1


async def test_a_flood_of_one_node_is_refused_for_now_and_others_pass(tmp_path: Path) -> None:
    """Over-rate is no final word: the same frame is stored when it comes again later."""
    loud, quiet = SigningNode("node-0001"), SigningNode("node-0002")
    line = Line(tmp_path, loud, quiet, limits=Limits(messages_per_s=10, burst_messages=5))
    payloads = [loud.payload() for _ in range(20)]
    async with line.running():
        line.send(loud, payloads)
        line.send(quiet, [quiet.payload()])
        await line.rest()
        assert line.count("refused:over-rate") == 15
        assert [kept.report.node for kept in line.kept] == [loud.id] * 5 + [quiet.id]
        assert all(not receipt.refused for _, receipt, _ in line.outlet.sent)
        line.stopwatch.advance(500)
        line.send(loud, payloads[5:10])
        await line.rest()
    assert [kept.report.position.seq for kept in line.kept if kept.report.node == loud.id] == list(
        range(10)
    )


async def test_a_node_over_its_quota_waits_for_tomorrow(tmp_path: Path) -> None:
    """The disk is not one node's."""
    node = SigningNode()
    first, second = node.payload(), node.payload()
    line = Line(tmp_path, node, limits=Limits(stored_bytes_per_day=len(unpack(first)) + 100))
    async with line.running():
        line.send(node, [first, second])
        await line.rest()
        assert line.count("refused:over-quota") == 1
        line.inbox.offer(Message(topic=node.topic, payload=second, received_ms=NOW_MS + 86_400_000))
        await line.rest()
    assert [kept.report.position.seq for kept in line.kept] == [0, 1]


async def test_a_key_that_is_revoked_counts_from_the_next_message_on(tmp_path: Path) -> None:
    """The registry is asked for each chunk."""
    node = SigningNode()
    line = Line(tmp_path, node)
    async with line.running():
        line.send(node, [node.payload()])
        await line.rest()
        line.keys = {}
        line.send(node, [pack(node.frame())])
        await line.rest()
    assert len(line.kept) == 1
    assert line.count("refused:unknown-node") == 1
