"""Which frames are on their way: the end-to-end window of 16, and when each goes again. Pure.

    sent        counts against the window; goes again after 30 s, then 60 s … up to 10 min
    overtaken   a receipt covered a frame that was sent later, so the collector lives and has
                not stored this one: it goes again 30 s after it was last sent, and no longer
                counts, so that one frame nobody accepts cannot hold up all others
    covered     leaves the window

The broker's acknowledgement plays no part: only receipts do. A new connection or a new ledger
starts with an empty window.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

LIMIT: Final = 16
"""Frames without a receipt at once; the newest pulse goes even beyond it."""

FIRST_WAIT_MS: Final = 30_000
LONGEST_WAIT_MS: Final = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    at_ms: int
    wait_ms: int
    turn: int
    """Order of sending."""
    overtaken: bool = False


class Window:
    """Frames sent on the present connection and not yet covered. Times are the boot clock's."""

    def __init__(self, *, limit: int = LIMIT) -> None:
        """Begin empty.

        Args:
            limit: How many may be without a receipt at once.
        """
        self._limit = limit
        self._sent: dict[int, _Sent] = {}
        self._turns = 0

    def __contains__(self, place: int) -> bool:
        return place in self._sent

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def room(self) -> int:
        """How many more frames may go now."""
        return max(0, self._limit - sum(not each.overtaken for each in self._sent.values()))

    def sent(self, place: int, now_ms: int) -> bool:
        """A frame was handed to the connection.

        Returns:
            Whether it had been sent before on this connection.
        """
        before = self._sent.get(place)
        self._turns += 1
        self._sent[place] = _Sent(
            at_ms=now_ms,
            wait_ms=min(before.wait_ms * 2, LONGEST_WAIT_MS) if before else FIRST_WAIT_MS,
            turn=self._turns,
            overtaken=before.overtaken if before else False,
        )
        return before is not None

    def covered(self, places: Collection[int]) -> None:
        """A receipt covers these."""
        turns = [self._sent.pop(place).turn for place in places if place in self._sent]
        latest = max(turns, default=0)
        for place, each in self._sent.items():
            if each.turn < latest and not each.overtaken:
                self._sent[place] = replace(each, wait_ms=FIRST_WAIT_MS, overtaken=True)

    def forget(self, places: Collection[int]) -> None:
        """These are no longer held: the spool had to give them up."""
        for place in places:
            self._sent.pop(place, None)

    def due(self, now_ms: int) -> tuple[int, ...]:
        """What must go again by now, longest waiting first."""
        waiting = ((each.at_ms + each.wait_ms, place) for place, each in self._sent.items())
        return tuple(place for due_ms, place in sorted(waiting) if due_ms <= now_ms)

    def next_due_ms(self) -> int | None:
        """When the next frame must go again; None: nothing is on its way."""
        return min((each.at_ms + each.wait_ms for each in self._sent.values()), default=None)

    def clear(self) -> None:
        """Nothing is on its way any more."""
        self._sent.clear()
