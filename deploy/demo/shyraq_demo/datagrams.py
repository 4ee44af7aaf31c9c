"""A UDP server as one function from a datagram to its answer."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from shyraq_demo.door import Endpoint
from shyraq_demo.errors import WorldError

_MAX_BYTES: Final = 4096


class Datagrams:
    """A bound UDP socket that answers each datagram, or stays silent."""

    def __init__(self, *, at: Endpoint, answer: Callable[[bytes], bytes | None]) -> None:
        """Nothing is opened yet.

        Args:
            at: Where to listen.
            answer: Gives the answer to a datagram, or None for silence.
        """
        self._at = at
        self._answer = answer
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to answer.

        Raises:
            WorldError: The address is taken.
        """
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind(self._at)
        except OSError as error:
            self._socket.close()
            raise WorldError(f"cannot answer at {self._at[0]}:{self._at[1]}: {error}") from error
        asyncio.get_running_loop().add_reader(self._socket, self._receive, self._socket)

    def close(self) -> None:
        """Stop answering."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _receive(self, bound: socket.socket) -> None:
        with contextlib.suppress(OSError):  # a client that is gone answers with ICMP
            data, sender = bound.recvfrom(_MAX_BYTES)
            answer = self._answer(data)
            if answer is not None:
                bound.sendto(answer, sender)
