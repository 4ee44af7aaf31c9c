"""The bare baseline of ingest: aiomqtt, one signature check, SQLite; written by hand.

    python -m bench.bare_loop PORT LEDGER KEYS

KEYS holds lines of JSON: [node id, public key in hexadecimal]. The same columns as the collector's
ledger, WAL, synchronous FULL, a commit for each 200 messages or when none is waiting. What it does
not do: bound what it reads, check the encoding, look for duplicates, forks, gaps or revoked keys,
answer with receipts, or judge. After each commit it says on `bench/stored` how many it has.
"""

import asyncio
import hashlib
import json
import sqlite3
import sys
import zlib
from pathlib import Path
from typing import Any

import aiomqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_BATCH = 200
_TABLES = """
CREATE TABLE frame (no INTEGER PRIMARY KEY, epoch TEXT, seq INTEGER, sha256 BLOB, prev BLOB,
    received_ms INTEGER, dated_ms INTEGER, live INTEGER, flags TEXT, key_id TEXT, body BLOB,
    UNIQUE (epoch, seq, sha256));
CREATE INDEX frame_by_hash ON frame (sha256);
CREATE INDEX frame_by_arrival ON frame (received_ms);
CREATE TABLE measurement (no INTEGER PRIMARY KEY, frame_no INTEGER, node TEXT, probe TEXT,
    target TEXT, started_ms INTEGER, duration_ms REAL, failed_step TEXT, failure TEXT, result TEXT);
CREATE INDEX measurement_by_start ON measurement (started_ms);
"""


def main() -> None:
    """Store until killed."""
    port, path, keys_path = sys.argv[1:]
    keys = {
        node: Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
        for node, text in map(json.loads, Path(keys_path).read_text().splitlines())
    }
    asyncio.run(_store_all(int(port), path, keys))


async def _store_all(port: int, path: str, keys: dict[str, Ed25519PublicKey]) -> None:
    ledger = sqlite3.connect(path, isolation_level=None)
    ledger.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_TABLES}")
    stored, waiting = 0, 0
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("shyraq/1/+/node/+/report", qos=1)
        await client.publish("bench/stored", "0", retain=True)
        async for message in client.messages:
            if not waiting:
                ledger.execute("BEGIN")
            _store(ledger, keys, str(message.topic), bytes(message.payload))
            waiting += 1
            if waiting >= _BATCH or not len(client.messages):
                ledger.execute("COMMIT")
                stored, waiting = stored + waiting, 0
                await client.publish("bench/stored", str(stored))


def _store(
    ledger: sqlite3.Connection, keys: dict[str, Ed25519PublicKey], topic: str, payload: bytes
) -> None:
    node = topic.split("/")[4]
    frame = zlib.decompress(payload[1:]) if payload[0] else payload[1:]
    keys[node].verify(frame[:64], frame[64:])
    report: dict[str, Any] = json.loads(frame[frame.index(b"{", 64) :])
    cursor = ledger.execute(
        "INSERT INTO frame (epoch, seq, sha256, prev, received_ms, dated_ms, live, flags, key_id, "
        "body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            report["epoch"],
            report["seq"],
            hashlib.sha256(frame).digest(),
            bytes.fromhex(report["prev"]),
            0,
            0,
            1,
            "",
            "",
            frame,
        ),
    )
    ledger.executemany(
        "INSERT INTO measurement (frame_no, node, probe, target, started_ms, duration_ms, "
        "failed_step, failure, result) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                cursor.lastrowid,
                node,
                each["probe"],
                each["target"],
                each["started_offset_ms"],
                each["duration_ms"],
                *next(
                    ((s["name"], s["failure"]) for s in each["steps"] if s["failure"]), (None, None)
                ),
                json.dumps(each["result"]),
            )
            for each in report["measurements"]
        ],
    )


if __name__ == "__main__":
    main()
