"""The loopback canary: its own messages, recognised and timed."""

import asyncio
import contextlib
from itertools import count

from shyraq_collector.canary import BEATS_PER_HEARTBEAT, Canary
from shyraq_collector.errors import PeerError
from shyraq_collector.facts.reports import Message
from shyraq_wire.topics import CANARY
from support.clock import FakePace, FakeStopwatch

HEARTBEAT_MS = 60_000
BEAT_MS = HEARTBEAT_MS / BEATS_PER_HEARTBEAT


class Loop:
    """A canary and a broker that gives back what the test lets it."""

    def __init__(self) -> None:
        """Nothing sent yet."""
        self.pace, self.stopwatch, numbers = FakePace(), FakeStopwatch(), count()
        self.sent: list[tuple[str, bytes]] = []
        self.is_away = False
        self.canary = Canary(
            heartbeat_ms=HEARTBEAT_MS,
            pace=self.pace,
            stopwatch=self.stopwatch,
            new_nonce=lambda: f"nonce-{next(numbers)}",
        )

    async def publish(self, topic: str, payload: bytes) -> None:
        """As the door does."""
        if self.is_away:
            raise PeerError("away")
        self.sent.append((topic, payload))

    def give_back(self, index: int) -> bool:
        """One of the messages returns on the collector's connection."""
        topic, payload = self.sent[index]
        return self.canary.heard(
            Message(topic=topic, payload=payload, received_ms=self.pace.now_ms())
        )

    @contextlib.asynccontextmanager
    async def running(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        """The canary, sending."""
        task = asyncio.ensure_future(self.canary.run(self.publish))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))


async def test_a_canary_leaves_at_every_beat() -> None:
    """Four in a heartbeat, on its own topic, each another one."""
    loop = Loop()
    async with loop.running():
        await loop.pace.run_for(2 * HEARTBEAT_MS - 1)
    assert len(loop.sent) == 2 * BEATS_PER_HEARTBEAT
    assert {topic for topic, _ in loop.sent} == {CANARY}
    assert len({payload for _, payload in loop.sent}) == len(loop.sent)


async def test_what_returns_tells_when_it_was_sent_and_how_long_it_took() -> None:
    """The moment is on the pace, the round trip in real time."""
    loop = Loop()
    async with loop.running():
        await loop.pace.run_for(0)
        sent_ms = loop.pace.now_ms()
        loop.pace.advance(BEAT_MS / 2)
        loop.stopwatch.advance(12.5)
        assert loop.give_back(0)
    assert (loop.canary.returned_ms, loop.canary.round_trip_ms) == (sent_ms, 12.5)


async def test_an_old_canary_does_not_turn_time_back() -> None:
    """What the broker kept for a lost session comes late; the newest one counts."""
    loop = Loop()
    async with loop.running():
        await loop.pace.run_for(BEAT_MS)
        loop.give_back(1)
        newest = loop.canary.returned_ms
        assert loop.give_back(0)
    assert loop.canary.returned_ms == newest


async def test_nobody_else_can_end_a_round_trip() -> None:
    """Forged and repeated canaries are swallowed; other topics are not touched."""
    loop = Loop()
    async with loop.running():
        await loop.pace.run_for(0)
        for payload in (b"nonce-99", b"\xff\xfe", b""):
            assert loop.canary.heard(Message(topic=CANARY, payload=payload, received_ms=1))
        assert loop.canary.returned_ms is None
        loop.give_back(0)
        loop.stopwatch.advance(50)
        assert loop.give_back(0)
        assert loop.canary.round_trip_ms == 0
        assert not loop.canary.heard(Message(topic="other", payload=b"nonce-0", received_ms=1))


async def test_a_broker_that_is_away_stops_no_beat() -> None:
    """It goes on sending when the broker is back; those before are forgotten at last."""
    loop = Loop()
    async with loop.running():
        loop.is_away = True
        await loop.pace.run_for(300 * BEAT_MS)
        assert loop.sent == []
        loop.is_away = False
        await loop.pace.run_for(BEAT_MS)
        assert loop.give_back(0)
    assert loop.canary.returned_ms is not None
