"""Bad input: a real broker, a real collector, and a client without manners.

Whatever arrives, the collector neither stops nor forgets: what is bad is refused with a reason
code, what is odd is stored with a flag, all is counted in `status`, and the good rest flows on.
"""

import asyncio
import json
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import pytest

from shyraq_collector.facts.reports import Reason
from shyraq_collector.store import refused
from shyraq_demo.pace import StoryPace
from shyraq_wire.codec import pack, sha256_hex, unpack
from shyraq_wire.envelope import MAX_FRAME_SIZE_BYTES
from shyraq_wire.report_json import encode_report
from shyraq_wire.topics import NodeId, node_topic, shard
from support.broker import running_broker
from support.clock import STORY_START_MS
from support.collectors import House
from support.rude import RudeClient
from support.signing import SigningNode, measurement

DAY_MS = 86_400_000
FACTOR = 20
"""The collector's pace: its look at the registry every 5 s takes a quarter of one."""


@dataclass(kw_only=True)
class Scene:
    """A running collector and whoever talks to it."""

    house: House
    rude: RudeClient
    nodes: tuple[SigningNode, ...]

    async def send(self, node: SigningNode, *payloads: bytes) -> None:
        """Messages on a node's own topic."""
        await asyncio.to_thread(self.rude.send, node.topic, payloads)

    async def prove_alive(self, node: SigningNode) -> None:
        """The node's next good report is stored and receipted: nothing is wedged."""
        seq = node.seq
        await self.send(node, node.payload())
        await asyncio.to_thread(self.rude.wait_for_receipt, node.id, node.epoch, seq)

    def status(self) -> dict[str, int]:
        """The counts that `shyraq-collector status --json` prints."""
        command = [sys.executable, "-m", "shyraq_collector", "status", "--json", "--config"]
        done = subprocess.run(
            [*command, str(self.house.configuration)], capture_output=True, check=False, timeout=30
        )
        assert done.returncode in (0, 1), done.stderr
        counts: dict[str, int] = json.loads(done.stdout)["counts"]
        return counts

    async def wait_for_count(self, name: str, value: int) -> None:
        """Return when a count has been reached; fail when it passes it or takes half a minute."""
        deadline = time.monotonic() + 30
        while (count := self.count(name)) < value:
            assert time.monotonic() < deadline, f"{name} is {count}, {value} are due"
            await asyncio.sleep(0.02)
        assert count == value

    def count(self, name: str) -> int:
        """One count now."""
        return self.number(
            "SELECT value FROM counter WHERE node_no = 0 AND name = :name", {"name": name}
        )

    def number(self, query: str, values: Mapping[str, str] | None = None) -> int:
        """The answer to a question to the ledger; 0 where there is none."""
        with self.house.reader() as ledger:
            row = ledger.execute(query, values or {}).fetchone()
        return 0 if row is None else int(row[0])


@asynccontextmanager
async def playing(directory: Path, *, nodes: int, settings: str = "") -> AsyncIterator[Scene]:
    """A scene with so many registered nodes, and more settings for the collector."""
    with running_broker(directory) as broker:
        house = House(directory, broker_port=broker.port, settings=settings)
        actors = tuple(SigningNode(f"node-{number:04d}") for number in range(nodes))
        for number, node in enumerate(actors):
            house.register(node.id, node.public_key, number=number)
        pace = StoryPace(
            anchor_monotonic_ns=time.monotonic_ns(), starts_at_ms=STORY_START_MS, factor=FACTOR
        )
        async with house.running(pace=pace):
            with RudeClient(broker.port, house.receipt_key) as rude:
                yield Scene(house=house, rude=rude, nodes=actors)


@pytest.mark.timeout(240)
async def test_20_000_altered_frames_are_refused_and_the_good_rest_is_receipted(
    tmp_path: Path,
) -> None:
    """No altered frame is stored, each is counted, and the good ones between them all arrive."""
    async with playing(tmp_path, nodes=10) as scene:
        altered = _altered(SigningNode("node-0000").frame())
        sent = 0
        for round_no, node in zip(range(40), cycle(scene.nodes), strict=False):
            batch = [payload for _, payload in zip(range(510), altered, strict=False)]
            sent += len(batch)
            await scene.send(node, *batch[:255], node.payload(), *batch[255:])
            assert batch, f"no more mutants in round {round_no}"
        assert sent > 20_000
        for node in scene.nodes:
            await asyncio.to_thread(scene.rude.wait_for_receipt, node.id, node.epoch, node.seq - 1)
            await scene.prove_alive(node)
        counts = await asyncio.to_thread(scene.status)
        reasons = ("bad-signature", "malformed-frame", "too-large")
        assert sum(counts.get(f"refused:{reason}", 0) for reason in reasons) == sent
        assert counts["stored"] == 40 + 10
        assert counts["live"] == 50
        assert scene.number("SELECT count(*) FROM frame") == 50
        assert 0 < scene.number("SELECT count(*) FROM quarantine") <= refused.ROWS
        assert {name for name in counts if name.startswith("flag:")} == set()


def _altered(frame: bytes) -> Iterator[bytes]:
    """Altered forms of a frame and of its packing: bit flips, cuts, losses, doublings, splices."""
    for whole in (b"\x00" + frame, pack(frame)):
        for place in range(len(whole)):
            for bit in range(8):
                yield whole[:place] + bytes((whole[place] ^ 1 << bit,)) + whole[place + 1 :]
            yield whole[:place]
            yield whole[:place] + whole[place + 1 :]
            yield whole[:place] + whole[place : place + 1] + whole[place:]
        for left in range(1, len(whole), 5):
            for right in range(1, len(whole), 7):
                if right not in (left, left + 1):
                    yield whole[:left] + whole[right:]


Make = Callable[[SigningNode, SigningNode], bytes]
"""From the node whose topic is used, and another registered one, to an MQTT payload."""


def _signed(payload: bytes, payload_type: str | None = None) -> Make:
    def make(node: SigningNode, _: SigningNode) -> bytes:
        place = json.dumps({"epoch": node.epoch, "seq": node.seq}).encode()[1:-1]
        text = payload.replace(b"PLACE", place)
        return pack(node.sign(text, **({"payload_type": payload_type} if payload_type else {})))

    return make


def _changed(**fields: object) -> Make:
    def make(node: SigningNode, _: SigningNode) -> bytes:
        source = json.loads(encode_report(node.report())) | fields
        return pack(node.sign(json.dumps(source).encode()))

    return make


TOLD: dict[str, tuple[Make, Reason]] = {
    "no JSON": (_signed(b"PLACE is not JSON"), "malformed-payload"),
    "invalid UTF-8": (_signed(b'{PLACE,"a":"\xff"}'), "malformed-payload"),
    "duplicate keys": (_signed(b'{PLACE,"a":1,"a":1}'), "malformed-payload"),
    "NaN": (_signed(b'{PLACE,"a":NaN}'), "malformed-payload"),
    "a depth bomb": (_signed(b'{PLACE,"a":' + b"[" * 60_000 + b"}"), "malformed-payload"),
    "a number bomb": (_signed(b'{PLACE,"a":' + b"9" * 60_000 + b"}"), "malformed-payload"),
    "a missing field": (_signed(b"{PLACE}"), "malformed-payload"),
    "a wrong field": (_changed(kind="drum"), "malformed-payload"),
    "a wrong start": (_changed(prev="a" * 64, seq=0), "malformed-payload"),
    "another node's id": (_changed(node="node-0001"), "wrong-node"),
    "another type": (_signed(b"{PLACE}", "text/plain"), "unsupported-type"),
    "a type without version": (
        _signed(b"{PLACE}", "application/vnd.shyraq.report+json"),
        "unsupported-type",
    ),
}
"""Well signed, yet never to be stored: the node is told, so that it lets go."""


@pytest.mark.parametrize(("make", "reason"), TOLD.values(), ids=TOLD.keys())
async def test_what_is_signed_and_wrong_is_refused_by_receipt(
    make: Make, reason: Reason, tmp_path: Path
) -> None:
    """The node hears the reason with the frame's hash, and its next report is stored."""
    async with playing(tmp_path, nodes=2) as scene:
        node, other = scene.nodes
        payload = make(node, other)
        await scene.send(node, payload)
        told = await asyncio.to_thread(
            scene.rude.wait_for_refusal, node.id, sha256_hex(unpack(payload))
        )
        assert told == reason
        assert scene.count(f"refused:{reason}") == 1
        await scene.prove_alive(node)
        assert scene.count("stored") == 1


def _bomb(_: SigningNode, __: SigningNode) -> bytes:
    return b"\x01" + zlib.compress(bytes(50_000_000), 9)


def _big(_: SigningNode, __: SigningNode) -> bytes:
    return b"\x00" + bytes(MAX_FRAME_SIZE_BYTES + 1)


def _with_other_key(node: SigningNode, other: SigningNode) -> bytes:
    stranger = SigningNode(node.id, seed="another key")
    del other
    return stranger.payload()


def _of_other_node(_: SigningNode, other: SigningNode) -> bytes:
    return other.payload()


UNTOLD: dict[str, tuple[Make, Reason]] = {
    "nothing": (lambda *_: b"", "malformed-frame"),
    "an unknown packing": (lambda node, _: b"\x07" + node.frame(), "malformed-frame"),
    "half a stream": (lambda node, _: node.payload()[:-5], "malformed-frame"),
    "two streams": (lambda node, _: pack(node.frame()) + b"x", "malformed-frame"),
    "too short": (lambda *_: b"\x00" + bytes(63), "malformed-frame"),
    "a zip bomb": (_bomb, "too-large"),
    "oversize": (_big, "too-large"),
    "three megabytes": (lambda *_: bytes(3_000_000), "too-large"),
    "a foreign key": (_with_other_key, "bad-signature"),
    "another node's report": (_of_other_node, "bad-signature"),
    "zeros": (lambda *_: b"\x00" + bytes(64), "bad-signature"),
}
"""Not known to be the node's own: refused and counted, and nobody is told."""


async def test_what_is_not_signed_is_refused_counted_and_kept_as_evidence(tmp_path: Path) -> None:
    """Each kind has its reason, nothing is stored of them, and the node's reports go on."""
    async with playing(tmp_path, nodes=2) as scene:
        node, other = scene.nodes
        due: dict[Reason, int] = {}
        for make, reason in UNTOLD.values():
            probe = SigningNode(node.id)
            await scene.send(node, make(probe, SigningNode(other.id)))
            due[reason] = due.get(reason, 0) + 1
        await scene.prove_alive(node)
        counts = await asyncio.to_thread(scene.status)
        refusals = {name: count for name, count in counts.items() if name.startswith("refused:")}
        assert refusals == {f"refused:{reason}": count for reason, count in due.items()}
        assert scene.number("SELECT count(*) FROM quarantine") == len(UNTOLD)
        assert scene.number("SELECT max(length(payload)) FROM quarantine") <= MAX_FRAME_SIZE_BYTES
        assert all(not each.refused for each in scene.rude.receipts[node.id])


async def test_wrong_topics_and_strangers_are_refused(tmp_path: Path) -> None:
    """A foreign shard, a name nobody registered, and a name that is none."""
    async with playing(tmp_path, nodes=1) as scene:
        (node,) = scene.nodes
        stranger = SigningNode("nobody-knows-me")
        wrong_shard = node.topic.replace(f"/{shard(node.id)}/", "/s63/")
        assert wrong_shard != node.topic
        payload = node.payload()
        for topic in (wrong_shard, "shyraq/1/s00/node/NO/report", stranger.topic):
            await asyncio.to_thread(scene.rude.send, topic, [payload])
        await scene.wait_for_count("refused:malformed-topic", 2)
        await scene.wait_for_count("refused:unknown-node", 1)
        for channel in ("session", "control"):
            topic = node_topic(node.id, channel)
            await asyncio.to_thread(scene.rude.send, topic, [payload])
        await scene.prove_alive(node)
        assert scene.count("stored") == 1


async def test_a_revoked_node_is_told_so_within_seconds(tmp_path: Path) -> None:
    """Revoked beside the running collector: its next report is refused, other nodes go on."""
    async with playing(tmp_path, nodes=2) as scene:
        node, other = scene.nodes
        await scene.prove_alive(node)
        scene.house.revoke(node.id, at_ms=0)
        deadline = time.monotonic() + 10
        payload = b""
        while not scene.count("refused:revoked-key"):
            assert time.monotonic() < deadline
            payload = node.payload()
            await scene.send(node, payload)
            await asyncio.sleep(0.1)
        reason = await asyncio.to_thread(
            scene.rude.wait_for_refusal, node.id, sha256_hex(unpack(payload))
        )
        assert reason == "revoked-key"
        await scene.prove_alive(other)


async def test_odd_but_honest_reports_are_stored_and_flagged(tmp_path: Path) -> None:
    """A wrong clock, a later version, a missing predecessor: kept, receipted, flagged."""
    async with playing(tmp_path, nodes=1) as scene:
        (node,) = scene.nodes
        await scene.send(node, node.payload(at_ms=STORY_START_MS + 30 * DAY_MS))
        later = json.loads(encode_report(node.report())) | {"kind": "melody", "clock": []}
        later_type = "application/vnd.shyraq.report+json;v=2"
        await scene.send(node, pack(node.sign(json.dumps(later).encode(), payload_type=later_type)))
        node.frame()  # made, and never sent
        seq = node.seq
        await scene.send(node, node.payload())
        await asyncio.to_thread(scene.rude.wait_for_receipt, node.id, node.epoch, 1)
        await asyncio.to_thread(scene.rude.wait_for_receipt, node.id, node.epoch, seq)
        counts = await asyncio.to_thread(scene.status)
        assert counts["stored"] == 3
        assert counts["flag:future-time"] == 1
        assert counts["flag:unknown-version"] == 1
        assert counts["flag:unchained"] == 1
        assert not any(name.startswith("refused:") for name in counts)


async def test_a_replayed_day_adds_no_row_and_is_receipted_again(tmp_path: Path) -> None:
    """Duplicates are counted, stored once, and answered, since a receipt may have been lost."""
    async with playing(tmp_path, nodes=1) as scene:
        (node,) = scene.nodes
        start_ms = STORY_START_MS - DAY_MS
        day = [
            node.payload(
                node.report(at_ms=start_ms + 60_000 * minute, measurements=(measurement(),))
            )
            for minute in range(1_440)
        ]
        await scene.send(node, *day)
        await asyncio.to_thread(scene.rude.wait_for_receipt, node.id, node.epoch, 1_439)
        await scene.wait_for_count("stored", 1_440)
        scene.rude.receipts.clear()
        await scene.send(node, *reversed(day))
        await scene.wait_for_count("duplicate", 1_440)
        await asyncio.to_thread(scene.rude.wait_for_receipt, node.id, node.epoch, 0)
        assert scene.count("stored") == 1_440
        assert scene.number("SELECT count(*) FROM frame") == 1_440
        assert scene.number("SELECT count(*) FROM measurement") == 1_440


async def test_both_branches_of_a_fork_are_kept_and_each_is_told_of_its_own(tmp_path: Path) -> None:
    """A cloned card signs a second history: both are stored, the conflict is written down."""
    async with playing(tmp_path, nodes=1) as scene:
        (node,) = scene.nodes
        clone = SigningNode(node.id)
        shared = [node.payload() for _ in range(3)]
        assert shared == [clone.payload() for _ in range(3)]
        ours = [node.payload(at_ms=STORY_START_MS + 1) for _ in range(2)]
        theirs = [clone.payload(at_ms=STORY_START_MS + 2) for _ in range(2)]
        await scene.send(node, *shared, *ours, *theirs)
        await scene.wait_for_count("stored", 7)
        assert scene.count("flag:fork") >= 2
        assert scene.number("SELECT count(*) FROM conflict") >= 1
        tips = {node.prev, clone.prev}
        await _until(lambda: tips <= _told_hashes(scene, node.id))


def _told_hashes(scene: Scene, node: NodeId) -> set[str]:
    return {
        interval.sha256
        for receipt in scene.rude.receipts[node]
        for epoch in receipt.epochs
        for interval in epoch.intervals
    }


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_flood_from_one_node_is_turned_away_and_costs_the_others_nothing(
    tmp_path: Path,
) -> None:
    """Beyond the burst it counts as over-rate; a neighbour's report is receipted meanwhile."""
    limits = "[limits]\nburst_messages = 500\nmessages_per_s = 1"
    async with playing(tmp_path, nodes=2, settings=limits) as scene:
        flooder, neighbour = scene.nodes
        payload = flooder.payload()
        await asyncio.gather(scene.send(flooder, *[payload] * 3_000), scene.prove_alive(neighbour))
        await _until(lambda: scene.count("duplicate") + scene.count("refused:over-rate") == 2_999)
        assert scene.count("refused:over-rate") > 2_400
        assert scene.count("stored") == 2
        assert scene.number("SELECT count(*) FROM quarantine") == 0
        assert scene.number("SELECT count(*) FROM refusal") == 0
