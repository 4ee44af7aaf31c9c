"""What the judging task concluded at one tick, committed in one transaction.

Snapshot and cursor, timeline entries, incidents, verdicts and the view belong together: after a
crash the engine is restored from the snapshot and given the frames behind the cursor, and says
nothing twice. Times here are those of `facts`: POSIX seconds in incidents, milliseconds elsewhere.
"""

import json
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from shyraq_collector.facts.asks import Met
from shyraq_collector.facts.incidents import Entry, GroupStatus, Incident
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.incidents.codec import decode, encode

Hold = Literal["starting", "hold", "own-fault"]
"""Why the engine does not judge: it has just begun, waits after a gap of its own, is at fault."""

VIEW_KEPT_MS = 7 * 86_400_000
"""How long old views are kept, so that "how was it then" has an answer."""

_KNOWS_MET = 2
"""Version of the file from which on it holds that."""

MET_KEPT_MS = 7 * 86_400_000
"""How long it is remembered where a target was met: an address that died may be given for days."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The fleet as the engine saw it at one tick, and the collector itself."""

    at_ms: int
    groups: tuple[GroupStatus, ...]
    hold: Hold | None
    started_ms: int
    """When this run of the collector began."""
    broker_connected: bool
    canary_round_trip_ms: float | None
    """The newest one, in real time; None before the first."""
    judged_to_ms: int
    """Everything up to here had arrived and was judged."""
    turned_away: int
    """Messages turned away since this run began because the inbox was full."""
    nodes: int
    """Registered nodes that were placed at this tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that one tick commits."""

    at_ms: int
    cursor: int
    """Number of the newest frame that the engine had been given."""
    snapshot: bytes | None
    """None: nothing was said, and the memory of an earlier tick will do."""
    entries: Sequence[Entry]
    incidents: Sequence[Incident]
    """Those that the entries belong to."""
    verdicts: Sequence[Verdict]
    view: View
    met: Sequence[Met] = ()
    """Where the judge has met targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a restarted collector goes on from: the newest tick with a snapshot."""

    cursor: int
    ticked_ms: int
    snapshot: bytes


def save(connection: sqlite3.Connection, findings: Findings) -> None:
    """Write one tick; the caller's transaction makes it one."""
    if findings.snapshot is not None:
        connection.execute(
            "INSERT OR REPLACE INTO engine VALUES (1, ?, ?, ?)",
            (findings.cursor, findings.at_ms, findings.snapshot),
        )
    connection.executemany(
        "INSERT INTO timeline (incident, number, at_ms, published_ms, state, body) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                entry.incident,
                entry.number,
                round(entry.at * 1000),
                round(entry.published_at * 1000),
                entry.state,
                to_json(entry),
            )
            for entry in findings.entries
        ],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO incident VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                incident.id,
                incident.kind,
                incident.state,
                round(incident.suspected_at * 1000),
                findings.at_ms,
                to_json(incident),
            )
            for incident in findings.incidents
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO verdict (node_no, target, at_ms, judged_ms, state, rule, body) "
        "SELECT no, ?, ?, ?, ?, ?, ? FROM node WHERE id = ?",
        [
            (
                verdict.target,
                verdict.at_ms,
                findings.at_ms,
                verdict.state,
                verdict.rule,
                to_json(verdict),
                verdict.node,
            )
            for verdict in findings.verdicts
        ],
    )
    connection.executemany(
        "INSERT INTO met VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)",
        [(each.target, each.address, each.at_ms) for each in findings.met],
    )
    connection.execute("DELETE FROM met WHERE at_ms < ?", (findings.at_ms - MET_KEPT_MS,))
    connection.execute(
        "INSERT OR REPLACE INTO view VALUES (?, ?)", (findings.at_ms, pack_view(findings.view))
    )
    connection.execute("DELETE FROM view WHERE at_ms < ?", (findings.at_ms - VIEW_KEPT_MS,))


def memory(connection: sqlite3.Connection) -> Memory | None:
    """What the last tick left behind; None before the first."""
    row = connection.execute("SELECT cursor, ticked_ms, snapshot FROM engine").fetchone()
    return None if row is None else Memory(cursor=row[0], ticked_ms=row[1], snapshot=row[2])


def met(connection: sqlite3.Connection) -> list[Met]:
    """Where targets were met, as far as it is remembered."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < _KNOWS_MET:
        return []  # a reader beside an older file, which no run has brought up to date
    rows = connection.execute("SELECT target, address, at_ms FROM met")
    return [Met(target=target, address=address, at_ms=at_ms) for target, address, at_ms in rows]


def pack_view(view: View) -> bytes:
    """A view in a twentieth of its JSON: one is kept for every minute of a week."""
    return zlib.compress(to_json(view).encode())


def unpack_view(packed: bytes) -> View:
    """The inverse of `pack_view`."""
    return from_json(View, zlib.decompress(packed).decode())


def to_json(value: object) -> str:
    """A value of `facts` as JSON text; `from_json` is the inverse."""
    return json.dumps(encode(value), separators=(",", ":"), ensure_ascii=False)


def from_json(kind: type[T], text: str) -> T:
    """A value of `facts` from its JSON text."""
    return cast("T", decode(kind, json.loads(text), _no_line))


def _no_line(key: Any) -> None:  # noqa: ANN401  # the codec's own signature; no line is ever stored
    raise AssertionError(f"a line in a stored value: {key}")
