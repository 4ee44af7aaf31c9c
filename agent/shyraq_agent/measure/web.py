"""Probe `web`: a page as a browser would reach it, each phase a step of its own.

    lookup → connect to each address → handshake → verify → request, and again for each redirect

On the first hop (`depth` 0) every address is tried to the end of its handshake, because the
collector compares address by address; the page is then asked of the first good one. On later
hops the addresses are tried in turn until one works. A request goes only over a connection that
verified, or in clear where the URL says http. A redirect that may not be followed is the step
`redirect`, with the place and the reason; nothing is sent there.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

import httpx

from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.reach import About, find_addresses, open_stream, open_tls
from shyraq_agent.measure.request import ByteStream, Page, fetch
from shyraq_agent.measure.step import Notes, RawMeasurement, Record
from shyraq_agent.measure.target import Target, split_url

_STEPS_OF_A_HOP = 6
"""A lookup, connect, handshake, verify, request and a refused redirect."""

_LAST_REDIRECT_MS = 60_000
"""No redirect is followed later than this: a slow site must not hold a probe for minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hop:
    """One URL on the way."""

    record: Record
    edges: Edges
    url: str
    depth: int
    """0 for the target, one more for each redirect."""


async def measure(target: Target, edges: Edges) -> RawMeasurement:
    """Fetch the target.

    Args:
        target: A URL.
        edges: What may be touched.
    """
    record = Record("web", target.text, edges)
    following: str | None = target.text
    statuses: list[int] = []
    visited: set[str] = set()
    while following is not None:
        hop = _Hop(record=record, edges=edges, url=following, depth=len(visited))
        visited.add(following)
        page = await _visit(hop)
        following = None
        if page is not None:
            statuses.append(page.status)
            if page.location is not None:
                following = _follow(hop, page.location, visited)
    return record.finish(
        {"requests": len(statuses), "last_status": statuses[-1] if statuses else None}
    )


async def _visit(hop: _Hop) -> Page | None:
    """One hop; None when no page came."""
    host, _ = split_url(hop.url)
    addresses = await find_addresses(
        hop.record, host, hop.edges, ask_all=hop.depth == 0, about={"depth": hop.depth}
    )
    opened: list[tuple[str, ByteStream]] = []
    try:
        if hop.depth == 0:
            await asyncio.gather(*(_open(hop, address, opened) for address in addresses))
        else:
            for address in addresses:
                if not opened:
                    await _open(hop, address, opened)
        if not opened:
            return None
        address, stream = min(opened, key=lambda each: addresses.index(each[0]))
        return await _request(hop, address, stream)
    finally:
        for _, stream in opened:
            stream.close()


async def _open(hop: _Hop, address: str, opened: list[tuple[str, ByteStream]]) -> None:
    """Reach one address; a connection that a request may use joins `opened`."""
    host, port = split_url(hop.url)
    about: About = {"depth": hop.depth}
    stream = await open_stream(hop.record, address, port, hop.edges, about=about)
    if stream is None:
        return
    if not _is_secure(hop):
        opened.append((address, stream))
        return
    place: About = {"address": address, "port": port, **about}
    tls = await open_tls(hop.record, stream, host, hop.edges, about=place)
    if tls is not None:
        opened.append((address, tls))


async def _request(hop: _Hop, address: str, stream: ByteStream) -> Page | None:
    limits = hop.edges.limits

    async def action(notes: Notes) -> Page:
        return await fetch(
            stream,
            hop.url,
            max_body_bytes=limits.verified_body_bytes if _is_secure(hop) else limits.body_bytes,
            elapsed_ms=hop.edges.stopwatch.elapsed_ms,
            notes=notes,
        )

    facts: About = {"url": hop.url, "method": "GET", "address": address, "depth": hop.depth}
    return await hop.record.attempt("request", action, limit_ms=limits.request_ms, about=facts)


def _is_secure(hop: _Hop) -> bool:
    return hop.url.lower().startswith("https:")


def _follow(hop: _Hop, location: str, visited: set[str]) -> str | None:
    """The URL a redirect leads to; None, and a step that says why, when it is not followed."""
    refuse = partial(hop.record.refuse, "redirect")
    about: About = {"location": location, "depth": hop.depth}
    try:
        following = str(httpx.URL(hop.url).join(location).copy_with(fragment=None))
        _, port = split_url(following)
    except (httpx.InvalidURL, ValueError) as error:
        refuse("http_invalid_redirect_location_host", {**about, "reason": str(error)[:128]})
        return None
    reason = ""
    if following in visited:
        reason = "leads back"
    elif port < 1024 and port not in (80, 443):
        reason = "leads to a port that serves no pages"
    elif hop.depth >= hop.edges.limits.redirects:
        reason = "one redirect too many"
    elif hop.record.elapsed_ms() > _LAST_REDIRECT_MS:
        reason = "comes too late"
    elif hop.record.room < _STEPS_OF_A_HOP:
        reason = "no room for more steps"
    if reason:
        refuse("http_unexpected_redirect_url", {**about, "reason": reason})
    return None if reason else following
