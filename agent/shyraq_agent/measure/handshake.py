"""Handshakes: TLS over a plain stream, driven by hand.

The TLS engine of asyncio reports a FIN after ClientHello as a reset; here `ssl.MemoryBIO` is fed
from a stream of our own, so an empty read is `eof_error`, an RST `connection_reset`, and silence
the step's own time-out. Certificates are taken as they come and judged apart
(`certificates`). Noted:

    version, cipher, alpn     what was agreed
    first_byte_ms             when the server's first bytes came, since ClientHello
    received                  [ms, bytes] of each arrival
    reason                    OpenSSL's word for a failure, such as WRONG_VERSION_NUMBER

`say_hello` stops at the ServerHello: enough to show that a host lives, at a tenth of the bytes.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.connect import Stream
from shyraq_agent.measure.step import Notes

_HANDSHAKE_RECORD: Final = 0x16
_SERVER_HELLO: Final = 0x02
_HELLO_HEAD_BYTES: Final = 6
"""Record header (RFC 8446 section 5.1) and the type byte of the first handshake message."""


class TlsStream:
    """A TLS connection over a `Stream`, after the handshake."""

    def __init__(
        self, stream: Stream, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        """Wrap a finished handshake.

        Args:
            stream: What the records travel over.
            tls: The TLS state.
            incoming: Records from the peer.
            outgoing: Records for the peer.
        """
        self._stream = stream
        self._incoming = incoming
        self._outgoing = outgoing
        self.tls = tls

    def watch(self, elapsed_ms: Callable[[], float], notes: Notes) -> None:
        """As `Stream.watch`; counts the bytes of records."""
        self._stream.watch(elapsed_ms, notes)

    async def read(self, max_bytes: int) -> bytes:
        """Decrypted bytes; empty at the end, with or without the peer's close alert.

        Raises:
            OSError: The connection or the TLS layer broke.
        """
        while True:
            try:
                return self.tls.read(max_bytes)
            except ssl.SSLWantReadError:
                await self._stream.write(self._outgoing.read())
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            _feed(self._incoming, await self._stream.read())

    async def write(self, data: bytes) -> None:
        """Encrypt and send.

        Raises:
            OSError: The connection or the TLS layer broke.
        """
        self.tls.write(data)
        await self._stream.write(self._outgoing.read())

    def close(self) -> None:
        """Drop the connection."""
        self._stream.close()


async def shake_hands(
    stream: Stream, server_name: str, elapsed_ms: Callable[[], float], notes: Notes
) -> TlsStream:
    """A TLS connection, whatever certificate was served.

    Args:
        stream: A fresh connection.
        server_name: Name for the ClientHello, or an address, which is not sent.
        elapsed_ms: The stopwatch.
        notes: Get the fields above.

    Raises:
        OSError: The connection or the TLS layer broke.
        StepFailed: The server closed instead of answering.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = _context().wrap_bio(incoming, outgoing, server_hostname=server_name)
    stream.watch(elapsed_ms, notes)
    began_ms = elapsed_ms()
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            await stream.write(outgoing.read())
        except ssl.SSLError as error:
            notes["reason"] = error.reason or ""
            await stream.write(outgoing.read())  # the alert is owed to the server
            raise
        data = await stream.read()
        if not data:
            raise StepFailed("eof_error")
        notes.setdefault("first_byte_ms", round(elapsed_ms() - began_ms, 3))
        _feed(incoming, data)
    await stream.write(outgoing.read())
    cipher = tls.cipher()
    notes["version"] = tls.version()
    notes["cipher"] = cipher[0] if cipher else None
    notes["alpn"] = tls.selected_alpn_protocol()
    return TlsStream(stream, tls, incoming, outgoing)


async def say_hello(stream: Stream, server_name: str, notes: Notes) -> None:
    """Send a ClientHello and return at the ServerHello.

    Args:
        stream: A fresh connection.
        server_name: As for `shake_hands`.
        notes: Get `reason` when the answer is something else.

    Raises:
        OSError: The connection broke.
        StepFailed: The server closed, or answered otherwise.
    """
    await stream.write(client_hello(server_name))
    head = b""
    while len(head) < _HELLO_HEAD_BYTES:
        data = await stream.read()
        if not data:
            raise StepFailed("eof_error")
        head += data
    if head[0] != _HANDSHAKE_RECORD or head[5] != _SERVER_HELLO:
        notes["reason"] = "no ServerHello"
        raise StepFailed("ssl_failed_handshake")


def client_hello(server_name: str) -> bytes:
    """A ClientHello as it goes on the wire.

    Args:
        server_name: As for `shake_hands`.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = _context().wrap_bio(incoming, outgoing, server_hostname=server_name)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def _feed(incoming: ssl.MemoryBIO, data: bytes) -> None:
    if data:
        incoming.write(data)
    else:
        incoming.write_eof()


def _context() -> ssl.SSLContext:
    """Takes any certificate; `certificates` judges it. No file is read and nothing is kept."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context
