"""Probe `messengers`: each endpoint of one messenger, no further than is needed.

    lookup → connect [→ hello | → handshake → verify]     for each endpoint, side by side

One address of each family is tried of a name. Which endpoints there are, and how far each is
asked, stands in `services`. The result counts what was reached: `{"tried", "reached", "goal",
"endpoints": {"host:port": {"ok": k, "of": n}}}`, where `goal` is the layer that the service's
endpoints were asked for at most. Nothing is logged in to and nothing is sent beyond TLS.
"""

import asyncio
from typing import Final, assert_never

from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.reach import (
    About,
    find_addresses,
    hear_hello,
    one_of_each_family,
    open_stream,
    open_tls,
)
from shyraq_agent.measure.services import Endpoint, Services, load_services
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import Target

_SHIPPED: Final = load_services()


async def measure(target: Target, edges: Edges, *, services: Services = _SHIPPED) -> RawMeasurement:
    """Ask every endpoint of a service.

    Args:
        target: A service.
        edges: What may be touched.
        services: The endpoints of each.
    """
    record = Record("messengers", target.text, edges)
    endpoints = endpoints_of(target, services)
    counts = await asyncio.gather(*(_reach(record, each, edges) for each in endpoints))
    told = {
        f"{each.host}:{each.port}": {"ok": ok, "of": of}
        for each, (ok, of) in zip(endpoints, counts, strict=True)
    }
    is_plain = all(each.proof == "connect" for each in endpoints)
    return record.finish(
        {
            "tried": sum(of for _, of in counts),
            "reached": sum(ok for ok, _ in counts),
            "goal": "tcp" if is_plain else "tls",
            "endpoints": told,
        }
    )


def endpoints_of(target: Target, services: Services = _SHIPPED) -> tuple[Endpoint, ...]:
    """Every endpoint that measuring a target touches; none when it is no service.

    Args:
        target: Any.
        services: The endpoints of each.
    """
    return services.get(target.host, ()) if target.kind == "service" else ()


async def _reach(record: Record, endpoint: Endpoint, edges: Edges) -> tuple[int, int]:
    """At how many addresses an endpoint answered, of how many."""
    about: About = {"hostname": endpoint.host}
    found = await find_addresses(record, endpoint.host, edges)
    addresses = one_of_each_family(found)
    reached = 0
    for address in addresses:
        stream = await open_stream(record, address, endpoint.port, edges, about=about)
        if stream is None:
            continue
        place: About = {"address": address, "port": endpoint.port, **about}
        try:
            match endpoint.proof:
                case "connect":
                    reached += 1
                case "hello":
                    reached += await hear_hello(record, stream, endpoint.host, edges, about=place)
                case "verify":
                    tls = await open_tls(record, stream, endpoint.host, edges, about=place)
                    reached += tls is not None
                case _:
                    assert_never(endpoint.proof)
        finally:
            stream.close()
    return reached, max(1, len(addresses))
