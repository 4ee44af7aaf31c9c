"""Probe `ladder`: how far this node reaches, tier by tier, IPv4 and IPv6 apart.

    link                the host's own interfaces
    gateway             ICMP or any TCP answer
    resolver            an answer with our query id
    official_domestic, domestic, near_abroad, abroad, collector
                        a TLS ServerHello, or our nonce echoed: SYN, ping and anycast answer even
                        under a white list, and never prove that a place was reached

The result is `{"tiers": {tier: {family: {"ok": k, "of": n}}}}`; what was not tried is absent. The
full ladder tries every rung, at most eight at a time. The light beat, for every minute,
tries link, gateway and one rung: the first of the collector, else of abroad, an echo before a
handshake, because it costs fifty times less.

A rung whose host is a name is looked up first. When that fails, the addresses it last had are
tried, so that a dead resolver does not look like a dead country; with none known, the rung
counts as tried over IPv4 and failed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, assert_never

from shyraq_agent.measure.alive import echo, ping
from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.connect import Stream, connect
from shyraq_agent.measure.edges import Edges, Family, Links, Resolver, family_of
from shyraq_agent.measure.handshake import say_hello
from shyraq_agent.measure.lookup import Question, look_up_over_udp
from shyraq_agent.measure.reach import find_addresses
from shyraq_agent.measure.step import Notes, RawMeasurement, Record
from shyraq_agent.measure.target import Ladder, Rung
from shyraq_agent.meter import Tally
from shyraq_wire.report import Json, Tier

_AT_ONCE: Final = 8
_LIGHT_TIERS: Final[tuple[Tier, ...]] = ("collector", "abroad")
_LINK_LIMIT_MS: Final = 2_000

Counts = dict[tuple[Tier, Family], tuple[int, int]]


class LadderProbe:
    """The ladder of one node; it remembers the addresses that its names last had."""

    def __init__(self, ladder: Ladder, edges: Edges) -> None:
        """Nothing is sent yet.

        Args:
            ladder: The rungs.
            edges: What may be touched.
        """
        self._ladder = ladder
        self._edges = edges
        self._last_addresses: dict[str, tuple[str, ...]] = {}

    async def climb(self, *, light: bool = False, meter: Tally | None = None) -> RawMeasurement:
        """Try the rungs.

        Args:
            light: Only link, gateway and one rung further out.
            meter: Where the bytes count; None: where the edges say.
        """
        edges = self._edges if meter is None else replace(self._edges, meter=meter)
        record = Record("ladder", "", edges)
        counts: Counts = {}
        slots = asyncio.Semaphore(_AT_ONCE)
        rungs = light_rungs(self._ladder.rungs) if light else self._ladder.rungs
        climbs = [self._try(record, rung, counts, slots, edges=edges) for rung in rungs]
        await asyncio.gather(_read_link(record, edges, counts), *climbs)
        return record.finish({"tiers": _tiers(counts)})

    async def _try(
        self, record: Record, rung: Rung, counts: Counts, slots: asyncio.Semaphore, *, edges: Edges
    ) -> None:
        async with slots:
            addresses = await self._addresses(record, rung, edges)
            if not addresses:
                _count(counts, rung.tier, "ipv4", is_ok=False)
            for address in addresses:
                is_ok = await _prove(record, rung, address, edges)
                _count(counts, rung.tier, family_of(address), is_ok=is_ok)

    async def _addresses(self, record: Record, rung: Rung, edges: Edges) -> Sequence[str]:
        """One address of each family."""
        found = await find_addresses(record, rung.host, edges, about={"tier": rung.tier})
        if found:
            self._last_addresses[rung.host] = found
        known = found or self._last_addresses.get(rung.host, ())
        return tuple({family_of(each): each for each in reversed(known)}.values())


async def _read_link(record: Record, edges: Edges, counts: Counts) -> None:
    async def action(notes: Notes) -> Links:
        links = await asyncio.to_thread(edges.links)
        notes["families"] = sorted(links.families)
        if not links.families:
            raise StepFailed("network_down")
        return links

    links = await record.attempt("link", action, limit_ms=_LINK_LIMIT_MS, about={"tier": "link"})
    families = frozenset[Family]() if links is None else links.families
    _count(counts, "link", "ipv4", is_ok="ipv4" in families)
    if "ipv6" in families:
        _count(counts, "link", "ipv6", is_ok=True)


async def _prove(record: Record, rung: Rung, address: str, edges: Edges) -> bool:
    """Whether a rung's endpoint showed life at one address; one or two steps."""
    about: dict[str, Json] = {"tier": rung.tier, "family": family_of(address)}
    is_near = rung.tier in ("gateway", "resolver")
    check = edges.policy.check_gateway if is_near else edges.policy.check
    if check(address) is not None:
        record.refuse(rung.proof, "egress_forbidden", about)
        return False
    if not is_near:
        about |= {"address": address, "port": rung.port}
    action: Callable[[Notes], Awaitable[bool]]
    match rung.proof:
        case "tls":
            return await _hello(record, rung, address, edges, about)
        case "echo":
            action = partial(echo, address, rung.port, edges)
        case "ping":
            action = partial(ping, address, rung.port, edges)
        case "dns":
            action = partial(_answers, rung, address, edges)
        case _:
            assert_never(rung.proof)
    limit_ms = edges.limits.ladder_ms
    return bool(await record.attempt(rung.proof, action, limit_ms=limit_ms, about=about))


async def _hello(
    record: Record, rung: Rung, address: str, edges: Edges, about: dict[str, Json]
) -> bool:
    """Connect and ServerHello, two steps."""

    async def open_it(_notes: Notes) -> Stream:
        return await connect(address, rung.port, edges.meter)

    limit_ms = edges.limits.ladder_ms / 2
    stream = await record.attempt("connect", open_it, limit_ms=limit_ms, about=about)
    if stream is None:
        return False
    name = rung.server_name or rung.host

    async def hello(notes: Notes) -> bool:
        await say_hello(stream, name, notes)
        return True

    try:
        return bool(await record.attempt("hello", hello, limit_ms=limit_ms, about=about))
    finally:
        stream.close()


async def _answers(rung: Rung, address: str, edges: Edges, notes: Notes) -> bool:
    """Whether a resolver answers at all; what it says does not matter here."""
    question = Question(name=rung.server_name or ".", query_type="A")
    resolver = Resolver(role="isp", address=address, port=rung.port)
    try:
        await look_up_over_udp(question, resolver, edges, notes, late_answer_ms=0)
    except StepFailed:
        if notes.get("rcode") is None:
            raise
    return True


def light_rungs(rungs: Sequence[Rung]) -> Sequence[Rung]:
    """The rungs that the light beat tries: the gateways, and one further out."""
    gateways = [rung for rung in rungs if rung.tier == "gateway"]
    for tier in _LIGHT_TIERS:
        far = [rung for rung in rungs if rung.tier == tier]
        if far:
            return [*gateways, min(far, key=lambda rung: rung.proof != "echo")]
    return gateways


def _count(counts: Counts, tier: Tier, family: Family, *, is_ok: bool) -> None:
    ok, of = counts.get((tier, family), (0, 0))
    counts[tier, family] = (ok + is_ok, of + 1)


def _tiers(counts: Counts) -> dict[str, Json]:
    tiers: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for (tier, family), (ok, of) in sorted(counts.items()):
        tiers[tier][family] = {"ok": ok, "of": of}
    return dict(tiers)
