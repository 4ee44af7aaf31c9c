"""What one transaction does to the spool. Synchronous; called from the spool's own thread.

Append, as one transaction with one fsync, in this order:

1. what receipts have covered since the last append is forgotten;
2. the place is read from the tip; the caller seals a frame for exactly that place;
3. frame, tip and facts are written, and the dropped ranges that the frame announces are marked;
4. if the spool has passed its limit it is thinned out.

Nothing in memory changes before the commit, so whatever is raised leaves all as it was.

Named points where a crash may hit: append.begun, append.sealed, append.inserted,
append.committed, receipt.applied, forget.committed.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from shyraq_agent.errors import LocalError
from shyraq_agent.spool.cover import Cover
from shyraq_agent.spool.database import OwnedDatabase
from shyraq_agent.spool.items import (
    Applied,
    Outgoing,
    Place,
    Standing,
    Stored,
    epoch_number_of,
    place_of,
    seq_of,
)
from shyraq_agent.spool.thin import edges, mark_announced, thin_out, unannounced
from shyraq_wire.chain import GENESIS
from shyraq_wire.codec import pack, sha256_hex
from shyraq_wire.moments import parse_moment
from shyraq_wire.receipt import Receipt
from shyraq_wire.report import Kind

_COVERED_AT_MOST: Final = 256
"""Above this, what receipts cover is forgotten at once: while a long blackout drains, hundreds
of frames go between two appends, and each receipt would look at all of them again."""

NO_FACTS: Final[Mapping[str, str]] = MappingProxyType({})


class Rows:
    """The spool's content, for one thread."""

    def __init__(
        self,
        database: OwnedDatabase,
        *,
        key_id: str,
        max_bytes: int,
        new_epoch: Callable[[], str],
        floor_ms: int,
        checkpoint: Callable[[str], None],
    ) -> None:
        """Go on with this key's newest epoch, or begin one.

        Args:
            database: Open and migrated; closed by `close`.
            key_id: Id of the evidence key; another key is another epoch.
            max_bytes: Limit of what is held.
            new_epoch: Gives 32 random lower-case hexadecimal digits.
            floor_ms: A wall-clock moment known to have passed; a later one that was saved counts.
            checkpoint: Called with the name of each point that a crash may hit.
        """
        self._database = database
        self._sql = database.connection
        self._max_bytes = max_bytes
        self._checkpoint = checkpoint
        self._begin_epoch(key_id, new_epoch)
        rows = self._sql.execute("SELECT number, epoch FROM epoch").fetchall()
        self._epochs = {int(number): str(epoch) for number, epoch in rows}
        self._cover = Cover(self._sql, {epoch: number for number, epoch in self._epochs.items()})
        self._number = max(self._epochs)
        self._held_bytes = self._integer("SELECT coalesce(sum(size_bytes), 0) FROM held")
        self._saved_floor_ms = self._integer("SELECT now_ms FROM floor")
        self._floor_ms = max(self._saved_floor_ms, floor_ms)
        self.facts: dict[str, str] = dict(self._sql.execute("SELECT name, value FROM fact"))
        """By name, as the last commit left them."""
        seq, sha256 = self._sql.execute(
            "SELECT tip_seq, tip_sha256 FROM epoch WHERE number = ?", (self._number,)
        ).fetchone()
        self._tip_seq, self._tip_sha256 = int(seq), str(sha256)

    def append(
        self, kind: Kind, seal: Callable[[Place], bytes], facts: Mapping[str, str] = NO_FACTS
    ) -> Stored:
        """Seal a frame for the next place and commit it.

        Args:
            kind: Pulses outlive bulk when the spool must thin out, and announce drops.
            seal: Given the place, returns the frame; whatever it raises undoes everything.
            facts: Remembered with it; what is as it was is not written again.

        Raises:
            LocalError: The disk is full or fails; trying again is safe.
        """
        self._checkpoint("append.begun")
        pulse = kind == "pulse"
        try:
            with self._database.transaction():
                freed = self._cover.forget()
                ranges = unannounced(self._sql) if pulse else ()
                frame = seal(self._next_place(ranges))
                self._checkpoint("append.sealed")
                stored = Stored(
                    place=place_of(self._number, self._tip_seq + 1),
                    seq=self._tip_seq + 1,
                    sha256=sha256_hex(frame),
                )
                held_bytes = self._held_bytes - freed + self._insert(stored, pulse, pack(frame))
                self._remember(facts)
                mark_announced(self._sql, ranges, stored.place)
                held_bytes -= thin_out(
                    self._sql,
                    held_bytes=held_bytes,
                    max_bytes=self._max_bytes,
                    newest=stored.place,
                )
                self._checkpoint("append.inserted")
        except sqlite3.Error as error:
            raise LocalError(f"the spool cannot be written: {error}") from error
        self._checkpoint("append.committed")
        self._cover.settled()
        self._held_bytes = held_bytes
        self._saved_floor_ms = self._floor_ms
        self._tip_seq, self._tip_sha256 = stored.seq, stored.sha256
        self.facts.update(facts)
        return stored

    def apply(self, receipt: Receipt) -> Applied:
        """Note what a verified receipt covers; the next append forgets it."""
        applied = self._cover.apply(receipt)
        if len(self._cover) >= _COVERED_AT_MOST:
            self.flush()
        if not applied.former_ledger:
            self._floor_ms = max(self._floor_ms, parse_moment(receipt.at))
        self._checkpoint("receipt.applied")
        return applied

    def flush(self) -> None:
        """Forget now what receipts have covered, at the price of one more fsync."""
        if not self._cover and self._floor_ms == self._saved_floor_ms:
            return
        with self._database.transaction():
            freed = self._cover.forget()
            self._save_floor()
        self._checkpoint("forget.committed")
        self._cover.settled()
        self._held_bytes -= freed
        self._saved_floor_ms = self._floor_ms

    def newest_pulse(self) -> Outgoing | None:
        """The pulse that says "we are back"; None: no pulse is held."""
        found = self._sql.execute(
            "SELECT place, pulse, payload FROM frame WHERE pulse ORDER BY place DESC LIMIT 1"
        ).fetchone()
        return None if found is None or found[0] in self._cover else _outgoing(found)

    def edges(self) -> tuple[int, ...]:
        """Places of the two first and two last frames of each gap, newest first."""
        self.flush()
        return edges(self._sql)

    def after(self, place: int, limit: int) -> tuple[Outgoing, ...]:
        """Held frames behind a place, oldest first, at most `limit` of them."""
        rows = self._sql.execute(
            "SELECT place, pulse, payload FROM frame WHERE place > ? ORDER BY place", (place,)
        )
        result: list[Outgoing] = []
        for row in rows:
            if len(result) == limit:
                break
            if row[0] not in self._cover:
                result.append(_outgoing(row))
        rows.close()
        return tuple(result)

    def take(self, places: Iterable[int]) -> tuple[Outgoing, ...]:
        """The held frames at these places, in the order given; those gone are left out."""
        result: list[Outgoing] = []
        for place in places:
            found = self._sql.execute(
                "SELECT place, pulse, payload FROM frame WHERE place = ?", (place,)
            ).fetchone()
            if found is not None and place not in self._cover:
                result.append(_outgoing(found))
        return tuple(result)

    def standing(self) -> Standing:
        """How the spool stands now."""
        ledger = self._sql.execute("SELECT id FROM ledger ORDER BY number DESC LIMIT 1").fetchone()
        return Standing(
            epoch=self._epochs[self._number],
            tip_seq=self._tip_seq,
            held=self._integer("SELECT count(*) FROM frame") - len(self._cover),
            held_bytes=self._held_bytes,
            dropped=self._integer("SELECT coalesce(sum(hi - lo + 1), 0) FROM dropped"),
            refused=self._integer("SELECT count(*) FROM refused") + self._cover.refused,
            floor_ms=self._floor_ms,
            ledger=None if ledger is None else str(ledger[0]),
        )

    def close(self) -> None:
        """Forget what is covered, close the file and free the lock."""
        try:
            self.flush()
        finally:
            self._database.close()

    def _begin_epoch(self, key_id: str, new_epoch: Callable[[], str]) -> None:
        newest = self._sql.execute(
            "SELECT key_id FROM epoch ORDER BY number DESC LIMIT 1"
        ).fetchone()
        if newest is None or newest[0] != key_id:
            self._sql.execute(
                "INSERT INTO epoch (epoch, key_id, tip_seq, tip_sha256) VALUES (?, ?, -1, ?)",
                (new_epoch(), key_id, GENESIS),
            )

    def _next_place(self, ranges: tuple[tuple[int, int], ...]) -> Place:
        return Place(
            epoch=self._epochs[self._number],
            seq=self._tip_seq + 1,
            prev=self._tip_sha256,
            dropped=tuple(
                (self._epochs[epoch_number_of(lo)], seq_of(lo), seq_of(hi)) for lo, hi in ranges
            ),
            floor_ms=self._floor_ms,
        )

    def _insert(self, stored: Stored, pulse: bool, payload: bytes) -> int:
        """Write frame, tip and floor; returns the bytes added."""
        self._sql.execute(
            "INSERT INTO frame VALUES (?, ?, ?, ?)",
            (stored.place, int(pulse), bytes.fromhex(stored.sha256), payload),
        )
        self._sql.execute(
            "UPDATE epoch SET tip_seq = ?, tip_sha256 = ? WHERE number = ?",
            (stored.seq, stored.sha256, self._number),
        )
        self._save_floor()
        size = self._sql.execute("SELECT size_bytes FROM held WHERE place = ?", (stored.place,))
        return int(size.fetchone()[0])

    def _remember(self, facts: Mapping[str, str]) -> None:
        fresh = [each for each in facts.items() if self.facts.get(each[0]) != each[1]]
        self._sql.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", fresh)

    def _save_floor(self) -> None:
        if self._floor_ms != self._saved_floor_ms:
            self._sql.execute("UPDATE floor SET now_ms = ?", (self._floor_ms,))

    def _integer(self, query: str) -> int:
        return int(self._sql.execute(query).fetchone()[0])


def _outgoing(row: tuple[Any, ...]) -> Outgoing:
    place, pulse, payload = row
    return Outgoing(place=int(place), pulse=bool(pulse), payload=bytes(payload))
