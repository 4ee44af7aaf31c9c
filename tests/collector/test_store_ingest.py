"""What one transaction does with reports and rejections."""

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shyraq_collector.facts.reports import Message, Rejection
from shyraq_collector.store.ingest import LATE_DUPLICATE_MS
from shyraq_collector.store.refused import PER_BATCH, ROWS
from shyraq_collector.verify import verify
from shyraq_wire.codec import sha256_hex
from shyraq_wire.receipt import MAX_REFUSED
from support.clock import STORY_START_MS
from support.signing import SigningNode, measurement
from support.stored import StoredLedger

NOW_MS = STORY_START_MS


@pytest.fixture
def node() -> SigningNode:
    """A registered node."""
    return SigningNode()


@pytest.fixture
def ledger(tmp_path: Path, node: SigningNode) -> Iterator[StoredLedger]:
    """An empty ledger that knows the node."""
    with StoredLedger(tmp_path, node) as made:
        yield made


def test_a_frame_is_stored_as_signed_with_its_measurements(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """The exact bytes, one row for each measurement, dated by the node, the failed step named."""
    report = node.report(
        at_ms=NOW_MS, measurements=(measurement(), measurement(failure="connection_reset"))
    )
    frame = node.frame(report)
    kept, receipts = ledger.take(node, frame)
    assert kept[0] is not None
    assert kept[0].live
    assert kept[0].flags == frozenset()
    assert receipts == [[(0, 0)]]
    assert ledger.rows("SELECT body, seq, live, flags FROM frame") == [(frame, 0, 1, "")]
    assert ledger.rows("SELECT probe, started_ms, failed_step, failure FROM measurement") == [
        ("tls", NOW_MS - 100, None, None),
        ("tls", NOW_MS - 100, "handshake", "connection_reset"),
    ]


def test_a_frame_that_comes_again_is_counted_and_receipted_again(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """Nothing is stored twice, and the node that lost its receipt gets another."""
    frame = node.frame()
    ledger.take(node, frame)
    kept, receipts = ledger.take(node, frame, frame)
    assert kept == [None, None]
    assert receipts == [[(0, 0)]]
    assert len(ledger.rows("SELECT 1 FROM frame")) == 1
    assert (ledger.count("stored"), ledger.count("duplicate")) == (1, 2)


def test_an_old_frame_played_back_is_counted_as_such(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """An hour after it was stored, a duplicate is called a replay."""
    frame = node.frame()
    ledger.take(node, frame)
    ledger.take(node, frame, received_ms=NOW_MS + LATE_DUPLICATE_MS)
    assert (ledger.count("duplicate"), ledger.count("replayed")) == (0, 1)


def test_only_the_newest_seq_of_its_epoch_is_live(ledger: StoredLedger, node: SigningNode) -> None:
    """Back-fill is stored and receipted, but it is no arrival."""
    frames = node.frames(4)
    kept, _ = ledger.take(node, frames[3], frames[0], frames[1], frames[2])
    assert [each.live for each in kept if each is not None] == [True, False, False, False]
    assert (ledger.count("live"), ledger.count("backfill")) == (1, 3)


def test_a_new_epoch_begins_its_own_chain(ledger: StoredLedger, node: SigningNode) -> None:
    """A blank card is no fork: the same seq in another epoch is live again."""
    ledger.take(node, *node.frames(3))
    fresh = SigningNode(epoch="cd" * 16)
    kept, receipts = ledger.take(fresh, fresh.frame())
    assert kept[0] is not None
    assert (kept[0].live, kept[0].flags) == (True, frozenset())
    assert sorted(receipts[0]) == [(0, 0), (0, 2)]
    assert ledger.rows("SELECT 1 FROM conflict") == []


@given(order=st.permutations(range(12)), cuts=st.lists(st.integers(0, 12), max_size=4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_any_order_and_any_batches_the_chain_becomes_one_interval(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: list[int]
) -> None:
    """Out-of-order back-fill merges; what is told at the end is the whole chain."""
    node = SigningNode()
    frames = node.frames(12)
    bounds = sorted({0, 12, *cuts})
    with StoredLedger(tmp_path_factory.mktemp("ledger"), node) as ledger:
        told = [
            ledger.take(node, *(frames[index] for index in order[lo:hi]))[1]
            for lo, hi in pairwise(bounds)
        ]
        assert told[-1] == [[(0, 11)]]
        assert ledger.rows("SELECT lo, hi FROM seen") == [(0, 11)]
        assert ledger.count("stored") == 12
        assert ledger.rows("SELECT 1 FROM conflict") == []


def test_both_frames_of_a_fork_are_kept_and_receipted(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """A clone's frame in the same place: flagged, written down, told in a receipt of its own."""
    clone = SigningNode()
    first, second = node.frame(), clone.frame(at_ms=NOW_MS + 1)
    ledger.take(node, first)
    kept, receipts = ledger.take(node, second)
    assert kept[0] is not None
    assert kept[0].flags == {"fork"}
    assert receipts == [[(0, 0)], [(0, 0)]]
    assert len(ledger.rows("SELECT 1 FROM frame")) == 2
    assert len(ledger.rows("SELECT 1 FROM conflict")) == 1
    assert ledger.count("flag:fork") == 1


def test_a_receipt_never_covers_what_only_another_branch_holds(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """The clone's frame 1 is stored, the node's own was lost: its frame 2 is told alone."""
    clone = SigningNode()
    shared, lost = node.frame(), node.frame()
    clone.frame()
    ledger.take(node, shared, clone.frame(at_ms=NOW_MS + 5))
    kept, receipts = ledger.take(node, node.frame())
    assert kept[0] is not None
    assert kept[0].flags == {"fork", "unchained"}
    assert receipts == [[(2, 2)]]
    _, receipts = ledger.take(node, lost)
    assert {interval for receipt in receipts for interval in receipt} >= {(1, 1), (1, 2)}


def test_a_node_whose_last_frame_a_clone_carried_on_is_still_told_of_it(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """The shared frame is told under its own hash when it comes again: nobody is wedged."""
    clone = SigningNode()
    shared = node.frame()
    clone.frame()
    item = ledger.verified(node, shared)
    ledger.take(node, shared, clone.frame(at_ms=NOW_MS + 5), node.frame())
    _, told = ledger.store([item])
    said = {
        (interval.lo, interval.hi, interval.sha256)
        for content in told[node.id]
        for each in content.epochs
        for interval in each.intervals
    }
    assert (0, 0, sha256_hex(shared)) in said


def test_forks_are_found_whatever_comes_first(tmp_path: Path) -> None:
    """Two whole branches in any order: every frame is stored, and the fork is raised."""
    rng = random.Random(7)  # noqa: S311  # a seeded test, not a secret
    for turn in range(10):
        node, clone = SigningNode(), SigningNode()
        shared = node.frames(3)
        clone.seq, clone.prev = node.seq, node.prev
        branches = node.frames(4) + clone.frames(4, start_ms=NOW_MS + 7)
        frames = [*shared, *branches]
        rng.shuffle(frames)
        directory = tmp_path / str(turn)
        directory.mkdir()
        with StoredLedger(directory, node) as ledger:
            ledger.take(node, *frames)
            assert ledger.count("stored") == 11
            assert ledger.count("flag:fork") >= 1
            kept, receipts = ledger.take(node, *branches)
            assert kept == [None] * 8
            assert {hi for receipt in receipts for _, hi in receipt} >= {6}


def test_a_later_version_is_kept_whole_and_linked(ledger: StoredLedger, node: SigningNode) -> None:
    """No rows, but frame, place and receipt: an upgraded node is not wedged by an old collector."""
    body = b'{"node":"node-0001","epoch":"%s","seq":0,"prev":"%s"}' % (
        node.epoch.encode(),
        b"0" * 64,
    )
    frame = node.sign(body, payload_type="application/vnd.shyraq.report+json;v=9")
    kept, receipts = ledger.take(node, frame, node.frame())
    assert [each.flags for each in kept if each is not None] == [
        frozenset({"unknown-version"}),
        frozenset(),
    ]
    assert receipts == [[(0, 1)]]


def test_extreme_values_are_stored(ledger: StoredLedger, node: SigningNode) -> None:
    """Integers at 64 bits, NULs and long foreign texts stop no batch."""
    odd = measurement(
        target="\x00" + "ж" * 2000,
        result={"huge": 2**63 - 1, "tiny": -(2**63), "nul": "a\x00b", "float": 1e308},
    )
    kept, _ = ledger.take(
        node, node.frame(node.report(measurements=(odd,), vitals={"x": 2**63 - 1}))
    )
    assert kept[0] is not None
    assert ledger.rows("SELECT length(CAST(target AS BLOB)) FROM measurement") == [(4001,)]


def test_a_signed_refusal_is_told_in_the_receipt(ledger: StoredLedger, node: SigningNode) -> None:
    """The node can let go of a frame that will never be stored; counts and evidence remain."""
    good = node.frame()
    bad = node.sign(b'{"epoch":"%s","seq":1,"x":NaN}' % node.epoch.encode())
    _, told = ledger.store([ledger.verified(node, good), ledger.verified(node, bad)])
    (content,) = told[node.id]
    assert [(each.seq, each.reason) for each in content.refused] == [(1, "malformed-payload")]
    assert ledger.count("refused:malformed-payload") == 1
    assert ledger.rows("SELECT reason, node FROM quarantine") == [
        ("malformed-payload", "node-0001")
    ]


def test_only_the_newest_refusals_are_told(ledger: StoredLedger, node: SigningNode) -> None:
    """A node that sends nonsense for ever does not make its receipts grow."""
    bad = [
        node.sign(b'{"epoch":"%s","seq":%d}' % (node.epoch.encode(), seq))
        for seq in range(MAX_REFUSED + 10)
    ]
    ledger.store([ledger.verified(node, frame) for frame in bad[:-1]])
    _, told = ledger.store([ledger.verified(node, bad[-1])])
    (content,) = told[node.id]
    assert [each.seq for each in content.refused] == list(range(10, MAX_REFUSED + 10))


def test_what_nobody_signed_is_counted_but_told_to_nobody(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """A forged frame must not make the collector say anything of the node."""
    forged = SigningNode(seed="another key")
    _, told = ledger.store([ledger.verified(node, forged.frame())])
    assert told == {}
    assert ledger.count("refused:bad-signature") == 1
    assert ledger.rows("SELECT value FROM counter WHERE node_no > 0") == [(1,)]


def test_names_that_are_not_registered_are_counted_only_for_the_collector(
    ledger: StoredLedger,
) -> None:
    """A flood of made-up names makes no rows by name."""
    stranger = SigningNode("stranger-1")
    items = [ledger.verified(stranger, frame) for frame in stranger.frames(5)]
    ledger.store(items)
    assert ledger.rows("SELECT node_no, name, value FROM counter") == [
        (0, "refused:unknown-node", 5)
    ]


def test_a_flood_fills_no_quarantine(ledger: StoredLedger, node: SigningNode) -> None:
    """All are counted, samples are kept, the oldest leave first, transient ones leave no trace."""
    bad = verify(Message(topic="x", payload=b"y", received_ms=NOW_MS), {})
    large = verify(Message(topic="x", payload=b"y" * 70_000, received_ms=NOW_MS), {})
    assert isinstance(bad, Rejection)
    for _ in range(ROWS // PER_BATCH + 1):
        ledger.store([bad] * (PER_BATCH + 1))
    ledger.store([large] * (PER_BATCH + 1))
    over = Rejection(
        reason="over-rate", topic=node.topic, node=node.id, payload=b"", received_ms=NOW_MS
    )
    ledger.store([over])
    ((rows, lowest, largest),) = ledger.rows(
        "SELECT count(*), min(no), max(length(payload)) FROM quarantine"
    )
    assert rows == ROWS
    assert lowest > 1
    assert largest == 65_536
    assert ledger.count("refused:malformed-topic") == (ROWS // PER_BATCH + 2) * (PER_BATCH + 1)
    assert ledger.count("refused:over-rate") == 1
