"""What receipts say about held frames, and how those frames leave.

A receipt deletes frames lo to hi only when its hash of frame hi is the hash that this spool
itself gave to hi: a clone's receipts end in other hashes and delete nothing. A hole below hi
may be filled late, when hi itself has long gone; therefore the hash of every frame that left
is kept (`gone`) while any older frame is held.

What is covered is only noted here, in memory; it leaves the file inside the next append's
transaction, so that a report costs one fsync. A crash between forgets the note: the frame is
sent again, and the receipt comes again.

A ledger id that was replaced by another is never believed again: a broker may still hold its
retained receipt, for frames that the new ledger has not got.
"""

import sqlite3
from collections.abc import Iterator, Mapping

from shyraq_agent.spool.items import Applied, place_of, seq_of
from shyraq_wire.receipt import EpochReceipt, Interval, Receipt


class Cover:
    """The frames that receipts have covered and the file still has."""

    def __init__(self, sql: sqlite3.Connection, epoch_numbers: Mapping[str, int]) -> None:
        """Begin with nothing covered.

        Args:
            sql: The spool's connection.
            epoch_numbers: Number of each epoch this spool ever had, kept up to date.
        """
        self._sql = sql
        self._epoch_numbers = epoch_numbers
        self._stored: set[int] = set()
        self._refused: dict[int, str] = {}
        """Place and reason."""

    def __contains__(self, place: int) -> bool:
        return place in self._stored or place in self._refused

    def __len__(self) -> int:
        return len(self._stored) + len(self._refused)

    @property
    def refused(self) -> int:
        """How many of them the collector will never store."""
        return len(self._refused)

    def apply(self, receipt: Receipt) -> Applied:
        """Note what a receipt covers.

        Args:
            receipt: Verified: signed by the collector, and for this node.
        """
        new_ledger, former_ledger = self._note_ledger(receipt.ledger)
        stored: set[int] = set()
        refused: dict[int, str] = {}
        foreign = 0
        if not former_ledger:
            for each in receipt.epochs:
                places, strangers = self._covered_by(each)
                stored |= places
                foreign += strangers
            refused = dict(self._refused_by(receipt))
        self._stored |= stored
        self._refused |= refused
        return Applied(
            covered=frozenset(stored | refused.keys()),
            refused=tuple((seq_of(place), reason) for place, reason in refused.items()),
            foreign=foreign,
            new_ledger=new_ledger,
            former_ledger=former_ledger,
        )

    def forget(self) -> int:
        """Delete what is covered, inside the caller's transaction.

        Returns:
            Bytes freed. Call `settled` once the transaction is committed.
        """
        freed = 0
        for place in sorted(self._stored):
            freed += move_to_gone(self._sql, place, "stored")
            self._sql.execute("DELETE FROM dropped WHERE announced_in = ?", (place,))
        for place, reason in self._refused.items():
            self._sql.execute(
                "INSERT OR IGNORE INTO refused SELECT place, sha256, ? FROM frame WHERE place = ?",
                (reason, place),
            )
            freed += move_to_gone(self._sql, place, "refused")
            announce_again(self._sql, place)
        if len(self):
            self._sql.execute(
                "DELETE FROM gone WHERE NOT EXISTS"
                " (SELECT 1 FROM frame WHERE frame.place < gone.place)"
            )
        return freed

    def settled(self) -> None:
        """The transaction that forgot is on the disk."""
        self._stored.clear()
        self._refused.clear()

    def _note_ledger(self, ledger: str) -> tuple[bool, bool]:
        """(it replaces another, it was itself replaced)."""
        known = [each for (each,) in self._sql.execute("SELECT id FROM ledger ORDER BY number")]
        if ledger in known:
            return False, ledger != known[-1]
        self._sql.execute("INSERT INTO ledger (id) VALUES (?)", (ledger,))
        return bool(known), False

    def _covered_by(self, receipt: EpochReceipt) -> tuple[set[int], int]:
        number = self._epoch_numbers.get(receipt.epoch)
        places: set[int] = set()
        foreign = 0
        if number is None:
            return places, foreign
        for interval in receipt.intervals:
            own = self._own_hash(place_of(number, interval.hi))
            if own == bytes.fromhex(interval.sha256):
                places |= self._held(number, interval)
            elif own is not None:
                foreign += 1
        return places, foreign

    def _own_hash(self, place: int) -> bytes | None:
        found = self._sql.execute(
            "SELECT sha256 FROM frame WHERE place = ?1"
            " UNION ALL SELECT sha256 FROM gone WHERE place = ?1",
            (place,),
        ).fetchone()
        return None if found is None else bytes(found[0])

    def _held(self, number: int, interval: Interval) -> set[int]:
        return {
            int(place)
            for (place,) in self._sql.execute(
                "SELECT place FROM frame WHERE place BETWEEN ? AND ?",
                (place_of(number, interval.lo), place_of(number, interval.hi)),
            )
            if place not in self
        }

    def _refused_by(self, receipt: Receipt) -> Iterator[tuple[int, str]]:
        for each in receipt.refused:
            number = self._epoch_numbers.get(each.epoch)
            if number is None:
                continue
            place = place_of(number, each.seq)
            found = self._sql.execute(
                "SELECT 1 FROM frame WHERE place = ? AND sha256 = ?",
                (place, bytes.fromhex(each.sha256)),
            ).fetchone()
            if found is not None and place not in self:
                yield place, each.reason


def move_to_gone(sql: sqlite3.Connection, place: int, cause: str) -> int:
    """Delete a held frame and keep its hash; returns the bytes freed."""
    found = sql.execute("SELECT size_bytes FROM held WHERE place = ?", (place,)).fetchone()
    sql.execute(
        "INSERT OR REPLACE INTO gone SELECT place, sha256, ? FROM frame WHERE place = ?",
        (cause, place),
    )
    sql.execute("DELETE FROM frame WHERE place = ?", (place,))
    return 0 if found is None else int(found[0])


def announce_again(sql: sqlite3.Connection, place: int) -> None:
    """The frame that announced dropped ranges will not arrive: the next pulse does it."""
    sql.execute("UPDATE dropped SET announced_in = NULL WHERE announced_in = ?", (place,))
