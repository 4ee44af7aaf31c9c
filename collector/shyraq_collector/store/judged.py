"""Which measurements have a verdict already: asked once after a restart, for the engine's sake.

The engine is told one word on each measurement. A warmed judge says again what it said before the
restart, and verdicts of ticks that left no snapshot have to be told again; these two questions tell
them apart. Read-only.
"""

import sqlite3
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.store.findings import from_json

_HAS_ONE: Final = (
    "SELECT 1 FROM verdict WHERE node_no = (SELECT no FROM node WHERE id = ?) "
    "AND target = ? AND at_ms = ? LIMIT 1"
)


def judged_after(connection: sqlite3.Connection, tick_ms: int) -> Sequence[Verdict]:
    """Verdicts that were committed by later ticks than this one, in the order of commits."""
    rows = connection.execute("SELECT judged_ms, body FROM verdict ORDER BY no DESC")
    newest = takewhile(lambda row: row[0] > tick_ms, rows)
    return [from_json(Verdict, body) for _, body in newest][::-1]


def without_verdict(connection: sqlite3.Connection, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those of some verdicts on whose measurement the ledger has no verdict yet."""
    return [
        each
        for each in verdicts
        if not connection.execute(_HAS_ONE, (each.node, each.target, each.at_ms)).fetchone()
    ]
