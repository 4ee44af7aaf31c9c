"""Opening, migrating and guarding the ledger file."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from shyraq_collector.errors import LocalError
from shyraq_collector.store.schema import ledger_id, open_ledger, open_reader, transaction
from shyraq_collector.store.tables import MIGRATIONS

BROKEN = (*MIGRATIONS, "CREATE TABLE half (x); DROP TABLE no_such_table;")
LATER = (*MIGRATIONS, "ALTER TABLE node ADD COLUMN colour TEXT; CREATE TABLE later (x INTEGER);")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a ledger may be."""
    return tmp_path / "ledger.db"


@contextlib.contextmanager
def opened(path: Path, **options: tuple[str, ...]) -> Iterator[sqlite3.Connection]:
    """A ledger for writing."""
    with contextlib.closing(open_ledger(path, **options)) as connection:  # type: ignore[arg-type]
        yield connection


def test_a_ledger_survives_power_cuts(path: Path) -> None:
    """Write-ahead log, and every commit forced to the disk."""
    with opened(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_ledger_keeps_its_id(path: Path) -> None:
    """Nodes resend everything when the id changes, so opening must not change it."""
    with opened(path) as connection:
        first = ledger_id(connection)
    with opened(path) as connection:
        assert ledger_id(connection) == first
    assert len(bytes.fromhex(first)) == 16


def test_a_migration_goes_forward_after_a_copy(path: Path) -> None:
    """The old rows are there, the new column too, and the file as it was stands beside it."""
    with opened(path) as connection:
        connection.execute("INSERT INTO node (id, registered_ms) VALUES ('node-0001', 5)")
    with opened(path, migrations=LATER) as connection:
        assert connection.execute("SELECT id, colour FROM node").fetchall() == [("node-0001", None)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(LATER),)
    copy = path.with_name(f"ledger.db.before-v{len(LATER)}")
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT id FROM node").fetchall() == [("node-0001",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    """All of a step or nothing of it."""
    with opened(path):
        pass
    with pytest.raises(LocalError, match="no_such_table"):
        open_ledger(
            path, migrations=(*MIGRATIONS, "CREATE TABLE half (x); DROP TABLE no_such_table;")
        )
    with opened(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert (
            connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall() == []
        )


def test_a_file_of_a_newer_program_is_refused(path: Path) -> None:
    """An old program must not write into a form that it does not know."""
    with opened(path, migrations=LATER):
        pass
    with pytest.raises(LocalError, match="newer program"):
        open_ledger(path)


def test_another_programs_database_is_refused(path: Path) -> None:
    """Nothing is written into it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x INTEGER)")
        connection.commit()
    with pytest.raises(LocalError, match="not a Shyraq ledger"):
        open_ledger(path)
    with pytest.raises(LocalError, match="not a Shyraq ledger"):
        open_reader(path)


def test_what_is_no_database_is_refused(path: Path) -> None:
    """With the file's name and what is wrong."""
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(LocalError, match=r"ledger\.db"):
        open_ledger(path)
    with pytest.raises(LocalError, match=r"ledger\.db"):
        open_reader(path)


def test_damage_that_is_no_text_is_refused_in_words(path: Path) -> None:
    """SQLite quotes the damaged schema."""
    open_ledger(path).close()
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE \x98ABLE"))
    with pytest.raises(LocalError, match=r"ledger\.db"):
        open_ledger(path)
    with pytest.raises(LocalError, match=r"ledger\.db"):
        open_reader(path)


def test_a_reader_says_when_there_is_no_ledger(path: Path) -> None:
    """And makes none."""
    with pytest.raises(LocalError, match="no ledger here"):
        open_reader(path)
    assert not path.exists()


def test_a_reader_reads_beside_a_writer_and_cannot_write(path: Path) -> None:
    """It sees what is committed, while a transaction is open elsewhere."""
    with opened(path) as writer, contextlib.closing(open_reader(path)) as reader:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO node (id, registered_ms) VALUES ('node-0001', 5)")
        assert reader.execute("SELECT count(*) FROM node").fetchone() == (0,)
        writer.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM node").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM node")


def test_a_reader_reads_after_the_collector_has_stopped(path: Path) -> None:
    """Also when the log beside the file is gone."""
    with opened(path):
        pass
    assert not path.with_name("ledger.db-wal").exists()
    with contextlib.closing(open_reader(path)) as reader:
        assert len(ledger_id(reader)) == 32


@pytest.mark.parametrize("change", ["UPDATE timeline SET state = 'x'", "DELETE FROM timeline"])
def test_a_timeline_cannot_be_rewritten(path: Path, change: str) -> None:
    """The database itself refuses, whoever asks."""
    with opened(path) as connection:
        connection.execute(
            "INSERT INTO timeline (incident, number, at_ms, published_ms, state, body) "
            "VALUES ('i', 0, 1, 1, 'suspected', '{}')"
        )
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            connection.execute(change)


def test_a_transaction_that_raises_leaves_nothing(path: Path) -> None:
    """And tells whoever remembers things."""
    told: list[str] = []

    def fail(connection: sqlite3.Connection) -> None:
        with transaction(connection, on_rollback=lambda: told.append("rolled back")):
            connection.execute("INSERT INTO node (id, registered_ms) VALUES ('node-0001', 5)")
            raise ZeroDivisionError

    with opened(path) as connection:
        with pytest.raises(ZeroDivisionError):
            fail(connection)
        assert connection.execute("SELECT count(*) FROM node").fetchone() == (0,)
    assert told == ["rolled back"]
