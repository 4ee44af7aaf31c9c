"""What others say of an incident: a second rendezvous in another network, or an outside source.

An operator, or a script of theirs, writes it down beside the running collector; the collector reads
it at its next tick. Nothing is ever changed: a later word of anybody takes the place of an earlier
one, and both stay on record with who said them.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from shyraq_collector.facts.signals import OutsideWord
from shyraq_collector.store.schema import transaction


class OutsideSaying(NamedTuple):
    """One word on one incident; `no` goes up in the order of saying."""

    no: int
    incident: str
    word: OutsideWord


def write_outside(
    connection: sqlite3.Connection, *, incident: str, word: OutsideWord, source: str, said_ms: int
) -> None:
    """Write one word down, in a transaction of its own.

    Args:
        connection: In autocommit mode.
        incident: Its id.
        word: What they say of it.
        source: Who says so, and where it can be looked up.
        said_ms: Now.
    """
    with transaction(connection):
        connection.execute(
            "INSERT INTO outside (incident, word, source, said_ms) VALUES (?, ?, ?, ?)",
            (incident, word, source, said_ms),
        )


def outside_after(connection: sqlite3.Connection, no: int) -> Sequence[OutsideSaying]:
    """Words that were said after this one, oldest first."""
    rows = connection.execute(
        "SELECT no, incident, word FROM outside WHERE no > ? ORDER BY no", (no,)
    )
    return [OutsideSaying(*row) for row in rows]
