"""The live stream: what it sends, where it resumes, and where it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from shyraq_collector.app.serving import bind, serve
from shyraq_collector.clock import RealPace
from shyraq_collector.disclose import events
from shyraq_collector.disclose.api import build
from shyraq_collector.disclose.desk import Desk
from shyraq_collector.disclose.events import Streams
from shyraq_collector.disclose.problems import Problem
from support.clock import FakePace, until
from support.memory_reader import MemoryReader
from support.scenes import MINUTE, NOW, incident, played, scope, view


class Listener:
    """Reads one stream in the background and keeps what came."""

    def __init__(self, reader: MemoryReader, *, after: int | None = None) -> None:
        """Open a stream on a clock that the test moves."""
        self.pace = FakePace()
        desk = Desk(reader=reader, pace=self.pace, heartbeat_s=60)
        self.streams = Streams(desk=desk, pace=self.pace, max_streams=2)
        self.texts: list[str] = []
        self._task = asyncio.create_task(self._read(self.streams.begin(after)))

    async def _read(self, stream: AsyncIterator[str]) -> None:
        async for text in stream:
            self.texts.append(text)

    async def __aenter__(self) -> "Listener":
        await until(lambda: self.pace.sleepers == 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Let the stream look at committed state once more."""
        self.pace.advance(events.POLL_MS)
        await until(lambda: self.pace.sleepers == 1 or self._task.done())

    @property
    def has_ended(self) -> bool:
        """Whether the server ended the stream."""
        return self._task.done()

    def named(self, name: str) -> list[tuple[int | None, Any]]:
        """Events of a name, as (id, data)."""
        return [found for text in self.texts if (found := read(text, name)) is not None]


def read(text: str, name: str) -> tuple[int | None, Any] | None:
    """One event as a browser reads it; None where it has another name."""
    fields = dict(line.split(": ", 1) for line in text.strip().splitlines() if ": " in line)
    if fields.get("event") != name:
        return None
    number = fields.get("id")
    return (int(number) if number else None, json.loads(fields["data"]))


async def test_a_stream_begins_with_the_state_and_sends_what_is_new() -> None:
    """One status at the start, then each new view and each new entry once."""
    reader = played("mobile_cut")
    async with Listener(reader) as listener:
        assert listener.texts[0] == "retry: 3000\n\n"
        moment = "2022-01-05T10:00:00.000Z"
        assert listener.named("status") == [(None, {"view_at": moment, "impaired": None})]
        assert listener.named("entry") == []
        await listener.look()
        assert len(listener.named("status")) == 1
        reader.commit(incident("suspected", id_="e" * 16))
        reader.commit_view(view(at=NOW + 1))
        await listener.look()
        assert len(listener.named("status")) == 2
        (number, entry) = listener.named("entry")[0]
        assert (number, entry["incident"], entry["state"]) == (3, "e" * 16, "suspected")


async def test_a_view_that_grows_old_is_news() -> None:
    """No commit tells of a collector that stopped; the stream does."""
    async with Listener(played("quiet")) as listener:
        listener.pace.advance(4 * MINUTE * 1000)
        await listener.look()
        assert [data["impaired"] for _, data in listener.named("status")] == [None, "stale"]


@pytest.mark.parametrize(("after", "numbers"), [(0, [1, 2, 3, 4, 5, 6]), (4, [5, 6]), (6, [])])
async def test_a_stream_resumes_behind_a_number(after: int, numbers: list[int]) -> None:
    """Everything published since comes in order, exactly once."""
    async with Listener(played("restored"), after=after) as listener:
        assert [number for number, _ in listener.named("entry")] == numbers


async def test_a_number_from_another_life_is_no_trouble() -> None:
    """A browser that remembers more than the ledger knows gets only what is new."""
    async with Listener(played("restored"), after=999) as listener:
        assert listener.named("entry") == []
        assert len(listener.named("status")) == 1


async def test_too_long_a_backlog_is_told_not_sent() -> None:
    """Beyond the limit one `reset` stands for all that was missed."""
    reader = MemoryReader()
    states = ("suspected", "confirmed", *(("ongoing",) * events.MAX_BACKLOG))
    reader.commit(incident(*states))  # type: ignore[arg-type]
    async with Listener(reader, after=0) as listener:
        newest = events.MAX_BACKLOG + 2
        assert listener.named("reset") == [(newest, {"missed": newest})]
        assert listener.named("entry") == []


async def test_entries_are_published_as_privacy_allows() -> None:
    """The stream withholds what the pages withhold."""
    reader = MemoryReader()
    reader.commit(incident("suspected", where=scope("region", regions=("KZ-23",)), sites=2))
    async with Listener(reader, after=0) as listener:
        assert listener.named("entry")[0][1]["scope"]["place_withheld"] is True
        assert "KZ-23" not in "".join(listener.texts)
        assert "secret-node" not in "".join(listener.texts)


async def test_a_silent_stream_shows_that_it_lives() -> None:
    """A comment after fifteen seconds without an event."""
    async with Listener(played("quiet")) as listener:
        for _ in range(16):
            await listener.look()
        assert listener.texts[-1].startswith(":")
        assert sum(text.startswith(":") for text in listener.texts) == 1


async def test_a_stream_ends_after_an_hour_and_gives_its_place_back() -> None:
    """Streams are bounded in age, and counted while they last."""
    async with Listener(played("quiet")) as listener:
        assert listener.streams.open == 1
        listener.pace.advance(events.MAX_AGE_MS)
        await until(lambda: listener.has_ended)
        assert listener.streams.open == 0


async def test_streams_are_bounded_in_number() -> None:
    """When all places are taken, the next caller is asked to come back."""
    async with Listener(played("quiet")) as listener:
        second = listener.streams.begin(None)
        await anext(second)
        with pytest.raises(Problem) as refusal:
            listener.streams.begin(None)
        assert refusal.value.code == "too-many-streams"


# -- on a real socket ------------------------------------------------------------------------------


@asynccontextmanager
async def serving(reader: MemoryReader) -> AsyncIterator[str]:
    """The application behind the collector's own server; yields its address."""
    listening = bind("127.0.0.1", 0)
    host, port = listening.getsockname()
    task = asyncio.create_task(serve(build(reader, RealPace()), listening))
    try:
        yield f"http://{host}:{port}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listening.close()


async def test_a_real_browser_connection_resumes_by_last_event_id() -> None:
    """Over TCP through the real server: the header decides where the stream goes on."""
    headers = {"Last-Event-ID": "4"}
    found: list[str] = []
    async with (
        serving(played("restored")) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
        client.stream("GET", "/api/v1/events?after=0", headers=headers) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        assert "content-encoding" not in response.headers
        async for line in response.aiter_lines():
            found += [line] if line.startswith("id:") else []
            if line == "id: 6":
                break
    assert found == ["id: 5", "id: 6"]


@pytest.mark.parametrize("bad", ["x", "-1", "1e3", "9" * 16])
async def test_a_bad_last_event_id_is_refused(bad: str) -> None:
    """A header that is no number of ours is named, not guessed at."""
    async with (
        serving(played("quiet")) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):
        response = await client.get("/api/v1/events", headers={"Last-Event-ID": bad})
    assert response.status_code == 422
    assert response.json()["errors"][0]["parameter"] == "last-event-id"
