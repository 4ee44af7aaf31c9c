"""The spool as the event loop sees it: every call goes to one thread of its own.

SQLite waits for the disk, and an SD card may take seconds over one fsync; the event loop must
not. One thread also means one order: an append is committed before the next one reads the
tip. A cancelled call still runs to its end in the thread, so a cut never leaves a half-written
state, only a frame that is sent later.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from shyraq_agent.errors import LocalError
from shyraq_agent.spool.database import open_database
from shyraq_agent.spool.items import Applied, Outgoing, Place, Standing, Stored
from shyraq_agent.spool.rows import NO_FACTS, Rows
from shyraq_wire.receipt import Receipt
from shyraq_wire.report import Kind

P = ParamSpec("P")
T = TypeVar("T")


def no_checkpoint(name: str) -> None:
    """Do nothing: what a running agent does at the points where crash tests kill it."""


class Spool:
    """The node's durable queue. Open it with `open`, end it with `close`."""

    def __init__(self, rows: Rows, executor: ThreadPoolExecutor, set_aside: Path | None) -> None:
        """Wrap rows that live in the executor's only thread; use `open`."""
        self._rows = rows
        self._executor = executor
        self.set_aside = set_aside
        """Where a damaged predecessor now lies; None: there was none."""
        self.facts: Mapping[str, str] = dict(rows.facts)
        """What was remembered when the spool was opened, by name."""

    @classmethod
    async def open(
        cls,
        directory: Path,
        *,
        key_id: str,
        max_bytes: int,
        new_epoch: Callable[[], str],
        floor_ms: int = 0,
        checkpoint: Callable[[str], None] = no_checkpoint,
    ) -> "Spool":
        """The spool of a state directory, made if there is none.

        Args:
            directory: Made with its parents, mode 0700, if it does not exist.
            key_id: Id of the evidence key that signs from now on.
            max_bytes: Limit of what is held.
            new_epoch: Gives 32 random lower-case hexadecimal digits; called once a new epoch.
            floor_ms: A wall-clock moment known to have passed; a later one that was saved counts.
            checkpoint: Called in the spool's thread with the name of each point that a crash
                may hit (see `rows`).

        Raises:
            LocalError: Another process owns it, a newer version wrote it, or the disk fails.
        """
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")

        def start() -> tuple[Rows, Path | None]:
            """In the spool's own thread, where the connection must be made."""
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = open_database(directory)
            try:
                rows = Rows(
                    database,
                    key_id=key_id,
                    max_bytes=max_bytes,
                    new_epoch=new_epoch,
                    floor_ms=floor_ms,
                    checkpoint=checkpoint,
                )
            except BaseException:
                database.close()
                raise
            return rows, database.set_aside

        try:
            rows, set_aside = await asyncio.get_running_loop().run_in_executor(executor, start)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return cls(rows, executor, set_aside)

    async def append(
        self, kind: Kind, seal: Callable[[Place], bytes], facts: Mapping[str, str] = NO_FACTS
    ) -> Stored:
        """Seal a frame for the next place and commit it with fsync.

        Args:
            kind: Pulses outlive bulk when the spool must thin out, and announce drops.
            seal: Called in the spool's thread; given the place, returns the frame.
            facts: Remembered in the same commit, by name.

        Raises:
            LocalError: The disk is full or fails; nothing has changed, trying again is safe.
        """
        return await self._run(self._rows.append, kind, seal, facts)

    async def apply(self, receipt: Receipt) -> Applied:
        """Note what a verified receipt covers; the next append forgets it."""
        return await self._run(self._rows.apply, receipt)

    async def newest_pulse(self) -> Outgoing | None:
        """The pulse that says "we are back"; None: no pulse is held."""
        return await self._run(self._rows.newest_pulse)

    async def edges(self) -> tuple[int, ...]:
        """Places of the two first and two last frames of each gap, newest first."""
        return await self._run(self._rows.edges)

    async def after(self, place: int, limit: int) -> tuple[Outgoing, ...]:
        """Held frames behind a place, oldest first, at most `limit` of them."""
        return await self._run(self._rows.after, place, limit)

    async def take(self, places: Iterable[int]) -> tuple[Outgoing, ...]:
        """The held frames at these places, in the order given; those gone are left out."""
        return await self._run(self._rows.take, tuple(places))

    async def standing(self) -> Standing:
        """How the spool stands now."""
        return await self._run(self._rows.standing)

    async def close(self) -> None:
        """Forget what is covered, close the file and free the lock."""
        try:
            await self._run(self._rows.close)
        finally:
            self._executor.shutdown(wait=False)

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, lambda: call(*args, **kwargs))
        try:
            return await asyncio.shield(future)
        except sqlite3.Error as error:
            raise LocalError(f"the spool's disk fails: {error}") from error
