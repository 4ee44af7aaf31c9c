"""Running a collector until a signal says stop, under systemd or at a terminal.

SIGTERM and Ctrl-C end it in order: what was handed to the ledger is committed first. Under systemd
(`NOTIFY_SOCKET`) readiness and stopping are reported, and the watchdog is fed by the event loop's
own turning, never by the network: a broker that is away must not restart us, nor a full disk, which
no restart would empty.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

from shyraq_collector.app import Collector
from shyraq_collector.clock import RealPace, RealStopwatch
from shyraq_collector.config import CollectorConfig

_WATCHDOG_S: Final = 5.0

_SWITCH_S: Final = 0.0005
"""How long a thread may hold the interpreter while another wants it: a tenth of Python's own. The
event loop asks for it back after every call on a socket, while reports are read beside it."""

_GARBAGE: Final = (50_000, 20, 50)
"""Objects made before the youngest are looked through, and how seldom the older ones: a report is
hundreds of objects that live for a moment and are in no cycle."""


async def run_until_stopped(config: CollectorConfig) -> None:
    """Run the collector; returns after an orderly stop.

    Raises:
        ConfigError: A file or address of the configuration cannot be used.
        LocalError: The ledger cannot be opened.
    """
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(*_GARBAGE)
    notify = notifier(os.environ.get("NOTIFY_SOCKET"))
    collector = Collector(config, pace=RealPace(), stopwatch=RealStopwatch())
    running = asyncio.ensure_future(collector.run())
    feeding = asyncio.ensure_future(feed(notify, collector.opened))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await running
        notify("STOPPING=1")
    finally:
        feeding.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def feed(notify: Callable[[str], None], opened: asyncio.Event) -> None:
    """Tell systemd of readiness, then of every turn of the event loop, until cancelled.

    Args:
        notify: Made by `notifier`.
        opened: Set when everything of this host that is needed is open.
    """
    await opened.wait()
    notify("READY=1")
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(_WATCHDOG_S)


def notifier(address: str | None) -> Callable[[str], None]:
    """A function that tells systemd one line (sd_notify(3)).

    Args:
        address: The socket's path; a leading @ means the abstract name space. None: there is
            no systemd to tell.
    """
    if not address:
        return lambda _line: None
    path = "\0" + address[1:] if address.startswith("@") else address

    def tell(line: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
            told.sendto(line.encode(), path)

    return tell
