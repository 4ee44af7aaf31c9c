"""Stored frames as the verified reports they were: to go on after a crash, and to judge again.

Each frame goes through `verify` once more, with its stored moment of arrival; so what is judged
again is exactly what was signed. A frame that was altered on disk is named in the log and passed
over: it is kept as it is, speaks for nobody, and does not keep the rest from speaking.

What was stored under a key that is now said not to have been trusted at that moment stays stored
and is passed over: an operator revokes from a moment in the past on, and a running collector hears
of any revocation seconds after it was said.
"""

import logging
import sqlite3
from collections.abc import Iterator
from typing import cast

from shyraq_collector.facts.reports import Flag, Message, Rejection
from shyraq_collector.store.ingest import Kept
from shyraq_collector.verify import KeyRing, verify
from shyraq_wire.topics import NodeId, node_topic

_log = logging.getLogger(__name__)

_RAW = b"\x00"
"""The format byte of an MQTT payload that holds a frame as it is."""


def frames(
    connection: sqlite3.Connection,
    keys: KeyRing,
    *,
    after: int = 0,
    since_ms: int = 0,
    until: int | None = None,
    newest: int | None = None,
) -> Iterator[Kept]:
    """Stored reports in the order of commits, without those of keys not trusted at their arrival.

    Args:
        connection: A reader's.
        keys: All registered keys, revoked ones too.
        after: Only frames numbered above this.
        since_ms: Only frames that arrived at or after this moment.
        until: Only frames numbered up to this; None: all.
        newest: Only so many, the newest; None: all.
    """
    if newest is not None:
        older = connection.execute(
            "SELECT no FROM frame WHERE ? IS NULL OR no <= ? ORDER BY no DESC LIMIT 1 OFFSET ?",
            (until, until, newest),
        ).fetchone()
        after = max(after, 0 if older is None else older[0])
    rows = connection.execute(
        "SELECT f.no, node.id, f.received_ms, f.live, f.flags, f.body FROM frame AS f "
        "JOIN epoch ON epoch.no = f.epoch_no JOIN node ON node.no = epoch.node_no "
        "WHERE f.no > ? AND f.received_ms >= ? AND (? IS NULL OR f.no <= ?) ORDER BY f.no",
        (after, since_ms, until, until),
    )
    for no, node, received_ms, live, flags, body in rows:
        report = verify(
            Message(
                topic=node_topic(NodeId(node), "report"),
                payload=_RAW + body,
                received_ms=received_ms,
            ),
            keys,
        )
        if isinstance(report, Rejection):
            if report.reason != "revoked-key":
                _log.error(
                    "event=frame-damaged frame=%d node=%s reason=%s remedy=look-for-it-in-a-backup",
                    no,
                    node,
                    report.reason,
                )
            continue
        yield Kept(
            no=no,
            report=report,
            live=bool(live),
            flags=frozenset(cast("list[Flag]", flags.split())),
        )
