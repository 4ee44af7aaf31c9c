"""Here or away: what runs while the node measures, and what while its host has paused it.

    here    measuring and sending; ends when the agent is to stop, or the host pauses it
    away    nothing is measured and nothing is sent; ends when the time is over, when the host
            resumes, or when the agent is to stop

Who leaves says so first: a last pulse with `paused` or `stopped` as its last event, and a few
seconds to deliver it, so that the silence is announced and signed. Who comes back seals a pulse
with `resumed` at once. What a pulse says of the pause and what is remembered of it are one commit.
Sealing goes on throughout. Nothing of this depends on the network.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from shyraq_agent.app.absence import LONGEST_S, Absence
from shyraq_agent.app.asked import Asked
from shyraq_agent.app.sealer import Sealer
from shyraq_agent.app.work import Work
from shyraq_agent.clock import Pace
from shyraq_agent.publish import Publisher
from shyraq_agent.sign import LifeEvent
from shyraq_agent.spool import Spool
from shyraq_wire.report import NOTHING, EventKind, Json

FAREWELL_MS: Final = 5_000
"""How long the disk may take to keep the last reports, and then the publisher to deliver them."""

_OBEY_S: Final = 3.0
"""Real seconds until a command is answered, heeded or not: whoever asks waits for five."""


class Presence:
    """The phases of one node's life."""

    def __init__(
        self,
        *,
        spool: Spool,
        sealer: Sealer,
        work: Work,
        asked: Asked | None,
        publisher: Publisher,
        absence: Absence,
        pace: Pace,
        heartbeat_ms: int,
        on_heartbeat: Callable[[], None],
    ) -> None:
        """Join the rooms; nothing runs yet.

        Args:
            spool: Asked what is still held.
            sealer: Runs in both phases.
            work: Runs here.
            asked: Runs here; None: the node answers no asks.
            publisher: Runs here.
            absence: The host's pause.
            pace: For the farewell, and the end of a pause.
            heartbeat_ms: How often the sign of life is given while away.
            on_heartbeat: The sign of life for a watchdog.
        """
        self._spool = spool
        self._sealer = sealer
        self._work = work
        self._asked = asked
        self._publisher = publisher
        self._absence = absence
        self._pace = pace
        self._heartbeat_ms = heartbeat_ms
        self._on_heartbeat = on_heartbeat
        self._was_away = absence.is_asked
        self._settled = asyncio.Event()

    async def run(self, tasks: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        """Be here or away until told to stop.

        Args:
            tasks: What runs, runs in it.
            stopping: Set when the agent is to end.
        """
        sealing = tasks.create_task(self._sealer.run())
        while not stopping.is_set():
            if self._absence.is_away:
                await self._stay_away(stopping)
            else:
                await self._stay_here(tasks, stopping)
        if self._absence.is_away:
            self._seal("stopped")
            await self._kept()
        sealing.cancel()

    async def obey(self, command: Mapping[str, Json]) -> None:
        """Do what the host says; returns once it is heeded and on the disk, or after 3 s.

        Args:
            command: `{"do": "pause", "for_s": seconds or null}` or `{"do": "resume"}`.

        Raises:
            ValueError: It is neither; the text is for people.
        """
        for_s = command.get("for_s")
        match command.get("do"):
            case "pause" if for_s is None:
                self._absence.pause(None)
            case "pause" if type(for_s) is int and 0 < for_s <= LONGEST_S:
                self._absence.pause(for_s)
            case "resume":
                self._absence.resume()
            case _:
                raise ValueError("pause, for a whole number of seconds or none, or resume is due")
        self._settled.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OBEY_S):
                await self._settled.wait()

    async def _stay_here(self, tasks: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        if self._was_away:
            self._was_away = False
            self._absence.resume()
            self._seal("resumed")
            await self._kept()
        runs = [self._work.run()] if self._asked is None else [self._work.run(), self._asked.run()]
        working = [tasks.create_task(each) for each in runs]
        sending = tasks.create_task(self._publisher.run())
        while not (stopping.is_set() or self._absence.is_away):
            self._settled.set()
            self._absence.changed.clear()
            await _first_of(stopping.wait(), self._absence.changed.wait())
        await _end(*working)
        if self._absence.is_away:
            self._seal("paused", self._absence.said())
        else:
            self._seal("stopped")
        await self._say_goodbye()
        await _end(sending)

    async def _stay_away(self, stopping: asyncio.Event) -> None:
        self._was_away = True
        while self._absence.is_away and not stopping.is_set():
            if self._absence.changed.is_set():
                self._absence.changed.clear()
                await self._kept()
                self._settled.set()
            left_ms = self._absence.left_ms()
            wait_ms = self._heartbeat_ms if left_ms is None else min(left_ms, self._heartbeat_ms)
            await _first_of(
                stopping.wait(), self._absence.changed.wait(), self._pace.sleep_ms(wait_ms)
            )
            if self._absence.changed.is_set() and self._absence.is_away:
                self._seal("paused", self._absence.said())  # for longer, or not so long
            self._on_heartbeat()

    def _seal(self, kind: EventKind, data: Mapping[str, Json] = NOTHING) -> None:
        """Everything that is in the basket, and this as its last word."""
        at_uptime_ms = self._pace.uptime_ms()
        self._work.finish(saying=LifeEvent(kind=kind, at_uptime_ms=at_uptime_ms, data=data))

    async def _kept(self) -> None:
        """Wait until all is on the disk, or until the disk has had its time."""
        if self._sealer.failing is None:
            await _first_of(self._sealer.flushed(), self._pace.sleep_ms(FAREWELL_MS))

    async def _say_goodbye(self) -> None:
        """Wait until all is on the disk and, for a while, until all is receipted."""
        await self._kept()
        if self._sealer.failing is not None:
            return
        deadline_ms = self._pace.uptime_ms() + FAREWELL_MS
        while self._pace.uptime_ms() < deadline_ms and (await self._spool.standing()).held:
            await self._pace.sleep_ms(FAREWELL_MS / 50)


async def _first_of(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them does; the others are stopped."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Stop tasks, and return when they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
