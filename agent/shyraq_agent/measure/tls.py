"""Probe `tls`: lookup, then connect, handshake and verify at each address; nothing is asked."""

from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.reach import About, find_addresses, open_stream, open_tls
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import Target


async def measure(target: Target, edges: Edges) -> RawMeasurement:
    """Shake hands with the target.

    Args:
        target: An endpoint or a URL.
        edges: What may be touched.
    """
    record = Record("tls", target.text, edges)
    addresses = await find_addresses(record, target.host, edges)
    port = target.port or 443
    verified = 0
    for address in addresses:
        stream = await open_stream(record, address, port, edges)
        if stream is None:
            continue
        about: About = {"address": address, "port": port}
        tls = await open_tls(record, stream, target.host, edges, about=about)
        if tls is not None:
            verified += 1
            tls.close()
    return record.finish({"tried": len(addresses), "verified": verified})
