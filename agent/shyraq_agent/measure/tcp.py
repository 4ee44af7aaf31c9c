"""Probe `tcp`: lookup, then a connect to each address; nothing is sent."""

from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.reach import find_addresses, open_stream
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import Target


async def measure(target: Target, edges: Edges) -> RawMeasurement:
    """Connect to the target.

    Args:
        target: An endpoint or a URL.
        edges: What may be touched.
    """
    record = Record("tcp", target.text, edges)
    addresses = await find_addresses(record, target.host, edges)
    connected = 0
    for address in addresses:
        stream = await open_stream(record, address, target.port or 443, edges)
        if stream is not None:
            connected += 1
            stream.close()
    return record.finish({"tried": len(addresses), "connected": connected})
