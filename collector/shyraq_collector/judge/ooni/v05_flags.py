"""Rules of web_connectivity 0.5.0 to 0.5.26: every layer raises its own flag.

1. Each layer is compared with the control and may raise its flag: DNS, TCP, TLS, HTTP.
   All resolvers count here, except that a failure of DNS over HTTPS says nothing of the
   site; IPv6 that this host does not have says nothing either.
2. The flag of the lowest layer wins: dns, then tcp_ip, then http-failure, then http-diff.
3. With no flag at all, special cases explain: a name only the probe can find, a site down
   by DNS, TCP or TLS for both sides, a chain of nothing but successful HTTPS.
"""

from dataclasses import dataclass
from typing import Final

from shyraq_collector.judge.addresses import is_address, is_bogon, is_ipv6, strangers
from shyraq_collector.judge.engine import Rule, first_match
from shyraq_collector.judge.ooni.evidence import (
    Connect,
    Control,
    Evidence,
    Query,
    control_page,
)
from shyraq_collector.judge.ooni.outcome import (
    ACCESSIBLE,
    DNS,
    DOWN,
    HTTP_DIFF,
    HTTP_FAILURE,
    TCP_IP,
    UNKNOWN,
    Outcome,
)
from shyraq_collector.judge.pages import same_page

_NO_IPV6: Final = frozenset({"network_unreachable", "host_unreachable"})
_REQUEST_FAILURES: Final = frozenset({"connection_reset", "generic_timeout_error", "eof_error"})
_PLAIN_CODES: Final = frozenset({200, 301, 302, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What each layer says, and the special cases."""

    bogon: bool
    lookup_failed: bool
    wrong_address: bool
    connect_failed: bool
    handshake_failed: bool
    request_failed: bool
    other_page: bool
    right_page: bool
    ghost: bool
    """Every cleartext lookup found a name that does not exist for the control."""
    no_address_for_both: bool
    no_connect_for_both: bool
    no_handshake_for_both: bool
    all_secure: bool
    """Nothing but successful HTTPS in the chain."""


RULES: Final[tuple[Rule[Flags, Outcome], ...]] = (
    Rule(
        id="ooni.v05-flags.bogon",
        when=lambda flags: flags.bogon,
        concludes=DNS,
        reason="A resolver gave an address that no public name can have.",
    ),
    Rule(
        id="ooni.v05-flags.lookup-failed",
        when=lambda flags: flags.lookup_failed,
        concludes=DNS,
        reason="A lookup failed although the control found addresses.",
    ),
    Rule(
        id="ooni.v05-flags.wrong-address",
        when=lambda flags: flags.wrong_address,
        concludes=DNS,
        reason="An address is in no network of the control's and no handshake vouches for it.",
    ),
    Rule(
        id="ooni.v05-flags.connect-failed",
        when=lambda flags: flags.connect_failed,
        concludes=TCP_IP,
        reason="A connection failed although the control could connect to the same address.",
    ),
    Rule(
        id="ooni.v05-flags.handshake-failed",
        when=lambda flags: flags.handshake_failed,
        concludes=HTTP_FAILURE,
        reason="A TLS handshake failed that worked for the control.",
    ),
    Rule(
        id="ooni.v05-flags.request-failed",
        when=lambda flags: flags.request_failed,
        concludes=HTTP_FAILURE,
        reason="The last request failed although the control fetched the page.",
    ),
    Rule(
        id="ooni.v05-flags.other-page",
        when=lambda flags: flags.other_page,
        concludes=HTTP_DIFF,
        reason="The page in the clear is not the control's page.",
    ),
    Rule(
        id="ooni.v05-flags.right-page",
        when=lambda flags: flags.right_page,
        concludes=ACCESSIBLE,
        reason="The last page came over HTTPS or agrees with the control's page.",
    ),
    Rule(
        id="ooni.v05-flags.ghost",
        when=lambda flags: flags.ghost,
        concludes=DNS,
        reason="Local resolvers answer for a name that does not exist for the control.",
    ),
    Rule(
        id="ooni.v05-flags.no-address-for-both",
        when=lambda flags: flags.no_address_for_both,
        concludes=DOWN,
        reason="Neither the probe nor the control found any address.",
    ),
    Rule(
        id="ooni.v05-flags.no-connect-for-both",
        when=lambda flags: flags.no_connect_for_both,
        concludes=DOWN,
        reason="Every connection failed for the probe and for the control.",
    ),
    Rule(
        id="ooni.v05-flags.no-handshake-for-both",
        when=lambda flags: flags.no_handshake_for_both,
        concludes=DOWN,
        reason="Every TLS handshake failed in the same way for the probe and for the control.",
    ),
    Rule(
        id="ooni.v05-flags.all-secure",
        when=lambda flags: flags.all_secure,
        concludes=ACCESSIBLE,
        reason="The chain holds nothing but successful HTTPS.",
    ),
    Rule(
        id="ooni.v05-flags.nothing-decides",
        when=lambda _: True,
        concludes=UNKNOWN,
        reason="No layer differs from the control and no special case explains the failure.",
    ),
)


def judge_flags(evidence: Evidence) -> Rule[Flags, Outcome]:
    """The rule of the flag table that speaks for a measurement."""
    return first_match(RULES, raise_flags(evidence)) or RULES[-1]


def raise_flags(evidence: Evidence) -> Flags:
    """The flags of every layer, from the evidence."""
    control = evidence.control
    last = evidence.requests[0] if evidence.requests else None
    compared = control_page(control) == "worked" and last is not None
    answered = compared and last is not None and last.failure is None
    secure = last is not None and last.url.lower().startswith("https://")
    same = (
        last is not None
        and control is not None
        and (secure or same_page(last.page, control.page, "cautious"))
    )
    return Flags(
        bogon=_bogon(evidence),
        lookup_failed=control is not None and _lookup_failed(evidence, control),
        wrong_address=control is not None and _wrong_address(evidence, control),
        connect_failed=control is not None
        and any(_connect_failed(connect, control) for connect in evidence.connects),
        handshake_failed=control is not None and _handshake_failed(evidence, control),
        request_failed=compared and last is not None and last.failure in _REQUEST_FAILURES,
        other_page=answered and not same,
        right_page=answered and same,
        ghost=control is not None and _ghost(evidence, control),
        no_address_for_both=control is not None and _no_address_for_both(evidence, control),
        no_connect_for_both=control is not None and _no_connect_for_both(evidence, control),
        no_handshake_for_both=control is not None and _no_handshake_for_both(evidence, control),
        all_secure=_all_secure(evidence),
    )


def _bogon(evidence: Evidence) -> bool:
    theirs = frozenset() if evidence.control is None else evidence.control.dns_addresses
    found = (address for query in evidence.queries for address in query.addresses)
    return any(is_bogon(address) and address not in theirs for address in found)


def _lookup_failed(evidence: Evidence, control: Control) -> bool:
    if is_address(evidence.domain) or not control.dns_addresses:
        return False
    return any(_counts(query) for query in evidence.queries if query.hostname == evidence.domain)


def _counts(query: Query) -> bool:
    """Whether a lookup failed in a way that says something of the site."""
    if query.addresses or query.failure is None or query.engine == "doh":
        return False
    return not (query.query_type == "AAAA" and query.failure == "dns_no_answer")


def _wrong_address(evidence: Evidence, control: Control) -> bool:
    if is_address(evidence.domain) or not control.dns_addresses:
        return False
    found = {
        address
        for query in evidence.queries
        if query.hostname == evidence.domain
        for address in query.addresses
    }
    if not found:
        return True
    strange = {a for a in found if not is_bogon(a)} - control.dns_addresses
    strange -= _vouched(evidence) | _unreachable_ipv6(evidence)
    return bool(strangers(strange, control.dns_addresses, evidence.networks))


def _vouched(evidence: Evidence) -> set[str]:
    """Addresses whose handshake for the site's name succeeded."""
    return {
        handshake.endpoint.rpartition(":")[0].strip("[]")
        for handshake in evidence.handshakes
        if handshake.failure is None and handshake.server_name == evidence.domain
    }


def _unreachable_ipv6(evidence: Evidence) -> set[str]:
    return {c.ip for c in evidence.connects if c.failure in _NO_IPV6 and is_ipv6(c.ip)}


def _connect_failed(connect: Connect, control: Control) -> bool:
    if connect.failure is None or (connect.failure in _NO_IPV6 and is_ipv6(connect.ip)):
        return False
    return connect.endpoint in control.connects and control.connects[connect.endpoint] is None


def _handshake_failed(evidence: Evidence, control: Control) -> bool:
    return any(
        handshake.failure is not None
        and handshake.endpoint in control.handshakes
        and control.handshakes[handshake.endpoint][1] is None
        for handshake in evidence.handshakes
    )


def _ghost(evidence: Evidence, control: Control) -> bool:
    cleartext = [query for query in evidence.queries if query.engine != "doh"]
    if any(query.failure not in (None, "dns_no_answer") for query in cleartext):
        return False
    found = any(query.failure is None for query in cleartext)
    return found and control.dns_failure == "dns_name_error"


def _no_address_for_both(evidence: Evidence, control: Control) -> bool:
    return not (
        any(query.has_answers for query in evidence.queries)
        or evidence.connects
        or evidence.handshakes
        or control.dns_addresses
        or control.connects
    )


def _no_connect_for_both(evidence: Evidence, control: Control) -> bool:
    return bool(evidence.connects) and all(
        connect.failure is not None and control.connects.get(connect.endpoint) is not None
        for connect in evidence.connects
    )


def _no_handshake_for_both(evidence: Evidence, control: Control) -> bool:
    return bool(evidence.handshakes) and all(
        handshake.failure is not None
        and handshake.failure == control.handshakes.get(handshake.endpoint, ("", None))[1]
        for handshake in evidence.handshakes
    )


def _all_secure(evidence: Evidence) -> bool:
    return bool(evidence.requests) and all(
        request.url.lower().startswith("https://")
        and request.failure is None
        and request.page.status in _PLAIN_CODES
        for request in evidence.requests
    )
