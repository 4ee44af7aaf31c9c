"""Rules of web_connectivity before 0.5: one flat table over the whole measurement.

    1. A final page over HTTPS is the right page: certificates were verified.
    2. Without a control nothing else can be said.
    3. A name that exists for nobody: OONI's 0.4 calls that accessible.
    4. A name that exists only for the control is blocked by DNS.
    5. No connect worked: the address is blocked if DNS agrees, else DNS lied. Where the control
       could not connect either, the host is down; 0.4 itself wrote tcp_ip there, ts-017 says
       that no blocking is occurring.
    6. A failed request, when the control's worked, is http-failure, with exceptions.
    7. A page in the clear is compared with the control's; a difference is laid on DNS if the
       addresses disagree, else it is http-diff.

The consistency of DNS (ts-017): consistent for address URLs, for a name that neither side can
find, and when the answers share an address or a network; else inconsistent. Where either side
recorded nothing of a lookup, the addresses that were connected to speak for it, and with none of
those nothing is inconsistent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shyraq_collector.judge.addresses import agree, is_address
from shyraq_collector.judge.engine import Rule, first_match
from shyraq_collector.judge.ooni.evidence import Control, Evidence, Known, control_page
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
from shyraq_collector.judge.pages import Style, same_page

NO_SUCH_NAME: Final = frozenset({"dns_nxdomain_error", "dns_lookup_error"})
"""Today's word and the one used before 2019."""

ANDROID_NO_NAME: Final = "android_dns_cache_no_data"
"""What Android's resolver says for almost any failure."""

CONTROL_NO_SUCH_NAME: Final = "dns_name_error"
"""The test helper's own word for a name that does not exist."""

SINCE_0_4_3: Final = (0, 4, 3)

CONNECTION_FAILURES: Final = frozenset(
    {
        "connection_refused",
        "connection_reset",
        "eof_error",
        "generic_timeout_error",
        "ssl_invalid_hostname",
        "ssl_invalid_certificate",
        "ssl_unknown_authority",
    }
)
"""Failures of a request that 0.4 dares to read; others leave it silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """What the flat table asks of a measurement."""

    secure_page: bool
    """The last request succeeded over HTTPS."""
    has_control: bool
    no_such_name: bool
    """The lookup of the input's name failed as one for a name that does not exist."""
    android_no_name: bool
    """The lookup failed with Android's catch-all, in a version that reads it."""
    consistent: bool
    connects: int
    connected: int
    control_connected: Known
    """What the control says of the addresses that the probe tried: worked if any did."""
    control_page: Known
    requests: int
    request_failure: str | None
    """Of the last request."""
    expected_page: bool
    """The last page is the control's page."""


def _and(*conditions: Callable[[Flat], bool]) -> Callable[[Flat], bool]:
    return lambda facts: all(condition(facts) for condition in conditions)


def _never_connected(facts: Flat) -> bool:
    return facts.connects > 0 and facts.connected == 0


def _readable_failure(facts: Flat) -> bool:
    failure = facts.request_failure
    return failure is not None and (failure in CONNECTION_FAILURES or failure in NO_SUCH_NAME)


def _control_reached_it(facts: Flat) -> bool:
    if facts.control_connected == "absent":
        return facts.control_page == "worked"
    return facts.control_connected == "worked"


def _consistent(facts: Flat) -> bool:
    return facts.consistent


def _inconsistent(facts: Flat) -> bool:
    return not facts.consistent


RULES: Final[tuple[Rule[Flat, Outcome], ...]] = (
    Rule(
        id="ooni.v04.secure-page",
        when=lambda facts: facts.secure_page,
        concludes=ACCESSIBLE,
        reason="The last page came over HTTPS with a verified certificate.",
    ),
    Rule(
        id="ooni.v04.no-control",
        when=lambda facts: not facts.has_control,
        concludes=UNKNOWN,
        reason="The test helper gave no control to compare with.",
    ),
    Rule(
        id="ooni.v04.no-such-name",
        when=_and(lambda f: f.no_such_name or f.android_no_name, _consistent),
        concludes=ACCESSIBLE,
        reason="The name exists for neither side, which version 0.4 calls accessible.",
    ),
    Rule(
        id="ooni.v04.name-hidden",
        when=lambda f: f.no_such_name or f.android_no_name,
        concludes=DNS,
        reason="The probe's resolver denies a name that the control can find.",
    ),
    Rule(
        id="ooni.v04.no-connect-for-both",
        when=_and(_never_connected, _consistent, lambda f: f.control_connected == "failed"),
        concludes=DOWN,
        reason="None of the addresses could be connected to, by the probe or by the control.",
    ),
    Rule(
        id="ooni.v04.no-connect",
        when=_and(_never_connected, _consistent, _control_reached_it),
        concludes=TCP_IP,
        reason="The addresses are the right ones and none of them could be connected to.",
    ),
    Rule(
        id="ooni.v04.no-connect-wrong-address",
        when=_and(_never_connected, _inconsistent),
        concludes=DNS,
        reason="None of the addresses could be connected to, and they are not the control's.",
    ),
    Rule(
        id="ooni.v04.control-page-failed",
        when=lambda facts: facts.control_page == "failed",
        concludes=UNKNOWN,
        reason="The control could not fetch the page either, so there is nothing to compare.",
    ),
    Rule(
        id="ooni.v04.no-control-page",
        when=lambda facts: facts.control_page == "absent",
        concludes=UNKNOWN,
        reason="The control says nothing of the page, so there is nothing to compare.",
    ),
    Rule(
        id="ooni.v04.no-request",
        when=lambda facts: facts.requests == 0,
        concludes=UNKNOWN,
        reason="The probe recorded no request.",
    ),
    Rule(
        id="ooni.v04.request-failed-wrong-address",
        when=_and(_readable_failure, _inconsistent, lambda f: f.requests == 1),
        concludes=DNS,
        reason="The only request failed, and the addresses are not the control's.",
    ),
    Rule(
        id="ooni.v04.redirect-name-hidden",
        when=lambda facts: facts.request_failure in NO_SUCH_NAME,
        concludes=DNS,
        reason="The name of a redirect could not be found.",
    ),
    Rule(
        id="ooni.v04.request-failed",
        when=_readable_failure,
        concludes=HTTP_FAILURE,
        reason="The last request failed although the control fetched the page.",
    ),
    Rule(
        id="ooni.v04.request-failed-unclear",
        when=lambda facts: facts.request_failure is not None,
        concludes=UNKNOWN,
        reason="The last request failed in a way that 0.4 does not read.",
    ),
    Rule(
        id="ooni.v04.same-page",
        when=lambda facts: facts.expected_page,
        concludes=ACCESSIBLE,
        reason="The page in the clear agrees with the control's page.",
    ),
    Rule(
        id="ooni.v04.other-page-wrong-address",
        when=_inconsistent,
        concludes=DNS,
        reason="Another page than the control's came from addresses that are not the control's.",
    ),
    Rule(
        id="ooni.v04.other-page",
        when=lambda _: True,
        concludes=HTTP_DIFF,
        reason="Another page than the control's came from the right addresses.",
    ),
)


def judge_flat(evidence: Evidence) -> Rule[Flat, Outcome]:
    """The rule of the flat table that speaks for a measurement."""
    return first_match(RULES, flat_facts(evidence)) or RULES[-1]


def flat_facts(evidence: Evidence) -> Flat:
    """What the flat table asks, from the evidence."""
    last = evidence.requests[0] if evidence.requests else None
    control = evidence.control
    since_043 = evidence.version >= SINCE_0_4_3 or not evidence.version
    failure = _lookup_failure(evidence)
    style: Style = "v043" if since_043 else "cautious"
    succeeded = last is not None and last.failure is None
    return Flat(
        secure_page=succeeded and last is not None and last.url.lower().startswith("https://"),
        has_control=control is not None,
        no_such_name=failure in NO_SUCH_NAME,
        android_no_name=failure == ANDROID_NO_NAME
        and (since_043 or (control is not None and dns_consistent(evidence, control, failure))),
        consistent=control is not None and dns_consistent(evidence, control, failure),
        connects=len(evidence.connects),
        connected=sum(connect.failure is None for connect in evidence.connects),
        control_connected=_control_connected(evidence),
        control_page=control_page(control),
        requests=len(evidence.requests),
        request_failure=None if last is None else last.failure,
        expected_page=last is not None
        and control is not None
        and same_page(last.page, control.page, style),
    )


def dns_consistent(evidence: Evidence, control: Control, failure: str | None) -> bool:
    """Whether the probe's lookup agrees with the control's (ts-017, dns_consistency).

    Args:
        evidence: The measurement.
        control: Its control.
        failure: The probe's lookup failure; None: it got addresses, or did not look up.
    """
    if is_address(evidence.domain):
        return True
    if failure is not None and control.dns_failure is not None:
        return control.dns_failure == CONTROL_NO_SUCH_NAME and (
            failure in NO_SUCH_NAME or failure == ANDROID_NO_NAME
        )
    probe = [address for query in evidence.queries for address in query.addresses]
    if not evidence.queries:
        probe = [connect.ip for connect in evidence.connects]
    if not control.has_dns or not (probe or evidence.queries):
        return True
    return agree(probe, control.dns_addresses, evidence.networks)


def _control_connected(evidence: Evidence) -> Known:
    theirs = {} if evidence.control is None else evidence.control.connects
    tried = [connect.endpoint for connect in evidence.connects]
    if any(endpoint in theirs and theirs[endpoint] is None for endpoint in tried):
        return "worked"
    return "failed" if tried and all(endpoint in theirs for endpoint in tried) else "absent"


def _lookup_failure(evidence: Evidence) -> str | None:
    """The failure of the lookup as a whole: any address found is a success."""
    if any(query.addresses for query in evidence.queries):
        return None
    return next((query.failure for query in evidence.queries if query.failure), None)
