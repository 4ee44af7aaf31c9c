"""The rules for what was compared with a neutral twin: names, answers, pages.

One measurement may hold several kinds of pairs; the table is asked rule by rule, and each rule
about every kind, so that what accuses at one place is not hidden by what is fine at another. Three
principles stand behind it:

- nothing is said without a control that met both sides lately;
- a name that makes no difference at our own server says nothing of the target itself: an
  interceptor may choose by destination. Only what was called slowed down before may be called ok;
- a page and our server are two servers: the page's rate accuses only where it is always the same.
"""

from typing import Final

from shyraq_collector.judge.case import Conclusion
from shyraq_collector.judge.comparing import MIN_PAIRS, Compared
from shyraq_collector.judge.engine import Rule

RULES: Final[tuple[Rule[Compared, Conclusion], ...]] = (
    Rule(
        id="pair.forged",
        when=lambda seen: seen.failed_at == "verify" and seen.repeated and seen.controlled,
        concludes=Conclusion("blocked", layer="certificate"),
        reason="Under this name, and not under a neutral one, our own server shows a certificate"
        " that is not its own.",
        confidence=0.95,
    ),
    Rule(
        id="pair.cut",
        when=lambda seen: (
            seen.kind != "page" and bool(seen.failed_at) and seen.repeated and seen.controlled
        ),
        concludes=Conclusion("blocked", layer="tls"),
        reason="Connections that bear this name fail where those with a neutral name do not,"
        " repeatedly.",
        confidence=0.9,
    ),
    Rule(
        id="pair.policed",
        when=lambda seen: seen.kind == "responder" and seen.slowed and seen.steady,
        concludes=Conclusion("throttled"),
        reason="Under this name our own server's bytes come at one low rate, and under a neutral"
        " name they do not: a policer or a shaper.",
        confidence=0.95,
    ),
    Rule(
        id="pair.slowed",
        when=lambda seen: seen.kind == "responder" and seen.slowed,
        concludes=Conclusion("throttled"),
        reason="Under this name our own server's bytes come more slowly than under a neutral one.",
        confidence=0.9,
    ),
    Rule(
        id="pair.late",
        when=lambda seen: seen.kind == "address" and seen.slowed,
        concludes=Conclusion("throttled"),
        reason="At the target's own address this name is answered later than a neutral one.",
        confidence=0.85,
    ),
    Rule(
        id="rate.policed",
        when=lambda seen: seen.kind == "page" and seen.slowed and seen.steady,
        concludes=Conclusion("throttled"),
        reason="The page's bytes come at one low rate on a line that carries our own server's"
        " faster: a policer or a shaper.",
        confidence=0.85,
    ),
    Rule(
        id="rate.uneven",
        when=lambda seen: seen.kind == "page" and seen.slowed,
        concludes=Conclusion("unknown", doubt="unclear"),
        reason="The page comes slowly and never at the same rate, as through a congested path.",
    ),
    Rule(
        id="pair.cut-once",
        when=lambda seen: seen.kind != "page" and bool(seen.failed_at) and seen.controlled,
        concludes=Conclusion("unknown", doubt="too_few"),
        reason="A connection that bears this name failed beside a good neutral one, so far once.",
    ),
    Rule(
        id="pair.neutral-failed",
        when=lambda seen: not seen.neutral_met,
        concludes=Conclusion("unknown", doubt="own_fault"),
        reason="The neutral side failed as well: nothing can be compared.",
    ),
    Rule(
        id="pair.no-control",
        when=lambda seen: not seen.controlled,
        concludes=Conclusion("unknown", doubt="no_control"),
        reason="No control has lately compared the same two.",
    ),
    Rule(
        id="pair.ended",
        when=lambda seen: seen.ended,
        concludes=Conclusion("ok"),
        reason="The slowdown that was seen here before is gone.",
        confidence=0.8,
    ),
    Rule(
        id="pair.too-few",
        when=lambda seen: seen.pairs < MIN_PAIRS,
        concludes=Conclusion("unknown", doubt="too_few"),
        reason="Too few pairs have been compared yet.",
    ),
    Rule(
        id="pair.no-difference",
        when=lambda _: True,
        concludes=Conclusion("unknown", doubt="unclear"),
        reason="No difference shows, which does not mean that the target is not blocked.",
    ),
)

NOTHING: Final[Rule[Compared, Conclusion]] = Rule(
    id="pair.nothing",
    when=lambda _: True,
    concludes=Conclusion("unknown", doubt="own_fault"),
    reason="No pair was measured.",
)


def ask(
    compared: list[Compared],
) -> tuple[Rule[Compared, Conclusion], Compared | None]:
    """The first rule that holds for any kind, with that kind; `NOTHING` without any."""
    for rule in RULES:
        for each in compared:
            if rule.when(each):
                return rule, each
    return NOTHING, None
