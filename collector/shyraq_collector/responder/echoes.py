"""Our nonce there and back (`shyraq_wire.echo`), over UDP and over TCP.

An answer is as long as its question, and anything that is no question is met with silence, so the
responder is of no use to whoever forges addresses.
"""

import asyncio
import socket
from typing import Final, NoReturn

from shyraq_collector.responder.allowance import Source
from shyraq_collector.responder.doors import Doors
from shyraq_wire.echo import NONCE_BYTES, answer, ask

_QUESTION_S: Final = 10.0
_QUESTION_BYTES: Final = len(ask(bytes(NONCE_BYTES)))
_MAX_DATAGRAM_BYTES: Final = 2_048


async def answer_datagrams(udp: socket.socket, doors: Doors) -> NoReturn:
    """Answer questions that come as datagrams, until cancelled.

    Args:
        udp: Bound, not blocking.
        doors: What visitors may take.
    """
    loop = asyncio.get_running_loop()
    while True:
        # Neither a datagram that waits already nor an error at once gives the loop away: a flood
        # would keep it from every other visitor.
        await asyncio.sleep(0)
        try:
            question, visitor = await loop.sock_recvfrom(udp, _MAX_DATAGRAM_BYTES)
            reply = answer(question)
            if reply is not None and doors.take(doors.source(visitor[0]), len(reply)):
                udp.sendto(reply, visitor)
        except OSError:
            continue  # nobody is there any more, or the line is full: an echo may get lost


class StreamEchoes:
    """Answers one question a connection."""

    def __init__(self, doors: Doors) -> None:
        """Nothing is open yet.

        Args:
            doors: What visitors may take.
        """
        self._doors = doors

    async def serve(self, connection: socket.socket, _address: str, source: Source) -> None:
        """One connection, to its end; whatever a visitor does is no error.

        Args:
            connection: Just accepted, not blocking; closed at the end.
            source: What stands for the visitor.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_QUESTION_S):
                question = b""
                while len(question) < _QUESTION_BYTES:
                    more = await loop.sock_recv(connection, _QUESTION_BYTES - len(question))
                    if not more:
                        return
                    question += more
                reply = answer(question)
                if reply is not None and self._doors.take(source, len(reply)):
                    await loop.sock_sendall(connection, reply)
        except OSError:
            pass  # the visitor has gone
        finally:
            connection.close()
