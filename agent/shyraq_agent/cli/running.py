"""Running an agent until a signal says stop, under systemd or at a terminal.

SIGTERM and the first SIGINT end it in order; a second one ends it at once. Under systemd
(`NOTIFY_SOCKET`) readiness, stopping and each committed pulse are reported, so that the watchdog
is fed by local progress (the schedule came round, the spool was written) and never by the network.
Where the heartbeat is long, so is the watchdog's patience, which we tell systemd ourselves.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from random import SystemRandom
from typing import Final

from shyraq_agent.app import Agent
from shyraq_agent.clock import RealPace, RealStopwatch, built_at_ms
from shyraq_agent.config import AgentConfig
from shyraq_agent.egress import AddressPolicy

PATIENCE_S: Final = 300
"""Without a committed pulse for so long, systemd starts the agent again; the unit says the same."""

PATIENCE_HEARTBEATS: Final = 5
"""The same in heartbeats, where that is longer."""


async def run_until_stopped(config: AgentConfig, policy: AddressPolicy) -> None:
    """Run the agent; returns after an orderly stop.

    Raises:
        LocalError: The key, the bundle or the spool cannot be used.
        asyncio.CancelledError: A second signal came.
    """
    notify = notifier(os.environ.get("NOTIFY_SOCKET"))
    patience_s = max(PATIENCE_S, PATIENCE_HEARTBEATS * config.settings.node.heartbeat_s)
    agent = Agent(
        config,
        pace=RealPace(),
        stopwatch=RealStopwatch(),
        policy=policy,
        rng=SystemRandom(),
        built_at_ms=built_at_ms(),
        on_pulse=lambda: notify("WATCHDOG=1"),
        on_ready=lambda: notify(f"READY=1\nWATCHDOG_USEC={patience_s * 1_000_000}"),
    )
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(agent.run())
    asked = 0

    def stop() -> None:
        """A signal came."""
        nonlocal asked
        asked += 1
        notify("STOPPING=1")
        agent.stop() if asked == 1 else running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await running
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def notifier(address: str | None) -> Callable[[str], None]:
    """A function that tells systemd one message (sd_notify(3)).

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
