"""How the agent stands, and what its host wants of it, over a local socket.

`serve_status` listens on a socket in the state directory (mode 0700, so only its owner can
ask). Who connects may send a command, one JSON object, and ends its side; the answer is one JSON
object: how the agent stands, or `{"refused": why}`. `ask_status` is the other end. The
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
from shyraq_wire.report import NOTHING, Json

SOCKET_NAME: Final = "status.sock"

_PATIENCE_S: Final = 5.0
_READ_BYTES: Final = 65_536
_COMMAND_S: Final = 2.0
_COMMAND_BYTES: Final = 4_096


@contextlib.asynccontextmanager
async def serve_status(
    directory: Path,
    tell: Callable[[], Awaitable[Mapping[str, Json]]],
    obey: Callable[[Mapping[str, Json]], Awaitable[None]],
) -> AsyncIterator[None]:
    """Answer inside the context.

    Args:
        directory: The state directory; it exists.
        tell: Gives what is answered.
        obey: Does what a command says; raises ValueError for what is none.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One asker, one answer."""
        try:
            writer.write(json.dumps(await _heed(reader, tell, obey)).encode())
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


async def _heed(
    reader: asyncio.StreamReader,
    tell: Callable[[], Awaitable[Mapping[str, Json]]],
    obey: Callable[[Mapping[str, Json]], Awaitable[None]],
) -> Mapping[str, Json]:
    try:
        async with asyncio.timeout(_COMMAND_S):
            text = await reader.read(_COMMAND_BYTES)
        command = json.loads(text or b"{}")
        if not isinstance(command, dict):
            return {"refused": "a JSON object is due, or nothing"}
        if command:
            await obey(command)
    except (TimeoutError, ValueError) as error:
        return {"refused": str(error) or "the command did not come to its end"}
    return await tell()


def ask_status(directory: Path, command: Mapping[str, Json] = NOTHING) -> Mapping[str, Json]:
    """What the agent on a state directory says of itself.

    Args:
        directory: Of the running agent.
        command: What it is to do first; empty: nothing.

    Raises:
        LocalError: No agent runs there, it does not answer, or it refuses the command.
    """
    try:
        with _reachable(directory) as path, socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_PATIENCE_S)
            asking.connect(path)
            if command:
                asking.sendall(json.dumps(dict(command)).encode())
            asking.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: asking.recv(_READ_BYTES), b""))
        told = cast("Mapping[str, Json]", json.loads(answer))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise LocalError(f"no agent runs on {directory}") from error
    except (OSError, ValueError) as error:
        raise LocalError(f"the agent on {directory} does not answer: {error}") from error
    if "refused" in told:
        raise LocalError(f"the agent on {directory} refuses: {told['refused']}")
    return told


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
