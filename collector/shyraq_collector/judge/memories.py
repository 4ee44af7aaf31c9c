"""What the judge remembers, and how an observation becomes a case for the rules.

The memories are those of the controls, of genuine addresses, of every node's line, of handshake
times and of failures in a row. All are bounded; none reads a clock.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.verdicts import Slowdown
from shyraq_collector.judge.asking import network_of
from shyraq_collector.judge.case import Case
from shyraq_collector.judge.controls import Answer, Controls, Outcome, Question
from shyraq_collector.judge.genuine import Genuine
from shyraq_collector.judge.line import Lines
from shyraq_collector.judge.pages import same_page
from shyraq_collector.judge.policy import Policy, TargetPolicy
from shyraq_collector.judge.sightings import OF_ADDRESS, Seen, Sighting, Tried
from shyraq_collector.judge.slowness import Slowness
from shyraq_wire.report import Measurement
from shyraq_wire.topics import NodeId

MAX_STREAKS: Final = 200_000
"""(node, target) pairs whose last failures are remembered; the longest unheard goes first."""

_STREAK_CADENCES: Final = 3
"""Failures further apart than this many cadences are not in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """One measurement of a sensor, with what was known of it when it came."""

    placement: Placement
    sighting: Sighting
    repeated: bool
    clock_wrong: bool
    slowdown: Slowdown | None


@dataclass(frozen=True, slots=True)
class _Streak:
    tried: Tried
    at_ms: int
    count: int


class Memories:
    """All memories of the judge."""

    def __init__(self, policy: Policy) -> None:
        """Start with nothing.

        Args:
            policy: Targets and strictness.
        """
        self._policy = policy
        self._controls = Controls()
        self._lines = Lines(policy)
        self._slowness = Slowness()
        self.genuine = Genuine()
        """Addresses at which targets were surely met."""
        self._streaks: OrderedDict[tuple[str, str], _Streak] = OrderedDict()

    def note_line(self, placement: Placement, measurement: Measurement, at_ms: int) -> None:
        """Keeps what a measurement says of its node's own line."""
        self._lines.note(placement, measurement, at_ms)

    def note_control(self, placement: Placement, sighting: Sighting) -> bool:
        """Keeps a measurement as a control for others.

        Returns:
            Whether it may be the word that somebody waits for. A neighbour's failure at a
            domestic target never is: time alone gives it weight.
        """
        abroad = placement.role == "control"
        policy, node = self._policy.of(sighting.target), NodeId(placement.node)
        self.genuine.note(sighting)
        if abroad or policy.domestic:
            network = network_of(placement)
            self._controls.remember(
                Outcome(node=node, network=network, abroad=abroad, sighting=sighting)
            )
        took_ms = _handshake_ms(sighting)
        if sighting.asked:
            took_ms = None  # an address of another country is far for a reason
        if took_ms is not None and policy.neutral:
            self._slowness.note_neutral(node, sighting.at_ms, took_ms)
        elif took_ms is not None and abroad:
            self._slowness.note_control(
                node, sighting.target, sighting.at_ms, took_ms, within_ms=policy.cadence_ms
            )
        return abroad or (policy.domestic and sighting.succeeded)

    def enter(self, placement: Placement, sighting: Sighting, *, clock_wrong: bool) -> Entered:
        """Takes in a sensor's measurement."""
        policy, took_ms = self._policy.of(sighting.target), _handshake_ms(sighting)
        slowdown = None
        if took_ms is not None and not policy.neutral:
            slowdown = self._slowness.note_target(
                NodeId(placement.node),
                sighting.target,
                sighting.at_ms,
                took_ms,
                within_ms=policy.cadence_ms,
            )
        return Entered(
            placement=placement,
            sighting=sighting,
            repeated=self._failures_in_a_row(placement, sighting) >= self._policy.repeats,
            clock_wrong=clock_wrong,
            slowdown=slowdown,
        )

    def ask(self, entered: Entered, seen: Seen, *, now_ms: int) -> Answer:
        """The controls' word on one observation.

        An address that none of them tried, but at which the target was surely met lately, is
        compared with the addresses that they did try. So is one at which all that tried, because
        they were asked, got through afterwards: that it worked before, the nodes have seen.
        """
        answer = self._controls.ask(
            self._question(entered, tried=seen.tried, address=seen.address, now_ms=now_ms)
        )
        sighting = entered.sighting
        if seen.address is None or seen.tried not in ("tcp", "tls") or answer.word == "worked":
            return answer
        if answer.tried and not answer.passed_after:
            return answer
        if not self.genuine.is_genuine(sighting.target, seen.address, sighting.at_ms):
            return answer
        return replace(self._elsewhere(entered, seen, now_ms=now_ms), indirect=True)

    def is_open(self, entered: Entered, seen: Seen, *, now_ms: int) -> bool:
        """Whether the controls' word on one observation may still change.

        Where they failed at the very address, it is also waited for what they meet at others.
        """
        word = self.ask(entered, seen, now_ms=now_ms).word
        if word == "failed" and seen.address is not None and seen.tried in OF_ADDRESS:
            word = self._elsewhere(entered, seen, now_ms=now_ms).word
        return word == "waiting"

    def has_path(self, placement: Placement, sighting: Sighting) -> bool:
        """Whether the node's line is not known to reach nothing where the target stands."""
        return not self._lines.of(placement, sighting, None).no_path

    def case(self, entered: Entered, seen: Seen, *, now_ms: int) -> Case:
        """One observation with everything that a rule may ask about it."""
        sighting, answer = entered.sighting, self.ask(entered, seen, now_ms=now_ms)
        ours, theirs = seen.page, answer.page
        line = self._lines.of(entered.placement, sighting, seen.address)
        return Case(
            seen=seen,
            complete=seen.tried == sighting.goal and seen.failure is None,
            answer=answer,
            same_page=same_page(ours, theirs, "ours") if ours and theirs else None,
            same_status=ours is not None and theirs is not None and ours.status == theirs.status,
            repeated=entered.repeated,
            slowed=self._slowed(entered.slowdown),
            no_path=line.no_path,
            line_suspect=line.suspect,
            clock_wrong=entered.clock_wrong,
            private_answer=sighting.private_answer,
            portal=sighting.portal,
            elsewhere=self._elsewhere(entered, seen, now_ms=now_ms)
            if answer.word in ("failed", "untried")
            else Answer(word="absent"),
            given=seen.address in answer.answers,
            strange_address=seen.address is not None
            and self.genuine.is_strange(sighting.target, seen.address, answer.answers),
            injected=seen.injected,
            false_answer=self._false_answer(sighting, seen, answer),
        )

    def _false_answer(self, sighting: Sighting, seen: Seen, answer: Answer) -> bool | None:
        """Whether an injected answer is not the truth.

        A router or a network that answers in everybody's place may well tell the truth; and the
        answers for a name that has others everywhere cannot be compared, unless the true one
        comes after.
        """
        if not seen.injected or answer.word != "worked" or sighting.private_answer:
            return None
        if seen.failure is not None:
            return True
        if self._any_known(sighting.target, seen.answers, answer):
            return False
        known_later = self._any_known(sighting.target, seen.later, answer)
        return True if known_later or answer.steady else None

    def _any_known(self, target: str, addresses: Sequence[str], answer: Answer) -> bool:
        given = answer.answers
        return any(not self.genuine.is_strange(target, each, given) for each in addresses)

    def _question(
        self, entered: Entered, *, tried: Tried, address: str | None, now_ms: int
    ) -> Question:
        target: TargetPolicy = self._policy.of(entered.sighting.target)
        return Question(
            target=entered.sighting.target,
            tried=tried,
            address=address,
            at_ms=entered.sighting.at_ms,
            cadence_ms=target.cadence_ms,
            now_ms=now_ms,
            domestic=target.domestic,
            network=network_of(entered.placement),
        )

    def _failures_in_a_row(self, placement: Placement, sighting: Sighting) -> int:
        key, end = (placement.node, sighting.target), sighting.end
        if end is None:
            return 0
        last = self._streaks.pop(key, None)
        within_ms = _STREAK_CADENCES * self._policy.of(sighting.target).cadence_ms
        follows = (
            last is not None
            and last.tried == end.tried
            and 0 <= sighting.at_ms - last.at_ms <= within_ms
        )
        count = last.count + 1 if follows and last is not None else 1
        if not _good(sighting, end):
            self._streaks[key] = _Streak(end.tried, sighting.at_ms, count)
            if len(self._streaks) > MAX_STREAKS:
                self._streaks.popitem(last=False)
        return count

    def _elsewhere(self, entered: Entered, seen: Seen, *, now_ms: int) -> Answer:
        """The controls' word at any address."""
        return self._controls.ask(
            self._question(entered, tried=seen.tried, address=None, now_ms=now_ms)
        )

    def _slowed(self, slowdown: Slowdown | None) -> bool:
        return slowdown is not None and self._policy.is_slow(slowdown)


def _good(sighting: Sighting, end: Seen) -> bool:
    """Whether nothing is left to repeat: a complete end that cannot be another's page."""
    if any(seen.injected for seen in sighting.walk):
        return False
    return sighting.succeeded and (end.secure or end.tried != "http")


def _handshake_ms(sighting: Sighting) -> float | None:
    """The time of the handshake that led to the end; None: there was none that worked."""
    end = sighting.end
    took = end.handshake_ms if end is not None else None
    return took if took is not None and took > 0 else None
