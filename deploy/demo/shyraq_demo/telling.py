"""Playing a story: at each edge the world is turned, and what was done is written down.

    for each moment at which a fault begins or ends, in order:
        sleep until it, on the story's pace
        stop or start the broker, where that is the fault
        turn every network to what the faults mean now; canaries prove it
        write the deed down, dated before the switch, so that no delay is flattered

This module knows what is done, and nothing of what is expected.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from shyraq_demo.account import Deed
from shyraq_demo.broker import Broker
from shyraq_demo.pace import StoryPace
from shyraq_demo.remote import RemoteCountry
from shyraq_demo.story import Fault, Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One end of one fault."""

    at_heartbeats: float
    fault: Fault
    is_begin: bool

    @property
    def name(self) -> str:
        """As expectations name it."""
        return f"{self.fault.id} {'begins' if self.is_begin else 'ends'}"


def edges(story: Story) -> tuple[Edge, ...]:
    """Every edge before the story's end, in order; at one moment ends come before beginnings."""
    found = [
        Edge(at_heartbeats=at, fault=fault, is_begin=is_begin)
        for fault in story.faults
        for at, is_begin in ((fault.begins_heartbeats, True), (fault.ends_heartbeats, False))
        if at < story.length_heartbeats
    ]
    return tuple(sorted(found, key=lambda edge: (edge.at_heartbeats, edge.is_begin)))


async def tell(
    story: Story,
    *,
    country: RemoteCountry,
    broker: Broker,
    pace: StoryPace,
    on_deed: Callable[[Deed, Edge], None],
) -> None:
    """Play a story to its last heartbeat.

    Args:
        story: What to do.
        country: Whole.
        broker: Running.
        pace: Anchored at the story's beginning.
        on_deed: Called after each edge has been proved.

    Raises:
        EffectError: A switch did nothing.
        WorldError: The broker does not start again, or the country's process has gone.
    """
    beat_ms = story.heartbeat_s * 1000
    for at_heartbeats, group in groupby(edges(story), key=lambda edge: edge.at_heartbeats):
        now = tuple(group)
        await pace.sleep_until_ms(story.starts_at_ms + at_heartbeats * beat_ms)
        at_ms = pace.now_ms()
        for edge in now:
            if edge.fault.kind == "broker-restart":
                await _switch(broker, country, is_on=not edge.is_begin)
        await country.turn(at_heartbeats)
        for edge in now:
            on_deed(Deed(edge=edge.name, at_ms=at_ms), edge)
    await pace.sleep_until_ms(story.starts_at_ms + story.length_heartbeats * beat_ms)


async def _switch(broker: Broker, country: RemoteCountry, *, is_on: bool) -> None:
    if is_on:
        await broker.start()
    else:
        await country.forget_standing()
        await broker.stop()
