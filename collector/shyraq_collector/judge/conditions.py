"""The conditions that several rules share, each about one observation; values in, yes or no out."""

from typing import Final

from shyraq_collector.judge.case import Case
from shyraq_collector.judge.sightings import OF_ADDRESS

REFUSALS: Final = frozenset({401, 403, 407, 429, 451, 503})
"""Status codes by which a server, or the network in front of it, turns a visitor away."""

CERTIFICATE_FAILURES: Final = frozenset(
    {"ssl_unknown_authority", "ssl_invalid_hostname", "ssl_invalid_certificate"}
)

QUIC_TRIES: Final = 3
"""Handshakes that must have failed in one measurement: a few datagrams may be lost."""

NETWORK_LOGIN: Final = 511
"""RFC 6585: network authentication required."""


def failed(case: Case) -> bool:
    """Whether the observation is a failure."""
    return case.seen.failure is not None


def status(case: Case) -> int:
    """The status of its page; 0: there is none."""
    return case.seen.page.status if case.seen.page is not None else 0


def lied(case: Case) -> bool:
    """Whether a false answer was injected, on a line that is not itself in doubt."""
    line_fails = case.no_path or case.line_suspect
    return case.seen.tried == "dns" and case.false_answer is True and not line_fails


def answered_by_nobody(case: Case) -> bool:
    """Whether addresses were injected of which nobody can say whether they are false."""
    return case.injected and case.false_answer is None and not failed(case)


def other_page(case: Case) -> bool:
    """Whether a page in the clear is not the control's."""
    return case.complete and not case.seen.secure and case.same_page is False


def wrong_address(case: Case) -> bool:
    """Whether its address is one where nobody meets the target."""
    return (
        failed(case)
        and case.seen.tried in ("tcp", "tls")
        and case.control == "failed"
        and case.works_elsewhere
        and case.strange_address
    )


def only_asked(case: Case) -> bool:
    """Controls failed at an address that none of them would try unasked, and not at all others."""
    tried = case.seen.tried in OF_ADDRESS
    alone = not case.given and case.elsewhere.word != "failed"
    return failed(case) and tried and case.control == "failed" and alone


def forged(case: Case) -> bool:
    """A bad certificate is seen, not inferred: here no control at this address is needed."""
    return (
        case.control == "untried"
        and case.seen.failure in CERTIFICATE_FAILURES
        and not case.seen.dates_only
        and case.works_elsewhere
        and case.repeated
    )


def blocked(case: Case, *tried: str) -> bool:
    """Whether it fails here, repeatedly, at one of these layers, and works for the control."""
    return failed(case) and case.seen.tried in tried and case.control == "worked" and case.repeated
