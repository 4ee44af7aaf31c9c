"""Backup and restoration of the ledger file.

1. A backup is one consistent moment, taken through SQLite beside a running collector; it holds what
   the write-ahead log held.
2. A restored file gets a new ledger id. Receipts of the lost file covered reports that the backup
   has not got; under a new id no node believes them any longer, and each sends again what it still
   holds.
3. The engine goes on from its memory of that moment, as after a collector that was down so long.
4. Nothing is ever overwritten; a file is complete or it is not there.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from shyraq_collector.errors import ConfigError, LocalError
from shyraq_collector.store.schema import open_ledger, open_reader, transaction


def back_up(ledger: Path, target: Path) -> None:
    """Copy a ledger as it stands now to a new file.

    Args:
        ledger: The file, which a collector may be writing.
        target: Must not exist; its directory must.

    Raises:
        ConfigError: The target exists, or cannot be written.
        LocalError: The ledger cannot be read.
    """
    with contextlib.closing(open_reader(ledger)) as reader, _new_file(target) as unfinished:
        _copy(reader, unfinished)


def restore(backup: Path, ledger: Path, *, ledger_id: str) -> None:
    """Make a ledger from a backup, under a new id.

    Args:
        backup: As `back_up` made it.
        ledger: Must not exist; its directory must.
        ledger_id: 32 hexadecimal digits that no ledger had before.

    Raises:
        ConfigError: The ledger exists, or cannot be written.
        LocalError: The backup is not a ledger, is damaged, or comes from a newer program.
    """
    with contextlib.closing(open_reader(backup)) as reader, _new_file(ledger) as unfinished:
        _check(reader, backup)
        _copy(reader, unfinished)
        with contextlib.closing(open_ledger(unfinished)) as connection:
            with transaction(connection):
                connection.execute(
                    "UPDATE setting SET value = ? WHERE name = 'ledger'", (ledger_id,)
                )
            connection.execute("PRAGMA journal_mode=DELETE")


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """A temporary path beside a file that must not exist; becomes the file at the end."""
    if path.exists():
        raise ConfigError(f"{path}: exists; nothing is overwritten, move it away first")
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        yield unfinished
        unfinished.rename(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, target: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise LocalError(f"{target}: the copy failed: {error}") from error


def _check(reader: sqlite3.Connection, path: Path) -> None:
    try:
        (found,) = reader.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise LocalError(f"{path}: this backup is damaged: {found}; take an older one")
