"""Rules of web_connectivity from 0.5.27 on: a walk from the last redirect to the first.

For each observation in the order of `walks`, the table below is asked; the first rule that
recognises an observation ends the walk. Then DNS has the last word: if the system's lookups
of the first URL disagree with the control's, every conclusion but "accessible" becomes dns.
If no rule recognises anything, nothing is concluded.

Where the control has no page these rules depart from OONI's probe, which then writes "accessible"
for a failed lookup, "http-diff" for a page, and "http-failure" for what failed in a redirect:
ts-017 gives null to what could not be compared.
"""

from collections.abc import Callable
from typing import Final

from shyraq_collector.judge.addresses import only_loopback
from shyraq_collector.judge.engine import Rule, walk
from shyraq_collector.judge.ooni.evidence import Evidence, Known
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
from shyraq_collector.judge.ooni.walks import Last, Seen, dns_consistency, walk_order

Condition = Callable[[Seen], bool]


def _final(when: Condition) -> Condition:
    return lambda seen: seen.final and when(seen)


def _failed(last: Last, when: Condition) -> Condition:
    return lambda seen: seen.last == last and seen.failure is not None and when(seen)


def _loopback_for_us(seen: Seen) -> bool:
    return (
        seen.last == "dns"
        and seen.failure is None
        and seen.control_dns == "worked"
        and only_loopback(seen.probe_addresses)
    )


def _fails_for_control(same: Known, seen: Seen) -> bool:
    """Whether the same thing failed for the control or, where it did not try it, its page did."""
    return same == "failed" or (same == "absent" and seen.control_http == "failed")


def _always(_: Seen) -> bool:
    return True


RULES: Final[tuple[Rule[Seen, Outcome], ...]] = (
    Rule(
        id="ooni.v05.secure-page",
        when=_final(lambda seen: seen.over_tls),
        concludes=ACCESSIBLE,
        reason="The chain ended in a page over a verified TLS connection.",
    ),
    Rule(
        id="ooni.v05.page-without-control",
        when=_final(lambda seen: seen.control_http != "worked"),
        concludes=UNKNOWN,
        reason="The page came in the clear and there is no page of the control to compare it with.",
    ),
    Rule(
        id="ooni.v05.same-page",
        when=_final(lambda seen: not seen.other_page),
        concludes=ACCESSIBLE,
        reason="The page in the clear agrees with the control's page.",
    ),
    Rule(
        id="ooni.v05.other-page",
        when=_final(_always),
        concludes=HTTP_DIFF,
        reason="The page in the clear is not the control's page.",
    ),
    Rule(
        id="ooni.v05.request-failed-without-control",
        when=_failed("http", lambda seen: seen.control_http == "absent"),
        concludes=UNKNOWN,
        reason="The request failed and there is no control to compare with.",
    ),
    Rule(
        id="ooni.v05.request-failed-for-both",
        when=_failed("http", lambda seen: seen.control_http == "failed"),
        concludes=DOWN,
        reason="The request failed for the probe and for the control.",
    ),
    Rule(
        id="ooni.v05.request-failed",
        when=_failed("http", _always),
        concludes=HTTP_FAILURE,
        reason="The request failed although the control fetched the page.",
    ),
    Rule(
        id="ooni.v05.handshake-failed-without-control",
        when=_failed("tls", lambda s: s.control_tls == "absent" and s.control_http == "absent"),
        concludes=UNKNOWN,
        reason="The TLS handshake failed and there is no control to compare with.",
    ),
    Rule(
        id="ooni.v05.handshake-failed-for-both",
        when=_failed("tls", lambda s: _fails_for_control(s.control_tls, s)),
        concludes=DOWN,
        reason="The TLS handshake failed for the probe and for the control.",
    ),
    Rule(
        id="ooni.v05.handshake-failed",
        when=_failed("tls", _always),
        concludes=HTTP_FAILURE,
        reason="The TLS handshake failed although the control reached the site.",
    ),
    Rule(
        id="ooni.v05.connect-failed-without-control",
        when=_failed("tcp", lambda s: s.control_tcp == "absent" and s.control_http == "absent"),
        concludes=UNKNOWN,
        reason="The connection failed and there is no control to compare with.",
    ),
    Rule(
        id="ooni.v05.redirect-connect-failed",
        when=_failed("tcp", lambda s: s.control_tcp == "absent" and s.control_http == "worked"),
        concludes=HTTP_FAILURE,
        reason="A connection failed that the control did not try, in a chain it completed.",
    ),
    Rule(
        id="ooni.v05.connect-failed-for-both",
        when=_failed("tcp", lambda s: _fails_for_control(s.control_tcp, s)),
        concludes=DOWN,
        reason="The connection failed for the probe and for the control.",
    ),
    Rule(
        id="ooni.v05.connect-failed",
        when=_failed("tcp", _always),
        concludes=TCP_IP,
        reason="The connection failed although the control could connect to the same address.",
    ),
    Rule(
        id="ooni.v05.lookup-failed-without-control",
        when=_failed("dns", lambda s: s.control_dns == "absent" and s.control_http == "absent"),
        concludes=UNKNOWN,
        reason="The lookup failed and there is no control to compare with.",
    ),
    Rule(
        id="ooni.v05.redirect-lookup-failed",
        when=_failed("dns", lambda s: s.control_dns == "absent" and s.control_http == "worked"),
        concludes=DNS,
        reason="The name of a redirect could not be found, in a chain the control completed.",
    ),
    Rule(
        id="ooni.v05.lookup-failed-for-both",
        when=_failed("dns", lambda s: _fails_for_control(s.control_dns, s)),
        concludes=DOWN,
        reason="The name could be found neither by the probe nor by the control.",
    ),
    Rule(
        id="ooni.v05.no-address-for-both",
        when=_failed("dns", lambda seen: not seen.control_addresses),
        concludes=DOWN,
        reason="The lookup failed and the control found no address either.",
    ),
    Rule(
        id="ooni.v05.lookup-failed",
        when=_failed("dns", _always),
        concludes=DNS,
        reason="The lookup failed although the control found addresses.",
    ),
    Rule(
        id="ooni.v05.loopback-for-both",
        when=lambda s: _loopback_for_us(s) and only_loopback(s.control_addresses or ()),
        concludes=DOWN,
        reason="The name points every resolver at the asking host itself.",
    ),
    Rule(
        id="ooni.v05.loopback",
        when=_loopback_for_us,
        concludes=DNS,
        reason="The lookup gave only this host's own address while the control found others.",
    ),
)

NOTHING: Final[Rule[Evidence, Outcome]] = Rule(
    id="ooni.v05.nothing-decides",
    when=lambda _: True,
    concludes=UNKNOWN,
    reason="No observation decides.",
)

WRONG_ADDRESS: Final[Rule[Outcome, Outcome]] = Rule(
    id="ooni.v05.wrong-address",
    when=lambda outcome: outcome != ACCESSIBLE,
    concludes=DNS,
    reason="The system's resolver gave other addresses than the control's, or none.",
)


def judge_walk(evidence: Evidence) -> tuple[str, str, Outcome]:
    """Rule id, reason and outcome for a measurement."""
    found = walk(RULES, walk_order(evidence))
    if found is None:
        return NOTHING.id, NOTHING.reason, NOTHING.concludes
    rule, _ = found
    if dns_consistency(evidence) is False and WRONG_ADDRESS.when(rule.concludes):
        return WRONG_ADDRESS.id, f"{WRONG_ADDRESS.reason} {rule.reason}", WRONG_ADDRESS.concludes
    return rule.id, rule.reason, rule.concludes
