"""Stored reports as a list: who sent what when, under which key, by which software.

A report's software and configuration stand only in what was signed; each frame is opened again for
them, under the key it was stored with.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from shyraq_collector.errors import LocalError
from shyraq_wire.envelope import open_frame
from shyraq_wire.errors import WireError
from shyraq_wire.report import REPORT_TYPE
from shyraq_wire.report_json import decode_report

REPORT_COLUMNS: Final = (
    "received_ms",
    "dated_ms",
    "node",
    "seq",
    "live",
    "kind",
    "software",
    "config_version",
    "flags",
    "epoch",
    "key_id",
    "config_sha256",
)
"""Columns of `reports`, in order."""


def reports(
    connection: sqlite3.Connection, *, node: str | None, since_ms: int, limit: int
) -> Iterator[tuple[Any, ...]]:
    """Stored reports, newest arrival first; what this version cannot read in one is None.

    Args:
        connection: A reader's.
        node: Only this one's; None: all.
        since_ms: Only what arrived at or after this moment.
        limit: At most so many; negative: all.

    Raises:
        LocalError: A stored frame no longer verifies: the file was altered or is damaged.
    """
    rows = connection.execute(
        "SELECT f.received_ms, f.dated_ms, node.id, f.seq, f.live, f.flags, epoch.epoch, f.key_id, "
        "k.public_key, f.body FROM frame AS f JOIN epoch ON epoch.no = f.epoch_no "
        "JOIN node ON node.no = epoch.node_no "
        "JOIN node_key AS k ON k.node_no = node.no AND k.key_id = f.key_id "
        "WHERE f.received_ms >= :since_ms AND (:node IS NULL OR node.id = :node) "
        "ORDER BY f.received_ms DESC, f.no DESC LIMIT :limit",
        {"node": node, "since_ms": since_ms, "limit": limit},
    )
    for received_ms, dated_ms, of, seq, live, flags, epoch, key_id, public_key, body in rows:
        kind, software, version, sha256 = _said(body, public_key)
        yield (
            *(received_ms, dated_ms, of, seq, bool(live), kind, software, version),
            *(flags, epoch, key_id, sha256),
        )


def _said(frame: bytes, public_key: bytes) -> tuple[str | None, str | None, int | None, str | None]:
    """Kind, software, version and hash of the configuration, as signed."""
    try:
        payload_type, payload = open_frame(frame, public_key)
        if payload_type != REPORT_TYPE:
            return None, None, None, None
        report = decode_report(payload)
    except WireError as error:
        raise LocalError(f"a stored frame no longer verifies: {error}; restore a backup") from error
    return report.kind, report.software, report.config.version, report.config.sha256
