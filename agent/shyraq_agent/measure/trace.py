"""Probe `trace`: the routers on the way to a target, and where a ClientHello stops passing.

    lookup → udp_path → tcp_path [→ hello_neutral → hello_target]    one address of each family

Each path is one step; its data is `hops`: [ttl, who, answer, ms] for each distance, where `who` is
the router's address, "private", or null where nobody gave one, and `answer` is a word of
`hops.Answer`, or "silence" after two tries. A path ends at the first answer that is no router's, or
after eight silent distances.

Never recorded: an address inside the host's own network. The first router is the host's own;
whatever the address policy refuses, or shares a /48 with this host's IPv6 address, stands as
"private".

The two ClientHello paths, one with a neutral name and one with the target's, are taken only where
the host consented to them (`Edges.may_trace_hello`): they say a name that may be blocked again and
again. Whoever answers the target's from nearer than the neutral one's gives its place away.
The result counts, for each family and path: `last_router`, the farthest distance from which a
router spoke; `end`, where something else did; `answer`, what. It names nobody.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from ipaddress import IPv6Network, ip_address
from typing import Final

from shyraq_agent.measure.classify import NETWORK_ERRORS
from shyraq_agent.measure.edges import Edges, family_of
from shyraq_agent.measure.handshake import client_hello
from shyraq_agent.measure.hops import Heard, Hop, connect, send_datagram, send_hello
from shyraq_agent.measure.reach import About, find_addresses, one_of_each_family
from shyraq_agent.measure.step import Notes, RawMeasurement, Record
from shyraq_agent.measure.target import Target
from shyraq_wire.report import Json

NEUTRAL_NAME: Final = "example.com"
"""Said to the target's address; nobody blocks it."""

MAX_TTL: Final = 30
_SILENT_TTLS: Final = 8
_AT_ONCE: Final = 4
_TRIES: Final = 2
_GRACE_MS: Final = 200
_PATH_LIMIT_MS: Final = 90_000
_UDP_PORT: Final = 33_434
"""Where traceroute begins; nothing listens there, so the end says so."""

Ask = Callable[[Hop], Awaitable[Heard]]
Line = tuple[int, str | None, str, float | None]
"""Of `hops`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of one path, as the result tells it."""

    last_router: int | None
    """The farthest distance from which a router spoke."""
    end: int | None
    """The nearest from which something else did."""
    answer: str | None
    """What that was."""


async def measure(target: Target, edges: Edges) -> RawMeasurement:
    """Find the routers on the way to the target.

    Args:
        target: With a port.
        edges: What may be touched, and whether ClientHellos may be sent part of the way.
    """
    record = Record("trace", target.text, edges)
    addresses = one_of_each_family(await find_addresses(record, target.host, edges))
    paths: dict[str, Json] = {}
    for address in addresses:
        if edges.policy.check(address) is None:
            paths[family_of(address)] = await _follow(record, target, address, edges)
        else:
            record.refuse("udp_path", "egress_forbidden", {"address": address})
    return record.finish({"tried": len(addresses), "traced": len(paths), "paths": paths})


async def _follow(record: Record, target: Target, address: str, edges: Edges) -> Json:
    """All paths to one address, counted."""
    port = target.port or 443
    way = _Way(record=record, address=address, edges=edges)
    told = {
        "udp_path": await way.walk("udp_path", _UDP_PORT, send_datagram),
        "tcp_path": await way.walk("tcp_path", port, connect),
    }
    if edges.may_trace_hello:
        max_ttl = told["tcp_path"].end or MAX_TTL  # behind the end nobody answers
        for name, server_name in (("hello_neutral", NEUTRAL_NAME), ("hello_target", target.host)):
            hello = client_hello(server_name)
            ask = partial(send_hello, hello=hello, grace_ms=_GRACE_MS)
            told[name] = await way.walk(name, port, ask, at_once=1, max_ttl=max_ttl)
    return {name: asdict(counts) for name, counts in told.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """Everything between this host and one address."""

    record: Record
    address: str
    edges: Edges

    async def walk(
        self, name: str, port: int, ask: Ask, *, at_once: int = _AT_ONCE, max_ttl: int = MAX_TTL
    ) -> Counts:
        """One path, as a step; its counts."""
        lines: list[Line] = []

        async def action(notes: Notes) -> bool:
            own = await asyncio.to_thread(_own_address, self.address)
            shown: list[Json] = []
            notes["hops"] = shown
            for first in range(1, max_ttl + 1, at_once):
                ttls = range(first, min(first + at_once, max_ttl + 1))
                hops = [self._hop(port, ttl) for ttl in ttls]
                lines.extend(
                    await asyncio.gather(*(_hear(ask, hop, own, self.edges) for hop in hops))
                )
                shown[:] = [list(line) for line in _until_end(lines)]
                if _is_over(lines):
                    break
            return True

        about: About = {"address": self.address, "port": port}
        await self.record.attempt(name, action, limit_ms=_PATH_LIMIT_MS, about=about)
        return _counts(_until_end(lines))

    def _hop(self, port: int, ttl: int) -> Hop:
        clock = self.edges.stopwatch.elapsed_ms
        return Hop(
            address=self.address, port=port, ttl=ttl, elapsed_ms=clock, tally=self.edges.meter
        )


async def _hear(ask: Ask, hop: Hop, own: str | None, edges: Edges) -> Line:
    """What one distance answers; silence is tried twice."""
    for _ in range(_TRIES):
        with suppress(*NETWORK_ERRORS):
            async with asyncio.timeout(edges.limits.hop_ms / 1000):
                heard = await ask(hop)
            return hop.ttl, _told(heard.address, hop.ttl, own, edges), heard.answer, heard.took_ms
    return hop.ttl, None, "silence", None


def _told(router: str | None, ttl: int, own: str | None, edges: Edges) -> str | None:
    """A router's address, unless it lies in the host's own network or in anybody's private one."""
    if router is None:
        return None
    is_near = ttl == 1 or (own is not None and _are_at_home(router, own))
    return "private" if is_near or edges.policy.check(router) is not None else router


def _are_at_home(router: str, own: str) -> bool:
    if ":" not in router or ":" not in own:
        return router == own
    return ip_address(router) in IPv6Network(f"{own}/48", strict=False)


def _own_address(address: str) -> str | None:
    """This host's address on the way to another; a connected UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.connect((address, _UDP_PORT))
        return str(udp.getsockname()[0]).partition("%")[0]
    return None


def _until_end(lines: Sequence[Line]) -> list[Line]:
    """Without what was asked beyond the end, and without silence at the last."""
    ends = [ttl for ttl, _, answer, _ in lines if answer not in ("router", "silence")]
    last = min(ends, default=max((ttl for ttl, *_, ms in lines if ms is not None), default=0))
    return [line for line in lines if line[0] <= last]


def _is_over(lines: Sequence[Line]) -> bool:
    if any(answer not in ("router", "silence") for _, _, answer, _ in lines):
        return True
    tail = lines[-_SILENT_TTLS:]
    return len(tail) == _SILENT_TTLS and all(answer == "silence" for _, _, answer, _ in tail)


def _counts(lines: Sequence[Line]) -> Counts:
    routers = [ttl for ttl, _, answer, _ in lines if answer == "router"]
    ends = [(ttl, answer) for ttl, _, answer, _ in lines if answer not in ("router", "silence")]
    end, answer = min(ends, default=(None, None))
    return Counts(last_router=max(routers, default=None), end=end, answer=answer)
