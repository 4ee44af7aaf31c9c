"""The observations of a 0.5 measurement in the order in which its rules walk them.

1. Only what getaddrinfo found counts, so that 0.5 stays comparable with 0.4: its lookups,
   and connections to its addresses (or to the address in the URL) that were meant to
   fetch the page. Addresses learnt from other resolvers or from the control do not.
2. A connection, its handshake and its request are one observation, named after the last
   thing tried: it can fail only once. `chains` puts them together.
3. Order: last redirect first; then HTTP, TLS, TCP, DNS; then successes before failures.
4. The control knows DNS, TCP and TLS of the first URL only, and one HTTP answer that
   stands for the end of the whole chain.
"""

from dataclasses import dataclass
from typing import Final, Literal

from shyraq_collector.judge.addresses import agree
from shyraq_collector.judge.ooni.chains import Chain, chains
from shyraq_collector.judge.ooni.evidence import (
    Control,
    Evidence,
    Known,
    Query,
    control_page,
    known,
)
from shyraq_collector.judge.pages import same_page

Last = Literal["http", "tls", "tcp", "dns"]
"""The last thing tried in an observation."""

_ORDER: Final[tuple[Last, ...]] = ("http", "tls", "tcp", "dns")
_SYSTEM_RESOLVERS: Final = frozenset({"getaddrinfo", "golang_net_resolver", "system", ""})
"""Names of the system's resolver; a lookup that names none is taken for its own."""

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
    found = chains(evidence, queries)
    seen = [_lookup(query, evidence) for query in [*queries, *found.lookups]]
    seen.extend(_connection(evidence, chain) for chain in found.chains)
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
    if control is None or not control.has_dns:
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
    resolved = control is not None and control.has_dns and query.hostname == evidence.domain
    failure = None if control is None else control.dns_failure
    addresses = None if control is None or failure is not None else control.dns_addresses
    return Seen(
        last="dns",
        depth=-1 if query.depth is None else query.depth,
        transaction=query.transaction or 0,
        failure=query.failure,
        final=False,
        over_tls=False,
        other_page=False,
        control_http=control_page(control),
        control_tls="absent",
        control_tcp="absent",
        control_dns=known(failure) if resolved else "absent",
        probe_addresses=frozenset(query.addresses),
        control_addresses=addresses if resolved else None,
    )


def _connection(evidence: Evidence, chain: Chain) -> Seen:
    last, failure = _end(chain)
    control, request = evidence.control, chain.request
    responded = request is not None and request.failure is None
    return Seen(
        last=last,
        depth=-1 if chain.depth is None else chain.depth,
        transaction=chain.transaction or 0,
        failure=failure,
        final=responded and request is not None and request.page.status // 100 in _FINAL_CLASSES,
        over_tls=_over_tls(chain),
        other_page=responded
        and request is not None
        and not (control is not None and same_page(request.page, control.page, "walk")),
        control_http=control_page(control),
        control_tls=_control_tls(control, chain),
        control_tcp=_control_tcp(control, chain),
        control_dns="absent",
        probe_addresses=frozenset(),
        control_addresses=None,
    )


def _end(chain: Chain) -> tuple[Last, str | None]:
    if chain.request is not None:
        return "http", chain.request.failure
    if chain.handshake is not None:
        return "tls", chain.handshake.failure
    return "tcp", None if chain.connect is None else chain.connect.failure


def _over_tls(chain: Chain) -> bool:
    """Whether TLS was verified; a response to an https URL tells that its handshake worked."""
    if chain.handshake is not None:
        return chain.handshake.failure is None
    return chain.request is not None and chain.request.url.lower().startswith("https:")


def _control_tcp(control: Control | None, chain: Chain) -> Known:
    if control is None or chain.connect is None or chain.endpoint not in control.connects:
        return "absent"
    return known(control.connects[chain.endpoint])


def _control_tls(control: Control | None, chain: Chain) -> Known:
    if control is None or chain.handshake is None:
        return "absent"
    name, failure = control.handshakes.get(chain.endpoint, (None, None))
    return known(failure) if name is not None and name == chain.handshake.server_name else "absent"
