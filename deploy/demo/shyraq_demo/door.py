"""A door: the one way from a network to one server, and what the story may do to it.

    Pass      bytes go both ways
    Cut       both halves stop reading, so that not even a FIN crosses, and new SYNs are dropped
    Drop      new SYNs are dropped; old connections go on
    Refuse    nothing listens: the kernel answers with a reset
    Reset     the client's first bytes are answered with a reset
    Hang      the client's first bytes are swallowed, and everything after them
    Slow      each answer of the server waits before it goes on
    Divert    another server is reached instead

A SYN is dropped by the kernel itself: the listener's backlog is set to 0 and its one place
filled, without root. When a cut ends, what waited in the kernel's buffers flows on, as packets
sent again would. A connection keeps the treatment it was opened under, except that Cut holds
all of them.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Final, assert_never

from shyraq_demo.errors import WorldError

Endpoint = tuple[str, int]
"""Address and port."""

BACKLOG: Final = 1024
"""The default of 100 overflows when fifty agents return at once."""
_CHUNK_BYTES: Final = 64 * 1024
_MAX_FILLERS: Final = 8
_FILL_S: Final = 0.05
_LINGER_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Pass:
    """Bytes go both ways."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Nothing passes, on old connections or new."""


@dataclass(frozen=True, slots=True)
class Drop:
    """New connections get no answer."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """New connections are refused."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset after the client's first bytes."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Silence after the client's first bytes."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Each answer of the server comes late."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Divert:
    """Another server answers."""

    onward: Endpoint


Treatment = Pass | Cut | Drop | Refuse | Reset | Hang | Slow | Divert


class Door:
    """A listener in a network, and the server behind it."""

    def __init__(self, *, at: Endpoint, onward: Endpoint, rtt_ms: int = 0) -> None:
        """Know both ends; nothing is opened yet.

        Args:
            at: Where clients of the network connect.
            onward: The server that they mean.
            rtt_ms: How far that is: each answer comes so much later, in real milliseconds.
        """
        self.at: Final = at
        self._onward = onward
        self._rtt_ms = rtt_ms
        self._treatment: Treatment = Pass()
        self._listener: socket.socket | None = None
        self._fillers: dict[Endpoint, socket.socket] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._carried: set[asyncio.Task[None]] = set()

    @property
    def treatment(self) -> Treatment:
        """What is done to clients now."""
        return self._treatment

    def open(self) -> None:
        """Begin to listen.

        Raises:
            WorldError: The address is taken.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(self.at)
        except OSError as error:
            listener.close()
            raise WorldError(f"cannot listen at {self.at[0]}:{self.at[1]}: {error}") from error
        listener.listen(BACKLOG)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        self._stop_listening()
        for task in list(self._carried):
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)

    async def treat(self, treatment: Treatment) -> None:
        """Switch; on return the kernel is in the new state, which a canary may now prove."""
        if treatment == self._treatment:
            return
        before, self._treatment = self._treatment, treatment
        if isinstance(before, Refuse):
            self.open()
        elif isinstance(before, Cut | Drop):
            self._admit_syns()
        match treatment:
            case Cut():
                self._flowing.clear()
                await self._drop_syns()
            case Drop():
                self._flowing.set()
                await self._drop_syns()
            case Refuse():
                self._flowing.set()
                self._stop_listening()
            case Pass() | Reset() | Hang() | Slow() | Divert():
                self._flowing.set()
            case _:
                assert_never(treatment)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        self._drop_fillers()

    async def _drop_syns(self) -> None:
        """Leave the listener one place in its queue and fill it: Linux then drops SYNs.

        The last filler is the one that found no place; it is kept too, in case it was only
        slow, and known by its port when the door opens again.
        """
        loop = asyncio.get_running_loop()
        listener = self._listening()
        loop.remove_reader(listener)
        listener.listen(0)
        for _ in range(_MAX_FILLERS):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.bind((self.at[0], 0))
            self._fillers[filler.getsockname()] = filler
            try:
                async with asyncio.timeout(_FILL_S):
                    await loop.sock_connect(filler, self.at)
            except TimeoutError:
                return
        raise WorldError(f"the queue of {self.at[0]}:{self.at[1]} does not fill")

    def _admit_syns(self) -> None:
        listener = self._listening()
        listener.listen(BACKLOG)
        asyncio.get_running_loop().add_reader(listener, self._accept)

    def _drop_fillers(self) -> None:
        for filler in self._fillers.values():
            filler.close()
        self._fillers.clear()

    def _listening(self) -> socket.socket:
        if self._listener is None:
            raise WorldError(f"the door at {self.at[0]}:{self.at[1]} is not open")
        return self._listener

    def _accept(self) -> None:
        try:
            client, peer = self._listening().accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        filler = self._fillers.pop(peer, None)
        if filler is not None:
            filler.close()
            client.close()
            return
        client.setblocking(False)
        task = asyncio.create_task(self._carry(client))
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)

    async def _carry(self, client: socket.socket) -> None:
        """Serve one client to the end of its connection, whatever it meets."""
        with client, contextlib.suppress(OSError):
            treatment = self._treatment
            match treatment:
                case Hang():
                    await _swallow(client)
                case Reset():
                    await asyncio.get_running_loop().sock_recv(client, _CHUNK_BYTES)
                    _reset(client)
                case Divert(onward=onward):
                    await self._join(client, onward, delay_ms=0)
                case Slow(delay_ms=delay_ms):
                    await self._join(client, self._onward, delay_ms=self._rtt_ms + delay_ms)
                case Pass() | Cut() | Drop() | Refuse():
                    await self._join(client, self._onward, delay_ms=self._rtt_ms)
                case _:
                    assert_never(treatment)

    async def _join(self, client: socket.socket, onward: Endpoint, *, delay_ms: int) -> None:
        await self._flowing.wait()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(server, onward)
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(client, server, delay_ms=0))
                    group.create_task(self._pump(server, client, delay_ms=delay_ms))
            except* OSError:
                _reset(client)
                _reset(server)

    async def _pump(self, source: socket.socket, sink: socket.socket, *, delay_ms: int) -> None:
        """Carry one half until its end; held while the door is cut."""
        loop = asyncio.get_running_loop()
        while True:
            await self._flowing.wait()
            data = await loop.sock_recv(source, _CHUNK_BYTES)
            await self._flowing.wait()
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            if delay_ms:
                await asyncio.sleep(delay_ms / 1000)
            await loop.sock_sendall(sink, data)


async def _swallow(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(client, _CHUNK_BYTES):
        pass


def _reset(end: socket.socket) -> None:
    """Make the close that follows a reset instead of a FIN."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
