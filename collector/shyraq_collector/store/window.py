"""The event window: a stretch of time in which nobody may change the fleet.

One window stands at a time, in the ledger, so that every operator meets the same one. It ends by
itself at its moment, or when it is cleared.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass
from typing import Final

_NAME: Final = "event_window"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWindow:
    """Why and until when the fleet stays as it is."""

    since_ms: int
    until_ms: int
    """Changes are allowed again from this moment on."""
    why: str
    """For the operators."""


def read_window(connection: sqlite3.Connection, now_ms: int) -> EventWindow | None:
    """The window that stands at a moment; None where there is none.

    Args:
        connection: A reader's.
        now_ms: The moment.
    """
    row = connection.execute("SELECT value FROM setting WHERE name = ?", (_NAME,)).fetchone()
    if row is None:
        return None
    window = EventWindow(**json.loads(row[0]))
    return window if now_ms < window.until_ms else None


def set_window(connection: sqlite3.Connection, window: EventWindow) -> None:
    """Let a window stand, instead of the one that stood."""
    connection.execute(
        "INSERT OR REPLACE INTO setting VALUES (?, ?)", (_NAME, json.dumps(asdict(window)))
    )


def clear_window(connection: sqlite3.Connection) -> bool:
    """End the window; whether there was one."""
    return connection.execute("DELETE FROM setting WHERE name = ?", (_NAME,)).rowcount > 0
