"""Hops: one packet that may cross so many routers, and who answered.

    udp     a datagram to a high port; its end says "port unreachable"
    tcp     a connect; its end accepts or refuses
    hello   a connect like any other, then a ClientHello that may cross so many routers; whoever
            answers it with a reset or with data from nearer than the end is not the end

A router that drops a packet because it has crossed enough says so by ICMP (time exceeded). The
kernel hands that over in the socket's error queue (IP_RECVERR, ip(7)) to an ordinary program:
no capability is needed and no raw socket is opened. For a ClientHello it tells that some router
spoke, not which: that stands in the path of the connects.
"""

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from shyraq_agent.meter import Tally

Answer = Literal["router", "unreachable", "end", "reset", "data", "eof"]
"""`router`: time exceeded. `unreachable`: a router, or the end's host, refuses. `end`: the
destination itself. The others: what came over a connection after a ClientHello."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One answer to one packet."""

    answer: Answer
    address: str | None
    """Who spoke by ICMP; None: no ICMP."""
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """What to send how far."""

    address: str
    """One IP address that the policy has let pass."""
    port: int
    ttl: int
    """Routers that it may reach, 1 to 255."""
    elapsed_ms: Callable[[], float]
    """The stopwatch."""
    tally: Tally
    """Counts the bytes."""


async def send_datagram(hop: Hop) -> Heard:
    """A UDP datagram; waits for an answer without end.

    Raises:
        OSError: It could not be sent.
    """
    with _socket(hop, socket.SOCK_DGRAM) as udp:
        _lower(udp, hop.ttl)
        udp.connect((hop.address, hop.port))
        began_ms = hop.elapsed_ms()
        udp.send(_PAYLOAD)
        hop.tally.datagram(len(_PAYLOAD), hop.address)
        while True:
            await _readable(udp)
            heard = _read_error(udp, hop, began_ms)
            if heard is not None:
                return heard
            with suppress(OSError):
                udp.recv(64)
                return _heard("end", None, hop, began_ms)


async def connect(hop: Hop) -> Heard:
    """A TCP connect; waits for an answer without end.

    Raises:
        OSError: It could not be sent.
    """
    with _socket(hop, socket.SOCK_STREAM) as tcp, _counted(tcp, hop):
        _lower(tcp, hop.ttl)
        began_ms = hop.elapsed_ms()
        with suppress(BlockingIOError):
            tcp.connect((hop.address, hop.port))
        while True:
            await _writable(tcp)
            heard = _read_error(tcp, hop, began_ms)
            if heard is not None:
                return heard
            error = tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error == errno.ECONNREFUSED or (error == 0 and _is_connected(tcp)):
                return _heard("end", None, hop, began_ms)
            if error == 0:
                continue  # an ICMP error of another kind
            if error in _UNREACHABLE:
                return _heard("unreachable", None, hop, began_ms)
            raise OSError(error, "connect")


async def send_hello(hop: Hop, hello: bytes, *, grace_ms: float) -> Heard:
    """An ordinary connect, then a ClientHello with a lowered TTL.

    Args:
        hop: Where, and how far the ClientHello may go.
        hello: Its bytes.
        grace_ms: After a router's word, how long a reset or data are still awaited: who only
            listens lets the packet pass.

    Raises:
        OSError: The connection could not be made.
    """
    loop = asyncio.get_running_loop()
    with _socket(hop, socket.SOCK_STREAM) as tcp, _counted(tcp, hop):
        # At the end nothing more is sent: neither FIN nor the ClientHello once again.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(tcp, (hop.address, hop.port))
        _lower(tcp, hop.ttl)
        began_ms = hop.elapsed_ms()
        try:
            tcp.send(hello)
            heard = await _answer_to_hello(tcp, hop, began_ms)
            if heard.answer == "router":
                with suppress(TimeoutError):
                    async with asyncio.timeout(grace_ms / 1000):
                        while heard.answer == "router":
                            later = await _answer_to_hello(tcp, hop, began_ms)
                            heard = later if later.answer != "router" else heard
            return heard
        finally:
            _set_ttl(tcp, _USUAL_TTL)  # the reset that ends it must arrive


async def _answer_to_hello(tcp: socket.socket, hop: Hop, began_ms: float) -> Heard:
    while True:
        await _readable(tcp)
        heard = _read_error(tcp, hop, began_ms)
        if heard is not None:
            return heard
        try:
            data = tcp.recv(1)
        except BlockingIOError:
            continue
        except ConnectionResetError:
            return _heard("reset", None, hop, began_ms)
        except OSError as error:
            if error.errno not in _UNREACHABLE:
                raise
            # On an open connection the kernel gives a router's word without the router's address.
            return _heard("router", None, hop, began_ms)
        return _heard("data" if data else "eof", None, hop, began_ms)


@contextmanager
def _counted(tcp: socket.socket, hop: Hop) -> Iterator[None]:
    hop.tally.watch(tcp)
    try:
        yield
    finally:
        hop.tally.settle(tcp)


def _socket(hop: Hop, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in hop.address else socket.AF_INET, kind)
    made.setblocking(False)
    return made


def _lower(made: socket.socket, ttl: int) -> None:
    """Limit how far packets go, and ask for the words of those that drop them."""
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    _set_ttl(made, ttl)


def _set_ttl(made: socket.socket, ttl: int) -> None:
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)


def _read_error(made: socket.socket, hop: Hop, began_ms: float) -> Heard | None:
    """The oldest ICMP error that waits; None: there is none."""
    try:
        _, ancillary, _, _ = made.recvmsg(1, _QUEUE_BYTES, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, data in ancillary:
        is_error = (level, kind) in (
            (socket.IPPROTO_IP, _IP_RECVERR),
            (socket.IPPROTO_IPV6, _IPV6_RECVERR),
        )
        if is_error and len(data) >= _ERROR.size:
            _, origin, icmp_type, code, _, _, _ = _ERROR.unpack_from(data)
            answer = _answer(origin, icmp_type, code)
            if answer is not None:
                hop.tally.datagram(_ICMP_BYTES, hop.address)
                return _heard(answer, _offender(data[_ERROR.size :]), hop, began_ms)
    return None


def _is_connected(tcp: socket.socket) -> bool:
    try:
        tcp.getpeername()
    except OSError:
        return False
    return True


def _offender(data: bytes) -> str | None:
    """The address in the sockaddr that follows the error."""
    family = int.from_bytes(data[:2], sys.byteorder)
    if family == socket.AF_INET and len(data) >= 8:
        return str(IPv4Address(data[4:8]))
    if family == socket.AF_INET6 and len(data) >= 24:
        return str(IPv6Address(data[8:24]))
    return None


def _heard(answer: Answer, address: str | None, hop: Hop, began_ms: float) -> Heard:
    return Heard(answer=answer, address=address, took_ms=round(hop.elapsed_ms() - began_ms, 3))


def _answer(origin: int, icmp_type: int, code: int) -> Answer | None:
    if (origin, icmp_type) in _TIME_EXCEEDED:
        return "router"
    if (origin, icmp_type, code) in _PORT_UNREACHABLE:
        return "end"
    return "unreachable" if (origin, icmp_type) in _DESTINATION_UNREACHABLE else None


def _waker(woken: "asyncio.Future[None]") -> Callable[[], None]:
    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    return wake


async def _readable(made: socket.socket) -> None:
    """Until there is data or an error."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()
    loop.add_reader(made, _waker(woken))
    try:
        await woken
    finally:
        loop.remove_reader(made)


async def _writable(made: socket.socket) -> None:
    """Until it is connected, or there is an error."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()
    loop.add_writer(made, _waker(woken))
    try:
        await woken
    finally:
        loop.remove_writer(made)


_PAYLOAD: Final = bytes(28)
"""Says nothing of who asks."""
_USUAL_TTL: Final = 64
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_QUEUE_BYTES: Final = 256
_ERROR: Final = struct.Struct("=IBBBBII")
"""struct sock_extended_err of linux/errqueue.h: errno, origin, type, code, pad, info, data; the
address of who spoke follows."""
_ICMP_BYTES: Final = 56
"""What routers quote at least of a packet that they dropped: its headers and eight bytes."""
_ICMP: Final = 2
_ICMP6: Final = 3
_TIME_EXCEEDED: Final = frozenset({(_ICMP, 11), (_ICMP6, 3)})
_DESTINATION_UNREACHABLE: Final = frozenset({(_ICMP, 3), (_ICMP6, 1)})
_PORT_UNREACHABLE: Final = frozenset({(_ICMP, 3, 3), (_ICMP6, 1, 4)})
"""RFC 792 and RFC 4443."""
_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES})
