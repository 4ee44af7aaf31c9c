"""The process that holds every node and control of a run: real agents on one event loop.

    python -m shyraq_demo.nodes_process DIRECTORY PREFIX

DIRECTORY holds one directory for each node, with its `agent.toml` and `node.pem`. PREFIX is
the one network that the address policy admits beyond public addresses. What a Pi would be told
by its kernel (boot id, clock, interfaces) is given as the story's hosts have it: synchronised,
IPv4 only. Everything else is the agent as shipped.
"""

import asyncio
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import SystemRandom
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from shyraq_agent.app import Agent
from shyraq_agent.clock import RealStopwatch
from shyraq_agent.config import AgentConfig, load_config
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure.edges import Links
from shyraq_demo.pace import StoryPace
from shyraq_demo.start import await_start, until_told_to_end
from shyraq_wire.report import ClockState

_SPARE_THREADS: Final = 16
"""Beside one thread an agent, which paho connects in."""


async def _run(agents: list[Agent]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(len(agents) + _SPARE_THREADS))
    async with asyncio.TaskGroup() as group:
        for agent in agents:
            group.create_task(agent.run())


def _agent(config: AgentConfig, prefix: str, pace: StoryPace) -> Agent:
    node = config.settings.node.id
    return Agent(
        config,
        pace=pace,
        stopwatch=RealStopwatch(),
        policy=AddressPolicy(gateways=config.settings.network.gateways, admitted=[prefix]),
        rng=SystemRandom(),
        boot_id=str(uuid5(NAMESPACE_OID, node)),
        read_clock=lambda: ClockState(source="ntp", error_ms=20),
        links=lambda: Links(families=frozenset({"ipv4"})),
    )


def main() -> None:
    """Load, say so, and run until told to end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    directory, prefix = Path(sys.argv[1]), sys.argv[2]
    configs = [load_config(path) for path in sorted(directory.glob("*/agent.toml"))]
    pace = await_start().pace()
    agents = [_agent(config, prefix, pace) for config in configs]
    asyncio.run(until_told_to_end(_run(agents)))


if __name__ == "__main__":
    main()
