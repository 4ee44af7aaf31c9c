"""Read-only questions to the ledger: each function one question, each answer plain values.

Nothing here judges; nothing here writes. A connection is given; it may be any reader's.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shyraq_collector.facts.incidents import Entry, Incident
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.store.findings import View, from_json, unpack_view
from shyraq_wire.topics import NodeId

SETTLED: Final = ("closed", "dismissed")
"""States in which nothing more is to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which measurements are asked for; None does not limit."""

    node: str | None = None
    isp: str | None = None
    region: str | None = None
    probe: str | None = None
    target: str | None = None
    """A text that stands anywhere in the target."""
    since_ms: int | None = None
    until_ms: int | None = None
    failed: bool = False
    """Only measurements in which a step failed."""
    limit: int = 1000


MEASUREMENT_COLUMNS: Final = (
    "started_ms",
    "received_ms",
    "node",
    "isp",
    "region",
    "access",
    "probe",
    "target",
    "duration_ms",
    "failed_step",
    "failure",
    "live",
    "flags",
    "result",
)
"""Columns of `measurements`, in order."""


def measurements(connection: sqlite3.Connection, wanted: Filter) -> Iterator[tuple[Any, ...]]:
    """Measurements, newest first, with the placement that held when they arrived.

    Args:
        connection: A reader's.
        wanted: Which ones.
    """
    conditions = {
        "node.id = :node": wanted.node,
        "a.isp = :isp": wanted.isp,
        "a.region = :region": wanted.region,
        "m.probe = :probe": wanted.probe,
        "instr(m.target, :target)": wanted.target,
        "m.started_ms >= :since_ms": wanted.since_ms,
        "m.started_ms < :until_ms": wanted.until_ms,
        "m.failure IS NOT NULL": wanted.failed or None,
    }
    limits = " AND ".join(text for text, value in conditions.items() if value is not None)
    query = (
        "SELECT m.started_ms, f.received_ms, node.id, a.isp, a.region, a.access, m.probe, "  # noqa: S608  # nosec B608
        "m.target, m.duration_ms, m.failed_step, m.failure, f.live, f.flags, m.result "
        "FROM measurement AS m JOIN frame AS f ON f.no = m.frame_no "
        "JOIN node ON node.no = m.node_no LEFT JOIN node_assignment AS a "
        "ON a.node_no = m.node_no AND a.valid_from_ms <= f.received_ms "
        "AND (a.valid_to_ms IS NULL OR a.valid_to_ms > f.received_ms) "
        f"WHERE {limits or '1'} ORDER BY m.started_ms DESC LIMIT :limit"
    )
    names = ("node", "isp", "region", "probe", "target", "since_ms", "until_ms", "limit")
    return connection.execute(query, {name: getattr(wanted, name) for name in names})


def counters(connection: sqlite3.Connection, node: str | None = None) -> Mapping[str, int]:
    """Counts since the ledger began, of the collector or of one node, by name.

    Names: `stored`, `live`, `backfill`, `duplicate`, `replayed`, `refused:` with a reason,
    `flag:` with a flag.
    """
    rows = connection.execute(
        "SELECT name, value FROM counter WHERE node_no = "
        "coalesce((SELECT no FROM node WHERE id = :node), 0) "
        "AND (:node IS NULL OR node_no > 0) ORDER BY name",
        {"node": node},
    )
    return dict(rows.fetchall())


def last_arrivals(connection: sqlite3.Connection) -> Mapping[NodeId, int]:
    """When each node's newest stored frame arrived, in milliseconds; silent ones are absent."""
    rows = connection.execute(
        "SELECT node.id, max(f.received_ms) FROM node JOIN epoch ON epoch.node_no = node.no "
        "JOIN frame AS f ON f.epoch_no = epoch.no AND f.seq = epoch.tip_seq GROUP BY node.no"
    )
    return dict(rows.fetchall())


def view(connection: sqlite3.Connection, at_ms: int | None = None) -> View | None:
    """The newest view, or the newest at or before a moment; None where none was kept."""
    row = connection.execute(
        "SELECT body FROM view WHERE :at IS NULL OR at_ms <= :at ORDER BY at_ms DESC LIMIT 1",
        {"at": at_ms},
    ).fetchone()
    return None if row is None else unpack_view(row[0])


def incident(connection: sqlite3.Connection, incident_id: str) -> Incident | None:
    """One incident with its whole timeline."""
    row = connection.execute("SELECT body FROM incident WHERE id = ?", (incident_id,)).fetchone()
    return None if row is None else from_json(Incident, row[0])


def incidents(
    connection: sqlite3.Connection,
    *,
    before: tuple[int, str] | None = None,
    limit: int = 1000,
) -> list[Incident]:
    """Incidents, newest first by (suspected, id).

    Args:
        connection: A reader's.
        before: Only those behind this (suspected_ms, id).
        limit: At most so many.
    """
    suspected_ms, last = before or (None, None)
    rows = connection.execute(
        "SELECT body FROM incident "
        "WHERE :at IS NULL OR suspected_ms < :at OR (suspected_ms = :at AND id < :last) "
        "ORDER BY suspected_ms DESC, id DESC LIMIT :limit",
        {"at": suspected_ms, "last": last, "limit": limit},
    )
    return [from_json(Incident, body) for (body,) in rows]


def standing(connection: sqlite3.Connection, at_ms: int | None = None) -> list[Incident]:
    """Incidents that are not settled now, or were not at a moment."""
    if at_ms is None:
        rows = connection.execute(
            "SELECT body FROM incident WHERE state NOT IN (?, ?) ORDER BY suspected_ms", SETTLED
        )
    else:
        rows = connection.execute(
            "SELECT body FROM incident WHERE suspected_ms <= ? AND coalesce((SELECT state "
            "FROM timeline WHERE incident = id AND published_ms <= ? "
            "ORDER BY number DESC LIMIT 1), 'closed') NOT IN (?, ?) ORDER BY suspected_ms",
            (at_ms, at_ms, *SETTLED),
        )
    return [from_json(Incident, body) for (body,) in rows]


def entries(
    connection: sqlite3.Connection, *, after: int, limit: int
) -> Sequence[tuple[int, Entry]]:
    """Timeline entries with their number over all incidents, in order of publication."""
    rows = connection.execute(
        "SELECT sequence, body FROM timeline WHERE sequence > ? ORDER BY sequence LIMIT ?",
        (after, limit),
    )
    return [(sequence, from_json(Entry, body)) for sequence, body in rows]


def mark(connection: sqlite3.Connection) -> tuple[int | None, int]:
    """(Tick of the newest view, number of the newest timeline entry or 0)."""
    row = connection.execute(
        "SELECT (SELECT max(at_ms) FROM view), coalesce((SELECT max(sequence) FROM timeline), 0)"
    ).fetchone()
    return row[0], row[1]


def verdicts(
    connection: sqlite3.Connection, *, since_ms: int, until_ms: int | None = None
) -> Iterator[Verdict]:
    """Stored verdicts on measurements of a stretch of time, oldest first."""
    rows = connection.execute(
        "SELECT body FROM verdict WHERE at_ms >= ? AND (? IS NULL OR at_ms < ?) ORDER BY at_ms, no",
        (since_ms, until_ms, until_ms),
    )
    return (from_json(Verdict, body) for (body,) in rows)
