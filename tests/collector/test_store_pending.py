"""Rows that wait for the end of their batch: the tables do not tell how they came there."""

import contextlib
import itertools
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.store.ingest import Ingest
from shyraq_collector.store.schema import open_ledger, transaction
from shyraq_collector.store.touched import Touched
from support.signing import SigningNode, measurement
from support.stored import StoredLedger

TABLES = (
    (
        "SELECT epoch.epoch, seq, hex(sha256), live, flags, body, "
        "(SELECT count(*) FROM measurement WHERE frame_no = frame.no) "
        "FROM frame JOIN epoch ON epoch.no = epoch_no ORDER BY 1, 2, 3"
    ),
    "SELECT epoch, tip_seq FROM epoch ORDER BY 1",
    (
        "SELECT epoch, lo, hi, hex(hi_sha256), hex(lo_prev) FROM seen "
        "JOIN epoch ON epoch.no = epoch_no ORDER BY 1, 2, 3, 4"
    ),
    "SELECT seq, hex(sha256), hex(other_sha256) FROM conflict ORDER BY 1, 2, 3",
    "SELECT node_no, name, value FROM counter ORDER BY 1, 2",
)


def story(seed: int) -> tuple[SigningNode, list[bytes]]:
    """A node whose chain forks, ends and begins again, and its frames, some of them twice."""
    rng = random.Random(seed)  # noqa: S311  # not for secrets
    node = SigningNode()
    frames: list[bytes] = []
    for epoch in ("ab" * 16, "cd" * 16):
        chain = SigningNode(epoch=epoch)
        for _ in range(rng.randint(1, 8)):
            before = (chain.seq, chain.prev)
            frames.append(
                chain.frame(chain.report(measurements=(measurement(),) * rng.randint(0, 3)))
            )
            if rng.random() < 0.15:
                after = (chain.seq, chain.prev)
                chain.seq, chain.prev = before
                frames.append(chain.frame(chain.report(measurements=(measurement(),) * 4)))
                if rng.random() < 0.5:
                    chain.seq, chain.prev = after
    frames += rng.sample(frames, rng.randint(0, len(frames)))
    if rng.random() < 0.5:
        rng.shuffle(frames)
    return node, frames


def tables(batches: Sequence[Sequence[bytes]], node: SigningNode, *, at_once: bool) -> list[object]:
    """What stands in the ledger after some batches, and the last receipts."""
    with tempfile.TemporaryDirectory() as name, StoredLedger(Path(name), node) as ledger:
        told: object = None
        for batch in batches:
            if at_once:
                ledger.ingest.forget()
            told = ledger.take(node, *batch)[1]
        return [*(ledger.rows(query) for query in TABLES), told]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_batches_and_memory_change_nothing_that_is_stored(seed: int, cuts: list[int]) -> None:
    """Frame by frame with nothing remembered, or many together: the same rows, flags, counts."""
    node, frames = story(seed)
    bounds = [0, *sorted(min(cut, len(frames)) for cut in cuts), len(frames)]
    batches = [frames[a:b] for a, b in itertools.pairwise(bounds) if a < b]
    together = tables(batches, node, at_once=False)
    singly = tables([[frame] for frame in frames], node, at_once=True)
    assert together[:-1] == singly[:-1]


def test_more_rows_than_a_statement_takes_are_all_written(tmp_path: Path) -> None:
    """Whole statements and the rest, each measurement at its own frame."""
    node = SigningNode()
    with StoredLedger(tmp_path, node) as ledger:
        frames = [node.frame(node.report(measurements=(measurement(),) * 7)) for _ in range(123)]
        kept, receipts = ledger.take(node, *frames)
        assert [each.no for each in kept if each is not None] == list(range(1, 124))
        assert receipts == [[(0, 122)]]
        assert ledger.rows("SELECT no, body FROM frame ORDER BY no") == list(enumerate(frames, 1))
        assert ledger.rows(
            "SELECT count(*), min(n), max(n) FROM "
            "(SELECT count(*) AS n FROM measurement GROUP BY frame_no)"
        ) == [(123, 7, 7)]


def test_the_number_of_a_frame_is_asked_of_the_table_in_each_batch(tmp_path: Path) -> None:
    """Whatever another connection has stored in between."""
    node, other = SigningNode(), SigningNode("node-0002")
    with StoredLedger(tmp_path, node, other) as ledger:
        ledger.take(node, node.frame())
        with contextlib.closing(open_ledger(ledger.path)) as connection:
            ingest, touched = Ingest(connection), Touched()
            item = ledger.verified(other, other.frame())
            with transaction(connection):
                ingest.add(item, touched)
                ingest.finish(touched)
        kept, _ = ledger.take(node, node.frame())
        assert [each.no for each in kept if each is not None] == [3]
