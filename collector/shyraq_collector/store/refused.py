"""Keeping what was refused: counted whole, kept in samples, told where it is final.

1. Every rejection is counted by its reason, for the collector and for the node it claims.
2. The bytes go to the quarantine as evidence, at most `PER_BATCH` of a reason from one batch and
   `ROWS` in all, the oldest leaving first: a flood fills no disk.
3. A final refusal of a well-signed frame is kept for the node's receipt, the newest
   `MAX_REFUSED` per node. Transient ones are neither kept nor told: the node sends again.
"""

import hashlib
import sqlite3
from typing import Final

from shyraq_collector.facts.reports import (
    TRANSIENT,
    RefusedPlace,
    Rejection,
    VerifiedReport,
)
from shyraq_collector.store.touched import Numbers, Touched
from shyraq_wire.receipt import MAX_REFUSED

ROWS: Final = 10_000
"""Rows kept in the quarantine."""

PER_BATCH: Final = 32
"""Rows one batch may add for each reason."""

_TOPIC_LIMIT: Final = 200
_PAYLOAD_LIMIT_BYTES: Final = 64 * 1024


def refuse(
    connection: sqlite3.Connection, numbers: Numbers, item: Rejection, touched: Touched
) -> None:
    """Write down one rejection."""
    node_no = 0 if item.node is None else numbers.node(item.node)
    touched.count(node_no, f"refused:{item.reason}")
    if item.reason in TRANSIENT:
        return
    if touched.quarantined[item.reason] < PER_BATCH:
        touched.quarantined[item.reason] += 1
        _quarantine(connection, item)
    if item.node is not None and node_no and item.place is not None:
        _remember(connection, node_no, item)
        numbers.refused(node_no)
        touched.places.setdefault(item.node, {})


def trim(connection: sqlite3.Connection) -> None:
    """Let the oldest rows of the quarantine go."""
    connection.execute(
        "DELETE FROM quarantine WHERE no <= (SELECT max(no) FROM quarantine) - ?", (ROWS,)
    )


def not_storable(item: VerifiedReport | Rejection, error: Exception) -> Rejection:
    """What stands for an item that the database itself would not take."""
    if isinstance(item, Rejection):
        return Rejection(
            reason="not-storable",
            topic="",
            node=None,
            payload=b"",
            received_ms=item.received_ms,
            detail=f"{item.reason}: {type(error).__name__}",
        )
    return Rejection(
        reason="not-storable",
        topic="",
        node=item.node,
        payload=item.frame,
        received_ms=item.received_ms,
        place=RefusedPlace(epoch=item.epoch, seq=item.position.seq, sha256=item.position.sha256),
        detail=f"{type(error).__name__}: {error}"[:200],
    )


def _quarantine(connection: sqlite3.Connection, item: Rejection) -> None:
    connection.execute(
        "INSERT INTO quarantine (received_ms, reason, topic, node, size_bytes, sha256, detail, "
        "payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item.received_ms,
            item.reason,
            item.topic[:_TOPIC_LIMIT],
            item.node,
            len(item.payload),
            hashlib.sha256(item.payload).digest(),
            item.detail,
            item.payload[:_PAYLOAD_LIMIT_BYTES],
        ),
    )


def _remember(connection: sqlite3.Connection, node_no: int, item: Rejection) -> None:
    assert item.place is not None  # noqa: S101  # narrowing; the caller looked
    connection.execute(
        "INSERT OR IGNORE INTO refusal (node_no, epoch, seq, sha256, reason, refused_ms) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            node_no,
            item.place.epoch,
            item.place.seq,
            bytes.fromhex(item.place.sha256),
            item.reason,
            item.received_ms,
        ),
    )
    connection.execute(
        "DELETE FROM refusal WHERE node_no = ? AND no <= (SELECT no FROM refusal "
        "WHERE node_no = ? ORDER BY no DESC LIMIT 1 OFFSET ?)",
        (node_no, node_no, MAX_REFUSED),
    )
