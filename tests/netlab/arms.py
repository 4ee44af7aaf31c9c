"""Our own responder in the test country: the product's service abroad, and how agents know it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from shyraq_agent.measure.responder import Arm, Responder
from shyraq_collector.clock import RealStopwatch
from shyraq_collector.responder import plan, service
from support.authority import Authority
from support.responder import CEILINGS, write_pair

NAME: Final = "responder.example"
BODY_BYTES: Final = 128 * 1024
_LAST: Final = {"neutral": "60", "target": "61", "rate": "62"}
_USES: Final[tuple[plan.Use, ...]] = ("neutral", "target", "rate")


def address_of_arm(use: plan.Use, family: int) -> str:
    """Where an arm listens."""
    return f"192.0.2.{_LAST[use]}" if family == 4 else f"2001:db8:a::{_LAST[use]}"


ADDRESSES: Final = tuple(address_of_arm(use, family) for use in _USES for family in (4, 6))


def known_responder(family: int) -> Responder:
    """As an agent of the country has it in its configuration, the host having agreed."""
    neutral, target, rate = (Arm(address=address_of_arm(use, family), port=443) for use in _USES)
    return Responder(
        name=NAME,
        neutral=neutral,
        target=target,
        rate=rate,
        body_bytes=BODY_BYTES,
        may_send_names=True,
    )


@asynccontextmanager
async def standing_responder(authority: Authority, *more_names: str) -> AsyncIterator[None]:
    """The service itself, on both families.

    Args:
        authority: Whom the agents trust.
        more_names: In its certificate too, for canaries, which verify the name that they say.
    """
    with TemporaryDirectory() as folder:
        certificate, key = write_pair(Path(folder), authority.leaf(NAME, *more_names))
        serving = service.Responder(
            plan.Plan(
                certificate_file=certificate,
                key_file=key,
                arms=tuple(
                    plan.Arm(use=use, address=address_of_arm(use, family), port=443)
                    for use in _USES
                    for family in (4, 6)
                ),
                echoes=(),
                body_bytes=BODY_BYTES,
                networks_file=None,
                ceilings=CEILINGS,
            ),
            stopwatch=RealStopwatch(),
            new_salt=lambda: os.urandom(32),
        )
        ready = asyncio.Event()
        running = asyncio.create_task(serving.run(ready.set))
        opened = asyncio.create_task(ready.wait())
        await asyncio.wait((running, opened), return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        try:
            if running.done():
                await running
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
