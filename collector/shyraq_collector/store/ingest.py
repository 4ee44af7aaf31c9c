"""What one transaction does with verified reports and rejections.

For a verified report, in this order:

1. The frame is stored already, hash and all: count it, remember that its sender must hear of it.
2. Its neighbours (same seq, one before, one after) decide the flags `fork` and `unchained`. The
   next frame after the only one at the tip of its epoch needs no question: it links, and is live.
3. Frame and measurement rows go in; the frame is live if its seq is the newest of its epoch.
4. The frame joins the segments that it links to, or begins one.
5. Forks are written down as conflicts; both frames stay.

What happens to a rejection stands in `refused`. All counts are in the same transaction, so they
never run ahead of what is stored. What this module does not do: begin or commit (see `writer`),
verify, or publish.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from shyraq_collector.facts.reports import Flag, Rejection, VerifiedReport
from shyraq_collector.store.pending import Row
from shyraq_collector.store.refused import refuse, trim
from shyraq_collector.store.told import ReceiptContent, receipts
from shyraq_collector.store.touched import Epoch, Numbers, Touched
from shyraq_wire.chain import Fork, Position, relate
from shyraq_wire.report import Measurement
from shyraq_wire.topics import NodeId

LATE_DUPLICATE_MS: Final = 3_600_000
"""A frame that comes again this long after its first arrival counts as `replayed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A report that is newly in the ledger."""

    no: int
    """Number of the frame: ascending in the order of commits."""
    report: VerifiedReport
    live: bool
    """Its seq is the newest of its epoch; else it is back-fill and never counts as an arrival."""
    flags: frozenset[Flag]


class Ingest:
    """Applies batches on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take the writer's connection.

        Args:
            connection: In autocommit mode; the caller begins and commits.
        """
        self._connection = connection
        self._numbers = Numbers(connection)

    def forget(self) -> None:
        """Drop what was remembered of the database; after a rollback it may be wrong."""
        self._numbers.forget()

    def add(
        self, item: VerifiedReport | Rejection, touched: Touched, *, at_once: bool = False
    ) -> Kept | None:
        """Store one item; None unless it is a report that was not in the ledger before.

        Its rows may wait for `finish`.

        Args:
            item: What was verified.
            touched: Of the batch.
            at_once: Write every row now, so that what the database refuses is this item's.
        """
        if isinstance(item, Rejection):
            refuse(self._connection, self._numbers, item, touched)
            return None
        return self._store(item, touched, at_once=at_once)

    def finish(self, touched: Touched) -> dict[NodeId, tuple[ReceiptContent, ...]]:
        """Write what waits and the counts, trim the quarantine; the receipts that are due."""
        touched.pending.flush(self._connection)
        if touched.quarantined:
            trim(self._connection)
        self._connection.executemany(
            "INSERT INTO counter VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET value = value + excluded.value",
            [(node_no, name, value) for (node_no, name), value in touched.counts.items()],
        )
        return {
            node: receipts(self._connection, self._numbers, node, places)
            for node, places in touched.places.items()
        }

    def _store(self, report: VerifiedReport, touched: Touched, *, at_once: bool) -> Kept | None:
        epoch = self._numbers.epoch(report.node, report.epoch, report.received_ms)
        position = report.position
        touched.places.setdefault(report.node, {}).setdefault(report.epoch, []).append(position)
        if position.seq == epoch.tip_seq + 1 and position.prev == epoch.tip_sha256:
            kept = self._follow(report, epoch, touched, at_once=at_once)
            _count(kept, epoch.node_no, touched)
            return kept
        touched.pending.flush(self._connection)
        neighbours = self._neighbours(epoch.no, position.seq)
        if position.sha256 in neighbours:
            _, first_ms = neighbours[position.sha256]
            late = report.received_ms - first_ms >= LATE_DUPLICATE_MS
            touched.count(epoch.node_no, "replayed" if late else "duplicate")
            return None
        others = [other for other, _ in neighbours.values()]
        forks = [other for other in others if isinstance(relate(position, other), Fork)]
        kept = self._keep(report, epoch, touched, flags=_flags(report, others, forks))
        touched.pending.flush(self._connection)
        self._link(epoch.no, position)
        self._write_forks(report, epoch, forks)
        if kept.live:
            epoch.tip_seq, epoch.tip_sha256 = position.seq, position.sha256
            self._connection.execute(
                "UPDATE epoch SET tip_seq = ? WHERE no = ?", (position.seq, epoch.no)
            )
        elif position.seq == epoch.tip_seq:
            epoch.tip_sha256 = None  # two frames stand there now
        _count(kept, epoch.node_no, touched)
        return kept

    def _follow(
        self, report: VerifiedReport, epoch: Epoch, touched: Touched, *, at_once: bool
    ) -> Kept:
        """The usual case: the next frame after the only one at the tip. Nothing has to be asked."""
        assert epoch.tip_sha256 is not None  # noqa: S101  # narrowing; it equals a hash
        position = report.position
        kept = self._keep(report, epoch, touched, flags=report.flags)
        touched.pending.move_tip(
            epoch.no,
            (epoch.tip_seq, bytes.fromhex(epoch.tip_sha256)),
            (position.seq, bytes.fromhex(position.sha256)),
        )
        if at_once:
            touched.pending.flush(self._connection)
        epoch.tip_seq, epoch.tip_sha256 = position.seq, position.sha256
        return kept

    def _neighbours(self, epoch_no: int, seq: int) -> dict[str, tuple[Position, int]]:
        """Stored frames that can prove something about this place, with their arrival."""
        rows = self._connection.execute(
            "SELECT seq, sha256, prev, received_ms FROM frame "
            "WHERE epoch_no = ? AND seq BETWEEN ? AND ?",
            (epoch_no, seq - 1, seq + 1),
        )
        return {
            sha256.hex(): (Position(seq=seq, sha256=sha256.hex(), prev=prev.hex()), received_ms)
            for seq, sha256, prev, received_ms in rows
        }

    def _keep(
        self, report: VerifiedReport, epoch: Epoch, touched: Touched, *, flags: frozenset[Flag]
    ) -> Kept:
        """Frame and measurement rows."""
        live = report.position.seq > epoch.tip_seq
        no = touched.pending.next_no(self._connection)
        touched.pending.add(
            (
                no,
                epoch.no,
                report.position.seq,
                bytes.fromhex(report.position.sha256),
                bytes.fromhex(report.position.prev),
                report.received_ms,
                report.dated_ms,
                live,
                " ".join(sorted(flags)),
                report.key,
                report.frame,
            ),
            _measurement_rows(report, epoch.node_no, no),
        )
        return Kept(no=no, report=report, live=live, flags=flags)

    def _link(self, epoch_no: int, position: Position) -> None:
        """Join the segments before and after, where the hashes say so."""
        sha256, prev = bytes.fromhex(position.sha256), bytes.fromhex(position.prev)
        before = self._connection.execute(
            "SELECT no FROM seen WHERE epoch_no = ? AND hi = ? AND hi_sha256 = ?",
            (epoch_no, position.seq - 1, prev),
        ).fetchone()
        after = self._connection.execute(
            "SELECT no, hi, hi_sha256 FROM seen WHERE epoch_no = ? AND lo = ? AND lo_prev = ?",
            (epoch_no, position.seq + 1, sha256),
        ).fetchone()
        if before is not None:
            if after is not None:
                self._connection.execute("DELETE FROM seen WHERE no = ?", after[:1])
            hi, hi_sha256 = (position.seq, sha256) if after is None else after[1:]
            self._connection.execute(
                "UPDATE seen SET hi = ?, hi_sha256 = ? WHERE no = ?", (hi, hi_sha256, *before)
            )
        elif after is not None:
            self._connection.execute(
                "UPDATE seen SET lo = ?, lo_prev = ? WHERE no = ?", (position.seq, prev, after[0])
            )
        else:
            self._connection.execute(
                "INSERT INTO seen (epoch_no, lo, lo_prev, hi, hi_sha256) VALUES (?, ?, ?, ?, ?)",
                (epoch_no, position.seq, prev, position.seq, sha256),
            )

    def _write_forks(self, report: VerifiedReport, epoch: Epoch, forks: Sequence[Position]) -> None:
        if not forks:
            return
        epoch.forked = True
        self._connection.executemany(
            "INSERT OR IGNORE INTO conflict (epoch_no, seq, sha256, other_sha256, found_ms) "
            "VALUES (?, ?, ?, ?, ?)",
            [
                (
                    epoch.no,
                    report.position.seq,
                    bytes.fromhex(report.position.sha256),
                    bytes.fromhex(other.sha256),
                    report.received_ms,
                )
                for other in forks
            ],
        )


def _flags(
    report: VerifiedReport, neighbours: Iterable[Position], forks: Sequence[Position]
) -> frozenset[Flag]:
    position = report.position
    flags: set[Flag] = set(report.flags)
    if position.seq > 0 and all(other.sha256 != position.prev for other in neighbours):
        flags.add("unchained")
    if forks:
        flags.add("fork")
    return frozenset(flags)


def _count(kept: Kept, node_no: int, touched: Touched) -> None:
    for name in ("stored", "live" if kept.live else "backfill", *(f"flag:{f}" for f in kept.flags)):
        touched.count(node_no, name)


def _measurement_rows(report: VerifiedReport, node_no: int, frame_no: int) -> list[Row]:
    if report.report is None:
        return []
    return [
        (
            frame_no,
            node_no,
            each.probe,
            each.target,
            report.dated_ms + each.started_offset_ms,
            each.duration_ms,
            *_first_failure(each),
            msgspec.json.encode(each.result).decode(),
        )
        for each in report.report.measurements
    ]


def _first_failure(measurement: Measurement) -> tuple[str | None, str | None]:
    for step in measurement.steps:
        if step.failure is not None:
            return step.name, step.failure
    return None, None
