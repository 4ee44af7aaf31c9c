"""Probe `dns`: one name asked of every resolver there is.

Steps, all named lookup and all at once: the host's own resolver; each configured server over
UDP for A and AAAA and over TCP for A. A `silent` server, an address that runs no resolver, is
asked over UDP only: an answer from there was injected on the way. Nothing is concluded here.
"""

import asyncio

from shyraq_agent.measure.edges import Edges, Resolver, SystemResolver
from shyraq_agent.measure.reach import ask_server, ask_system
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import Target


async def measure(target: Target, edges: Edges) -> RawMeasurement:
    """Ask every resolver for the target's host.

    Args:
        target: Any kind; only its host counts.
        edges: What may be touched.
    """
    record = Record("dns", target.text, edges)
    lookups = [_ask(record, target.host, each, edges) for each in edges.resolvers]
    if edges.system_resolver is not None:
        lookups.insert(0, _ask_system(record, target.host, edges.system_resolver, edges))
    answered = await asyncio.gather(*lookups)
    return record.finish(
        {"lookups": sum(n for _, n in answered), "answered": sum(k for k, _ in answered)}
    )


async def _ask_system(
    record: Record, host: str, resolver: SystemResolver, edges: Edges
) -> tuple[int, int]:
    return (1 if await ask_system(record, host, resolver, edges) else 0), 1


async def _ask(record: Record, host: str, resolver: Resolver, edges: Edges) -> tuple[int, int]:
    """How many of a server's lookups gave addresses, of how many."""
    asked = [ask_server(record, host, "A", resolver, edges)]
    if resolver.role != "silent":
        asked.append(ask_server(record, host, "AAAA", resolver, edges))
        asked.append(ask_server(record, host, "A", resolver, edges, over_tcp=True))
    found = await asyncio.gather(*asked)
    return sum(1 for each in found if each), len(found)
