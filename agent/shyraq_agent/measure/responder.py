"""Our own responder, and when a name may be said to it again.

The responder serves the same bytes under every name, each arm at an address of its own, so that a
block that lingers on one pair of addresses does not reach the other arm. After a name that may be
blocked was said, nothing more is said there for a while: the washout, shared by all targets. What
is kept here is one moment, and a little of each target; nothing is opened.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from shyraq_agent.clock import Pace

WASHOUT_MS: Final = 300_000
"""Blocks were seen to linger on a pair of addresses for up to three minutes."""

MAX_ROUNDS: Final = 5
"""Rounds in one measurement: twelve steps each, and a measurement has room for 64."""

ENOUGH_ROUNDS: Final = 10
"""Rounds in a row that differ: the collector has decided, and watching on is cheaper."""

WATCHING_ROUNDS: Final = 2
"""One of each order."""

BODY_BYTES: Final = 128 * 1024
"""Read after the handshake: policers let the first tens of kilobytes through at once."""

NEUTRAL_NAME: Final = "example.com"
"""Reserved for documentation (RFC 2606) and served on the web; nobody blocks it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One address of the responder."""

    address: str
    """One IP address."""
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """Our own server, as this node may use it."""

    name: str
    """In its certificate, which is verified under every name that is said."""
    neutral: Arm
    """For the neutral name, and every other round for the target's."""
    target: Arm
    """For the target's name, and every other round for the neutral one."""
    rate: Arm
    """For downloads under the responder's own name."""
    body_bytes: int = BODY_BYTES
    """Read on each arm."""
    may_send_names: bool = False
    """The host has agreed that names which may be blocked are said to this server."""


class Pairing:
    """How name pairs are tried on this host."""

    def __init__(
        self,
        *,
        neutral_name: str = NEUTRAL_NAME,
        washout_ms: float = WASHOUT_MS,
        rounds: int = MAX_ROUNDS,
    ) -> None:
        """Nothing was said yet.

        Args:
            neutral_name: A name that nobody blocks.
            washout_ms: On the pace; from the end of a round to the next round of any target.
            rounds: In one measurement, 1 to `MAX_ROUNDS`.
        """
        self.neutral_name = neutral_name
        self._rounds = rounds
        self._washout_ms = washout_ms
        self._one_at_a_time = asyncio.Lock()
        self._clean_uptime_ms = 0.0
        self._had_target_first: dict[str, bool] = {}
        self._differing_rounds: dict[str, int] = {}

    def rounds(self, target: str) -> int:
        """How many rounds a measurement may take now.

        Args:
            target: As configured; there are at most as many as the agent has targets.
        """
        has_enough = self._differing_rounds.get(target, 0) >= ENOUGH_ROUNDS
        return min(self._rounds, WATCHING_ROUNDS) if has_enough else self._rounds

    def note(self, target: str, rounds: int) -> None:
        """A measurement took so many rounds; a single one means that nothing differed."""
        before = self._differing_rounds.get(target, 0)
        self._differing_rounds[target] = before + rounds if rounds > 1 else 0

    def target_first(self, target: str) -> bool:
        """Whether a target comes first this time: no, yes, no, yes, and so on.

        Args:
            target: As configured; there are at most as many as the agent has targets.
        """
        self._had_target_first[target] = not self._had_target_first.get(target, True)
        return self._had_target_first[target]

    @asynccontextmanager
    async def turn(self, pace: Pace) -> AsyncIterator[None]:
        """One round: alone, and not before the last one has washed out."""
        async with self._one_at_a_time:
            while (wait_ms := self._clean_uptime_ms - pace.uptime_ms()) > 0:
                await pace.sleep_ms(wait_ms)
            try:
                yield
            finally:
                self._clean_uptime_ms = pace.uptime_ms() + self._washout_ms
