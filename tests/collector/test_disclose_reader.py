"""The ledger answers the public room exactly as the reader in memory does."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from shyraq_collector.app.public import CommittedState
from shyraq_collector.disclose.reader import Position, Reader
from shyraq_collector.store import findings
from shyraq_collector.store.schema import open_ledger, open_reader, transaction
from support.asking import ask
from support.memory_reader import MemoryReader
from support.scenes import MINUTE, NOW, SCENES, incident, played, view

Question = Callable[[Reader], object]

QUESTIONS: dict[str, Question] = {
    "view": lambda reader: reader.view(),
    "view at an instant": lambda reader: reader.view(NOW),
    "view before the first": lambda reader: reader.view(NOW - 1e6),
    "standing": lambda reader: sorted(each.id for each in reader.standing()),
    "standing then": lambda reader: sorted(each.id for each in reader.standing(NOW - 5 * MINUTE)),
    "standing before": lambda reader: list(reader.standing(NOW - 1e6)),
    "list": lambda reader: list(reader.incidents(None, 50)),
    "first page": lambda reader: list(reader.incidents(None, 1)),
    "second page": lambda reader: [
        list(reader.incidents(Position(suspected_at=each.suspected_at, incident=each.id), 9))
        for each in reader.incidents(None, 9)
    ],
    "one": lambda reader: reader.incident("00c0ffee00c0ffee"),
    "none": lambda reader: reader.incident("ffffffffffffffff"),
    "entries": lambda reader: list(reader.entries(0, 100)),
    "later entries": lambda reader: list(reader.entries(1, 1)),
    "mark": lambda reader: reader.mark(),
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty ledger, open for writing."""
    with closing(open_ledger(tmp_path / "ledger.db")) as connection:
        yield connection


def commit(connection: sqlite3.Connection, memory: MemoryReader) -> None:
    """Write what a reader in memory holds, as ticks of the engine would have."""
    for kept in memory.views:
        seen = findings.View(
            at_ms=round(kept.at * 1000),
            groups=kept.groups,
            hold=kept.hold,
            started_ms=0,
            broker_connected=True,
            canary_round_trip_ms=None,
            judged_to_ms=0,
            turned_away=0,
            nodes=48,
        )
        is_last = kept is memory.views[-1]
        with transaction(connection):
            findings.save(
                connection,
                findings.Findings(
                    at_ms=seen.at_ms,
                    cursor=0,
                    snapshot=b"",
                    entries=[each.entry for each in memory.published] if is_last else [],
                    incidents=memory.incidents(None, 99) if is_last else [],
                    verdicts=[],
                    view=seen,
                ),
            )


@contextmanager
def committed(connection: sqlite3.Connection) -> Iterator[CommittedState]:
    """The collector's own reader over the ledger's file."""
    (path,) = [row[2] for row in connection.execute("PRAGMA database_list")]
    with closing(open_reader(Path(path))) as reading:
        yield CommittedState(reading, started_ms=0, is_connected=lambda: True)


@pytest.mark.parametrize("scene", SCENES)
def test_the_ledger_answers_as_memory_does(scene: str, ledger: sqlite3.Connection) -> None:
    """Every question of the room has the same answer from both, in every scene."""
    memory = played(scene)
    commit(ledger, memory)
    with committed(ledger) as state:
        for name, question in QUESTIONS.items():
            assert question(state) == question(memory), name


async def test_pages_and_answers_are_the_same_from_the_ledger(ledger: sqlite3.Connection) -> None:
    """What the public sees does not depend on who keeps it."""
    memory = MemoryReader()
    memory.commit_view(view(at=NOW - MINUTE))
    memory.commit_view(view())
    memory.commit(incident("suspected", "confirmed", "restored"))
    commit(ledger, memory)
    with committed(ledger) as state:
        for path in ("/?lang=kk", "/incidents/00c0ffee00c0ffee?lang=ru", "/api/v1/status"):
            assert (await ask(state, path)).content == (await ask(memory, path)).content
