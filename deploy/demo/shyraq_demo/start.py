"""How a process of the demo is told to begin: one line of JSON on its standard input.

The demo starts its processes early, lets them load, and then gives all of them one anchor, so
that the story begins when everything is ready and never before. The end of standard input is
the order to end; so a process never outlives the demo, however that ended.
"""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from shyraq_demo.pace import StoryPace

READY: Final = "ready"
"""What a process says when it has loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The pace for every process of a run."""

    anchor_monotonic_ns: int
    starts_at_ms: int
    factor: int

    def line(self) -> str:
        """As a process reads it."""
        return json.dumps(
            {
                "anchor_monotonic_ns": self.anchor_monotonic_ns,
                "starts_at_ms": self.starts_at_ms,
                "factor": self.factor,
            }
        )

    def pace(self) -> StoryPace:
        """The clock that it describes."""
        return StoryPace(
            anchor_monotonic_ns=self.anchor_monotonic_ns,
            starts_at_ms=self.starts_at_ms,
            factor=self.factor,
        )


def await_start() -> Start:
    """Say that this process has loaded, and wait for the order to begin.

    Raises:
        SystemExit: The demo ended before it began.
    """
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    line = os.read(0, 4096)
    if not line:
        raise SystemExit(0)
    return Start(**json.loads(line))


async def until_told_to_end(work: Coroutine[Any, Any, None]) -> None:
    """Run until standard input ends; then cancel and wait.

    Raises:
        Exception: Whatever the work raised by itself.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> None:
        """The end of standard input is the word to end."""
        if not os.read(0, 4096):
            loop.remove_reader(0)
            told.set()

    loop.add_reader(0, read)
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(told.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
        return
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
