"""Real servers on loopback that misbehave on purpose, one way each.

Each is an async context manager that yields its port and is gone at the end. TCP behaviours are
what a server does with one connection; `dns_server` sends whatever datagrams a reply function
gives, each after its delay.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from shyraq_wire.echo import answer

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

Datagrams = Sequence[tuple[float, bytes]]
"""What a DNS server sends: each after so many milliseconds."""

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def tcp_server(
    behaviour: Behaviour,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = LOOPBACK,
    port: int = 0,
) -> AsyncIterator[int]:
    """A TCP server.

    Args:
        behaviour: What it does with each connection.
        tls: Shake hands first.
        host: Address to listen on.
        port: 0 for a free one.
    """
    connections: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await behaviour(reader, writer)
        finally:
            writer.transport.abort()

    def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(converse(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(on_connection, host, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


async def stay_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read, and never answer: the usual block of Kazakhstan after ClientHello."""
    while await reader.read(4096):
        pass


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read once, then RST."""
    await reader.read(4096)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read once, then FIN."""
    await reader.read(4096)
    writer.close()
    await writer.wait_closed()


async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a ClientHello in clear text."""
    await reader.read(4096)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()


def answer_with(*parts: bytes, pause_ms: float = 0) -> Behaviour:
    """Read a request's head, send these bytes, then FIN."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            if pause_ms:
                await asyncio.sleep(pause_ms / 1000)
        writer.close()
        await writer.wait_closed()

    return behaviour


def site(pages: Mapping[str, bytes], seen: list[bytes] | None = None) -> Behaviour:
    """Serve whole HTTP answers by path; a request for another path gets 404.

    Args:
        pages: The answer for a path, from status line to body.
        seen: Gets the head of each request.
    """

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        path = head.split(b" ", 2)[1].decode("ascii")
        writer.write(pages.get(path, page(b"not here", status="404 Not Found")))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return behaviour


def page(body: bytes, *, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(location: str, *, status: str = "302 Found") -> bytes:
    """An HTTP answer that leads elsewhere."""
    return page(b"", status=status, headers={"Location": location})


@asynccontextmanager
async def dns_server(
    reply: Callable[[bytes], Datagrams], *, host: str = LOOPBACK, port: int = 0
) -> AsyncIterator[int]:
    """A DNS server over UDP, and over TCP on the same port (the first datagram only).

    Args:
        reply: What to send for a query.
        host: Address to listen on.
        port: 0 for a free one.
    """

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        for _, data in reply(await reader.readexactly(length))[:1]:
            writer.write(struct.pack("!H", len(data)) + data)
            await writer.drain()

    async with (
        tcp_server(over_tcp, host=host, port=port) as bound,
        _datagrams(reply, host, bound),
    ):
        yield bound


def dns_answer(
    query: bytes, *addresses: str, rcode: str = "NOERROR", query_id: int | None = None
) -> bytes:
    """The answer to a query: the addresses of the family that it asked for.

    Args:
        query: As it arrived.
        addresses: Of either family.
        rcode: Response code.
        query_id: Another id than the query's.
    """
    message = dns.message.make_response(dns.message.from_wire(query))
    message.set_rcode(dns.rcode.from_text(rcode))
    question = message.question[0]
    wanted = [each for each in addresses if (":" in each) == (question.rdtype == 28)]
    if wanted:
        message.answer.append(
            dns.rrset.from_text(question.name, 60, question.rdclass, question.rdtype, *wanted)
        )
    if query_id is not None:
        message.id = query_id
    return message.to_wire()


@asynccontextmanager
async def udp_server(
    reply: Callable[[bytes], bytes | None] = answer, *, host: str = LOOPBACK, port: int = 0
) -> AsyncIterator[int]:
    """A UDP server that sends what a function gives; by default the nonce echo.

    Args:
        reply: The datagram to send back, or None for silence.
        host: Address to listen on.
        port: 0 for a free one.
    """

    def at_once(query: bytes) -> Datagrams:
        datagram = reply(query)
        return [] if datagram is None else [(0, datagram)]

    async with _datagrams(at_once, host, port) as bound:
        yield bound


@asynccontextmanager
async def _datagrams(
    reply: Callable[[bytes], Datagrams], host: str, port: int
) -> AsyncIterator[int]:
    """Answer datagrams on a port, 0 for a free one."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        udp.bind((host, port))

        async def answer_all() -> None:
            while True:
                query, peer = await loop.sock_recvfrom(udp, 65_535)
                for delay_ms, datagram in reply(query):
                    later.append(loop.call_later(delay_ms / 1000, udp.sendto, datagram, peer))

        later: list[asyncio.TimerHandle] = []
        task = asyncio.create_task(answer_all())
        try:
            yield udp.getsockname()[1]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for handle in later:
                handle.cancel()


@asynccontextmanager
async def full_backlog(*, host: str = LOOPBACK) -> AsyncIterator[int]:
    """A port where a connect gets no answer: the queue of a listener that never accepts is full."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                with suppress(BlockingIOError):
                    filler.connect((host, port))
            await asyncio.sleep(0.02)
            yield port
        finally:
            for filler in fillers:
                filler.close()
