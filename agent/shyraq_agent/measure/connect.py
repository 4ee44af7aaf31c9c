"""Connects: a plain TCP connection to one checked address, and bytes over it.

`Stream` is asyncio's reader and writer with the two things a probe needs: every arrival is
timed, and the end of the other side's data is an empty read, never an exception, so that a FIN
and a reset stay two things. What a connection costs is counted from its first SYN to its end.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from shyraq_agent.measure.step import Notes
from shyraq_agent.meter import Tally
from shyraq_wire.report import Json

_MAX_SAMPLES: Final = 64
_READ_BYTES: Final = 8 * 1024
RECEIVE_BUFFER_BYTES: Final = 8 * 1024
"""The kernel doubles it (socket(7)); a certificate chain fits."""


class Stream:
    """One open TCP connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        made: socket.socket,
        tally: Tally,
    ) -> None:
        """Wrap an open connection.

        Args:
            reader: Its reader.
            writer: Its writer.
            made: Its socket, which the tally watches.
            tally: Where its bytes count.
        """
        self._reader = reader
        self._writer = writer
        self._made = made
        self._tally = tally
        self._samples: list[Json] = []
        self._elapsed_ms: Callable[[], float] = lambda: 0.0

    def watch(self, elapsed_ms: Callable[[], float], notes: Notes) -> None:
        """Note from now on when how many bytes arrive, as pairs [ms, bytes], at most 64.

        Args:
            elapsed_ms: A stopwatch.
            notes: Get the field `received`.
        """
        began_ms = elapsed_ms()
        self._samples = []
        self._elapsed_ms = lambda: elapsed_ms() - began_ms
        notes["received"] = self._samples

    async def read(self, max_bytes: int = _READ_BYTES) -> bytes:
        """What has arrived, at least one byte; empty once the other side has closed.

        Raises:
            OSError: The connection broke.
        """
        data = await self._reader.read(max_bytes)
        if data and len(self._samples) < _MAX_SAMPLES:
            self._samples.append((round(self._elapsed_ms(), 3), len(data)))
        return data

    async def write(self, data: bytes) -> None:
        """Send; returns when the operating system has taken most of it.

        Raises:
            OSError: The connection broke.
        """
        if data:
            self._writer.write(data)
            await self._writer.drain()

    def close(self) -> None:
        """Drop the connection at once; nothing that is still unsent is waited for."""
        self._tally.settle(self._made)
        self._writer.transport.abort()


async def connect(
    address: str, port: int, tally: Tally, *, receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES
) -> Stream:
    """A connection to an address that the policy has let pass.

    Its receive buffer is small, so that a server cannot put much more on the host's line than
    is read.

    Args:
        address: One IP address, never a name.
        port: 1 to 65535.
        tally: Where its bytes count, those of a failure too.
        receive_buffer_bytes: Larger where speed is measured, which a small window would bound.

    Raises:
        OSError: It cannot be made.
    """
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        tally.watch(made)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
        reader, writer = await asyncio.open_connection(sock=made, limit=_READ_BYTES)
    except BaseException:
        tally.settle(made)
        made.close()
        raise
    return Stream(reader, writer, made, tally)
