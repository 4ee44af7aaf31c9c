"""The observations of a 0.5 measurement in the order in which its rules walk them.

1. Only what getaddrinfo found counts, so that 0.5 stays comparable with 0.4: its lookups,
   and connections to its addresses (or to the address in the URL) that were meant to
   fetch the page. Addresses learnt from other resolvers or from the control do not.
2. A connection, its handshake and its request are one observation, named after the last
   thing tried: it can fail only once. They share a transaction id, or else an endpoint.
3. Order: last redirect first; then HTTP, TLS, TCP, DNS; then successes before failures.
4. The control knows DNS, TCP and TLS of the first URL only, and one HTTP answer that
   stands for the end of the whole chain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from shyraq_collector.judge.addresses import agree
from shyraq_collector.judge.ooni.evidence import (
    Connect,
    Control,
    Evidence,
    Handshake,
    Query,
    Request,
)
from shyraq_collector.judge.pages import same_page

Last = Literal["http", "tls", "tcp", "dns"]
"""The last thing tried in an observation."""

Known = Literal["absent", "worked", "failed"]
"""What the control says of the same thing; absent: it did not try it."""

_ORDER: Final[tuple[Last, ...]] = ("http", "tls", "tcp", "dns")
_SYSTEM_RESOLVERS: Final = frozenset({"getaddrinfo", "golang_net_resolver", "system"})
_FINAL_CLASSES: Final = frozenset({2, 4, 5})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One observation of the walk, with what the control says of it."""

    last: Last
    depth: int
    """Redirects before it; -1: the probe did not say."""
    transaction: int
    failure: str | None
    final: bool
    """A response that ends the chain: 2xx, 4xx or 5xx."""
    over_tls: bool
    """A handshake succeeded on this connection."""
    other_page: bool
    """The response is not the control's page."""
    control_http: Known
    control_tls: Known
    control_tcp: Known
    control_dns: Known
    probe_addresses: frozenset[str]
    control_addresses: frozenset[str] | None
    """None: the control did not resolve this name."""


def walk_order(evidence: Evidence) -> list[Seen]:
    """All observations that count, in the order of the walk."""
    queries = [query for query in evidence.queries if query.engine in _SYSTEM_RESOLVERS]
    seen = [_lookup(query, evidence) for query in queries]
    seen.extend(_connections(evidence, queries))
    return sorted(
        seen, key=lambda s: (-s.depth, _ORDER.index(s.last), s.failure or "", -s.transaction)
    )


def dns_consistency(evidence: Evidence) -> bool | None:
    """Whether the first URL's system lookups agree with the control; None: cannot be said."""
    control = evidence.control
    untagged = all(query.depth is None for query in evidence.queries)
    first = [
        query
        for query in evidence.queries
        if query.engine in _SYSTEM_RESOLVERS and (query.depth == 0 or untagged)
    ]
    if control is None:
        return None
    same_name = [query for query in first if query.hostname == evidence.domain]
    verdicts = [_agreement(query, control, evidence) for query in same_name]
    if False in verdicts:
        return False
    if True in verdicts:
        return True
    found = any(query.failure is None and query.addresses for query in first)
    return False if found and not control.dns_addresses else None


def _agreement(query: Query, control: Control, evidence: Evidence) -> bool | None:
    if query.failure is None:
        if control.dns_failure is not None or not query.addresses:
            return None
        return agree(query.addresses, control.dns_addresses, evidence.networks)
    if _no_such_family(query):
        return None
    if control.dns_failure is not None:
        return True
    return query.failure == "dns_no_answer" and not control.dns_addresses


def _no_such_family(query: Query) -> bool:
    return query.query_type == "AAAA" and query.failure == "dns_no_answer"


def _lookup(query: Query, evidence: Evidence) -> Seen:
    control = evidence.control
    same_name = query.hostname == evidence.domain
    resolved = control is not None and same_name and control.dns_failure is None
    return Seen(
        last="dns",
        depth=-1 if query.depth is None else query.depth,
        transaction=query.transaction or 0,
        failure=query.failure,
        final=False,
        over_tls=False,
        other_page=False,
        control_http=_control_http(control),
        control_tls="absent",
        control_tcp="absent",
        control_dns="absent" if control is None or not same_name else _known(control.dns_failure),
        probe_addresses=frozenset(query.addresses),
        control_addresses=control.dns_addresses if control is not None and resolved else None,
    )


def _connections(evidence: Evidence, queries: list[Query]) -> Iterator[Seen]:
    system = {address for query in queries for address in query.addresses}
    elsewhere = {address for query in evidence.queries for address in query.addresses} - system
    if evidence.control is not None:
        elsewhere |= evidence.control.dns_addresses - system
    tagged = any(connect.fetches_body is not None for connect in evidence.connects)
    handshakes = {_key(row.transaction, row.endpoint): row for row in evidence.handshakes}
    round_trips = {_key(row.transaction, row.endpoint): row for row in reversed(evidence.requests)}
    for connect in evidence.connects:
        if connect.ip in elsewhere or (tagged and not connect.fetches_body):
            continue
        key = _key(connect.transaction, connect.endpoint)
        yield _connection(evidence, connect, handshakes.get(key), round_trips.get(key))


def _key(transaction: int | None, endpoint: str) -> int | str:
    return transaction or endpoint


def _connection(
    evidence: Evidence,
    connect: Connect,
    handshake: Handshake | None,
    request: Request | None,
) -> Seen:
    last, failure = _end(connect, handshake, request)
    control = evidence.control
    responded = request is not None and request.failure is None
    return Seen(
        last=last,
        depth=-1 if connect.depth is None else connect.depth,
        transaction=connect.transaction or 0,
        failure=failure,
        final=responded and request is not None and request.page.status // 100 in _FINAL_CLASSES,
        over_tls=handshake is not None and handshake.failure is None,
        other_page=responded
        and request is not None
        and not (control is not None and same_page(request.page, control.page, "walk")),
        control_http=_control_http(control),
        control_tls=_control_tls(control, connect, handshake),
        control_tcp=_control_tcp(control, connect),
        control_dns="absent",
        probe_addresses=frozenset(),
        control_addresses=None,
    )


def _end(
    connect: Connect, handshake: Handshake | None, request: Request | None
) -> tuple[Last, str | None]:
    if request is not None:
        return "http", request.failure
    if handshake is not None:
        return "tls", handshake.failure
    return "tcp", connect.failure


def _known(failure: str | None) -> Known:
    return "worked" if failure is None else "failed"


def _control_http(control: Control | None) -> Known:
    return "absent" if control is None else _known(control.http_failure)


def _control_tcp(control: Control | None, connect: Connect) -> Known:
    if control is None or connect.endpoint not in control.connects:
        return "absent"
    return _known(control.connects[connect.endpoint])


def _control_tls(control: Control | None, connect: Connect, handshake: Handshake | None) -> Known:
    if control is None or handshake is None:
        return "absent"
    name, failure = control.handshakes.get(connect.endpoint, (None, None))
    return _known(failure) if name is not None and name == handshake.server_name else "absent"
