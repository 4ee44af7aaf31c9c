"""The live stream: server-sent events (WHATWG HTML, section 9.2), resumable and bounded.

    event   id        data
    status  none      {"view_at", "impaired"}: the state may have changed, ask for it again
    entry   sequence  a timeline entry as in `incidents/{id}`
    reset   sequence  {"missed"}: too much was missed to send it; ask for the incidents again

1. A stream begins with `status`, so that a page that was opened a moment ago is renewed at once.
2. With Last-Event-ID (or `after`) every entry published since follows in order, `MAX_BACKLOG` at
   most, else one `reset`.
3. Committed state is looked at every `POLL_MS`; a comment is sent after `SILENCE_MS` without an
   event, so that a dead connection is noticed.
4. At most `MAX_STREAMS` at once, each for at most `MAX_AGE_MS`; a browser comes back by itself.

All times run on the pace. Nothing is kept per caller but its place.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Final

from shyraq_collector.clock import Pace
from shyraq_collector.disclose import answers
from shyraq_collector.disclose.desk import Desk, Snapshot
from shyraq_collector.disclose.problems import Problem

MAX_BACKLOG: Final = 500
MAX_STREAMS: Final = 200
MAX_AGE_MS: Final = 3_600_000
POLL_MS: Final = 1_000
SILENCE_MS: Final = 15_000
RETRY_MS: Final = 3_000
"""How long a browser waits before it comes back."""

_BATCH: Final = 100


class Streams:
    """Hands out streams and counts them."""

    def __init__(self, *, desk: Desk, pace: Pace, max_streams: int = MAX_STREAMS) -> None:
        """Keep the edges.

        Args:
            desk: Where state is asked for.
            pace: What polling and ages run on.
            max_streams: At most this many at once.
        """
        self._desk = desk
        self._pace = pace
        self._max_streams = max_streams
        self.open = 0

    def begin(self, after: int | None) -> AsyncIterator[str]:
        """A stream for one caller.

        Args:
            after: Number of the last entry the caller has; None: only what comes from now on.

        Raises:
            Problem: All places are taken.
        """
        if self.open >= self._max_streams:
            raise Problem("too-many-streams", headers={"Retry-After": "30"})
        return self._stream(after)

    async def _stream(self, after: int | None) -> AsyncIterator[str]:
        self.open += 1
        try:
            yield f"retry: {RETRY_MS}\n\n"
            async for event in self._events(after):
                yield event
        finally:
            self.open -= 1

    async def _events(self, after: int | None) -> AsyncIterator[str]:
        began_ms = said_ms = self._pace.uptime_ms()
        said: tuple[object, ...] | None = None
        while self._pace.uptime_ms() - began_ms < MAX_AGE_MS:
            snapshot = await asyncio.to_thread(self._desk.snapshot)
            newest = snapshot.mark.sequence
            after = newest if after is None else after
            state = (snapshot.status.view_at, snapshot.status.impaired)
            news = [] if state == said else [_status(snapshot)]
            if newest - after > MAX_BACKLOG:
                news.append(_event("reset", {"missed": newest - after}, sequence=newest))
                after = newest
            while after < newest:
                batch = await asyncio.to_thread(self._entries, after)
                news += [text for _, text in batch]
                after = batch[-1][0] if batch else newest
            for event in news:
                yield event
            now_ms = self._pace.uptime_ms()
            if not news and now_ms - said_ms >= SILENCE_MS:
                yield ": still here\n\n"
                said_ms = now_ms
            elif news:
                said, said_ms = state, now_ms
            await self._pace.sleep_ms(POLL_MS)

    def _entries(self, after: int) -> list[tuple[int, str]]:
        return [
            (
                numbered.sequence,
                _event(
                    "entry",
                    asdict(answers.numbered_answer(numbered, incident)),
                    sequence=numbered.sequence,
                ),
            )
            for numbered, incident in self._desk.entries(after, _BATCH)
        ]


def _status(snapshot: Snapshot) -> str:
    status = snapshot.status
    view_at = None if status.view_at is None else answers.moment(status.view_at)
    return _event("status", {"view_at": view_at, "impaired": status.impaired})


def _event(name: str, data: object, *, sequence: int | None = None) -> str:
    """One event; JSON has no line breaks, so one data line is enough."""
    number = "" if sequence is None else f"id: {sequence}\n"
    return f"event: {name}\n{number}data: {json.dumps(data, ensure_ascii=False)}\n\n"
