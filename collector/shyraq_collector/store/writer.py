"""The one thread that writes.

Rules:

1. Work is taken in the order it was handed over. Waiting chunks share one transaction: it ends
   when 50 ms have passed since its first chunk, when 1,000 items are in it, or a job waits.
2. A result is given only after COMMIT returned; so a receipt is only ever signed for what is
   stored.
3. A value that the database refuses costs that one frame, not its batch: the batch is done again
   with each item alone, and the offender becomes a `not-storable` rejection.
4. When the disk or the file fails, the batch waits and is tried again until it works or the
   writer is stopped. Nothing is dropped here: the queue before it is bounded, and the oldest
   unprocessed arrival holds back all judging, so that a full disk never looks like silence.
5. A job is any other transaction: engine state, findings. It runs alone, in its turn.

The injected `commit_point` is called at each `CommitPoint`; crash tests kill there.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar, cast

from shyraq_collector.clock import Stopwatch
from shyraq_collector.errors import LocalError
from shyraq_collector.facts.reports import Rejection, VerifiedReport
from shyraq_collector.store.ingest import Ingest, Kept
from shyraq_collector.store.pending import Pending
from shyraq_collector.store.refused import not_storable
from shyraq_collector.store.schema import open_ledger, transaction
from shyraq_collector.store.told import ReceiptContent
from shyraq_collector.store.touched import Touched
from shyraq_wire.topics import NodeId

T = TypeVar("T")

CommitPoint = Literal[
    "ingest-begun",
    "ingest-before-commit",
    "ingest-committed",
    "receipt-published",
    "job-before-commit",
    "job-committed",
]
"""Where a crash may be tried."""

Item = VerifiedReport | Rejection

BATCH_ITEMS: Final = 1_000
BATCH_WINDOW_MS: Final = 50
_RETRY_S: Final = 0.5

_REFUSED_VALUE: Final = (sqlite3.Error, OverflowError, ValueError)
"""What a value beyond the database's range, or of the wrong sort, raises when it is bound."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a commit did for one chunk."""

    kept: tuple[Kept, ...]
    """New reports, in the order of arrival."""
    receipts: dict[NodeId, tuple[ReceiptContent, ...]]
    """What each node of the chunk is to be told, in this order; the last is retained."""


@dataclass(slots=True)
class _Chunk:
    items: Sequence[Item]
    future: "asyncio.Future[Stored]"
    loop: asyncio.AbstractEventLoop


@dataclass(slots=True)
class _Job:
    run: Callable[[sqlite3.Connection], object]
    future: "asyncio.Future[object]"
    loop: asyncio.AbstractEventLoop


class Writer:
    """Owns the only writing connection of the running collector."""

    def __init__(
        self,
        path: Path,
        *,
        stopwatch: Stopwatch,
        commit_point: Callable[[CommitPoint], None] = lambda _: None,
        window_ms: float = BATCH_WINDOW_MS,
    ) -> None:
        """Open the ledger and start the thread.

        Args:
            path: The ledger file; made when absent.
            stopwatch: Times the commit window.
            commit_point: Called in the writer's thread at each named point.
            window_ms: How long a transaction waits for more; 0 commits at once.

        Raises:
            LocalError: The ledger cannot be opened.
        """
        self._connection = open_ledger(path)
        self._ingest = Ingest(self._connection)
        self._stopwatch = stopwatch
        self._commit_point = commit_point
        self._window_ms = window_ms
        self._waiting: queue.SimpleQueue[_Chunk | _Job | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self.failing = False
        """True while the database cannot be written; for health."""
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def store(self, items: Sequence[Item]) -> Stored:
        """Store a chunk; returns when it is committed.

        Raises:
            LocalError: The writer was stopped before it could commit.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Stored] = loop.create_future()
        self._waiting.put(_Chunk(items, future, loop))
        return await future

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job in a transaction of its own; returns its value when it is committed.

        Args:
            job: Called in the writer's thread; what it raises rolls back and is raised here.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        self._waiting.put(_Job(job, future, loop))
        return cast("T", await future)

    async def close(self) -> None:
        """Finish what was handed over, then end the thread and close the file."""
        self._stopping.set()
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _run(self) -> None:
        ended = False
        while not ended:
            head = self._waiting.get()
            match head:
                case None:
                    ended = True
                case _Job():
                    self._do_job(head)
                case _Chunk():
                    chunks, follower = self._gather(head)
                    self._do_chunks(chunks)
                    if isinstance(follower, _Job):
                        self._do_job(follower)
                    ended = follower is _END

    def _gather(self, head: _Chunk) -> "tuple[list[_Chunk], _Job | object]":
        """More chunks for the same transaction; what ended the gathering, if not time or size."""
        chunks, size = [head], len(head.items)
        deadline_ms = self._stopwatch.elapsed_ms() + self._window_ms
        while size < BATCH_ITEMS:
            left_ms = deadline_ms - self._stopwatch.elapsed_ms()
            try:
                item = self._waiting.get(timeout=max(0.0, left_ms) / 1000)
            except queue.Empty:
                break
            if item is None:
                return chunks, _END
            if isinstance(item, _Job):
                return chunks, item
            chunks.append(item)
            size += len(item.items)
        return chunks, None

    def _do_chunks(self, chunks: list[_Chunk]) -> None:
        results: Sequence[Stored | Exception]
        try:
            try:
                results = self._persist(lambda: self._commit_chunks(chunks, alone=False))
            except _REFUSED_VALUE as error:
                _log.warning("event=batch-refused remedy=one-by-one error=%s", error)
                results = self._persist(lambda: self._commit_chunks(chunks, alone=True))
        except Exception as error:  # noqa: BLE001  # a bug must reach whoever waits
            results = [error] * len(chunks)
        for chunk, result in zip(chunks, results, strict=True):
            _deliver(chunk.loop, chunk.future, result)

    def _commit_chunks(self, chunks: list[_Chunk], *, alone: bool) -> list[Stored]:
        touched = Touched()
        with transaction(self._connection, on_rollback=self._ingest.forget):
            self._commit_point("ingest-begun")
            kept = [
                [
                    each
                    for item in chunk.items
                    if (each := self._add(item, touched, alone=alone)) is not None
                ]
                for chunk in chunks
            ]
            receipts = self._ingest.finish(touched)
            self._commit_point("ingest-before-commit")
        self._commit_point("ingest-committed")
        return [
            Stored(
                kept=tuple(mine),
                receipts={
                    item.node: receipts[item.node]
                    for item in chunk.items
                    if item.node is not None and item.node in receipts
                },
            )
            for chunk, mine in zip(chunks, kept, strict=True)
        ]

    def _add(self, item: Item, touched: Touched, *, alone: bool) -> Kept | None:
        if not alone:
            return self._ingest.add(item, touched)
        self._connection.execute("SAVEPOINT item")
        try:
            kept = self._ingest.add(item, touched, at_once=True)
        except sqlite3.OperationalError:
            raise
        except _REFUSED_VALUE as error:
            self._connection.execute("ROLLBACK TO item")
            self._ingest.forget()
            touched.pending = Pending()
            kept = self._ingest.add(not_storable(item, error), touched, at_once=True)
        self._connection.execute("RELEASE item")
        return kept

    def _do_job(self, job: _Job) -> None:
        result: object
        try:
            result = self._persist(lambda: self._commit_job(job))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever handed the job over
            result = error
        _deliver(job.loop, job.future, result)

    def _commit_job(self, job: _Job) -> object:
        with transaction(self._connection, on_rollback=self._ingest.forget):
            result = job.run(self._connection)
            self._commit_point("job-before-commit")
        self._commit_point("job-committed")
        return result

    def _persist(self, attempt: Callable[[], T]) -> T:
        """What the attempt returns, tried again for as long as the file cannot be written."""
        while True:
            try:
                result = attempt()
            except sqlite3.OperationalError as error:
                if not self._wait_for_disk(error):
                    raise LocalError(f"stopped while the ledger failed: {error}") from error
            else:
                if self.failing:
                    _log.warning("event=ledger-recovered")
                self.failing = False
                return result

    def _wait_for_disk(self, error: sqlite3.OperationalError) -> bool:
        """Whether to try again, after a pause."""
        if not self.failing:
            _log.error("event=ledger-failing error=%s", error)
        self.failing = True
        return not self._stopping.wait(_RETRY_S)


_END = object()
"""What ended a gathering: the writer is to stop."""


def _deliver(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[T]", result: T | Exception
) -> None:
    """Hand a result to the event loop; a loop that is gone no longer needs it."""

    def settle() -> None:
        if future.done():
            return
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
