"""The lab's entry point to the agent itself: every node of one place, on one event loop.

    python -m netlab.agents DIRECTORY ANCHOR

DIRECTORY holds a directory for each node, with its `agent.toml` and `node.pem`. The program stands
in its place's namespace, so its sockets are real ones there. It differs from `shyraq-agent run` in
three things: the address policy admits the country's prefixes, the pace is the journey's, and
the kernel's word on the clock is that of a host that is synchronised.
"""

import asyncio
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import SystemRandom
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from netlab.geography import ADMITTED
from netlab.pace import journey_pace
from shyraq_agent.app import Agent
from shyraq_agent.clock import Pace, RealStopwatch
from shyraq_agent.config import AgentConfig, load_config
from shyraq_agent.egress import AddressPolicy
from shyraq_wire.report import ClockState

_THREADS: Final = 16


async def run_all(agents: list[Agent]) -> None:
    """Run them until this program is ended."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    async with asyncio.TaskGroup() as group:
        for agent in agents:
            group.create_task(agent.run())


def make_agent(config: AgentConfig, pace: Pace) -> Agent:
    """One node."""
    return Agent(
        config,
        pace=pace,
        stopwatch=RealStopwatch(),
        policy=AddressPolicy(gateways=config.settings.network.gateways, admitted=ADMITTED),
        rng=SystemRandom(),
        boot_id=str(uuid5(NAMESPACE_OID, config.settings.node.id)),
        read_clock=lambda: ClockState(source="ntp", error_ms=20),
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    configs = [load_config(path) for path in sorted(Path(sys.argv[1]).glob("*/agent.toml"))]
    chosen = journey_pace(int(sys.argv[2]))
    asyncio.run(run_all([make_agent(each, chosen) for each in configs]))
