"""How the ledger file is opened, brought up to date and guarded.

Rules:

1. Write-ahead log with `synchronous=FULL`: what was committed survives a power cut.
2. `user_version` counts migrations. They only go forward, each in its own transaction, and only
   after a copy of the file was made beside it. A file from a newer program is refused.
3. Readers open the file read-only and never wait for the writer.
"""

import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shyraq_collector.errors import LocalError
from shyraq_collector.store.tables import MIGRATIONS

BUSY_TIMEOUT_MS: Final = 10_000
"""How long a second writer (a command beside the running collector) waits its turn."""

APPLICATION_ID: Final = 0x53485951
"""`SHYQ` in the file's header, so that another program's database is not mistaken for ours."""

_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""SQLite's words may quote a damaged file: then they are no text."""


def open_ledger(
    path: Path,
    *,
    new_ledger_id: Callable[[], str] = lambda: secrets.token_hex(16),
    migrations: tuple[str, ...] = MIGRATIONS,
) -> sqlite3.Connection:
    """A connection for writing; the file is made or brought up to date.

    Args:
        path: The ledger file; its directory must exist.
        new_ledger_id: 32 hexadecimal digits for a new ledger.
        migrations: All steps this program knows.

    Raises:
        LocalError: The file cannot be opened, is not a ledger, or comes from a newer program.
    """
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        _check_owner(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        _migrate(connection, path, migrations)
        connection.execute("INSERT OR IGNORE INTO setting VALUES ('ledger', ?)", (new_ledger_id(),))
    except _UNREADABLE as error:
        raise LocalError(f"{path}: cannot open the ledger: {error}") from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection; works beside a running collector and after it has stopped.

    Raises:
        LocalError: There is no ledger at this path, or it cannot be read.
    """
    if not path.exists():
        raise LocalError(f"{path}: there is no ledger here; `run` makes one")
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA query_only=ON")
        _check_owner(connection, path)
    except _UNREADABLE as error:
        raise LocalError(f"{path}: cannot read the ledger: {error}") from error
    return connection


@contextmanager
def transaction(
    connection: sqlite3.Connection, *, on_rollback: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT; whatever is raised inside, or by COMMIT, rolls back.

    Args:
        connection: In autocommit mode.
        on_rollback: Called after a rollback, for what was remembered of the database.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
            on_rollback()


def ledger_id(connection: sqlite3.Connection) -> str:
    """The id of this ledger, 32 hexadecimal digits; a restored backup gets a new one."""
    row = connection.execute("SELECT value FROM setting WHERE name = 'ledger'").fetchone()
    return str(row[0])


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that another program made, before anything is written to it."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and tables:
        raise LocalError(f"{path}: this database is not a Shyraq ledger")


def _migrate(connection: sqlite3.Connection, path: Path, migrations: tuple[str, ...]) -> None:
    version = _version(connection)
    if version > len(migrations):
        raise LocalError(
            f"{path}: written by a newer program (version {version}, this one knows "
            f"{len(migrations)}); upgrade this program"
        )
    if 0 < version < len(migrations):
        _back_up(connection, path.with_name(f"{path.name}.before-v{len(migrations)}"))
    for step in range(version, len(migrations)):
        with transaction(connection):
            if _version(connection) == step:  # else another process was faster
                for statement in _statements(migrations[step]):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={step + 1}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> list[str]:
    """A script cut into statements; `executescript` would commit behind our back."""
    statements: list[str] = []
    pending = ""
    for part in re.split("(?<=;)", script):
        pending += part
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the file as it stands, write-ahead log included."""
    copy = sqlite3.connect(target)
    try:
        connection.backup(copy)
    finally:
        copy.close()
