"""How the agent stands, told over a local socket: nothing is written, nothing leaves the host.

`serve_status` listens on a socket in the state directory (mode 0700, so only its owner can
ask) and answers each connection with one JSON object. `ask_status` is the other end. The
socket is reached through the directory's descriptor, because a socket's path may have only
107 bytes.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from shyraq_agent.errors import LocalError
from shyraq_wire.report import Json

SOCKET_NAME: Final = "status.sock"

_PATIENCE_S: Final = 5.0
_READ_BYTES: Final = 65_536


@contextlib.asynccontextmanager
async def serve_status(
    directory: Path, tell: Callable[[], Awaitable[Mapping[str, Json]]]
) -> AsyncIterator[None]:
    """Answer inside the context.

    Args:
        directory: The state directory; it exists.
        tell: Gives what is answered.
    """

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One asker, one answer."""
        try:
            writer.write(json.dumps(await tell()).encode())
            await writer.drain()
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            writer.close()

    with _reachable(directory) as path:
        await asyncio.to_thread(_remove, path)  # a killed predecessor's
        server = await asyncio.start_unix_server(answer, path=path)
        try:
            yield
        finally:
            server.close()
            await asyncio.to_thread(_remove, path)


def ask_status(directory: Path) -> Mapping[str, Json]:
    """What the agent on a state directory says of itself.

    Raises:
        LocalError: No agent runs there, or it does not answer.
    """
    try:
        with _reachable(directory) as path, socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_PATIENCE_S)
            asking.connect(path)
            answer = b"".join(iter(lambda: asking.recv(_READ_BYTES), b""))
        return cast("Mapping[str, Json]", json.loads(answer))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise LocalError(f"no agent runs on {directory}") from error
    except (OSError, ValueError) as error:
        raise LocalError(f"the agent on {directory} does not answer: {error}") from error


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def _reachable(directory: Path) -> Iterator[str]:
    """A short path for the socket, however long the directory's is."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET_NAME}"
    finally:
        os.close(handle)
