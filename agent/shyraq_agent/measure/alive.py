"""Signs of life for the ladder: a nonce that comes back, a ping that is answered.

    echo    our own nonce over UDP, asked up to three times, so that ordinary loss is not death
    ping    ICMP echo on a datagram socket where the kernel allows it (ping_group_range), else,
            and where ICMP stays unanswered, a TCP connect: a refusal is a sign of life too

Only an echo of our responder shows that a path carries more than the first packets; a ping is
good enough for the gateway and for nothing else.
"""

import asyncio
import socket
import struct
from typing import Final

from shyraq_agent.measure.connect import connect
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.step import Notes
from shyraq_agent.meter import Tally
from shyraq_wire.echo import NONCE_BYTES, ask, is_answer

_ECHO_TRIES: Final = 3
_PING_PORT: Final = 80
_ICMP_ECHO: Final = {socket.AF_INET: 8, socket.AF_INET6: 128}
"""Type of an echo request (RFC 792, RFC 4443)."""


async def echo(address: str, port: int, edges: Edges, notes: Notes) -> bool:
    """Whether our nonce came back.

    Args:
        address: One IP address.
        port: UDP port of the responder.
        edges: Randomness and limits.
        notes: Get `tries`, the datagrams sent.

    Raises:
        OSError: An ICMP error, or no answer (TimeoutError).
    """
    nonce = edges.rng.randbytes(NONCE_BYTES)
    try_ms = edges.limits.ladder_ms / (_ECHO_TRIES + 1)
    loop = asyncio.get_running_loop()
    with _datagram_socket(address, 0) as udp:
        udp.connect((address, port))
        for tries in range(1, _ECHO_TRIES + 1):
            notes["tries"] = tries
            question = ask(nonce)
            await loop.sock_sendall(udp, question)
            edges.meter.datagram(len(question), address)
            answer = b""
            try:
                async with asyncio.timeout(try_ms / 1000):
                    while not is_answer(answer, nonce):  # someone else's datagram proves nothing
                        answer = await loop.sock_recv(udp, 64)
                        edges.meter.datagram(len(answer), address)
            except TimeoutError:
                continue
            return True
    raise TimeoutError


async def ping(address: str, port: int, edges: Edges, notes: Notes) -> bool:
    """Whether a host answers at all.

    Args:
        address: One IP address, a zone index included where one is needed.
        port: For the TCP connect; 0: 80.
        edges: Randomness and limits; ICMP gets half of the time.
        notes: Get `method`, the one that was answered.

    Raises:
        OSError: Neither was answered.
    """
    try:
        async with asyncio.timeout(edges.limits.ladder_ms / 2000):
            await _icmp_echo(address, edges.rng.randbytes(16), edges.meter)
    except OSError:
        notes["method"] = "tcp"
        try:
            (await connect(address, port or _PING_PORT, edges.meter)).close()
        except ConnectionRefusedError:
            notes["refused"] = True
    else:
        notes["method"] = "icmp"
    return True


async def _icmp_echo(address: str, nonce: bytes, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    with _datagram_socket(address, socket.IPPROTO_ICMP) as icmp:
        # The kernel fills in identifier and checksum, and gives us only our own answers.
        icmp.connect((address, 0))
        head = struct.pack("!BBHHH", _ICMP_ECHO[icmp.family], 0, 0, 0, 1)
        await loop.sock_sendall(icmp, head + nonce)
        tally.datagram(len(nonce), address)
        while (await loop.sock_recv(icmp, 256))[8:] != nonce:
            pass
        tally.datagram(len(nonce), address)


def _datagram_socket(address: str, protocol: int) -> socket.socket:
    """A non-blocking UDP socket, or an ICMP one of the address's family."""
    if ":" not in address:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol)
    else:
        icmp6 = socket.IPPROTO_ICMPV6 if protocol else 0
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, icmp6)
    made.setblocking(False)
    return made
