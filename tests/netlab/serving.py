"""Servers in a place of the country: a thread that stands there, with an event loop of its own."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Final

from netlab.country import Country

_READY_S: Final = 20.0


@contextmanager
def serving(
    country: Country, place: str, servers: Sequence[AbstractAsyncContextManager[object]]
) -> Iterator[None]:
    """The servers run inside the context; entered when all of them listen.

    Args:
        country: As built.
        place: Where they stand.
        servers: Not entered yet.

    Raises:
        RuntimeError: One of them could not start; its own error is the cause.
    """
    running = _Running()
    thread = threading.Thread(target=running.run, args=(country, place, servers), name=place)
    thread.start()
    try:
        if not running.ready.wait(_READY_S) or running.error is not None:
            raise RuntimeError(f"the servers in {place} do not start") from running.error
        yield
    finally:
        running.stop()
        thread.join()


class _Running:
    """What the two threads share."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def run(
        self,
        country: Country,
        place: str,
        servers: Sequence[AbstractAsyncContextManager[object]],
    ) -> None:
        with country.inside(place):
            try:
                asyncio.run(self._serve(servers))
            except BaseException as error:  # noqa: BLE001  # raised again where the context was entered
                self.error = error
                self.ready.set()

    async def _serve(self, servers: Sequence[AbstractAsyncContextManager[object]]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            for each in servers:
                await stack.enter_async_context(each)
            self.ready.set()
            await self._stopping.wait()

    def stop(self) -> None:
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
