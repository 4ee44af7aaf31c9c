"""One run from beginning to end: tell the story, listen to the collector, compare.

Three things go on at once until the story ends: the telling, the listening, and the watch over
the processes. Whichever fails first ends the run.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shyraq_demo.account import Deed, Said
from shyraq_demo.addresses import claim
from shyraq_demo.broker import Program
from shyraq_demo.compare import Finding, compare
from shyraq_demo.errors import WorldError
from shyraq_demo.listening import Listener, ask_verdicts, hear, listener
from shyraq_demo.narrator import Narrator
from shyraq_demo.story import Story
from shyraq_demo.telling import Edge, tell
from shyraq_demo.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run gave."""

    findings: Sequence[Finding]
    deeds: Sequence[Deed]
    said: Sequence[Said]

    @property
    def is_right(self) -> bool:
        """Whether every expectation was met and nothing invented."""
        return all(finding.is_right for finding in self.findings)


async def run(
    story: Story,
    source: Path,
    directory: Path,
    *,
    program: Program,
    page_port: int | None,
    narrator: Narrator,
    stay: bool,
) -> Outcome:
    """Play a story in a world of its own.

    Args:
        story: What to do and to expect.
        source: Its file.
        directory: Empty; all state goes there.
        program: The broker.
        page_port: On 127.0.0.1; None: at an address of the run's own.
        narrator: Told everything as it happens.
        stay: After the end keep the world, and the page, until cancelled.

    Raises:
        WorldError: No addresses are free, or a part of the world does not start.
        ExceptionGroup: Of WorldError, EffectError: a part of the world died; a switch did
            nothing.
    """
    narrator.prepare()
    with claim() as plan:
        world = World(story, source, plan, directory, program=program, page_port=page_port)
        async with world, listener(world.page) as ear, asyncio.TaskGroup() as beside:
            watching = beside.create_task(world.watch())
            try:
                outcome = await _play(story, world, ear, narrator)
            except* WorldError:
                world.check()  # who has died says more than who did not answer
                raise
            narrator.end(outcome.findings)
            if stay:
                narrator.stay(world.page)
                await hear(ear, narrator.said)
            watching.cancel()
    return outcome


async def _play(story: Story, world: World, ear: Listener, narrator: Narrator) -> Outcome:
    deeds: list[Deed] = []

    def on_deed(deed: Deed, edge: Edge) -> None:
        deeds.append(deed)
        narrator.deed(deed, edge)

    pace = await world.begin()
    narrator.open(world.page, world.broker.program.kind)
    async with asyncio.TaskGroup() as beside:
        hearing = beside.create_task(hear(ear, narrator.said))
        await tell(story, country=world.country, broker=world.broker, pace=pace, on_deed=on_deed)
        hearing.cancel()
    for said in await ear.listen():
        narrator.said(said)
    judged = await ask_verdicts(story, world.collector_configuration)
    return Outcome(
        findings=compare(story, deeds, ear.said, judged), deeds=tuple(deeds), said=ear.said
    )
