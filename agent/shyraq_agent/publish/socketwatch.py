"""The broker's socket on the event loop: watched and forgotten there alone, and at once.

aiomqtt lets paho connect in a thread and registers the socket's file descriptor with the event loop
later, by number. When the socket is closed in between, another connection may already have that
number: it is then watched with our callbacks, or never again, and whoever is at its other end waits
for ever. So:

1. The thread only makes the socket: resolve, connect, TLS handshake.
2. Everything that touches the event loop happens on it, in the same step as what it belongs to.

The private names used here are pinned by the tests of publishing.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import aiomqtt
from aiomqtt.client import _set_client_socket_defaults


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
    inner._create_socket = lambda: made  # type: ignore[method-assign]  # noqa: SLF001
    try:
        client._client_connect()  # noqa: SLF001
    except BaseException:
        with contextlib.suppress(OSError):
            made.close()
        raise
    _set_client_socket_defaults(inner.socket(), client._socket_options)  # noqa: SLF001
    await client._wait_for(client._connected, timeout=None)  # noqa: SLF001
