"""One queue between what is to be said and the spool: sealed in order, through a failing disk.

1. Contents wait in a short queue; a failing disk holds it up, never the measuring.
2. A failed append changes nothing, so the same contents are tried again after a while.
3. When more than 64 wait, the oldest bulk goes, else the oldest: unsigned, it never had a place
   in the chain. That is logged; it means a broken card, not a lost network.
4. Contents that may not travel, which is a bug, are logged and given up: they must not hold up
   the beat.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from shyraq_agent.clock import Pace
from shyraq_agent.errors import LocalError
from shyraq_agent.sign import Contents, Signer
from shyraq_agent.spool import NO_FACTS, Place, Spool, Stored
from shyraq_wire.errors import WireError

MAX_WAITING: Final = 64
RETRY_MS: Final = 5_000

_LOGGER = logging.getLogger(__name__)


class Sealer:
    """Appends contents to the spool, one after another."""

    def __init__(
        self,
        *,
        signer: Signer,
        spool: Spool,
        pace: Pace,
        on_stored: Callable[[Contents, Stored], None],
        facts: Callable[[], Mapping[str, str]] = lambda: NO_FACTS,
    ) -> None:
        """Begin with nothing waiting.

        Args:
            signer: Makes the frames.
            spool: Keeps them.
            pace: Spaces the attempts.
            on_stored: Called after each commit.
            facts: Asked at each pulse: what is to be remembered with it.
        """
        self._signer = signer
        self._spool = spool
        self._pace = pace
        self._on_stored = on_stored
        self._facts = facts
        self._waiting: deque[Contents] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.failing: str | None = None
        """Why the spool cannot be written; None: it can."""
        self.floor_ms = 0
        """A wall-clock moment known to have passed, as the spool last gave it."""

    def put(self, contents: Contents) -> None:
        """Seal this when its turn comes."""
        self._waiting.append(contents)
        if len(self._waiting) > MAX_WAITING:
            oldest_bulk = next((each for each in self._waiting if each.kind == "bulk"), None)
            self._waiting.remove(oldest_bulk or self._waiting[0])
            _LOGGER.error("report given up unsigned: %s", self.failing)
        self._idle.clear()
        self._wake.set()

    async def flushed(self) -> None:
        """Return once nothing waits."""
        await self._idle.wait()

    async def run(self) -> NoReturn:
        """Append for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                contents = self._waiting[0]
                if await self._append(contents):
                    if self._waiting and self._waiting[0] is contents:
                        self._waiting.popleft()
                else:
                    await self._pace.sleep_ms(RETRY_MS)
            self._idle.set()

    async def _append(self, contents: Contents) -> bool:
        def seal(place: Place) -> bytes:
            self.floor_ms = place.floor_ms
            return self._signer.seal(place, contents)

        try:
            facts = self._facts() if contents.kind == "pulse" else NO_FACTS
            stored = await self._spool.append(contents.kind, seal, facts)
        except WireError:
            _LOGGER.exception("bug: a report that may not travel was given up unsigned")
            return True
        except LocalError as error:
            if self.failing is None:
                _LOGGER.error("spool failing: %s", error)  # noqa: TRY400  # the text says all
            self.failing = str(error)
            return False
        if self.failing is not None:
            _LOGGER.warning("spool works again")
            self.failing = None
        self._on_stored(contents, stored)
        return True
