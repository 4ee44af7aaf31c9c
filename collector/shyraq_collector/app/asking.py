"""The loop that asks: what the judge wants to know, planned for the controls, sent.

Every `PERIOD_MS` the judge is asked, between two chunks of reports, which addresses are in
question; what is due goes out over the connection that carries receipts. While that connection does
not stand, nobody is asked: an ask would come too late. The answers are ordinary measurements of the
controls, stored and judged like all others, and what was asked and answered is read from them again
after a restart; so no verdict ever hangs on this loop's memory.

A control that does not answer is logged once, and once when it does again.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NoReturn

from shyraq_collector.clock import Pace
from shyraq_collector.facts.asks import Errand, Question
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.judge.asking import Planner

PERIOD_MS: Final = 2_000

MUTE_AFTER: Final = 3
"""Asks in a row without an answer before a control is called mute."""

_log = logging.getLogger(__name__)


class Asking:
    """Asks the controls what the judge wants to know."""

    def __init__(
        self,
        *,
        questions: Callable[[int], Awaitable[Sequence[Question]]],
        placements: Callable[[], Iterable[Placement]],
        is_connected: Callable[[], bool],
        send: Callable[[Errand], Awaitable[bool]],
        pace: Pace,
    ) -> None:
        """Begin with nobody asked.

        Args:
            questions: The judge's, at a moment in milliseconds since 1970, most pressing first.
            placements: The fleet now.
            is_connected: Whether something can be sent.
            send: Sends one errand; False when it was not taken.
            pace: When to look again.
        """
        self._questions = questions
        self._placements = placements
        self._is_connected = is_connected
        self._send = send
        self._pace = pace
        self._planner = Planner()
        self._mute: set[str] = set()

    async def run(self) -> NoReturn:
        """Ask until cancelled."""
        while True:
            await self._pace.sleep_ms(PERIOD_MS)
            if self._is_connected():
                await self.ask()

    async def ask(self) -> None:
        """One round."""
        now_ms = self._pace.now_ms()
        questions = await self._questions(now_ms)
        for errand in self._planner.plan(questions, self._placements(), now_ms):
            await self._send(errand)
        self._tell_mute()

    def _tell_mute(self) -> None:
        unanswered = self._planner.unanswered
        mute = {node for node, number in unanswered.items() if number >= MUTE_AFTER}
        for node in sorted(mute - self._mute):
            _log.warning("event=control-mute node=%s unanswered=%d", node, unanswered[node])
        for node in sorted(self._mute - unanswered.keys()):
            _log.warning("event=control-answers-again node=%s", node)
        self._mute = (self._mute | mute) & unanswered.keys()
