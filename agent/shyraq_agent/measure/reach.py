"""From a name to an open, judged connection: the steps that several probes begin with.

    lookup      by the host's own resolver, and by its network's resolver where asked
    connect     to each checked address
    hello       TLS as far as the ServerHello
    handshake   TLS, whatever certificate comes
    verify      that certificate against the agent's own bundle

An address that the policy refuses gets a step `connect` with `egress_forbidden`, and a name
whose every address is refused fails its lookup with `dns_bogon_error`: no packet goes there.
A name that can only be of the home is not looked up: its `lookup` has `egress_forbidden`.
The DER of the first chain that does not verify is kept, up to 8 KiB: it is the evidence.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from shyraq_agent.egress import is_home_name
from shyraq_agent.measure.certificates import describe, served_chain
from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.connect import RECEIVE_BUFFER_BYTES, Stream, connect
from shyraq_agent.measure.edges import Edges, Family, Resolver, SystemResolver, family_of
from shyraq_agent.measure.handshake import TlsStream, say_hello, shake_hands
from shyraq_agent.measure.lookup import (
    QueryType,
    Question,
    look_up_by_system,
    look_up_over_tcp,
    look_up_over_udp,
)
from shyraq_agent.measure.step import Notes, Record
from shyraq_agent.measure.target import is_address
from shyraq_wire.report import NOTHING, Json

About = Mapping[str, Json]

_QUERY_TYPES: Final[tuple[QueryType, ...]] = ("A", "AAAA")
_MAX_DER_BYTES: Final = 8 * 1024
_MAX_DESCRIBED: Final = 6
"""Certificates of one chain; honest ones have two to four."""


async def find_addresses(
    record: Record, host: str, edges: Edges, *, ask_all: bool = False, about: About = NOTHING
) -> tuple[str, ...]:
    """The addresses to try for a host, most useful first; empty when there are none.

    Args:
        record: Gets the lookups as steps.
        host: Name in ASCII, or an address, which needs no step.
        edges: Resolvers, policy and limits.
        ask_all: Ask the host's own resolver and its network's over UDP as well; False: only
            the first of these that there is.
        about: Goes into each step.

    Returns:
        At most `Limits.addresses_per_family` of each family; or those that were given for the
        host, without a step.
    """
    if host in edges.given:
        return edges.given[host]
    if is_address(host):
        return (host,)
    lookups = []
    if edges.system_resolver is not None:
        lookups.append(ask_system(record, host, edges.system_resolver, edges, about=about))
    if ask_all or not lookups:
        isp = [each for each in edges.resolvers if each.role == "isp"]
        lookups += [
            ask_server(record, host, kind, each, edges, about=about)
            for each in isp[:1]
            for kind in _QUERY_TYPES
        ]
    found = [address for each in await asyncio.gather(*lookups) for address in each]
    return _choose(dict.fromkeys(found), edges)


def one_of_each_family(addresses: Sequence[str]) -> tuple[str, ...]:
    """The first IPv4 and the first IPv6 address, in the order given."""
    return tuple({family_of(each): each for each in reversed(addresses)}.values())[::-1]


async def ask_system(
    record: Record, host: str, resolver: SystemResolver, edges: Edges, *, about: About = NOTHING
) -> Sequence[str]:
    """One lookup by this host's own resolver, as a step; empty when it failed."""

    async def action(notes: Notes) -> Sequence[str]:
        """The step itself."""
        edges.meter.lookup(host)
        return _no_bogon(await look_up_by_system(host, resolver, notes), edges)

    facts = {"hostname": host, "engine": "system", "query": "ANY", **about}
    if is_home_name(host):
        record.refuse("lookup", "egress_forbidden", facts)
        return ()
    limit_ms = edges.limits.lookup_ms
    return await record.attempt("lookup", action, limit_ms=limit_ms, about=facts) or ()


async def ask_server(
    record: Record,
    host: str,
    query_type: QueryType,
    resolver: Resolver,
    edges: Edges,
    *,
    over_tcp: bool = False,
    about: About = NOTHING,
) -> Sequence[str]:
    """One lookup by a DNS server, as a step; empty when it failed or the policy forbids it."""
    question = Question(name=host, query_type=query_type)
    facts: dict[str, Json] = {
        "hostname": host,
        "engine": "tcp" if over_tcp else "udp",
        "query": query_type,
        "resolver": resolver.role,
        **about,
    }
    if is_home_name(host) or edges.policy.check_gateway(resolver.address) is not None:
        record.refuse("lookup", "egress_forbidden", facts)
        return ()
    if edges.policy.check(resolver.address) is None:
        facts["resolver_address"] = resolver.address  # a router at home keeps its own to itself
    ask = look_up_over_tcp if over_tcp else look_up_over_udp

    async def action(notes: Notes) -> Sequence[str]:
        """The step itself."""
        return _no_bogon(await ask(question, resolver, edges, notes), edges)

    limit_ms = edges.limits.lookup_ms + edges.limits.late_answer_ms
    return await record.attempt("lookup", action, limit_ms=limit_ms, about=facts) or ()


async def open_stream(
    record: Record,
    address: str,
    port: int,
    edges: Edges,
    *,
    about: About = NOTHING,
    receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
) -> Stream | None:
    """A TCP connection, as a step; None when it failed or the policy forbids it."""
    facts = {"address": address, "port": port, **about}
    if edges.policy.check(address) is not None:
        record.refuse("connect", "egress_forbidden", facts)
        return None

    async def action(_notes: Notes) -> Stream:
        """The step itself."""
        return await connect(address, port, edges.meter, receive_buffer_bytes=receive_buffer_bytes)

    return await record.attempt("connect", action, limit_ms=edges.limits.connect_ms, about=facts)


async def open_tls(
    record: Record,
    stream: Stream,
    host: str,
    edges: Edges,
    *,
    about: About = NOTHING,
    server_name: str | None = None,
) -> TlsStream | None:
    """TLS over an open stream, as the steps handshake and verify.

    Args:
        record: Gets the steps.
        stream: A fresh connection; it is closed when this fails.
        host: The name to ask for and to verify.
        edges: Stopwatch, bundle and limits.
        about: Goes into each step, such as the address.
        server_name: Asked for instead of `host`, which is verified all the same.

    Returns:
        None when the handshake failed or the certificate is not good.
    """
    asked = host if server_name is None else server_name
    facts = {"server_name": asked, **about}
    shake = partial(shake_hands, stream, asked, edges.stopwatch.elapsed_ms)
    limit_ms = edges.limits.handshake_ms
    opened: TlsStream | None = None
    try:
        tls = await record.attempt("handshake", shake, limit_ms=limit_ms, about=facts)
        if tls is None:
            return None

        async def verify(notes: Notes) -> bool:
            """The step itself."""
            return _verify(record, served_chain(tls.tls), host, edges, notes)

        if await record.attempt("verify", verify, limit_ms=limit_ms, about=facts):
            opened = tls
    finally:
        if opened is None:
            stream.close()
    return opened


async def hear_hello(
    record: Record, stream: Stream, host: str, edges: Edges, *, about: About = NOTHING
) -> bool:
    """Whether a ServerHello came over an open stream, as the step hello; the stream stays open.

    Args:
        record: Gets the step.
        stream: A fresh connection.
        host: The name to ask for.
        edges: Limits.
        about: Goes into the step.
    """

    async def action(notes: Notes) -> bool:
        """The step itself."""
        await say_hello(stream, host, notes)
        return True

    facts = {"server_name": host, **about}
    limit_ms = edges.limits.handshake_ms
    return bool(await record.attempt("hello", action, limit_ms=limit_ms, about=facts))


def _verify(record: Record, chain: Sequence[bytes], host: str, edges: Edges, notes: Notes) -> bool:
    verification = edges.trust.verify(chain, host, now_ms=edges.pace.now_ms())
    described = [describe(each) for each in chain[:_MAX_DESCRIBED]]
    notes["chain"] = described
    notes["chain_length"] = len(chain)
    notes["codes"] = verification.codes
    if verification.failure is None:
        return True
    if verification.reason:
        notes["reason"] = verification.reason
    if sum(map(len, chain)) <= _MAX_DER_BYTES and record.keep_evidence():
        for entry, der in zip(described, chain, strict=False):
            entry["der"] = base64.b64encode(der).decode()
    raise StepFailed(verification.failure)


def _no_bogon(found: Sequence[str], edges: Edges) -> Sequence[str]:
    if all(edges.policy.check(address) is not None for address in found):
        raise StepFailed("dns_bogon_error")
    return found


def _choose(found: Mapping[str, object], edges: Edges) -> tuple[str, ...]:
    """The first few of each family; refused ones stay in, so that a step says so."""
    room: dict[Family, int] = dict.fromkeys(("ipv4", "ipv6"), edges.limits.addresses_per_family)
    chosen: list[str] = []
    for address in found:
        if not is_address(address):
            continue
        family = family_of(address)
        if room[family] > 0:
            room[family] -= 1
            chosen.append(address)
    return tuple(chosen)
