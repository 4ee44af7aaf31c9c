"""The demo's doors on loopback sockets: each treatment does what it says, and a canary sees it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shyraq_demo.canary import Question, attempt, prove
from shyraq_demo.door import (
    Cut,
    Divert,
    Door,
    Drop,
    Endpoint,
    Hang,
    Pass,
    Refuse,
    Reset,
    Slow,
    Treatment,
)
from shyraq_demo.errors import EffectError, WorldError

ORIGIN: Endpoint = ("127.66.0.1", 7100)
IMPOSTOR: Endpoint = ("127.66.0.2", 7100)
HERE: Endpoint = ("127.66.1.1", 7100)
HELLO = Question(says=b"hello", mark=b"origin:hello")


async def serve(at: Endpoint, name: bytes) -> asyncio.Server:
    """A server that answers each chunk with its own name before it; the impostor only once."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(name + b":" + data)
            await writer.drain()
            if name == b"impostor":
                break
        writer.close()

    return await asyncio.start_server(answer, *at)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """An open door with an origin and an impostor behind it."""
    servers = [await serve(ORIGIN, b"origin"), await serve(IMPOSTOR, b"impostor")]
    made = Door(at=HERE, onward=ORIGIN)
    made.open()
    yield made
    await made.close()
    for server in servers:
        server.close()
        await server.wait_closed()


TREATMENTS: list[Treatment] = [
    Pass(),
    Cut(),
    Drop(),
    Refuse(),
    Reset(),
    Hang(),
    Slow(80),
    Divert(IMPOSTOR),
]


@pytest.mark.parametrize("after", TREATMENTS, ids=str)
@pytest.mark.parametrize("before", [Pass(), Cut(), Refuse()], ids=str)
async def test_each_treatment_is_met_by_a_canary(
    door: Door, before: Treatment, after: Treatment
) -> None:
    """From any state, a switch takes effect and ends as if nothing had been."""
    await door.treat(before)
    await door.treat(after)
    await prove(HERE, after, HELLO)
    await door.treat(Pass())
    await prove(HERE, Pass(), HELLO)


async def test_a_canary_sees_that_nothing_was_switched(door: Door) -> None:
    """A cut that silently does nothing is caught."""
    for ordered in TREATMENTS[1:]:
        with pytest.raises(EffectError):
            await prove(door.at, ordered, HELLO)


async def test_a_cut_holds_an_old_connection_and_its_end(door: Door) -> None:
    """During a cut neither bytes nor a FIN cross; afterwards what was held arrives."""
    reader, writer = await asyncio.open_connection(*HERE)
    writer.write(b"one")
    assert await reader.readexactly(10) == b"origin:one"
    await door.treat(Cut())
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.15)
    await door.treat(Pass())
    assert await asyncio.wait_for(reader.readexactly(10), 5) == b"origin:two"
    writer.close()


async def test_who_waits_through_a_cut_is_let_in_by_its_own_kernel(door: Door) -> None:
    """A SYN that was dropped is sent again and answered once the cut is over."""
    await door.treat(Cut())
    waiting = asyncio.create_task(attempt(HERE, HELLO, 10))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await door.treat(Pass())
    assert await waiting == "answered"


async def test_fifty_return_at_once(door: Door) -> None:
    """The backlog holds a fleet that comes back in one moment."""
    await door.treat(Cut())
    await door.treat(Pass())
    outcomes = await asyncio.gather(*(attempt(HERE, HELLO, 10) for _ in range(50)))
    assert set(outcomes) == {"answered"}


async def test_an_address_in_use_is_named(door: Door) -> None:
    """Two doors at one place are refused with the place."""
    with pytest.raises(WorldError, match=r"127\.66\.1\.1:7100"):
        Door(at=door.at, onward=ORIGIN).open()
