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
        connection, set_aside = _connect(directory / FILE_NAME)
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


def _connect(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    try:
        return _open_checked(path), None
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # locked, read-only or full: the file itself may be sound
        set_aside = _set_aside(path)
        return _open_checked(path), set_aside


def _open_checked(path: Path) -> sqlite3.Connection:
    """Open with the settings of rule 1; DatabaseError where the file is no sound database."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=True, timeout=5)
    try:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        connection.execute("PRAGMA cache_size = -512")
        _check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


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
