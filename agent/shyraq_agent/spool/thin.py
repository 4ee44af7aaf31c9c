"""Giving frames up when the spool is full, and which ones never are.

1. Whole bulk frames go first, oldest first.
2. When no such frame is left, pulses go, oldest first.
3. The edges of gaps stay, and so does the newest pulse: they say when a silence began and
   ended.
4. Every seq given up is on the list `dropped`; the next pulse announces it as a signed event.
   If that pulse is lost in turn, the range is announced again.

Edges: held frames form runs; a run ends where a frame between two held ones has been stored
or refused, or where the epoch changes. What was dropped does not end a run. The two first and
the two last frames of a run are its edges.
"""

import sqlite3
from typing import Final

from shyraq_agent.spool.cover import announce_again, move_to_gone

ANNOUNCED_AT_ONCE: Final = 64
"""Ranges that one pulse carries; the rest wait for the next."""

_THIN_TO: Final = 0.95
"""Share of the limit that is left, so that thinning does not run at every append."""

_EDGES: Final = """
WITH held AS (
    SELECT place, lag(place) OVER (ORDER BY place) AS before
    FROM frame INDEXED BY frame_by_kind
), runs AS (
    SELECT place, sum(
        before IS NULL OR before >> 40 <> place >> 40 OR (
            place - before > 1 AND EXISTS (
                SELECT 1 FROM gone
                WHERE gone.place > before AND gone.place < held.place AND cause <> 'dropped'
            )
        )
    ) OVER (ORDER BY place) AS run FROM held
), numbered AS (
    SELECT place,
        row_number() OVER (PARTITION BY run ORDER BY place) AS from_start,
        row_number() OVER (PARTITION BY run ORDER BY place DESC) AS from_end
    FROM runs
)
SELECT place FROM numbered WHERE from_start <= 2 OR from_end <= 2 ORDER BY place DESC
"""


def edges(sql: sqlite3.Connection) -> tuple[int, ...]:
    """Places of the two first and two last frames of each run, newest first."""
    return tuple(int(place) for (place,) in sql.execute(_EDGES))


def thin_out(sql: sqlite3.Connection, *, held_bytes: int, max_bytes: int, newest: int) -> int:
    """Give up what must go, inside the caller's transaction.

    Args:
        sql: The spool's connection.
        held_bytes: What is held now.
        max_bytes: What may be held.
        newest: Place of the frame just added; it stays.

    Returns:
        Bytes freed; 0 while the spool is within its limit.
    """
    if held_bytes <= max_bytes:
        return 0
    keep = {*edges(sql), newest, _newest_pulse(sql)}
    excess = held_bytes - int(max_bytes * _THIN_TO)
    freed = 0
    for pulse in (0, 1):
        for place in _chosen(sql, pulse, excess - freed, keep):
            freed += move_to_gone(sql, place, "dropped")
            announce_again(sql, place)
            _close_range(sql, place)
    return freed


def unannounced(sql: sqlite3.Connection) -> tuple[tuple[int, int], ...]:
    """Ranges of places, oldest first, that the next pulse must announce."""
    return tuple(
        (int(lo), int(hi))
        for lo, hi in sql.execute(
            "SELECT lo, hi FROM dropped WHERE announced_in IS NULL ORDER BY lo LIMIT ?",
            (ANNOUNCED_AT_ONCE,),
        )
    )


def mark_announced(
    sql: sqlite3.Connection, ranges: tuple[tuple[int, int], ...], place: int
) -> None:
    """The frame at `place` carries these ranges."""
    sql.executemany(
        "UPDATE dropped SET announced_in = ? WHERE lo = ?", [(place, lo) for lo, _ in ranges]
    )


def _newest_pulse(sql: sqlite3.Connection) -> int | None:
    found = sql.execute("SELECT max(place) FROM frame WHERE pulse").fetchone()
    return None if found[0] is None else int(found[0])


def _chosen(sql: sqlite3.Connection, pulse: int, excess: int, keep: set[int | None]) -> list[int]:
    chosen: list[int] = []
    rows = sql.execute(
        "SELECT place, size_bytes FROM held WHERE pulse = ? ORDER BY place", (pulse,)
    )
    for place, size in rows:
        if excess <= 0:
            break
        if place not in keep:
            chosen.append(int(place))
            excess -= int(size)
    rows.close()
    return chosen


def _close_range(sql: sqlite3.Connection, place: int) -> None:
    """Add one place to the list; a neighbour's range grows and is announced anew."""
    lo, hi = place, place
    below = sql.execute("SELECT lo FROM dropped WHERE hi = ?", (place - 1,)).fetchone()
    above = sql.execute("SELECT hi FROM dropped WHERE lo = ?", (place + 1,)).fetchone()
    if below is not None:
        lo = int(below[0])
    if above is not None:
        hi = int(above[0])
        sql.execute("DELETE FROM dropped WHERE lo = ?", (place + 1,))
    sql.execute("INSERT OR REPLACE INTO dropped VALUES (?, ?, NULL)", (lo, hi))
