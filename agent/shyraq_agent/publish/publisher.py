"""The publisher: connect, send in the right order, wait for receipts, begin again.

On every connection, in this order:

1. subscribe: retained receipts come only on SUBSCRIBE;
2. the newest pulse, which says "we are back", then the two frames at each edge of every gap,
   then the rest, oldest first;
3. at most 16 frames without a receipt; a pulse just made goes at once, whatever the window;
4. what no receipt covers goes again after 30 s, doubling to 10 min;
5. six heartbeats without any receipt while frames wait: the path is dead, connect anew.

The endpoints are tried in turn; one that brought a receipt is tried again first. Attempts are
spaced by a jittered back-off, capped at 30 s, because a thousand nodes come back in the same
second. A failure is logged once, and so is the recovery. Nothing here ends but by
cancellation: lost reachability is what this program was made for.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final, NoReturn

from shyraq_agent.clock import Pace
from shyraq_agent.errors import AgentError, PeerError
from shyraq_agent.meter import Tally
from shyraq_agent.publish.connection import Connection, ConnectionLost, open_connection
from shyraq_agent.publish.endpoint import Endpoint
from shyraq_agent.publish.outbox import Applied, Frame, Outbox, PublishState
from shyraq_agent.publish.receipts import open_receipt
from shyraq_agent.publish.window import Window
from shyraq_wire.errors import PeerError as WirePeerError
from shyraq_wire.topics import NodeId, node_topic

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
SILENT_HEARTBEATS: Final = 6
"""Without a receipt this long, the path counts as dead."""
FRAME_BYTES: Final = 1_100
"""What a frame costs beside its payload, by which bulk and pulses share one connection: topic, TLS
and TCP headers, the broker's acknowledgement, the receipt and ours of it."""
MAX_BACKOFF_MS: Final = 30_000

_FIRST_BACKOFF_MS: Final = 1_000
_LOGGER = logging.getLogger(__name__)


class Publisher:
    """Sends one spool's frames for one node."""

    def __init__(
        self,
        *,
        node: NodeId,
        endpoints: Sequence[Endpoint],
        collector_keys: Sequence[bytes],
        outbox: Outbox,
        pace: Pace,
        rng: Random,
        heartbeat_ms: int,
        floor_ms: Callable[[], int],
        line: Tally,
        bulk: Tally,
        on_control: Callable[[bytes], Awaitable[None]] | None = None,
        checkpoint: Callable[[str], None],
    ) -> None:
        """Connect nothing yet.

        Args:
            node: This node's id; also its MQTT client id.
            endpoints: At least one, the preferred first.
            collector_keys: Raw Ed25519 public keys that may sign receipts.
            outbox: The spool.
            pace: For back-off, resends and the watchdog.
            rng: For jitter.
            heartbeat_ms: The watchdog counts in these.
            floor_ms: A wall-clock moment known to have passed.
            line: Where the bytes of the connections count.
            bulk: Where, instead, the share of bulk frames in them counts.
            on_control: Takes what comes on the node's control topic; None: it is not listened to.
            checkpoint: Called with `publish.sent` and `publish.receipted`, where a crash test
                may end the program.
        """
        self._node = node
        self._endpoints = tuple(endpoints)
        self._collector_keys = tuple(collector_keys)
        self._outbox = outbox
        self._pace = pace
        self._rng = rng
        self._silence_ms = SILENT_HEARTBEATS * heartbeat_ms
        self._floor_ms = floor_ms
        self._line = line
        self._bulk = bulk
        self._checkpoint = checkpoint
        self._window = Window()
        self._wake = asyncio.Event()
        self._start_over = False
        self._heard_uptime_ms = 0
        self._state = PublishState()
        self._doors: Mapping[str, Callable[[bytes], Awaitable[None]]] = {
            node_topic(node, "receipt"): self._on_receipt,
        }
        if on_control is not None:
            self._doors = {**self._doors, node_topic(node, "control"): on_control}

    @property
    def state(self) -> PublishState:
        """How sending stands now."""
        return self._state

    def appended(self) -> None:
        """The spool has a new frame."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Send for ever, over whichever endpoint works."""
        attempt, turn = 0, 0
        while True:
            endpoint = self._endpoints[turn % len(self._endpoints)]
            receipts = self._state.receipts
            try:
                await self._use(endpoint)
            except AgentError as error:
                self._note_failing(endpoint, error)
            if self._state.receipts > receipts:
                attempt = 0
            else:
                turn += 1
            await self._pace.sleep_ms(self._backoff_ms(attempt))
            attempt += 1

    async def _use(self, endpoint: Endpoint) -> None:
        """One connection from its first packet to its last."""
        connection = await open_connection(
            endpoint,
            client_id=self._node,
            will_topic=node_topic(self._node, "session"),
            will_payload=OFFLINE,
            on_refusal=self._on_refusal,
            floor_ms=self._floor_ms(),
            tally=self._line,
        )
        try:
            self._window.clear()
            self._heard_uptime_ms = self._pace.uptime_ms()
            await connection.subscribe(tuple(self._doors))
            connection.send(node_topic(self._node, "session"), ONLINE, retain=True)
            self._state = replace(self._state, endpoint=endpoint.name)
            await _first_to_end(
                self._receive(connection), self._send(connection), self._watch_silence()
            )
        finally:
            self._state = replace(self._state, endpoint=None)
            await self._leave(connection)

    async def _leave(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionLost):  # the broker's last will says it then
            connection.send(node_topic(self._node, "session"), OFFLINE, retain=True)
        await connection.close()

    async def _receive(self, connection: Connection) -> None:
        async for topic, payload in connection.messages():
            door = self._doors.get(topic)
            if door is not None:
                await door(payload)

    async def _send(self, connection: Connection) -> NoReturn:
        """Keep the window full in the right order."""
        edges: deque[int] = deque()
        cursor, self._start_over = 0, True
        while True:
            self._wake.clear()
            if self._start_over:
                self._start_over = False
                await self._send_newest_pulse(connection)
                edges, cursor = deque(await self._outbox.edges()), 0
            await self._send_newest_pulse(connection)
            await self._resend(connection)
            while edges and self._window.room:
                await self._send_places(connection, [edges.popleft()])
            while not edges and self._window.room:
                frames = await self._outbox.after(cursor, self._window.room)
                if not frames:
                    break
                cursor = frames[-1].place
                self._hand_over(connection, [f for f in frames if f.place not in self._window])
            await self._until_woken()

    async def _send_newest_pulse(self, connection: Connection) -> None:
        pulse = await self._outbox.newest_pulse()
        if pulse is not None and pulse.place not in self._window:
            self._hand_over(connection, [pulse])

    async def _resend(self, connection: Connection) -> None:
        due = self._window.due(self._pace.uptime_ms())
        if due:
            frames = await self._outbox.take(due)
            self._window.forget(set(due) - {frame.place for frame in frames})
            self._hand_over(connection, [f for f in frames if f.place in self._window])

    async def _send_places(self, connection: Connection, places: Iterable[int]) -> None:
        fresh = [place for place in places if place not in self._window]
        self._hand_over(connection, await self._outbox.take(fresh))

    def _hand_over(self, connection: Connection, frames: Iterable[Frame]) -> None:
        topic = node_topic(self._node, "report")
        for frame in frames:
            connection.send(topic, frame.payload)
            if not frame.pulse:
                self._line.add(-len(frame.payload) - FRAME_BYTES)
                self._bulk.add(len(frame.payload) + FRAME_BYTES)
            again = self._window.sent(frame.place, self._pace.uptime_ms())
            self._state = replace(
                self._state, sent=self._state.sent + 1, resent=self._state.resent + again
            )
            self._checkpoint("publish.sent")

    async def _until_woken(self) -> None:
        """Until something is new, or a frame must go again."""
        due_ms = self._window.next_due_ms()
        waits: list[Coroutine[Any, Any, Any]] = [self._wake.wait()]
        if due_ms is not None:
            waits.append(self._pace.sleep_ms(max(1, due_ms - self._pace.uptime_ms())))
        await _first_to_end(*waits)

    async def _watch_silence(self) -> NoReturn:
        while True:
            await self._pace.sleep_ms(self._silence_ms / SILENT_HEARTBEATS)
            silent_ms = self._pace.uptime_ms() - self._heard_uptime_ms
            if len(self._window) and silent_ms > self._silence_ms:
                raise PeerError(f"no receipt for {silent_ms // 1000} s")

    async def _on_receipt(self, payload: bytes) -> None:
        try:
            receipt = open_receipt(payload, node=self._node, collector_keys=self._collector_keys)
        except WirePeerError as error:
            if not self._state.bad_receipts:
                _LOGGER.warning("receipt refused reason=%s: %s", error.reason, error)
            self._state = replace(self._state, bad_receipts=self._state.bad_receipts + 1)
            return
        applied = await self._outbox.apply(receipt)
        self._note_applied(applied)
        if applied.new_ledger:
            _LOGGER.warning("the collector has a new ledger: sending everything held again")
            self._window.clear()
            self._start_over = True
        self._window.covered(applied.covered)
        self._checkpoint("publish.receipted")
        self._wake.set()

    def _note_applied(self, applied: Applied) -> None:
        self._heard_uptime_ms = self._pace.uptime_ms()
        if self._state.failing is not None:
            _LOGGER.warning("receipts are back endpoint=%s", self._state.endpoint)
        for seq, reason in applied.refused:
            _LOGGER.warning("the collector refused a frame seq=%d reason=%s", seq, reason)
        if applied.foreign and not self._state.foreign_intervals:
            _LOGGER.warning("receipts name another chain under our key: is there a clone?")
        self._state = replace(
            self._state,
            failing=None,
            receipts=self._state.receipts + 1,
            last_receipt_uptime_ms=self._heard_uptime_ms,
            foreign_intervals=self._state.foreign_intervals + applied.foreign,
            refused_frames=self._state.refused_frames + len(applied.refused),
        )

    def _on_refusal(self, words: str) -> None:
        if not self._state.refused_by_broker:
            _LOGGER.warning("the broker refuses our messages: %s", words)
        self._state = replace(self._state, refused_by_broker=self._state.refused_by_broker + 1)

    def _note_failing(self, endpoint: Endpoint, error: AgentError) -> None:
        if self._state.failing is None:
            _LOGGER.warning("broker lost endpoint=%s: %s", endpoint.name, error)
        self._state = replace(self._state, failing=f"{endpoint.name}: {error}")

    def _backoff_ms(self, attempt: int) -> float:
        cap = min(MAX_BACKOFF_MS, _FIRST_BACKOFF_MS * 2 ** min(attempt, 10))
        return self._rng.uniform(cap / 4, cap)


async def _first_to_end(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run together until one ends, stop the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
