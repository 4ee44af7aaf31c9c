"""Our own eyes: did we stumble, and up to when has everything arrived that will?

A stumble is any stretch in which silence may be our own doing:

1. a connection that stood, and was lost, until its subscriptions stand again;
2. a canary that has not come back within a heartbeat and one beat of its own;
3. messages turned away because the inbox was full;
4. a ledger that cannot be written;
5. a tick that ran later than half a heartbeat.

Each opens a hold in the engine: silence that began meanwhile proves nothing for a while. The
watermark is the other half: nothing is judged beyond the oldest arrival not yet given to the
engine, nor beyond the moment the newest returned canary was sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shyraq_collector.canary import BEATS_PER_HEARTBEAT

_LATE_HEARTBEATS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """Where the eyes look; each is asked at every tick."""

    canary_returned_ms: Callable[[], int | None]
    """When the newest returned canary was sent; None before the first."""
    oldest_arrival_ms: Callable[[], int | None]
    """The oldest arrival not yet given to the engine; None: none waits."""
    turned_away: Callable[[], int]
    """Messages turned away since the start."""
    ledger_failing: Callable[[], bool]
    """Whether the database cannot be written now."""


class Eyes:
    """Remembers stumbles until a tick asks for them."""

    def __init__(
        self,
        senses: Senses,
        *,
        now_ms: Callable[[], int],
        heartbeat_ms: int,
        blind_since_ms: int,
    ) -> None:
        """Begin blind: nothing was heard before the first connection.

        Args:
            senses: Where to look.
            now_ms: The pace's wall clock.
            heartbeat_ms: Of the fleet.
            blind_since_ms: The last tick of the run before, or now.
        """
        self._senses = senses
        self._now_ms = now_ms
        self._heartbeat_ms = heartbeat_ms
        self._lost_since_ms: int | None = blind_since_ms
        self._stumbled_since_ms: int | None = blind_since_ms
        self._started_ms = now_ms()
        self._turned_away = 0

    def on_connected(self) -> None:
        """The subscriptions stand."""
        if self._lost_since_ms is not None:
            self._note(self._lost_since_ms)
        self._lost_since_ms = None

    def on_lost(self) -> None:
        """The connection has ended."""
        self._lost_since_ms = self._now_ms()

    def stumble(self, *, due_ms: int, last_tick_ms: int) -> int | None:
        """Since when our own side has stumbled, as far as no tick was told yet; None: it has not.

        Args:
            due_ms: When this tick was due.
            last_tick_ms: When the one before was.
        """
        now_ms = self._now_ms()
        if self._lost_since_ms is not None:
            self._note(self._lost_since_ms)
        returned_ms = self._canary_ms()
        if now_ms - returned_ms > self._heartbeat_ms * (1 + 1 / BEATS_PER_HEARTBEAT):
            self._note(returned_ms)
        turned_away = self._senses.turned_away()
        if (
            turned_away > self._turned_away
            or self._senses.ledger_failing()
            or now_ms - due_ms > self._heartbeat_ms * _LATE_HEARTBEATS
        ):
            self._note(last_tick_ms)
        self._turned_away = turned_away
        since_ms, self._stumbled_since_ms = self._stumbled_since_ms, None
        return since_ms

    def watermark_ms(self) -> int:
        """Everything that arrived before this moment has been given to the engine."""
        oldest_ms = self._senses.oldest_arrival_ms()
        canary_ms = self._canary_ms()
        return canary_ms if oldest_ms is None else min(oldest_ms, canary_ms)

    def _canary_ms(self) -> int:
        returned_ms = self._senses.canary_returned_ms()
        return self._started_ms if returned_ms is None else returned_ms

    def _note(self, since_ms: int) -> None:
        if self._stumbled_since_ms is None or since_ms < self._stumbled_since_ms:
            self._stumbled_since_ms = since_ms
