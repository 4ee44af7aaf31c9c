"""The servers beyond the networks: one origin per site, and the impostor.

An origin answers any request with a small page, over TLS and in the clear. The impostor is
what a censor puts in their place: for every site a certificate from its own root, and in the
clear a page that says no.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Final

from shyraq_demo.door import BACKLOG, Endpoint
from shyraq_demo.errors import WorldError

_IDLE_S: Final = 5.0
_MAX_HEAD_BYTES: Final = 16 * 1024


class Server:
    """One listening TCP server that gives one fixed answer to each request."""

    def __init__(
        self, *, at: Endpoint, status: str, page: str, context: ssl.SSLContext | None
    ) -> None:
        """Prepare the answer; nothing is opened yet.

        Args:
            at: Where to listen.
            status: HTTP status line after the version, e.g. `200 OK`.
            page: HTML text.
            context: TLS, or None for plain HTTP.
        """
        self.at: Final = at
        self._context = context
        body = page.encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._answer = head.encode() + body
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to serve.

        Raises:
            WorldError: The address is taken.
        """
        try:
            self._server = await asyncio.start_server(
                self._serve, *self.at, ssl=self._context, backlog=BACKLOG, limit=_MAX_HEAD_BYTES
            )
        except OSError as error:
            raise WorldError(f"cannot serve at {self.at[0]}:{self.at[1]}: {error}") from error

    async def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_IDLE_S):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer)
                await writer.drain()
        writer.close()


def forged_page(names: Sequence[str]) -> str:
    """What the impostor says in the clear, about any of these names."""
    return f"<title>Access denied</title><p>Access to {', '.join(names)} is restricted by law."
