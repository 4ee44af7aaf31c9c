"""Appending to the spool, beside a bare SQLite loop with the same columns and settings.

Both hash and compress each frame and commit it with fsync (WAL, synchronous FULL) into a file
in the same directory. The spool beyond that runs in a thread of its own, keeps its limit and
looks for what receipts have covered.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from bench.load import report_payload
from bench.table import Row, say

from shyraq_agent.spool import Place, Spool
from shyraq_wire.codec import pack, sha256_hex

_ROUNDS = 7
_APPENDS = 200
_GOAL = 0.5


def rows() -> list[Row]:
    """Appends a second."""
    say("spool append against a bare SQLite loop …")
    with tempfile.TemporaryDirectory(prefix="shyraq-bench-") as name:
        ours, bare = asyncio.run(_both(Path(name)))
    ratio = statistics.median(mine / other for mine, other in zip(ours, bare, strict=True))
    return [
        Row(
            what="spool append with fsync",
            ours=statistics.median(ours),
            unit="frames/s",
            bare=statistics.median(bare),
            ratio=ratio,
            goal=f"≥ {_GOAL} × bare",
            met=ratio >= _GOAL,
        )
    ]


async def _both(directory: Path) -> tuple[list[float], list[float]]:
    spool = await Spool.open(
        directory / "spool", key_id="k" * 64, max_bytes=2**30, new_epoch=lambda: "e" * 32
    )
    loop = _BareLoop(directory / "bare.db")
    frame = bytes(64) + report_payload(measurements=1)
    ours, bare = [], []
    try:
        for _ in range(_ROUNDS):
            ours.append(await _append(spool, frame))
            bare.append(loop.append(frame))
    finally:
        await spool.close()
        loop.connection.close()
    return ours, bare


async def _append(spool: Spool, frame: bytes) -> float:
    def seal(place: Place) -> bytes:
        return frame + str(place.seq).encode()

    started = time.perf_counter()
    for _ in range(_APPENDS):
        await spool.append("pulse", seal)
    return _APPENDS / (time.perf_counter() - started)


class _BareLoop:
    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(
            "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE frame (place INTEGER PRIMARY KEY, pulse INTEGER NOT NULL,"
            " sha256 BLOB NOT NULL, payload BLOB NOT NULL) STRICT;"
            "CREATE TABLE epoch (number INTEGER PRIMARY KEY, tip_seq INTEGER, tip_sha256 TEXT);"
            "INSERT INTO epoch VALUES (1, -1, '');"
        )
        self._place = 0

    def append(self, frame: bytes) -> float:
        started = time.perf_counter()
        for _ in range(_APPENDS):
            self._place += 1
            numbered = frame + str(self._place).encode()
            sha256 = sha256_hex(numbered)
            self.connection.execute("BEGIN")
            self.connection.execute(
                "INSERT INTO frame VALUES (?, 1, ?, ?)",
                (self._place, bytes.fromhex(sha256), pack(numbered)),
            )
            self.connection.execute(
                "UPDATE epoch SET tip_seq = ?, tip_sha256 = ? WHERE number = 1",
                (self._place, sha256),
            )
            self.connection.execute("COMMIT")
        return _APPENDS / (time.perf_counter() - started)
