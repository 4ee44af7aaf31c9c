"""Rows of one batch that wait for its end: many rows to a statement.

Each statement gives the interpreter away and has to win it back; a row for each would cost the
writer more waiting than work while signatures are checked beside it. So what follows plainly on
the tip of its epoch is collected here, and written by `flush`:

1. Frames have numbers of their own, above every number in the table.
2. An epoch's tip and its newest segment move once for a batch, however many frames moved them.

Whoever must see these rows in the tables calls `flush` before asking.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_ROWS_A_STATEMENT: Final = 50

_FRAME: Final = (
    "INSERT INTO frame (no, epoch_no, seq, sha256, prev, received_ms, dated_ms, live, flags, "
    "key_id, body) VALUES "
)
_MEASUREMENT: Final = (
    "INSERT INTO measurement (frame_no, node_no, probe, target, started_ms, duration_ms, "
    "failed_step, failure, result) VALUES "
)

Row = tuple[Any, ...]


@dataclass(slots=True)
class _Tip:
    """How far a batch has carried an epoch."""

    from_seq: int
    from_sha256: bytes
    to_seq: int
    to_sha256: bytes


class Pending:
    """Rows of one transaction that are not in the tables yet."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._last_no: int | None = None
        self._frames: list[Row] = []
        self._measurements: list[Row] = []
        self._tips: dict[int, _Tip] = {}

    def next_no(self, connection: sqlite3.Connection) -> int:
        """The number of the next frame; asked once for each frame, in order."""
        if self._last_no is None:
            (self._last_no,) = connection.execute("SELECT ifnull(max(no), 0) FROM frame").fetchone()
        self._last_no += 1
        return self._last_no

    def add(self, frame: Row, measurements: Sequence[Row]) -> None:
        """A frame, its number first, with its measurement rows."""
        self._frames.append(frame)
        self._measurements += measurements

    def move_tip(self, epoch_no: int, before: tuple[int, bytes], after: tuple[int, bytes]) -> None:
        """The frame at the tip of an epoch was followed by the next one.

        Args:
            epoch_no: The epoch.
            before: Seq and hash of the tip until now; a segment ends there.
            after: Seq and hash of the new tip.
        """
        tip = self._tips.get(epoch_no)
        if tip is None:
            self._tips[epoch_no] = _Tip(*before, *after)
        else:
            tip.to_seq, tip.to_sha256 = after

    def flush(self, connection: sqlite3.Connection) -> None:
        """Write everything."""
        _insert(connection, _FRAME, self._frames)
        _insert(connection, _MEASUREMENT, self._measurements)
        if self._tips:
            connection.executemany(
                "UPDATE seen SET hi = ?, hi_sha256 = ? "
                "WHERE epoch_no = ? AND hi = ? AND hi_sha256 = ?",
                [
                    (tip.to_seq, tip.to_sha256, epoch_no, tip.from_seq, tip.from_sha256)
                    for epoch_no, tip in self._tips.items()
                ],
            )
            connection.executemany(
                "UPDATE epoch SET tip_seq = ? WHERE no = ?",
                [(tip.to_seq, epoch_no) for epoch_no, tip in self._tips.items()],
            )
        self._frames.clear()
        self._measurements.clear()
        self._tips.clear()


def _insert(connection: sqlite3.Connection, head: str, rows: Sequence[Row]) -> None:
    """As many rows to a statement as it takes, the rest one by one."""
    if not rows:
        return
    one = f"({', '.join('?' * len(rows[0]))})"
    whole = len(rows) - len(rows) % _ROWS_A_STATEMENT
    many = head + ", ".join([one] * _ROWS_A_STATEMENT)
    for start in range(0, whole, _ROWS_A_STATEMENT):
        chunk = rows[start : start + _ROWS_A_STATEMENT]
        connection.execute(many, [value for row in chunk for value in row])
    connection.executemany(head + one, rows[whole:])
