"""Connections with their handshakes and requests, put together from a measurement's lists.

1. The three share a transaction id, or else an endpoint: so OONI's probe writes them.
2. What was not meant to fetch the page, or went to an address that the system's resolver did not
   give, is left out. Without any recorded lookup every address counts.
3. A handshake or a request that belongs to no recorded connection still happened. A request
   without id and endpoint goes to the connection that reached its host; if all of those failed,
   its failure is theirs; if it failed in the lookup, it is told as a lookup.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from shyraq_collector.judge.addresses import canonical
from shyraq_collector.judge.ooni.evidence import Connect, Evidence, Handshake, Query, Request
from shyraq_collector.judge.ooni.reading import ascii_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What was tried in turn towards one endpoint; what comes after a failure is None."""

    endpoint: str
    """Empty where the probe wrote none."""
    depth: int | None
    """As for `Connect`."""
    transaction: int | None
    connect: Connect | None
    handshake: Handshake | None
    request: Request | None

    @property
    def failed(self) -> bool:
        """Whether anything in it failed."""
        steps = (self.connect, self.handshake, self.request)
        return any(step is not None and step.failure is not None for step in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """Everything in a measurement that came after a lookup."""

    chains: tuple[Chain, ...]
    lookups: tuple[Query, ...]
    """Lookups that are known only from the request that failed in them."""


def chains(evidence: Evidence, queries: Sequence[Query]) -> Chains:
    """The chains that count.

    Args:
        evidence: The measurement.
        queries: Its lookups by the system's resolver.
    """
    shunned = _shunned(evidence, queries)
    tagged = any(step.fetches_body is not None for step in evidence.connects)
    linked = [
        chain
        for chain in _linked(evidence)
        if _host(chain.endpoint) not in shunned and _fetches(chain, tagged=tagged)
    ]
    lookups: list[Query] = []
    for request in reversed(evidence.requests):
        if request.transaction is None and not request.endpoint:
            lookups.extend(_place(request, linked, queries))
    return Chains(chains=tuple(linked), lookups=tuple(lookups))


def _shunned(evidence: Evidence, queries: Sequence[Query]) -> set[str]:
    """Addresses that the system's resolver did not give although others did."""
    if not evidence.queries:
        return set()
    system = {address for query in queries for address in query.addresses}
    others = {address for query in evidence.queries for address in query.addresses}
    if evidence.control is not None:
        others |= evidence.control.dns_addresses
    return others - system - {canonical(evidence.domain)}


def _linked(evidence: Evidence) -> Iterator[Chain]:
    connects = {_key(step): step for step in evidence.connects}
    handshakes = {_key(step): step for step in evidence.handshakes}
    round_trips = {
        _key(step): step
        for step in reversed(evidence.requests)
        if step.transaction is not None or step.endpoint
    }
    for key in dict.fromkeys([*connects, *handshakes, *round_trips]):
        connect, handshake, request = connects.get(key), handshakes.get(key), round_trips.get(key)
        first = connect or handshake or request
        if first is not None:
            yield Chain(
                endpoint=first.endpoint,
                depth=first.depth,
                transaction=first.transaction,
                connect=connect,
                handshake=handshake,
                request=request,
            )


def _key(step: Connect | Handshake | Request) -> int | tuple[int | None, str]:
    return step.transaction or (step.depth, step.endpoint)


def _host(endpoint: str) -> str:
    return endpoint.rpartition(":")[0].strip("[]")


def _fetches(chain: Chain, *, tagged: bool) -> bool:
    """Whether a chain was meant to fetch the page; in a tagged measurement the tag decides."""
    if not tagged:
        return True
    steps = (chain.connect, chain.handshake, chain.request)
    return any(step is not None and bool(step.fetches_body) for step in steps)


def _place(request: Request, linked: list[Chain], queries: Sequence[Query]) -> Iterator[Query]:
    """Gives a request without id and endpoint its place; yields a lookup if it failed in one."""
    host, port = _aim(request.url)
    if request.failure is not None and request.failure.startswith("dns_"):
        if not any(query.failure is not None and query.hostname == host for query in queries):
            yield _as_lookup(request, host)
        return
    near = [chain for chain in linked if chain.request is None and _reaches(chain, request, port)]
    whole = [chain for chain in near if not chain.failed]
    if whole:
        linked[linked.index(whole[0])] = replace(whole[0], request=request)
    elif request.failure is None or not near:
        linked.append(
            Chain(
                endpoint="",
                depth=request.depth,
                transaction=None,
                connect=None,
                handshake=None,
                request=request,
            )
        )


def _reaches(chain: Chain, request: Request, port: int) -> bool:
    """Whether a request may have gone over this connection."""
    if chain.endpoint.rpartition(":")[2] != str(port):
        return False
    return None in (chain.depth, request.depth) or chain.depth == request.depth


def _aim(url: str) -> tuple[str, int]:
    """Host and port of a URL; 0: unreadable."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", 0
    return ascii_host(host), port or (443 if parts.scheme == "https" else 80)


def _as_lookup(request: Request, host: str) -> Query:
    return Query(
        engine="",
        hostname=host,
        query_type="",
        failure=request.failure,
        addresses=(),
        has_answers=False,
        depth=request.depth,
        transaction=None,
    )
