"""The spool's file: one owner, safe settings, forward-only migrations.

Opening goes through these steps in order:

1. take the lock: a second agent on the same spool would fork the chain;
2. open, or set a damaged file aside under another name (never deleted) and begin anew;
3. refuse a file that a newer version of the program wrote;
4. copy an older file beside itself, then migrate it, one step a transaction.

The index on `pulse` holds kind and place only: what is asked of the whole spool (how many, which
edges, what to give up) is read from it, not from a hundred megabytes of payloads.

SD cards wear by pages: they are 1 KiB here, because a commit rewrites every page it touches
and a usual frame is smaller than that.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from shyraq_agent.errors import LocalError

FILE_NAME: Final = "spool.db"
LOCK_NAME: Final = "spool.lock"

_NO_VERSION: Final = 1000
"""So many migrations there will never be: a higher number is noise, no newer program."""

_PRIMARY: Final = 0xFF
"""Of an extended result code, the part that says what kind it is."""

_OUTSIDE: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_AUTH,
    }
)
"""Result codes that say nothing of the file itself."""

MIGRATIONS: Final[Sequence[str]] = (
    """
    CREATE TABLE epoch (
        number INTEGER PRIMARY KEY,
        epoch TEXT NOT NULL UNIQUE,
        key_id TEXT NOT NULL,
        tip_seq INTEGER NOT NULL,
        tip_sha256 TEXT NOT NULL
    ) STRICT;
    CREATE TABLE frame (
        place INTEGER PRIMARY KEY,
        pulse INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE INDEX frame_by_kind ON frame (pulse);
    CREATE VIEW held AS
        SELECT place, pulse, length(payload) + 64 AS size_bytes FROM frame;
    CREATE TABLE gone (
        place INTEGER PRIMARY KEY,
        sha256 BLOB NOT NULL,
        cause TEXT NOT NULL CHECK (cause IN ('stored', 'refused', 'dropped'))
    ) STRICT;
    CREATE TABLE dropped (
        lo INTEGER PRIMARY KEY,
        hi INTEGER NOT NULL,
        announced_in INTEGER
    ) STRICT;
    CREATE TABLE refused (
        place INTEGER PRIMARY KEY,
        sha256 BLOB NOT NULL,
        reason TEXT NOT NULL
    ) STRICT;
    CREATE TABLE ledger (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE floor (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        now_ms INTEGER NOT NULL
    ) STRICT;
    INSERT INTO floor VALUES (1, 0);
    """,
    """
    CREATE TABLE fact (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
    """,
)
"""The 64 bytes in `held` stand for a row's hash, key and page headers.
Step n brings a file from user_version n to n + 1. Never edit one that was released."""


class OwnedDatabase:
    """An open spool file and the lock on it."""

    def __init__(self, connection: sqlite3.Connection, lock: int, set_aside: Path | None) -> None:
        """Hold what `open_database` opened.

        Args:
            connection: In autocommit mode; transactions are explicit.
            lock: File descriptor of the lock file.
            set_aside: Where a damaged predecessor now lies; None: there was none.
        """
        self.connection = connection
        self.set_aside = set_aside
        self._lock = lock

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed with fsync at the end, or undone on an exception."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file, then let another process in."""
        self.connection.close()
        os.close(self._lock)


def open_database(directory: Path, migrations: Sequence[str] = MIGRATIONS) -> OwnedDatabase:
    """The spool of a state directory, ready for use.

    Args:
        directory: Exists and is writable.
        migrations: Steps to the current form.

    Raises:
        LocalError: Another process owns the spool, a newer version wrote it, or the disk
            cannot be written.
    """
    try:
        lock = _take_lock(directory / LOCK_NAME)
    except OSError as error:
        raise LocalError(f"{directory}: the spool cannot be opened: {error.strerror}") from error
    try:
        connection, set_aside = _connect(directory / FILE_NAME, migrations)
        try:
            _migrate(connection, directory / FILE_NAME, migrations)
        except BaseException:
            connection.close()
            raise
    except BaseException as error:
        os.close(lock)
        if isinstance(error, sqlite3.Error | OSError):
            raise LocalError(f"{directory / FILE_NAME}: {error}") from error
        raise
    return OwnedDatabase(connection, lock, set_aside)


def _take_lock(path: Path) -> int:
    """An exclusive lock that the kernel frees when this process ends, however it ends."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.read(lock, 20).decode("ascii", "replace").strip()
        os.close(lock)
        raise LocalError(
            f"{path.parent}: another agent (process {owner or 'unknown'}) owns this spool; "
            "stop it, or give this one another state_directory"
        ) from error
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock


def _connect(path: Path, migrations: Sequence[str]) -> tuple[sqlite3.Connection, Path | None]:
    try:
        return _open_checked(path, migrations), None
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not _is_damage(error, path):
            raise
        set_aside = _set_aside(path)
        return _open_checked(path, migrations), set_aside


def _is_damage(error: Exception, path: Path) -> bool:
    """Whether the file is unsound, and not only locked, or on a disk that is full or fails.

    SQLite's words may quote what it read, so noise may come as text that is none. A damaged header
    may say "unsupported", or forbid to write what this process may write.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return True
    if code & _PRIMARY == sqlite3.SQLITE_READONLY:
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return code & _PRIMARY not in _OUTSIDE


def _open_checked(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """Open with the settings of rule 1; DatabaseError where the file is no sound database."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=True, timeout=5)
    try:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        connection.execute("PRAGMA cache_size = -512")
        _check(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """DatabaseError unless all of it can be read, is what its version made, and takes writes."""
    # Indexes too: one that disagrees with its table makes every later commit fail.
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not 0 <= version < _NO_VERSION:
        raise sqlite3.DatabaseError(f"no program wrote version {version}")
    if version > len(migrations):
        return
    if _form(connection) != _form_of(migrations[:version]):
        raise sqlite3.DatabaseError(f"the tables are not those of version {version}")
    if version and connection.execute("SELECT now_ms FROM floor").fetchone() is None:
        raise sqlite3.DatabaseError("the floor of the clock is gone")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {version}")  # refused by a damaged header
    connection.execute("ROLLBACK")


def _form(connection: sqlite3.Connection) -> list[tuple[str, str, str | None]]:
    """Every table, view and index of ours with its columns."""
    return connection.execute(
        "SELECT m.type, m.name, c.name FROM sqlite_master AS m "
        "LEFT JOIN pragma_table_info(m.name) AS c "
        "WHERE m.name NOT GLOB 'sqlite_*' ORDER BY m.name, c.cid"
    ).fetchall()


def _form_of(migrations: Sequence[str]) -> list[tuple[str, str, str | None]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        for step in migrations:
            fresh.executescript(step)
        return _form(fresh)


def _set_aside(path: Path) -> Path:
    """Rename a damaged file and its companions; what is readable in them stays readable."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations):
        raise LocalError(
            f"{path} has version {version}, this program knows {len(migrations)}: "
            "install the newer agent again, or give this one another state_directory"
        )
    if 0 < version < len(migrations):
        backup = path.with_name(f"{path.name}.version-{version}")
        backup.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(backup),))
    for number, script in enumerate(migrations[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;{script};PRAGMA user_version = {number};COMMIT")
