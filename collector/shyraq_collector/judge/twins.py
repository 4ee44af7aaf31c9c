"""The judge of pairs: a name beside a neutral one, a page beside our own server.

A measurement of `name_pair` or `rate` by a control says what is usual; one by a sensor gets exactly
one verdict, at once, because what the controls said lately is enough. What was found slowed down
stays so for the other probes of that target until it is compared again or has aged.
"""

from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.verdicts import Slowdown, Verdict
from shyraq_collector.judge.comparing import Comparisons
from shyraq_collector.judge.controls import ONE_NETWORK
from shyraq_collector.judge.pair_rules import ask
from shyraq_collector.judge.policy import Policy
from shyraq_collector.judge.transfers import pairs_of
from shyraq_wire.report import Measurement
from shyraq_wire.topics import NodeId


class Twins:
    """Remembers pairs and judges them."""

    def __init__(self, policy: Policy) -> None:
        """Start with nothing.

        Args:
            policy: Cadences and strictness.
        """
        self._comparisons = Comparisons(policy)

    def observe(self, place: Placement, measurement: Measurement, *, at_ms: int) -> list[Verdict]:
        """The verdict on a sensor's measurement; none on a control's.

        Args:
            place: Where its node stood.
            measurement: Of a probe that compares.
            at_ms: When it finished, milliseconds since 1970 UTC.
        """
        target, pairs = measurement.target, pairs_of(measurement)
        if place.role == "control":
            self._comparisons.note_control(place, target, pairs, at_ms)
        if place.role != "sensor":
            return []
        compared = self._comparisons.note(place, target, pairs, at_ms)
        rule, seen = ask(compared)
        said = rule.concludes
        weight = ONE_NETWORK if seen is not None and seen.networks == 1 else 1.0
        return [
            Verdict(
                node=NodeId(place.node),
                isp=place.isp,
                region=place.region,
                access=place.access,
                target=target,
                at_ms=at_ms,
                state=said.state,
                layer=said.layer,
                doubt=said.doubt,
                rule=rule.id,
                confidence=rule.confidence * weight,
                reason=rule.reason,
                slowdown=seen.slowdown if seen is not None else None,
                controls=seen.controls if seen is not None else (),
            )
        ]

    def lasting(self, node: str, target: str, at_ms: int) -> Slowdown | None:
        """The slowdown that was last found on a node's line and still holds; None: none does."""
        return self._comparisons.lasting(node, target, at_ms)
