"""The rules for our own measurements: one table, asked about each observation of the walk.

The first rule that recognises an observation speaks for the whole measurement. So a good end
decides before any failure on the way, and among failures the last redirect and the highest layer
decide first. Four principles stand behind the order:

- what tells of the node's own line (no path, a portal, a home filter, a wrong clock) comes before
  any word about the target;
- nothing is blocked without a repetition, nor without a control that got through before and after
  at the same address; if nobody could try that one, then at others, but only where the target
  had surely been met at it, or where a forged certificate stands in plain sight;
- where the control fails too, the target is down;
- a page that says no after a good handshake is the server's refusal, not the network's.
"""

from typing import Final

from shyraq_collector.judge.case import Case, Conclusion
from shyraq_collector.judge.conditions import (
    CERTIFICATE_FAILURES,
    NETWORK_LOGIN,
    QUIC_TRIES,
    REFUSALS,
    answered_by_nobody,
    blocked,
    failed,
    forged,
    lied,
    only_asked,
    other_page,
    status,
    wrong_address,
)
from shyraq_collector.judge.engine import Rule

RULES: Final[tuple[Rule[Case, Conclusion], ...]] = (
    Rule(
        id="portal.login",
        when=lambda case: case.portal or status(case) == NETWORK_LOGIN,
        concludes=Conclusion("unknown", doubt="captive_portal"),
        reason="The network wants a login first: a response leads to the local network.",
    ),
    Rule(
        id="dns.injected",
        when=lambda case: lied(case) and case.repeated,
        concludes=Conclusion("blocked", layer="dns"),
        reason="A false answer came from where no resolver runs, or before the true one: it was"
        " injected on the way.",
        confidence=0.95,
    ),
    Rule(
        id="dns.injected-once",
        when=lied,
        concludes=Conclusion("unknown", doubt="too_few"),
        reason="A false answer was injected on the way, so far once.",
    ),
    Rule(
        id="dns.injected-unclear",
        when=lambda case: answered_by_nobody(case) and case.control != "absent",
        concludes=Conclusion("unknown", doubt="unclear"),
        reason="Somebody on the way answers in place of resolvers; whether falsely cannot be told.",
    ),
    Rule(
        id="dns.injected-no-control",
        when=answered_by_nobody,
        concludes=Conclusion("unknown", doubt="no_control"),
        reason="Somebody on the way answers in place of resolvers; no control says how truly.",
    ),
    Rule(
        id="tls.slowed",
        when=lambda case: case.complete and case.slowed,
        concludes=Conclusion("throttled"),
        reason="Handshakes with this name take longer than with neutral names on the same line.",
        confidence=0.9,
    ),
    Rule(
        id="pair.lasting",
        when=lambda case: case.complete and case.seen.secure and case.lasting,
        concludes=Conclusion("throttled"),
        reason="The target was reached, but was slowed down when last compared on this line.",
        confidence=0.85,
    ),
    Rule(
        id="http.refused-for-everybody",
        when=lambda case: case.complete and status(case) in REFUSALS and case.same_status,
        concludes=Conclusion("ok"),
        reason="The server turns the control away in the same way.",
        confidence=0.9,
    ),
    Rule(
        id="http.refused",
        when=lambda case: case.complete and case.seen.secure and status(case) in REFUSALS,
        concludes=Conclusion("unknown", doubt="refused_by_server"),
        reason="The server itself turned the visitor away after a good handshake.",
        confidence=0.9,
    ),
    Rule(
        id="ok.secure",
        when=lambda case: case.complete and case.seen.secure,
        concludes=Conclusion("ok"),
        reason="The target was reached over TLS with a certificate the agent trusts.",
        confidence=0.99,
    ),
    Rule(
        id="ok.same-page",
        when=lambda case: case.complete and case.same_page is True,
        concludes=Conclusion("ok"),
        reason="The page in the clear is the control's page.",
        confidence=0.95,
    ),
    Rule(
        id="http.other-page",
        when=lambda case: other_page(case) and case.control == "worked" and case.repeated,
        concludes=Conclusion("blocked", layer="http"),
        reason="Another page than the control's was served in the clear, repeatedly.",
        confidence=0.8,
    ),
    Rule(
        id="http.other-page-once",
        when=lambda case: other_page(case) and case.control == "worked",
        concludes=Conclusion("unknown", doubt="too_few"),
        reason="Another page than the control's was served in the clear, so far once.",
    ),
    Rule(
        id="http.no-control",
        when=lambda case: case.complete and case.seen.tried == "http",
        concludes=Conclusion("unknown", doubt="no_control"),
        reason="A page came in the clear and no control's page can be set beside it.",
    ),
    Rule(
        id="ok.answered",
        when=lambda case: (
            case.complete
            and not case.injected
            and (case.seen.tried in ("dns", "tcp") or case.seen.greeted)
        ),
        concludes=Conclusion("ok"),
        reason="The target answered at the layer that was asked about.",
        confidence=0.7,
    ),
    Rule(
        id="own.no-path",
        when=lambda case: failed(case) and case.no_path,
        concludes=Conclusion("unknown", doubt="own_fault"),
        reason="The node reached nothing at all where the target stands.",
    ),
    Rule(
        id="own.line",
        when=lambda case: failed(case) and case.line_suspect,
        concludes=Conclusion("unknown", doubt="own_fault"),
        reason="Names that nobody blocks fail for this node as well.",
    ),
    Rule(
        id="own.home-filter",
        when=lambda case: failed(case) and case.private_answer,
        concludes=Conclusion("unknown", doubt="home_filter"),
        reason="The resolver gives a local address, as filters at home do.",
    ),
    Rule(
        id="own.clock",
        when=lambda case: failed(case) and case.seen.dates_only and case.clock_wrong,
        concludes=Conclusion("unknown", doubt="wrong_clock"),
        reason="Only the dates of the certificate are refused, and the node's clock is unsure.",
    ),
    Rule(
        id="control.absent",
        when=lambda case: failed(case) and case.control == "absent",
        concludes=Conclusion("unknown", doubt="no_control"),
        reason="No control measured the target before and after.",
    ),
    Rule(
        id="dns.wrong-address",
        when=lambda case: wrong_address(case) and case.repeated,
        concludes=Conclusion("blocked", layer="dns"),
        reason="The name was given an address where not even the control finds the site.",
        confidence=0.85,
    ),
    Rule(
        id="dns.strange-certificate",
        when=lambda case: forged(case) and case.strange_address,
        concludes=Conclusion("blocked", layer="dns"),
        reason="An address far from the site's serves another's certificate for its name.",
        confidence=0.75,
    ),
    Rule(
        id="tls.untried-certificate",
        when=forged,
        concludes=Conclusion("blocked", layer="certificate"),
        reason="Another's certificate is served near the site's own addresses, not to the control.",
        confidence=0.8,
    ),
    Rule(
        id="control.untried",
        when=lambda case: failed(case) and case.control == "untried",
        concludes=Conclusion("unknown", doubt="address_untried"),
        reason="No control tried the address that this node was given.",
    ),
    Rule(
        id="control.not-here",
        when=lambda case: only_asked(case) and not wrong_address(case),
        concludes=Conclusion("unknown", doubt="unclear"),
        reason="Asked, the control fails at this address too; at others the site is not down.",
    ),
    Rule(
        id="quic.not-offered",
        when=lambda case: failed(case) and case.seen.tried == "quic" and case.control == "failed",
        concludes=Conclusion("down"),
        reason="The control gets no HTTP/3 at this address either: the site does not offer it.",
        confidence=0.9,
    ),
    Rule(
        id="down.for-everybody",
        when=lambda case: failed(case) and case.control == "failed" and not wrong_address(case),
        concludes=Conclusion("down"),
        reason="The control fails in the same place.",
        confidence=0.9,
    ),
    Rule(
        id="control.mixed",
        when=lambda case: failed(case) and case.control in ("mixed", "waiting"),
        concludes=Conclusion("unknown", doubt="unclear"),
        reason="The controls got through only before or only after: the site itself was changing.",
    ),
    Rule(
        id="control.once",
        when=lambda case: failed(case) and not case.repeated,
        concludes=Conclusion("unknown", doubt="too_few"),
        reason="It failed here and not for the control, so far once.",
    ),
    Rule(
        id="http.failed",
        when=lambda case: blocked(case, "http"),
        concludes=Conclusion("blocked", layer="http"),
        reason="The request fails here, repeatedly, and works for the control.",
        confidence=0.85,
    ),
    Rule(
        id="tls.certificate",
        when=lambda c: blocked(c, "tls") and c.seen.failure in CERTIFICATE_FAILURES,
        concludes=Conclusion("blocked", layer="certificate"),
        reason="Another's certificate is served here, while the control gets the right one.",
        confidence=0.95,
    ),
    Rule(
        id="tls.failed",
        when=lambda case: blocked(case, "tls"),
        concludes=Conclusion("blocked", layer="tls"),
        reason="The handshake fails here, repeatedly, and works for the control at this address.",
        confidence=0.9,
    ),
    Rule(
        id="tcp.failed",
        when=lambda case: blocked(case, "tcp"),
        concludes=Conclusion("blocked", layer="tcp"),
        reason="The connection fails here, repeatedly, and works for the control at this address.",
        confidence=0.85,
    ),
    Rule(
        id="quic.failed",
        when=lambda case: (
            blocked(case, "quic") and case.seen.secure and case.seen.tries >= QUIC_TRIES
        ),
        concludes=Conclusion("blocked", layer="quic"),
        reason="HTTP/3 fails here three times over, repeatedly, while TLS at this address works;"
        " the control gets it there.",
        confidence=0.9,
    ),
    Rule(
        id="quic.too-few-tries",
        when=lambda case: failed(case) and case.seen.tried == "quic",
        concludes=Conclusion("unknown", doubt="too_few"),
        reason="HTTP/3 fails here, but was tried fewer than three times: loss is not a block.",
    ),
    Rule(
        id="dns.failed",
        when=lambda case: blocked(case, "dns"),
        concludes=Conclusion("blocked", layer="dns"),
        reason="The lookup fails here, repeatedly, and works for the control.",
        confidence=0.8,
    ),
)

NOTHING: Final[Rule[Case, Conclusion]] = Rule(
    id="own.nothing",
    when=lambda _: True,
    concludes=Conclusion("unknown", doubt="own_fault"),
    reason="No step was taken that tells anything of the target.",
)
