"""Publishing over a real broker: order, window, receipts, reconnecting, and aiomqtt's gaps."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import aiomqtt
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.meter import Tally
from shyraq_agent.publish import Endpoint, Publisher, Tls
from shyraq_agent.publish.connection import Connection, ConnectionLost, open_connection
from shyraq_agent.publish.receipts import open_receipt
from shyraq_agent.publish.window import FIRST_WAIT_MS, LIMIT, LONGEST_WAIT_MS, Window
from shyraq_agent.spool import Spool
from shyraq_wire.codec import pack
from shyraq_wire.envelope import seal
from shyraq_wire.errors import PeerError as WirePeerError
from shyraq_wire.receipt import RECEIPT_TYPE
from shyraq_wire.report import Kind
from shyraq_wire.report_json import encode_report
from shyraq_wire.topics import NodeId, node_topic
from support.broker import Broker, BrokerKind, free_port, running_broker
from support.clock import FakePace, until
from support.ledger import Ledger, collecting
from support.signing import SigningNode

HEARTBEAT_MS = 60_000
NODE = "kz-test-0001"


def endpoint(port: int, **changes: object) -> Endpoint:
    """A plain endpoint on loopback, impatient."""
    values: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "protocol": "5",
        "transport": "tcp",
        "tls": None,
        "connect_timeout_ms": 1_000,
        "answer_timeout_ms": 10_000,
    }
    return Endpoint(**(values | changes))  # type: ignore[arg-type]


async def connect(
    at: Endpoint,
    *,
    refusals: list[str] | None = None,
    floor_ms: int = 0,
    tally: Tally | None = None,
) -> Connection:
    """One connection as the publisher makes it."""
    return await open_connection(
        at,
        client_id=NODE,
        will_topic=node_topic(NodeId(NODE), "session"),
        will_payload=b"offline",
        on_refusal=([] if refusals is None else refusals).append,
        floor_ms=floor_ms,
        tally=tally or Tally(),
    )


@dataclass
class Station:
    """A node's spool and publisher on a real broker, with a clock that stands still."""

    node: SigningNode
    spool: Spool
    pace: FakePace
    publisher: Publisher
    points: list[str]

    async def append(self, kind: Kind = "pulse") -> int:
        """Sign one more report, commit it and tell the publisher."""

        def make(place: object) -> bytes:
            self.node.epoch, self.node.seq = place.epoch, place.seq  # type: ignore[attr-defined]
            self.node.prev = place.prev  # type: ignore[attr-defined]
            return self.node.frame(self.node.report(kind=kind, at_ms=self.pace.now_ms()))

        stored = await self.spool.append(kind, make)
        self.publisher.appended()
        return stored.seq

    async def drained(self) -> None:
        """Return once every frame is receipted, letting resends and back-off happen."""
        while (await self.spool.standing()).held:
            await self.pace.run_for(500)
            await asyncio.sleep(0.002)

    async def settled(self) -> None:
        """Return once the publisher has asked the spool for all it wants for now."""
        for _ in range(20):
            await self.spool.standing()
            await self.pace.run_for(0)


@contextlib.asynccontextmanager
async def station(
    directory: Path,
    endpoints: Sequence[Endpoint],
    ledger: Ledger,
    *,
    backlog: int = 0,
    run: bool = True,
) -> AsyncIterator[Station]:
    """A node of the tests; its publisher runs inside the context."""
    node = SigningNode(NODE)
    ledger.admit(NODE, node.public_key)
    pace = FakePace()
    spool = await Spool.open(
        directory / "state", key_id=node.key_id, max_bytes=10**8, new_epoch=lambda: "ab" * 16
    )
    points: list[str] = []
    publisher = Publisher(
        node=NodeId(NODE),
        endpoints=endpoints,
        collector_keys=[ledger.public_key],
        outbox=spool,
        pace=pace,
        rng=Random(1),  # noqa: S311  # jitter only
        heartbeat_ms=HEARTBEAT_MS,
        floor_ms=lambda: 0,
        line=Tally(),
        bulk=Tally(),
        checkpoint=points.append,
    )
    made = Station(node=node, spool=spool, pace=pace, publisher=publisher, points=points)
    for number in range(backlog):
        await made.append("bulk" if number % 3 == 1 else "pulse")
    task = asyncio.create_task(publisher.run()) if run else None
    try:
        yield made
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await spool.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterable[Broker]:
    """A real broker on loopback."""
    with running_broker(tmp_path) as running:
        yield running


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
async def test_every_report_is_delivered_receipted_and_forgotten(
    tmp_path: Path, kind: BrokerKind
) -> None:
    """Over MQTT 5 and 3.1.1 alike: all frames arrive, and the spool empties on receipts."""
    ledger = Ledger()
    with running_broker(tmp_path, kind=kind) as broker:
        at = endpoint(broker.port, protocol=broker.protocol)
        async with collecting(ledger, broker), station(tmp_path, [at], ledger) as here:
            for _ in range(5):
                await here.append()
            await here.drained()
    assert [report.seq for report in ledger.reports(NODE)] == [0, 1, 2, 3, 4]
    assert ledger.forks == []
    assert here.publisher.state.receipts > 0
    assert here.publisher.state.failing is None


async def test_after_a_gap_the_newest_pulse_goes_first_then_edges_then_the_oldest(
    tmp_path: Path, broker: Broker
) -> None:
    """The order of arrival after a blackout of 60 reports."""
    ledger = Ledger()
    at = endpoint(broker.port)
    async with (
        collecting(ledger, broker),
        station(tmp_path, [at], ledger, backlog=60) as here,
    ):
        await here.drained()
    order = list(dict.fromkeys(seq for _, _, seq in ledger.arrivals))
    assert order[0] == 59 - (59 % 3 == 1), "the newest pulse"
    assert sorted(order[1:4]) == sorted({0, 1, 58})
    assert order[4:] == list(range(2, 58))


async def test_no_more_than_sixteen_go_without_a_receipt_but_the_newest_pulse_always_does(
    tmp_path: Path, broker: Broker
) -> None:
    """A silent collector gets 16 frames and every new pulse; nothing else until it answers."""
    ledger = Ledger()
    async with station(tmp_path, [endpoint(broker.port)], ledger, backlog=40) as here:
        await until(lambda: here.publisher.state.sent >= LIMIT)
        await here.append("pulse")
        await until(lambda: here.publisher.state.sent > LIMIT)
        await here.append("bulk")
        await here.append("pulse")
        await until(lambda: here.publisher.state.sent > LIMIT + 1)
        await here.settled()
        assert here.publisher.state.sent == LIMIT + 2


async def test_frames_without_a_receipt_go_again_after_thirty_seconds(
    tmp_path: Path, broker: Broker
) -> None:
    """A collector that lost a message gets it again, and then all is well."""
    ledger = Ledger()
    ledger.passes_over = {1}
    async with (
        collecting(ledger, broker),
        station(tmp_path, [endpoint(broker.port)], ledger, backlog=3) as here,
    ):
        await until(lambda: len(ledger.frames) == 2)
        ledger.passes_over = set()
        await here.pace.run_for(29_000)
        assert here.publisher.state.resent == 0
        await here.drained()
    assert len(ledger.frames) == 3
    assert here.publisher.state.resent >= 1


async def test_a_refused_frame_leaves_and_is_counted(tmp_path: Path, broker: Broker) -> None:
    """The rest flows on."""
    ledger = Ledger()
    ledger.refuse = {1}
    async with (
        collecting(ledger, broker),
        station(tmp_path, [endpoint(broker.port)], ledger, backlog=4) as here,
    ):
        await here.drained()
        assert (await here.spool.standing()).refused == 1
    assert here.publisher.state.refused_frames == 1
    assert [report.seq for report in ledger.reports(NODE)] == [0, 2, 3]


async def test_a_new_ledger_gets_everything_that_is_still_held(
    tmp_path: Path, broker: Broker
) -> None:
    """After a restored backup, frames that were on their way go again at once."""
    ledger = Ledger()
    async with (
        collecting(ledger, broker),
        station(tmp_path, [endpoint(broker.port)], ledger, backlog=1) as here,
    ):
        await here.drained()
        ledger.is_silent = True
        await here.append()
        await here.append()
        await until(lambda: here.publisher.state.sent >= 3)
        ledger.is_silent = False
        ledger.restore("b2" * 16)
        await here.append()
        await here.drained()
    assert [report.seq for report in ledger.reports(NODE)] == [1, 2, 3]


async def test_a_receipt_that_our_collector_did_not_sign_deletes_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    """A forged receipt on the right topic is counted and ignored."""
    ledger, forger = Ledger(), Ledger()
    async with station(tmp_path, [endpoint(broker.port)], ledger, backlog=2) as here:
        await until(lambda: here.publisher.state.endpoint is not None)
        forger.admit(NODE, here.node.public_key)
        for frame in await here.spool.after(0, 9):
            forger.take(here.node.topic, frame.payload)
        async with aiomqtt.Client(broker.host, broker.port) as other:
            topic = node_topic(NodeId(NODE), "receipt")
            for payload in (forger.receipt(NODE), b"", b"\x01nonsense", b"x" * 70_000):
                await other.publish(topic, payload, qos=1)
        await until(lambda: here.publisher.state.bad_receipts == 4)
        assert (await here.spool.standing()).held == 2


async def test_a_broker_that_forgets_everything_costs_only_resends(
    tmp_path: Path, broker: Broker
) -> None:
    """SIGKILL and restart with empty memory: all arrives, nothing forks."""
    ledger = Ledger()
    async with (
        collecting(ledger, broker),
        station(tmp_path, [endpoint(broker.port)], ledger, backlog=3) as here,
    ):
        await here.drained()
        broker.kill()
        for _ in range(5):
            await here.append()
        await until(lambda: here.publisher.state.failing is not None)
        await asyncio.to_thread(broker.start)
        await here.drained()
    assert [report.seq for report in ledger.reports(NODE)] == list(range(8))
    assert ledger.forks == []


async def test_the_next_endpoint_is_tried_when_one_is_dead(tmp_path: Path, broker: Broker) -> None:
    """A refused port, then the living broker."""
    ledger = Ledger()
    ways = [endpoint(free_port()), endpoint(broker.port)]
    async with (
        collecting(ledger, broker),
        station(tmp_path, ways, ledger, backlog=1) as here,
    ):
        await here.drained()
        assert here.publisher.state.endpoint == ways[1].name


async def test_six_heartbeats_without_a_receipt_mean_a_new_connection(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """A path that swallows everything is left, logged once, and the recovery once."""
    ledger = Ledger()
    ledger.is_silent = True
    caplog.set_level(logging.WARNING, logger="shyraq_agent.publish")
    async with (
        collecting(ledger, broker),
        station(tmp_path, [endpoint(broker.port)], ledger, backlog=1) as here,
    ):
        await until(lambda: here.publisher.state.sent == 1)
        await here.pace.run_for(6 * HEARTBEAT_MS)
        assert here.publisher.state.failing is None
        await here.pace.run_for(HEARTBEAT_MS)
        await until(lambda: here.publisher.state.failing is not None)

        async def moving() -> None:
            await here.pace.run_for(HEARTBEAT_MS)

        await until(lambda: here.publisher.state.sent >= 4, moving=moving)
        ledger.is_silent = False
        await here.drained()
    said = [each.getMessage() for each in caplog.records]
    assert len([each for each in said if each.startswith("broker lost")]) == 1
    assert len([each for each in said if each.startswith("receipts are back")]) == 1


async def test_the_session_topic_says_online_and_offline(tmp_path: Path, broker: Broker) -> None:
    """A hint for people: set on connect, cleared on leaving, set by the will on a lost path."""
    topic = node_topic(NodeId(NODE), "session")
    heard: list[bytes] = []
    async with aiomqtt.Client(broker.host, broker.port) as watcher:
        await watcher.subscribe(topic, qos=1)

        async def watch() -> None:
            async for message in watcher.messages:
                heard.append(message.payload)  # noqa: PERF401  # it never ends

        watching = asyncio.create_task(watch())
        async with station(tmp_path, [endpoint(broker.port)], Ledger()):
            await until(lambda: heard == [b"online"])
        await until(lambda: heard == [b"online", b"offline"])
        connection = await connect(endpoint(broker.port))
        connection.send(topic, b"online", retain=True)
        await until(lambda: len(heard) == 3)
        connection._paho._sock_close()
        await until(lambda: heard[2:] == [b"online", b"offline"])
        await connection.close()
        watching.cancel()


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# ------------------------------------------------- the gaps of aiomqtt and paho, one by one


@contextlib.asynccontextmanager
async def rude_server(
    behave: Behaviour,
) -> AsyncIterator[int]:
    """A port whose other side does as told with each connection."""
    server = await asyncio.start_server(behave, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def reset_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read CONNECT, answer with RST."""
    await reader.read(100)
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()


async def close_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read CONNECT, answer with FIN."""
    await reader.read(100)
    writer.close()


async def refuse_in_words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """CONNACK: not authorized."""
    await reader.read(100)
    writer.write(b"\x20\x03\x00\x87\x00")
    await reader.read()
    writer.close()


@pytest.mark.parametrize("behave", [reset_at_once, close_at_once, refuse_in_words])
async def test_an_end_before_connack_is_noticed_at_once(
    behave: Behaviour,
) -> None:
    """RST, FIN and a refusal end the attempt long before the 10 s that aiomqtt would wait."""
    async with rude_server(behave) as port:
        async with asyncio.timeout(2):
            with pytest.raises(ConnectionLost):
                await connect(endpoint(port))


async def test_a_silent_server_costs_no_more_than_the_answer_timeout() -> None:
    """Nothing after CONNECT: the attempt ends with its socket closed."""
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass
        gone.set()
        writer.close()

    async with rude_server(say_nothing) as port:
        with pytest.raises(ConnectionLost):
            await connect(endpoint(port, answer_timeout_ms=100))
        async with asyncio.timeout(2):
            await gone.wait()


async def test_a_cancelled_attempt_leaves_no_connection_behind() -> None:
    """Stopping while CONNACK is awaited closes the socket."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def wait_for_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        arrived.set()
        while await reader.read(100):
            pass
        gone.set()
        writer.close()

    async with rude_server(wait_for_end) as port:
        attempt = asyncio.create_task(connect(endpoint(port, answer_timeout_ms=200)))
        await arrived.wait()
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        async with asyncio.timeout(2):
            await gone.wait()


async def test_the_connect_timeout_is_ours_and_not_pahos() -> None:
    """A full listen queue drops SYN: the attempt ends after the time that was set."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect(("127.0.0.1", port))
        fillers.append(filler)
    try:
        async with asyncio.timeout(2):
            with pytest.raises(ConnectionLost):
                await connect(endpoint(port, connect_timeout_ms=100))
    finally:
        for each in (*fillers, full):
            each.close()


async def test_a_negative_puback_is_reported(tmp_path: Path) -> None:
    """Publishing where the access list forbids it gives the broker's reason (MQTT 5)."""
    acl = tmp_path / "acl"
    acl.write_text("topic read #\n")
    with running_broker(tmp_path, kind="mosquitto", extra=f"acl_file {acl}") as broker:
        refusals: list[str] = []
        connection = await connect(endpoint(broker.port), refusals=refusals)
        connection.send("shyraq/1/forbidden", b"x")
        await until(lambda: bool(refusals))
        await connection.close()
    assert refusals == ["Not authorized"]


async def test_small_packets_are_not_held_back(broker: Broker) -> None:
    """The socket has TCP_NODELAY: Nagle and delayed ACK would cost 40 ms a receipt."""
    connection = await connect(endpoint(broker.port))
    raw = connection._paho.socket()
    assert isinstance(raw, socket.socket)
    assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await connection.close()


async def test_closing_a_frozen_connection_takes_about_a_second(broker: Broker) -> None:
    """A broker that stands still cannot hold the program up."""
    connection = await connect(endpoint(broker.port))
    with broker.frozen():
        async with asyncio.timeout(3):
            await connection.close()
    with pytest.raises(ConnectionLost):
        connection.send("a", b"b")


async def test_a_socket_closed_over_unsent_bytes_is_not_watched_again(broker: Broker) -> None:
    """Its number may be another connection's by then, which would never be heard again."""
    loop = asyncio.get_running_loop()
    connection = await connect(endpoint(broker.port))
    with broker.frozen():
        connection.send("a/b", bytes(8_000_000))
        connection._shut()
        left, right = socket.socketpair()
        await asyncio.sleep(0)
        for each in (left, right):
            assert not loop.remove_writer(each.fileno())
            assert not loop.remove_reader(each.fileno())
            each.close()


def test_the_private_names_we_lean_on_are_still_there() -> None:
    """Aiomqtt and paho keep what `connection` uses; a new version that does not fails here."""
    for name in ("_on_disconnect", "_on_publish", "_misc_loop", "_client_connect", "_wait_for"):
        assert hasattr(aiomqtt.Client, name)
    client = aiomqtt.Client.__init__.__code__.co_names
    for name in ("_connected", "_disconnected", "_misc_task", "_client", "_loop"):
        assert name in client
    import paho.mqtt.client as paho  # noqa: PLC0415  # only to look at it

    for name in ("_sock_close", "_create_socket"):
        assert hasattr(paho.Client, name)


# ---------------------------------------------------------------------------------- TLS


@dataclass(frozen=True)
class Certificates:
    """Files for one broker and one node."""

    extra: str
    tls: Tls


def certificates(
    directory: Path, *, server_ends: datetime | None = None, client: bool = True
) -> Certificates:
    """An authority, a broker's and a node's certificate."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", not_after=server_ends) if server_ends else None
    server = server or authority.issue_cert("127.0.0.1")
    node = authority.issue_cert(common_name=NODE)
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server.cert_chain_pems[0].write_to_path(str(directory / "server.pem"))
    server.private_key_pem.write_to_path(str(directory / "server.key"))
    node.private_key_and_cert_chain_pem.write_to_path(str(directory / "node.pem"))
    extra = "\n".join(
        [
            f"cafile {directory}/ca.pem",
            f"certfile {directory}/server.pem",
            f"keyfile {directory}/server.key",
            "tls_version tlsv1.3",
            "require_certificate true",
            "use_identity_as_username true",
        ]
    )
    tls = Tls(
        ca_file=directory / "ca.pem",
        cert_file=directory / "node.pem" if client else None,
        key_file=None,
    )
    return Certificates(extra=extra, tls=tls)


async def test_mutual_tls_works(tmp_path: Path) -> None:
    """TLS 1.3 with a client certificate: connect, subscribe, hear our own message."""
    made = certificates(tmp_path)
    with running_broker(tmp_path, kind="mosquitto", extra=made.extra) as broker:
        connection = await connect(endpoint(broker.port, tls=made.tls))
        await connection.subscribe(["a/b"])
        connection.send("a/b", b"hello")
        async for topic, payload in connection.messages():
            assert (topic, payload) == ("a/b", b"hello")
            break
        raw = connection._paho.socket()
        assert isinstance(raw, ssl.SSLSocket)
        assert raw.version() == "TLSv1.3"
        await connection.close()


async def test_websocket_is_a_way_to_the_broker(tmp_path: Path) -> None:
    """MQTT over WebSocket, for networks that pass only what looks like the web."""
    port = free_port()
    extra = f"listener {port} 127.0.0.1\nprotocol websockets\n"
    with running_broker(tmp_path, kind="mosquitto", extra=extra):
        await until(lambda: _listens(port))
        connection = await connect(endpoint(port, transport="websocket"))
        await connection.subscribe(["a/b"])
        connection.send("a/b", b"hello")
        async for topic, payload in connection.messages():
            assert (topic, payload) == ("a/b", b"hello")
            break
        await connection.close()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def test_a_cancellation_that_comes_with_the_answer_is_not_forgotten(broker: Broker) -> None:
    """An agent that is told to stop in that very moment must not go on for ever."""
    connection = await connect(endpoint(broker.port))
    subscribing = asyncio.create_task(connection.subscribe(["a/b"]))
    waiting = connection._client._pending_subscribes
    while not waiting:  # noqa: ASYNC110  # one turn of the loop, not a poll
        await asyncio.sleep(0)
    (answer,) = waiting.values()
    answer.add_done_callback(lambda _: subscribing.cancel())
    with pytest.raises(asyncio.CancelledError):
        await subscribing
    await connection.close()


async def test_all_that_a_connection_costs_is_counted(tmp_path: Path) -> None:
    """TLS handshake, subscription, message and farewell; while it stands and after it ended."""
    made = certificates(tmp_path)
    tally = Tally()
    with running_broker(tmp_path, kind="mosquitto", extra=made.extra) as broker:
        connection = await connect(endpoint(broker.port, tls=made.tls), tally=tally)
        opened = tally.used_bytes
        assert opened > 2_000  # two certificates at least
        await connection.subscribe(["a/b"])
        connection.send("a/b", bytes(10_000))
        async for _ in connection.messages():
            break
        assert 20_000 < tally.used_bytes - opened < 23_000
        await connection.close()
    assert tally.used_bytes > opened + 20_000
    assert not tally._watched


async def test_a_brokers_name_is_looked_up_and_that_counts(broker: Broker) -> None:
    """The host's resolver is another program: its share is an estimate."""
    named, plain = Tally(), Tally()
    await (await connect(endpoint(broker.port, host="localhost"), tally=named)).close()
    await (await connect(endpoint(broker.port), tally=plain)).close()
    assert named.used_bytes - plain.used_bytes > 200


async def test_an_attempt_that_fails_is_counted(tmp_path: Path) -> None:
    """Refused at once, or in the middle of the handshake: what went over the line counts."""
    made = certificates(tmp_path, client=False)
    tally = Tally()
    with pytest.raises(ConnectionLost):
        await connect(endpoint(free_port()), tally=tally)
    refused = tally.used_bytes
    assert 100 <= refused <= 200
    (tmp_path / "other").mkdir()
    foreign = certificates(tmp_path / "other").tls
    with (
        running_broker(tmp_path, kind="mosquitto", extra=made.extra) as broker,
        pytest.raises(ConnectionLost),
    ):
        await connect(endpoint(broker.port, tls=foreign), tally=tally)
    assert tally.used_bytes - refused > 1_000  # the broker's certificate had come
    assert not tally._watched


async def test_no_client_certificate_and_a_foreign_authority_are_refused(tmp_path: Path) -> None:
    """Either side's doubt ends the attempt at once."""
    (tmp_path / "other").mkdir()
    made = certificates(tmp_path, client=False)
    other = certificates(tmp_path / "other")
    with running_broker(tmp_path, kind="mosquitto", extra=made.extra) as broker:
        for tls in (made.tls, other.tls):
            async with asyncio.timeout(3):
                with pytest.raises(ConnectionLost):
                    await connect(endpoint(broker.port, tls=tls))


async def test_dates_are_checked_against_what_is_known_and_not_against_the_clock(
    tmp_path: Path,
) -> None:
    """An expired certificate serves a node that knows no date, and not one that does."""
    made = certificates(tmp_path, server_ends=datetime(2020, 1, 1, tzinfo=UTC))
    with running_broker(tmp_path, kind="mosquitto", extra=made.extra) as broker:
        at = endpoint(broker.port, tls=made.tls)
        await (await connect(at, floor_ms=0)).close()
        with pytest.raises(ConnectionLost, match="has expired"):
            await connect(at, floor_ms=1_641_376_800_000)


# ------------------------------------------------------------------------ the pure parts


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["send", "cover", "forget", "resend", "wait"]),
            st.integers(0, 30),
        ),
        max_size=120,
    )
)
def test_the_window_never_lets_more_than_its_limit_go(steps: list[tuple[str, int]]) -> None:
    """Counting frames stay within 16, and each one sent is covered, forgotten or due again."""
    window, now_ms = Window(), 0
    out: set[int] = set()
    for action, number in steps:
        match action:
            case "send" if window.room and number not in window:
                window.sent(number, now_ms)
                out.add(number)
            case "cover":
                window.covered([number])
                out.discard(number)
            case "forget":
                window.forget([number])
                out.discard(number)
            case "resend":
                for place in window.due(now_ms):
                    assert window.sent(place, now_ms)
            case _:
                now_ms += number * 5_000
        assert len(window) == len(out)
        assert 0 <= window.room <= LIMIT
        if out:
            assert set(window.due(now_ms + LONGEST_WAIT_MS)) == out
        else:
            assert window.next_due_ms() is None
            assert window.room == LIMIT


def test_resends_double_from_thirty_seconds_to_ten_minutes() -> None:
    """30, 60, 120, 240, 480, 600, 600 s between attempts."""
    window, now_ms, waits = Window(), 0, []
    window.sent(1, now_ms)
    for _ in range(7):
        due_ms = window.next_due_ms()
        assert due_ms is not None
        assert window.due(due_ms - 1) == ()
        waits.append((due_ms - now_ms) // 1000)
        now_ms = due_ms
        window.sent(1, now_ms)
    assert waits == [30, 60, 120, 240, 480, 600, 600]


def test_an_overtaken_frame_gives_its_place_to_others_and_goes_again_soon() -> None:
    """One frame that nobody accepts cannot hold up the rest."""
    window = Window()
    for place in range(LIMIT):
        window.sent(place, 0)
    assert window.room == 0
    window.covered([15])
    assert window.room == LIMIT
    assert len(window) == LIMIT - 1
    assert window.next_due_ms() == FIRST_WAIT_MS


def test_a_receipt_is_opened_only_whole_signed_and_for_us() -> None:
    """Each rule broken alone is refused with its own reason."""
    ledger, node = Ledger(), SigningNode(NODE)
    ledger.admit(NODE, node.public_key)
    ledger.take(node.topic, node.payload())
    good = ledger.receipt(NODE)
    key = ledger.public_key

    def reason(payload: bytes, *, name: str = NODE, keys: Sequence[bytes] = (key,)) -> str:
        with pytest.raises(WirePeerError) as caught:
            open_receipt(payload, node=NodeId(name), collector_keys=keys)
        return caught.value.reason

    assert open_receipt(good, node=NodeId(NODE), collector_keys=[key]).node == NODE
    other = Ledger().public_key
    assert open_receipt(good, node=NodeId(NODE), collector_keys=[other, key]).node == NODE
    assert reason(good, keys=[other]) == "bad-signature"
    assert reason(good, keys=[]) == "bad-signature"
    assert reason(good, name="kz-test-0002") == "malformed-payload"
    assert reason(b"") == "malformed-frame"
    report = pack(seal(encode_report(node.report()), "application/x", ledger.key))
    assert reason(report) == "unsupported-version"
    assert reason(pack(seal(b"{}", RECEIPT_TYPE, ledger.key))) == "malformed-payload"
