"""Probe `rate`: how fast bytes come, from our responder and from the target's own page.

    at our responder   under its own name: connect, handshake, verify, transfer
    at the target      lookup, and at its first good address connect, handshake, verify, transfer

Who comes first changes from run to run: a line that lets a burst through favours the first.
Both read the same number of bytes, at most `Limits.body_bytes`, and are asked for no more; a page
shorter than that tells little. No redirect is followed. A rate that is low and always the same is a
policer's, one that spreads is congestion's; which of the two, and against which control, the
collector says. Data of the steps: `at` (responder, target).
"""

from dataclasses import dataclass
from typing import Final

from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.reach import About, find_addresses, open_stream, open_tls
from shyraq_agent.measure.request import ByteStream
from shyraq_agent.measure.responder import Responder
from shyraq_agent.measure.step import Notes, RawMeasurement, Record
from shyraq_agent.measure.target import Target
from shyraq_agent.measure.transfer import Transferred, transfer

WINDOW_BYTES: Final = 32 * 1024
"""Receive buffer of both; the kernel doubles it (socket(7)). What a long page's server sends beyond
what is read is bounded by it, and so is the speed that can be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Download:
    """One of the two."""

    record: Record
    edges: Edges
    url: str
    name: str
    """To ask for and to verify."""
    port: int
    about: About


async def measure(target: Target, edges: Edges) -> RawMeasurement:
    """Download from both.

    Args:
        target: A URL.
        edges: What may be touched, the responder among it.
    """
    record = Record("rate", target.text, edges)
    responder, answered = edges.responder, 0
    target_first = edges.pairing.target_first(target.text)
    if target_first:
        answered += await _from_target(record, target, edges)
    if responder is not None:
        answered += await _from_responder(record, responder, edges)
    if not target_first:
        answered += await _from_target(record, target, edges)
    return record.finish({"answered": answered})


async def _from_responder(record: Record, responder: Responder, edges: Edges) -> bool:
    download = _Download(
        record=record,
        edges=edges,
        url=f"https://{responder.name}/{edges.limits.body_bytes}",
        name=responder.name,
        port=responder.rate.port,
        about={"at": "responder"},
    )
    return await _read(download, await _open(download, responder.rate.address))


async def _from_target(record: Record, target: Target, edges: Edges) -> bool:
    download = _Download(
        record=record,
        edges=edges,
        url=target.text,
        name=target.host,
        port=target.port or 443,
        about={"at": "target"},
    )
    stream: ByteStream | None = None
    for address in await find_addresses(record, target.host, edges, about=download.about):
        if stream is None:
            stream = await _open(download, address)
    return await _read(download, stream)


async def _open(download: _Download, address: str) -> ByteStream | None:
    """A connection that a request may use; None when none was made."""
    record, edges, port, about = download.record, download.edges, download.port, download.about
    stream = await open_stream(
        record, address, port, edges, about=about, receive_buffer_bytes=WINDOW_BYTES
    )
    if stream is None or not download.url.lower().startswith("https:"):
        return stream
    place: About = {"address": address, "port": port, **about}
    return await open_tls(record, stream, download.name, edges, about=place)


async def _read(download: _Download, stream: ByteStream | None) -> bool:
    """Whether the transfer came to its end."""
    if stream is None:
        return False
    edges = download.edges

    async def action(notes: Notes) -> Transferred:
        """The step itself."""
        return await transfer(
            stream,
            download.url,
            max_bytes=edges.limits.body_bytes,
            whole=False,
            elapsed_ms=edges.stopwatch.elapsed_ms,
            notes=notes,
        )

    facts: About = {"url": download.url, **download.about}
    limit_ms = edges.limits.transfer_ms
    try:
        done = await download.record.attempt("transfer", action, limit_ms=limit_ms, about=facts)
    finally:
        stream.close()
    return done is not None
