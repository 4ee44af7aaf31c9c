"""The broker's socket on the event loop: watched and forgotten there alone, and at once.

aiomqtt lets paho connect in a thread and registers the socket's file descriptor with the event loop
later, by number. When the socket is closed in between, another connection may already have that
number: it is then watched with our callbacks, or never again, and whoever is at its other end waits
for ever. So:

1. The thread only makes the socket: resolve, connect, TLS handshake.
2. Everything that touches the event loop happens on it, in the same step as what it belongs to.

paho reads a message in three calls of `recv` at least, and one message each time the event loop
says that there is something. `Buffered` reads what there is at once and gives it out from memory;
aiomqtt goes on reading for as long as it says that something is pending.

The private names used here are pinned by the tests of the connection.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiomqtt
from aiomqtt.client import _set_client_socket_defaults

_READ_BYTES: Final = 64 * 1024


class Buffered:
    """A socket that is read in large pieces and gives out small ones."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401  # paho's word for it is private
        """Nothing is read yet.

        Args:
            inner: A connected socket, TLS or not, that does not block.
        """
        self._inner: socket.socket = inner
        self._data = b""
        self._at = 0

    def recv(self, size_bytes: int) -> bytes:
        """As a socket's."""
        if self._at >= len(self._data):
            self._data, self._at = self._inner.recv(_READ_BYTES), 0
        piece = self._data[self._at : self._at + size_bytes]
        self._at += len(piece)
        return piece

    def pending(self) -> int:
        """Bytes that can be read although the event loop will not say so."""
        inner = self._inner
        decrypted = inner.pending() if isinstance(inner, ssl.SSLSocket) else 0
        return len(self._data) - self._at + decrypted

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # handed through
        """Everything else is the socket's own."""
        return getattr(self._inner, name)


class AtOnce:
    """An event loop for aiomqtt, which is only ever called on it: nothing needs to wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stand before a loop.

        Args:
            loop: The running one.
        """
        self._loop = loop

    def call_soon_threadsafe(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call now."""
        callback(*arguments)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # handed through
        """Everything else is the loop's own."""
        return getattr(self._loop, name)


async def connect(client: aiomqtt.Client) -> None:
    """Connect and wait for CONNACK; not to be cancelled: shield it, and close the socket after.

    Args:
        client: New, over `AtOnce`.

    Raises:
        OSError: The socket cannot be made.
        ValueError: The certificate is not the host's.
        aiomqtt.MqttError: Refused, closed or silent.
    """
    inner = client._client  # noqa: SLF001
    client._set_tls_params()  # noqa: SLF001
    inner.connect_async(client._hostname, client._port, client._keepalive)  # noqa: SLF001
    made = await asyncio.get_running_loop().run_in_executor(None, inner._create_socket)  # noqa: SLF001
    buffered = Buffered(made)
    inner._create_socket = lambda: buffered  # type: ignore[method-assign]  # noqa: SLF001
    try:
        client._client_connect()  # noqa: SLF001
    except BaseException:
        with contextlib.suppress(OSError):
            made.close()
        raise
    _set_client_socket_defaults(made, client._socket_options)  # noqa: SLF001
    await client._wait_for(client._connected, timeout=None)  # noqa: SLF001
