"""The one thread that writes: order, group commit, refusals, a failing disk, stopping."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shyraq_collector.clock import RealStopwatch
from shyraq_collector.errors import LocalError
from shyraq_collector.facts.reports import Message, VerifiedReport
from shyraq_collector.store.schema import open_reader
from shyraq_collector.store.writer import CommitPoint, Writer
from shyraq_collector.verify import verify_all
from shyraq_wire.codec import pack
from support.clock import STORY_START_MS, until
from support.signing import SigningNode
from support.stored import StoredLedger

NOW_MS = STORY_START_MS


class House:
    """A writer, the node it knows, and the points it passes."""

    def __init__(self, directory: Path) -> None:
        """Register a node, then let the writer take over the file."""
        self.node = SigningNode()
        with StoredLedger(directory, self.node) as ledger:
            self.keys = ledger.registry.key_ring()
            self.path = ledger.path
        self.points: list[CommitPoint] = []
        self.writer = Writer(
            self.path, stopwatch=RealStopwatch(), commit_point=self.points.append, window_ms=20
        )

    def reports(self, count: int) -> list[VerifiedReport]:
        """The node's next reports, verified."""
        messages = [
            Message(topic=self.node.topic, payload=pack(frame), received_ms=NOW_MS)
            for frame in self.node.frames(count)
        ]
        results = verify_all(messages, self.keys)
        return [each for each in results if isinstance(each, VerifiedReport)]

    def rows(self, query: str) -> list[tuple[int, ...]]:
        """What a reader sees now."""
        connection = open_reader(self.path)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running writer."""
    made = House(tmp_path)
    yield made
    await made.writer.close()


async def test_a_result_is_given_only_for_what_is_committed(house: House) -> None:
    """Another connection sees the frames before anybody is told of them."""
    stored = await house.writer.store(house.reports(3))
    assert [kept.no for kept in stored.kept] == [1, 2, 3]
    assert house.rows("SELECT count(*) FROM frame") == [(3,)]
    assert list(stored.receipts) == [house.node.id]


async def test_waiting_chunks_share_a_transaction(house: House) -> None:
    """Eight chunks at once cost one commit, and each gets its own result."""
    reports = house.reports(8)
    results = await asyncio.gather(*(house.writer.store([report]) for report in reports))
    assert [kept.no for result in results for kept in result.kept] == list(range(1, 9))
    assert house.points.count("ingest-committed") == 1


async def test_a_job_runs_in_its_turn(house: House) -> None:
    """Behind what was handed over before it, in front of what comes after."""
    first, second = house.reports(1), house.reports(1)
    _, count, _ = await asyncio.gather(
        house.writer.store(first),
        house.writer.run(lambda c: c.execute("SELECT count(*) FROM frame").fetchone()[0]),
        house.writer.store(second),
    )
    assert count == 1
    assert house.points.count("ingest-committed") == 2


async def test_a_job_that_raises_changes_nothing_and_harms_nobody(house: House) -> None:
    """Its error reaches whoever handed it over; the writer goes on."""

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO setting VALUES ('half', 'done')")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await house.writer.run(broken)
    assert house.rows("SELECT count(*) FROM setting WHERE name = 'half'") == [(0,)]
    assert len((await house.writer.store(house.reports(1))).kept) == 1


async def test_one_frame_that_the_database_refuses_does_not_stop_its_batch(house: House) -> None:
    """The others are stored; the offender is counted, quarantined and told."""
    reports = house.reports(3)
    await house.writer.run(
        lambda c: c.execute(
            "CREATE TRIGGER refuses_seq_1 BEFORE INSERT ON frame WHEN NEW.seq = 1 "
            "BEGIN SELECT RAISE (ABORT, 'a value that cannot be'); END"
        )
    )
    stored = await house.writer.store(reports)
    assert [kept.report.position.seq for kept in stored.kept] == [0, 2]
    (content,) = stored.receipts[house.node.id]
    assert [(each.seq, each.reason) for each in content.refused] == [(1, "not-storable")]
    assert house.rows("SELECT value FROM counter WHERE name = 'refused:not-storable'") == [
        (1,),
        (1,),
    ]
    assert house.rows("SELECT value FROM counter WHERE name = 'stored'") == [(2,), (2,)]


async def test_a_locked_file_is_waited_for(house: House) -> None:
    """Nothing is dropped while the disk fails; health says so, and it is stored in the end."""
    await house.writer.run(lambda c: c.execute("CREATE TEMP TABLE broken (x)"))
    await house.writer.run(
        lambda c: c.execute(
            "CREATE TEMP TRIGGER fails BEFORE INSERT ON main.frame "
            "BEGIN SELECT x FROM missing_for_now; END"
        )
    )
    storing = asyncio.ensure_future(house.writer.store(house.reports(2)))
    await until(lambda: house.writer.failing)
    assert not storing.done()
    # The "disk" is mended by whoever holds the connection: a table appears.
    connection = sqlite3.connect(house.path)
    connection.execute("CREATE TABLE missing_for_now (x)")
    connection.commit()
    connection.close()
    stored = await storing
    assert len(stored.kept) == 2
    assert not house.writer.failing


async def test_stopping_while_the_disk_fails_says_so(tmp_path: Path) -> None:
    """Whoever waits is told that nothing was stored; the thread ends."""
    house = House(tmp_path)
    await house.writer.run(
        lambda c: c.execute(
            "CREATE TEMP TRIGGER fails BEFORE INSERT ON main.frame "
            "BEGIN SELECT x FROM missing_for_ever; END"
        )
    )
    storing = asyncio.ensure_future(house.writer.store(house.reports(1)))
    await until(lambda: house.writer.failing)
    await house.writer.close()
    with pytest.raises(LocalError, match="stopped while the ledger failed"):
        await storing


async def test_closing_commits_what_was_handed_over(tmp_path: Path) -> None:
    """An orderly stop loses nothing."""
    house = House(tmp_path)
    storing = [asyncio.ensure_future(house.writer.store([each])) for each in house.reports(5)]
    await asyncio.sleep(0)
    await house.writer.close()
    results = await asyncio.gather(*storing)
    assert sum(len(result.kept) for result in results) == 5
    assert house.rows("SELECT count(*) FROM frame") == [(5,)]


async def test_a_bug_reaches_whoever_waits(house: House) -> None:
    """A value of another type is no data; the writer survives it."""
    with pytest.raises(AttributeError):
        await house.writer.store(["not a report"])  # type: ignore[list-item]
    assert len((await house.writer.store(house.reports(1))).kept) == 1


async def test_every_commit_passes_its_named_points(house: House) -> None:
    """Crash tests kill at each of them."""
    await house.writer.store(house.reports(1))
    await house.writer.run(lambda _: None)
    assert house.points == [
        "ingest-begun",
        "ingest-before-commit",
        "ingest-committed",
        "job-before-commit",
        "job-committed",
    ]
