"""Agents for tests: a configuration file on the disk, and the real `Agent` built from it.

Started as a program (`python -m support.agents CONFIG POINT COUNT`) it is a node of its own process
that ends itself by SIGKILL at the COUNT-th time it passes POINT; with POINT "never" it runs until
SIGTERM. Its clock runs 200 times faster.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from shyraq_agent.app import Agent
from shyraq_agent.clock import Pace, RealStopwatch
from shyraq_agent.config import AgentConfig, load_config
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.sign.keyfile import raw_public_key, write_new_key
from support.broker import Broker
from support.clock import ScaledPace
from support.edges import both_families
from support.ledger import Ledger

FACTOR = 200


def write_config(
    directory: Path,
    ledger: Ledger,
    brokers: Sequence[Broker],
    *,
    node: str = "kz-test-0001",
    heartbeat_s: int = 60,
    more: str = "",
) -> Path:
    """A configuration with its key; the node is admitted to the ledger.

    Args:
        directory: Of this node.
        ledger: Whose receipts count.
        brokers: The endpoints, in order.
        node: Its id.
        heartbeat_s: Of the pace.
        more: Further TOML.
    """
    directory.mkdir(parents=True, exist_ok=True)
    key = write_new_key(directory / "evidence.pem")
    ledger.admit(node, raw_public_key(key))
    endpoints = "".join(
        f'[[broker]]\nhost = "{each.host}"\nport = {each.port}\nprotocol = "{each.protocol}"\n'
        "tls = false\nconnect_timeout_s = 1.0\n"
        for each in brokers
    )
    path = directory / "agent.toml"
    path.write_text(
        f'[node]\nid = "{node}"\nstate_directory = "{directory}/state"\n'
        f'key_file = "{directory}/evidence.pem"\nheartbeat_s = {heartbeat_s}\n'
        f'[collector]\nreceipt_keys = ["{ledger.public_key.hex()}"]\n{endpoints}'
        f"[lists]\nshipped = false\n{more}"
    )
    return path


def make_agent(config: AgentConfig, pace: Pace, **changes: Any) -> Agent:  # noqa: ANN401
    """The real agent on a pace of the test's choice.

    Args:
        config: From `load_config`.
        pace: For all that the agent schedules.
        changes: Further arguments of `Agent`.
    """
    values: dict[str, Any] = {
        "stopwatch": RealStopwatch(),
        "policy": AddressPolicy(),
        "rng": Random(config.settings.node.id),  # noqa: S311  # jitter only
        "boot_id": "boot-1",
        "links": both_families,
    }
    return Agent(config, pace=pace, **(values | changes))


async def main(config_path: Path, point: str, count: int) -> None:
    """Run a node until it kills itself or is told to stop."""
    passed = 0

    def checkpoint(name: str) -> None:
        nonlocal passed
        if name == point:
            passed += 1
            if passed == count:
                os.kill(os.getpid(), signal.SIGKILL)

    agent = make_agent(load_config(config_path), ScaledPace(FACTOR), checkpoint=checkpoint)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, agent.stop)
    await agent.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
