"""Probe `quic`: HTTP/3 beside TLS to the same address.

    lookup → connect → handshake → verify → quic        at one address of each family, or at
                                                     each that an ask names

The step `quic` is up to three handshakes over UDP, each with a new port and connection id; it
works as soon as one does, and fails with the word of the last. Data: `tries` made, `failures` of
those that failed. A lost datagram is sent again within a try, so three silent tries are no
ordinary loss. TLS over TCP comes first, because silence over UDP says something of QUIC only
where the same address answers otherwise. QUIC is tried even where TLS failed: what escapes a
block is worth knowing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from shyraq_agent.measure.classify import NETWORK_ERRORS, failure_of
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.reach import (
    About,
    find_addresses,
    one_of_each_family,
    open_stream,
    open_tls,
)
from shyraq_agent.measure.step import Notes, RawMeasurement, Record
from shyraq_agent.measure.target import Target
from shyraq_wire.report import Json

TRIES: Final = 3
"""Fewer failures are no evidence: loss is not a block."""

Shake = Callable[[str, int, str, Edges, Notes], Awaitable[None]]


async def measure(target: Target, edges: Edges) -> RawMeasurement:
    """Shake hands with the target over TLS and over QUIC.

    Args:
        target: With a port, at which both are served.
        edges: What may be touched.
    """
    await asyncio.to_thread(_load)  # not while anything is timed
    record = Record("quic", target.text, edges)
    port = target.port or 443
    addresses = await find_addresses(record, target.host, edges)
    if target.host not in edges.given:
        addresses = one_of_each_family(addresses)
    verified = answered = 0
    for address in addresses:
        verified += await _answers_tls(record, target.host, address, port, edges)
        if edges.policy.check(address) is None:
            answered += await _answers_quic(record, target.host, address, port, edges)
    return record.finish({"tried": len(addresses), "verified": verified, "answered": answered})


def _load() -> Shake:
    from shyraq_agent.measure.http3 import shake_hands_over_quic  # noqa: PLC0415  # see there

    return shake_hands_over_quic


async def _answers_tls(record: Record, host: str, address: str, port: int, edges: Edges) -> bool:
    stream = await open_stream(record, address, port, edges)
    if stream is None:
        return False
    about: About = {"address": address, "port": port}
    tls = await open_tls(record, stream, host, edges, about=about)
    if tls is None:
        return False
    tls.close()
    return True


async def _answers_quic(record: Record, host: str, address: str, port: int, edges: Edges) -> bool:
    shake, try_ms = _load(), edges.limits.quic_ms

    async def action(notes: Notes) -> bool:
        failures: list[Json] = []
        notes["failures"] = failures
        for tries in range(1, TRIES + 1):
            notes["tries"] = tries
            try:
                async with asyncio.timeout(try_ms / 1000):
                    await shake(address, port, host, edges, notes)
            except NETWORK_ERRORS as error:
                failures.append(failure_of(error))
                if tries == TRIES:
                    raise
            else:
                break
        return True

    about: About = {"server_name": host, "address": address, "port": port}
    # The tries have their own limits; this one only bounds what lies between them.
    limit_ms = TRIES * try_ms + 1_000
    return bool(await record.attempt("quic", action, limit_ms=limit_ms, about=about))
