"""The arms: the same bytes over TLS, whatever name the ClientHello bears.

    1. A connection beyond a ceiling is closed before anything is said.
    2. Any name is answered with the one certificate. Sessions are not resumed, so that two
       handshakes are alike.
    3. One request, at most 8 KiB, within ten seconds. `GET /network` is answered with the network
       that the visitor appears from; `GET /65536` with so many bytes of the body, and any other
       GET with all of it. The body is the same for everybody.
    4. What a source may not have any more is answered with 429; the connection then closes.

A visitor may read as slowly as its line is: a download has two minutes.
"""

import asyncio
import hashlib
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from shyraq_collector.errors import LocalError
from shyraq_collector.responder.allowance import Source
from shyraq_collector.responder.doors import Doors
from shyraq_collector.responder.networks import Networks

HANDSHAKE_S: Final = 10.0
REQUEST_S: Final = 10.0
DOWNLOAD_S: Final = 120.0
"""For 128 KiB at 9 kbit/s."""

HANDSHAKE_BYTES: Final = 6_000
"""Counted for a handshake: a public chain and the records around it."""

_MAX_HEAD_BYTES: Final = 8 * 1024
_MAX_DIGITS: Final = 9
_NETWORK_PATH: Final = b"/network"


class Downloads:
    """Serves connections of all arms."""

    def __init__(
        self, *, body_bytes: int, context: ssl.SSLContext, networks: Networks, doors: Doors
    ) -> None:
        """Make the body.

        Args:
            body_bytes: Of one download.
            context: As `tls_context` gives it.
            networks: For `/network`.
            doors: What visitors may take.
        """
        self._body = hashlib.shake_256(b"the same bytes for every name").digest(body_bytes)
        self._context = context
        self._networks = networks
        self._doors = doors

    async def serve(self, connection: socket.socket, address: str, source: Source) -> None:
        """One connection, to its end; whatever a visitor does is no error.

        Args:
            connection: Just accepted; closed at the end.
            address: Of the visitor.
            source: What stands for it.
        """
        transport: asyncio.Transport | None = None
        try:
            if not self._doors.take(source, HANDSHAKE_BYTES):
                return
            reader = asyncio.StreamReader(limit=_MAX_HEAD_BYTES)
            writers: list[asyncio.StreamWriter] = []
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader, _stop_reading_into(writers)),
                connection,
            )
            # A whole answer fits: asyncio ends a connection twice, and complains, when one that
            # was paused for its buffer breaks while it is resumed.
            transport.set_write_buffer_limits(high=2 * len(self._body))
            (writer,) = writers
            await writer.start_tls(self._context, ssl_handshake_timeout=HANDSHAKE_S)
            await self._answer(reader, writer, address, source)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the visitor has gone, or spoke something else
        finally:
            if transport is not None:
                transport.abort()
            connection.close()

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        address: str,
        source: Source,
    ) -> None:
        async with asyncio.timeout(REQUEST_S):
            head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0]
        if method != b"GET":
            answer = _page("405 Method Not Allowed", "text/plain", b"")
        elif path == _NETWORK_PATH:
            told = json.dumps(asdict(self._networks.place(address))).encode()
            answer = _page("200 OK", "application/json", told)
        elif self._doors.take(source, size_bytes := self._asked_for(path)):
            answer = _page("200 OK", "application/octet-stream", self._body[:size_bytes])
        else:
            answer = _page("429 Too Many Requests", "text/plain", b"")
        async with asyncio.timeout(DOWNLOAD_S):
            writer.write(answer)
            await writer.drain()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _asked_for(self, path: bytes) -> int:
        """Bytes of the body that a path stands for."""
        digits = path[1:]
        is_size = digits.isdigit() and len(digits) <= _MAX_DIGITS
        return min(int(digits), len(self._body)) if is_size else len(self._body)


def _stop_reading_into(
    writers: list[asyncio.StreamWriter],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """Nothing is read before TLS begins: a ClientHello must not go astray."""

    def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # a socket's can be read
        transport.pause_reading()
        writers.append(writer)

    return connected


def tls_context() -> ssl.SSLContext:
    """A context without a certificate; `load_certificate` gives it one, again at each renewal."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    return context


def load_certificate(context: ssl.SSLContext, certificate_file: Path, key_file: Path) -> None:
    """Take certificate and key from files; open connections keep the old ones.

    Raises:
        LocalError: The files do not hold a certificate and its key.
    """
    try:
        context.load_cert_chain(certificate_file, key_file)
    except OSError as error:  # ssl.SSLError is one
        raise LocalError(f"responder: {certificate_file}, {key_file}: {error}") from error


def _page(status: str, kind: str, body: bytes) -> bytes:
    lines = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
