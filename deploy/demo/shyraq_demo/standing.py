"""Proof that a cut holds old connections too, and that what it held comes through afterwards.

A `Standing` connection to the broker is opened before the cut; while it lasts a ping gets
neither an answer nor a FIN; when it ends the answer arrives.
"""

import asyncio
import contextlib
import socket
from typing import Final

from shyraq_demo.canary import PATIENCE_S, SILENCE_S, ask_broker
from shyraq_demo.door import Endpoint
from shyraq_demo.errors import EffectError


class Standing:
    """A connection to the broker that is there before a cut, through it and after it."""

    _PING: Final = b"\xc0\x00"
    """MQTT PINGREQ (section 3.12)."""
    _PONG: Final = b"\xd0\x00"

    def __init__(self, at: Endpoint, client_id: str) -> None:
        """Nothing is opened yet.

        Args:
            at: A door to the broker.
            client_id: Unique at the broker.
        """
        self._at = at
        self._question = ask_broker(client_id)
        self._socket: socket.socket | None = None

    async def open(self) -> None:
        """Connect and be welcomed.

        Raises:
            EffectError: The door or the broker does not answer.
        """
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await loop.sock_connect(self._socket, self._at)
                await loop.sock_sendall(self._socket, self._question.says)
                welcome = await loop.sock_recv(self._socket, len(self._question.mark))
        except OSError as error:
            raise EffectError(f"no broker behind {self._at[0]}:{self._at[1]}: {error}") from error
        if welcome != self._question.mark:
            raise EffectError(f"no welcome from the broker behind {self._at[0]}:{self._at[1]}")

    async def prove_silence(self) -> None:
        """Ask, and return if neither an answer nor an end of the connection comes.

        Raises:
            EffectError: Something came.
        """
        loop = asyncio.get_running_loop()
        if self._socket is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_S):
                await loop.sock_sendall(self._socket, self._PING)
                came = await loop.sock_recv(self._socket, len(self._PONG))
                raise EffectError(f"the cut at {self._at[0]}:{self._at[1]} lets {came!r} through")

    async def prove_return(self) -> None:
        """Return once the answer that was held back has come; the connection is then closed.

        Raises:
            EffectError: It does not come.
        """
        if self._socket is None:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                came = await asyncio.get_running_loop().sock_recv(self._socket, len(self._PONG))
        except OSError as error:
            raise EffectError(f"nothing returns through {self._at[0]}:{self._at[1]}") from error
        finally:
            self.close()
        if came != self._PONG:
            raise EffectError(f"{came!r} returns through {self._at[0]}:{self._at[1]}")

    def close(self) -> None:
        """Drop the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
