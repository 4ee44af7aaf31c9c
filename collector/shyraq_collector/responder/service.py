"""The responder running: every listener of the plan, until it is cancelled.

Either all listeners open or none serves. A visitor's address is used while its connection lasts,
for the answer to `/network` and for the hash that stands for it, and is written nowhere.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from typing import Final, NoReturn, Protocol

from shyraq_collector.clock import Stopwatch
from shyraq_collector.errors import LocalError
from shyraq_collector.responder.allowance import Allowance, Source
from shyraq_collector.responder.doors import Doors
from shyraq_collector.responder.downloads import Downloads, load_certificate, tls_context
from shyraq_collector.responder.echoes import StreamEchoes, answer_datagrams
from shyraq_collector.responder.networks import Networks, read_networks
from shyraq_collector.responder.plan import Plan, Transport

_BACKLOG: Final = 512
_OUT_OF_SOCKETS_S: Final = 0.5
_SALT_BYTES: Final = 32

_log = logging.getLogger(__name__)


class Serves(Protocol):
    """Who serves the connections of a listener."""

    async def serve(self, connection: socket.socket, address: str, source: Source) -> None:
        """One connection, to its end; closes it."""
        ...


class Responder:
    """One responder."""

    def __init__(
        self,
        plan: Plan,
        *,
        stopwatch: Stopwatch,
        new_salt: Callable[[], bytes] = lambda: os.urandom(_SALT_BYTES),
    ) -> None:
        """Nothing is opened yet.

        Args:
            plan: What is served.
            stopwatch: For the minutes of the allowance.
            new_salt: Random bytes for the hashes of sources.
        """
        self._plan = plan
        ceilings = plan.ceilings
        allowance = Allowance(
            bytes_per_minute=ceilings.bytes_per_minute,
            sources=ceilings.sources,
            stopwatch=stopwatch,
            new_salt=new_salt,
        )
        self._doors = Doors(ceilings, allowance)
        self._context = tls_context()

    def reload(self) -> None:
        """Take the certificate from its files again; blocks for a moment.

        Raises:
            LocalError: They do not hold a certificate and its key; the old one stays.
        """
        load_certificate(self._context, self._plan.certificate_file, self._plan.key_file)

    async def run(self, ready: Callable[[], None] = lambda: None) -> NoReturn:
        """Serve until cancelled.

        Args:
            ready: Called when every listener is open.

        Raises:
            ConfigError: The table of networks is not one.
            LocalError: A file or an address cannot be used.
        """
        plan = self._plan
        await asyncio.to_thread(self.reload)
        networks = Networks()
        if plan.networks_file is not None:
            networks = await asyncio.to_thread(read_networks, plan.networks_file)
        downloads = Downloads(
            body_bytes=plan.body_bytes,
            context=self._context,
            networks=networks,
            doors=self._doors,
        )
        async with AsyncExitStack() as stack:
            listeners, datagrams = self._open(stack, downloads)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            for listener, serves in listeners:
                tasks.create_task(self._accept(listener, serves))
            for udp in datagrams:
                tasks.create_task(answer_datagrams(udp, self._doors))
            ready()
            _log.info("event=responder-open arms=%d echoes=%d", len(plan.arms), len(plan.echoes))
            await asyncio.Event().wait()
        raise AssertionError("cancelled above")

    def _open(
        self, stack: AsyncExitStack, downloads: Downloads
    ) -> tuple[list[tuple[socket.socket, Serves]], list[socket.socket]]:
        """Every socket of the plan, closed with the stack: listeners, and those for datagrams."""
        listeners: list[tuple[socket.socket, Serves]] = []
        datagrams: list[socket.socket] = []
        for arm in self._plan.arms:
            opened = stack.enter_context(closing(_bind(arm.address, arm.port, "tcp")))
            listeners.append((opened, downloads))
        for echo in self._plan.echoes:
            opened = stack.enter_context(closing(_bind(echo.address, echo.port, echo.transport)))
            if echo.transport == "tcp":
                listeners.append((opened, StreamEchoes(self._doors)))
            else:
                datagrams.append(opened)
        return listeners, datagrams

    async def _accept(self, listener: socket.socket, serves: Serves) -> NoReturn:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as visitors:
            while True:
                await asyncio.sleep(0)  # connections that wait already must not keep the loop
                try:
                    connection, (address, *_) = await loop.sock_accept(listener)
                except OSError:  # too many open files, or a visitor that has gone already
                    await asyncio.sleep(_OUT_OF_SOCKETS_S)
                    continue
                source = self._doors.source(address)
                if self._doors.has_room(source):
                    visitors.create_task(self._serve(serves, connection, address, source))
                else:
                    connection.close()

    async def _serve(
        self, serves: Serves, connection: socket.socket, address: str, source: Source
    ) -> None:
        with self._doors.connection(source):
            try:
                await serves.serve(connection, address, source)
            except Exception as error:  # noqa: BLE001  # a bug; its text may name the visitor
                _log.error("event=visitor-not-served kind=%s", type(error).__name__)


def _bind(address: str, port: int, transport: Transport) -> socket.socket:
    """A socket of one family that is not blocking; over TCP it listens.

    Raises:
        LocalError: The address is not ours, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if transport == "tcp":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if transport == "tcp":
            made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        where = f"{address} port {port}/{transport}"
        raise LocalError(f"responder: {where}: {error.strerror}") from error
    return made
