"""The judge's desk: reports in the order of commits, verdicts out, off the event loop.

The judge is fed what was just stored, in a thread, chunk by chunk. Receipts come first: while
messages crowd in, after a blackout say, each chunk waits a while for them. When the judge falls
behind, what waits is not kept in memory: it is read from the ledger again once the judge has caught
up, so that a flood costs delay, never memory.

After a restart the judge first sees the newest stored frames again, up to `WARM_MS` old; what it
concludes of them a second time is the same as before, and the ledger keeps it once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol, TypeVar

from shyraq_collector.facts.asks import Met
from shyraq_collector.facts.fleet import NodeId, Placement
from shyraq_collector.facts.reports import VerifiedReport
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.store.ingest import Kept

WARM_MS: Final = 2 * 3_600_000
"""How far back a restarted judge looks: four cadences of thirty minutes."""

WARM_FRAMES: Final = 20_000
"""And how many frames at most."""

MAX_WAITING: Final = 4_096
_CHUNK: Final = 64

_LET_PASS_S: Final = 0.02
_LET_PASS_TIMES: Final = 25
"""Looks at the crowd before a chunk is judged all the same: half a second of real time."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Judges(Protocol):
    """Who judges."""

    def observe_report(self, placement: Placement, arrived: VerifiedReport) -> list[Verdict]:
        """All verdicts that one report makes possible."""
        ...

    def advance(self, now_ms: int) -> list[Verdict]:
        """The verdicts that only time was needed for."""
        ...

    def news(self) -> Sequence[Met]:
        """Where targets were met since the last call."""
        ...


class Desk:
    """Feeds one judge."""

    def __init__(
        self,
        judge: Judges,
        *,
        placement_of: Callable[[NodeId], Placement | None],
        stored_after: Callable[[int], Iterator[Kept]],
        is_crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin with an empty desk.

        Args:
            judge: Only ever called from one thread at a time.
            placement_of: Where a node stands now.
            stored_after: Stored reports numbered above a number, in order; called in a thread.
            is_crowded: Whether so much waits to be stored that it should go first.
        """
        self._judge = judge
        self._placement_of = placement_of
        self._stored_after = stored_after
        self._is_crowded = is_crowded
        self._waiting: deque[Kept] = deque()
        self._some_wait = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._is_behind = False
        self._done_no = 0
        self._newest_no = 0
        self._verdicts: list[Verdict] = []

    def warm(self, kept: Iterable[Kept]) -> None:
        """Judge stored reports again, before anything else; blocks."""
        self._verdicts += self._observe(kept)

    def lay(self, kept: Sequence[Kept]) -> None:
        """Put newly stored reports on the desk."""
        if not kept:
            return
        self._newest_no = kept[-1].no
        if self._is_behind or len(self._waiting) + len(kept) > MAX_WAITING:
            self._is_behind = True
        else:
            self._waiting.extend(kept)
        self._some_wait.set()

    async def run(self) -> None:
        """Judge what lies there until cancelled."""
        while True:
            await self._some_wait.wait()
            await self._let_pass()
            async with self._one_at_a_time:
                # Taken inside, so that time never advances over a chunk that is in nobody's hands.
                chunk = [self._waiting.popleft() for _ in range(min(_CHUNK, len(self._waiting)))]
                self._verdicts += await asyncio.to_thread(self._observe, chunk)
            if not chunk and await self._catch_up():
                self._some_wait.clear()

    async def _let_pass(self) -> None:
        for _ in range(_LET_PASS_TIMES):
            if not self._is_crowded():
                return
            await asyncio.sleep(_LET_PASS_S)

    async def verdicts(self, advance_to_ms: int) -> list[Verdict]:
        """The verdicts since the last call.

        Args:
            advance_to_ms: Up to when everything has arrived that will.
        """
        async with self._one_at_a_time:
            if not self._waiting and not self._is_behind:
                self._verdicts += await asyncio.to_thread(self._judge.advance, advance_to_ms)
        verdicts, self._verdicts = self._verdicts, []
        return verdicts

    async def met(self) -> Sequence[Met]:
        """Where targets were met since the last call; to be kept for the next run."""
        return await self.between(self._judge.news)

    async def between(self, ask: Callable[[], T]) -> T:
        """What somebody wants to know of the judge, asked in a thread while it judges nothing."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(ask)

    async def _catch_up(self) -> bool:
        """Read one chunk from the ledger; True when nothing is left to do."""
        if self._is_behind:
            async with self._one_at_a_time:
                self._verdicts += await asyncio.to_thread(self._observe_stored)
            self._is_behind = self._done_no < self._newest_no
        return not self._is_behind and not self._waiting

    def _observe_stored(self) -> list[Verdict]:
        return self._observe(islice(self._stored_after(self._done_no), _CHUNK))

    def _observe(self, kept: Iterable[Kept]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for each in kept:
            if each.no <= self._done_no:
                continue  # read from the ledger before it was laid here
            placement = self._placement_of(each.report.node)
            if placement is not None:
                verdicts += self._judge_one(placement, each)
            self._done_no = each.no
        return verdicts

    def _judge_one(self, placement: Placement, kept: Kept) -> list[Verdict]:
        try:
            return self._judge.observe_report(placement, kept.report)
        except Exception:  # noqa: BLE001  # logged whole
            # A bug of the judge, met by one report. It is stored already and would meet us again
            # at every start: one node must not be able to silence the collector.
            _log.exception("event=report-not-judged frame=%d node=%s", kept.no, kept.report.node)
            return []
