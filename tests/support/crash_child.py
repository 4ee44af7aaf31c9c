"""A process to be killed: a real agent or a real collector, told at which point to die.

    python -m support.crash_child agent CONFIGURATION ANCHOR_NS FACTOR SIGN [POINT:COUNT]
    python -m support.crash_child collector CONFIGURATION ANCHOR_NS FACTOR SIGN [POINT:COUNT]

It makes the file SIGN when it passes the first of its named points. At the COUNT-th time that it
passes POINT it kills itself with SIGKILL, in the very thread that passes: nothing is flushed,
closed or said. The agent's probe answers at once and touches no network; everything else is as
shipped, at a faster pace.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import SystemRandom
from typing import Any

from shyraq_agent.app import Agent
from shyraq_agent.clock import RealStopwatch
from shyraq_agent.config import load_config as load_agent_config
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.step import RawMeasurement, RawStep
from shyraq_agent.measure.target import Target
from shyraq_collector.app import Collector
from shyraq_collector.config import load_config as load_collector_config
from shyraq_demo.pace import StoryPace
from support.clock import STORY_START_MS


def main() -> None:
    """Run until killed or told to end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    role, configuration, anchor_ns, factor, sign, *point = sys.argv[1:]
    pace = StoryPace(
        anchor_monotonic_ns=int(anchor_ns), starts_at_ms=STORY_START_MS, factor=int(factor)
    )
    die_at = _die_at(Path(sign), *point)
    run = _agent if role == "agent" else _collector
    asyncio.run(_until_terminated(run(Path(configuration), pace, die_at)))


def _die_at(sign: Path, point: str = "never:1") -> Callable[[str], None]:
    name, _, count = point.partition(":")
    left, passed_any = int(count), False

    def pass_by(passed: str) -> None:
        nonlocal left, passed_any
        if not passed_any:
            passed_any = True
            sign.touch()
        left -= passed == name
        if passed == name and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return pass_by


def _agent(
    configuration: Path, pace: StoryPace, die_at: Callable[[str], None]
) -> Coroutine[Any, Any, None]:
    agent = Agent(
        load_agent_config(configuration),
        pace=pace,
        stopwatch=RealStopwatch(),
        policy=AddressPolicy(),
        rng=SystemRandom(),
        probes={"dns": _answer_at_once},
        checkpoint=die_at,
    )
    return agent.run()


def _collector(
    configuration: Path, pace: StoryPace, die_at: Callable[[str], None]
) -> Coroutine[Any, Any, None]:
    collector = Collector(
        load_collector_config(configuration),
        pace=pace,
        stopwatch=RealStopwatch(),
        commit_point=die_at,
    )
    return collector.run()


async def _answer_at_once(target: Target, edges: Edges) -> RawMeasurement:
    """A probe that finds every name, at no distance."""
    now_ms = edges.pace.uptime_ms()
    step = RawStep(name="lookup", started_uptime_ms=now_ms, duration_ms=0.5, failure=None)
    return RawMeasurement(
        probe="dns", target=target.text, started_uptime_ms=now_ms, duration_ms=0.5, steps=(step,)
    )


async def _until_terminated(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    main()
