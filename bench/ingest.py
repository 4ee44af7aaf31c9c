"""Ingest end to end: a real broker, the real collector, real signatures; beside a bare loop.

Throughput: one process sends prepared reports of many nodes as fast as the broker takes them; the
clock runs from its start until the last node's last report is receipted (ours) or committed
(bare). Latency: reports at a fixed rate; the clock runs from each publish to the receipt that
covers it. Sender, broker and collector share this machine's processors in both cases.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from bench.load import LoadNode
from bench.table import Row, say
from paho.mqtt.enums import CallbackAPIVersion

from shyraq_wire.codec import unpack
from shyraq_wire.topics import every_node
from support.broker import running_broker
from support.collectors import House

_ROOT = Path(__file__).resolve().parent.parent
_NODES = 100
_REPORTS = {1: 10_000, 20: 4_000}
"""Reports to send, by measurements in each."""

_RATIO_GOAL = 0.8
_MEASUREMENTS_GOAL = 50_000
_LATENCY_GOAL_MS = 250
_RATE_PER_S = 1_000
_LATENCY_S = 10
_PATIENCE_S = 180


def rows() -> list[Row]:
    """Reports and measurements a second; milliseconds until the receipt."""
    found: list[Row] = []
    for measurements, reports in _REPORTS.items():
        ours, bare = _throughput(measurements, reports)
        met = ours / bare >= _RATIO_GOAL if measurements == 1 else None
        found.append(
            Row(
                what=f"ingest, reports of {measurements}",
                ours=ours,
                unit="reports/s",
                bare=bare,
                ratio=ours / bare,
                goal=f"≥ {_RATIO_GOAL} × bare" if measurements == 1 else "",
                met=met,
            )
        )
        if measurements > 1:
            found.append(
                Row(
                    what=f"ingest, reports of {measurements}",
                    ours=ours * measurements,
                    unit="measurements/s",
                    bare=bare * measurements,
                    ratio=ours / bare,
                    goal=f"≥ {_MEASUREMENTS_GOAL:,}",
                    met=ours * measurements >= _MEASUREMENTS_GOAL,
                )
            )
    return [*found, *_latency()]


def _throughput(measurements: int, reports: int) -> tuple[float, float]:
    say(f"ingest of {reports} reports of {measurements}: signing …")
    nodes = [LoadNode(number, measurements=measurements) for number in range(_NODES)]
    messages = [(nodes[n % _NODES].topic, nodes[n % _NODES].next_payload()) for n in range(reports)]
    with tempfile.TemporaryDirectory(prefix="shyraq-bench-") as name:
        directory = Path(name)
        prepared = directory / "messages"
        prepared.write_text("\n".join(json.dumps([t, p.hex()]) for t, p in messages))
        say("    ours …")
        ours = reports / _ours(directory / "ours", nodes, prepared)
        say("    bare …")
        bare = reports / _bare(directory / "bare", nodes, prepared, reports)
    return ours, bare


def _ours(directory: Path, nodes: Sequence[LoadNode], prepared: Path) -> float:
    directory.mkdir()
    with (
        running_broker(directory) as broker,
        _Listener(broker.port) as listener,
        _collector(directory, broker.port, nodes, listener),
    ):
        return _send_until(broker.port, prepared, lambda: listener.has_covered(nodes))


def _bare(directory: Path, nodes: Sequence[LoadNode], prepared: Path, reports: int) -> float:
    directory.mkdir()
    keys = directory / "keys"
    keys.write_text("\n".join(json.dumps([n.id, n.public_key.hex()]) for n in nodes))
    with (
        running_broker(directory) as broker,
        _Listener(broker.port) as listener,
        _process("bench.bare_loop", broker.port, directory / "bare.db", keys),
    ):
        _wait(lambda: listener.stored is not None)
        return _send_until(broker.port, prepared, lambda: listener.stored == reports)


def _latency() -> list[Row]:
    """Receipt latency at a fixed rate of reports of one."""
    count = _RATE_PER_S * _LATENCY_S
    say(f"receipt latency at {_RATE_PER_S} reports/s: signing …")
    nodes = [LoadNode(number, measurements=1) for number in range(_NODES)]
    messages = [(nodes[n % _NODES], nodes[n % _NODES].next_payload()) for n in range(count)]
    with tempfile.TemporaryDirectory(prefix="shyraq-bench-") as name:
        directory = Path(name)
        with (
            running_broker(directory) as broker,
            _Listener(broker.port) as listener,
            _collector(directory, broker.port, nodes, listener),
        ):
            say(f"    sending for {_LATENCY_S} s …")
            started = time.perf_counter()
            for n, (node, payload) in enumerate(messages):
                due = started + n / _RATE_PER_S
                while (early := due - time.perf_counter()) > 0:
                    time.sleep(early)
                listener.note_sent(node, n // _NODES)
                listener.client.publish(node.topic, payload, qos=1)
            sent_s = time.perf_counter() - started
            _wait(lambda: listener.has_covered(nodes))
    times = sorted(listener.latencies_ms)
    say(f"    {count / sent_s:,.0f} reports/s were sent")
    return [
        Row(
            what=f"receipt latency p{share}",
            ours=times[len(times) * share // 100],
            unit=f"ms at {count / sent_s:,.0f}/s",
            goal=f"≤ {_LATENCY_GOAL_MS} ms" if share == 99 else "",
            met=times[len(times) * share // 100] <= _LATENCY_GOAL_MS if share == 99 else None,
        )
        for share in (50, 99)
    ]


@contextmanager
def _collector(
    directory: Path, port: int, nodes: Sequence[LoadNode], listener: "_Listener"
) -> Iterator[None]:
    """The real command, its own process, once it has answered a first report."""
    house = House(directory, broker_port=port)
    herald = LoadNode(_NODES, measurements=1)
    with house.registry() as registry:
        for number, node in enumerate([*nodes, herald]):
            registry.add(
                placement=house.placement(node.id, number=number),
                public_key=node.public_key,
                valid_from_ms=0,
            )
    with _process("shyraq_collector", "run", "--config", house.configuration):
        first = herald.next_payload()
        while not listener.has_covered([herald]):
            listener.client.publish(herald.topic, first, qos=1)
            time.sleep(0.5)
        yield


@contextmanager
def _process(module: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _send_until(port: int, prepared: Path, done: Callable[[], bool]) -> float:
    """Seconds from the start of sending until all is done."""
    with _process("bench.sender", port, prepared) as sender:
        assert sender.stdout is not None
        assert sender.stdin is not None
        sender.stdout.readline()
        started = time.perf_counter()
        sender.stdin.write(b"go\n")
        sender.stdin.flush()
        _wait(done)
        return time.perf_counter() - started


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("not all reports were stored")
        time.sleep(0.002)


class _Listener:
    """Hears receipts, and what the bare loop says; a context manager."""

    def __init__(self, port: int) -> None:
        self._covered: dict[str, int] = {}
        """By node: every seq up to here is receipted."""
        self._sent: dict[tuple[str, int], float] = {}
        self.latencies_ms: list[float] = []
        self.stored: int | None = None
        self._subscribed = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.max_inflight_messages_set(5_000)
        self.client.on_connect = lambda client, *_: client.subscribe(
            [(every_node("receipt"), 0), ("bench/stored", 0)]
        )
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._hear
        self.client.connect("127.0.0.1", port)

    def __enter__(self) -> "_Listener":
        self.client.loop_start()
        self._subscribed.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def note_sent(self, node: LoadNode, seq: int) -> None:
        """A report leaves now."""
        self._sent[(node.id, seq)] = time.perf_counter()

    def has_covered(self, nodes: Sequence[LoadNode]) -> bool:
        """Whether every report of all nodes is receipted."""
        return all(self._covered.get(node.id, -1) == node.seq - 1 for node in nodes)

    def _hear(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        del client, userdata
        now = time.perf_counter()
        if message.topic == "bench/stored":
            self.stored = int(message.payload)
            return
        frame = unpack(bytes(message.payload))
        receipt = json.loads(frame[frame.index(b"{", 64) :])
        ((first, *_),) = [epoch["intervals"] for epoch in receipt["epochs"]]
        node, before = receipt["node"], self._covered.get(receipt["node"], -1)
        if first["lo"] == 0 and first["hi"] > before:
            self._covered[node] = first["hi"]
            for seq in range(before + 1, first["hi"] + 1):
                sent = self._sent.pop((node, seq), None)
                if sent is not None:
                    self.latencies_ms.append((now - sent) * 1_000)
