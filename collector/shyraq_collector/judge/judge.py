"""The judge of our own measurements: fed in order of arrival, answers in verdicts.

    1. A control's measurement is remembered; sensors are controls for domestic targets.
    2. A node's ladder, its neutral names and its clock say whether its own line can be trusted.
    3. A success is judged at once; a failure, or a page that must be compared, waits until the
       controls' word on its moment is final: at the latest one cadence later, by the
       measurements that have arrived since.
    4. The observations of a measurement are walked and the table of `rules` is asked; each
       measurement gets exactly one verdict, but for what was measured because we asked: that is
       a control's and speaks for nobody's own network.
    5. Addresses at which a node with a line failed are kept as `questions` for the controls.

It reads no clock: time is as far as the newest measurement, and `advance` may move it. The same
measurements in the same order give the same verdicts, so everything can be recomputed from the
store. Memory is bounded per target and per (node, target), whatever arrives.
"""

from collections.abc import Iterable
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from shyraq_collector.facts.asks import Met, Question
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.reports import VerifiedReport
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.judge.asking import network_of
from shyraq_collector.judge.case import Case, Conclusion
from shyraq_collector.judge.conditions import REFUSALS
from shyraq_collector.judge.controls import ONE_NETWORK, Answer
from shyraq_collector.judge.engine import Rule, walk
from shyraq_collector.judge.memories import Entered, Memories
from shyraq_collector.judge.policy import Policy
from shyraq_collector.judge.rules import NOTHING, RULES
from shyraq_collector.judge.sightings import sight
from shyraq_collector.judge.transfers import COMPARING
from shyraq_collector.judge.twins import Twins
from shyraq_collector.judge.wanted import Wanted
from shyraq_wire.report import Measurement
from shyraq_wire.topics import NodeId

MAX_WAITING: Final = 4_096
"""Measurements of one target that wait for controls; the oldest is then judged as it stands."""

_INDIRECT: Final = 0.85
"""What is left of it when they tried other addresses."""


class Judge:
    """One judge for the whole fleet."""

    def __init__(self, policy: Policy) -> None:
        """Start with an empty memory.

        Args:
            policy: Targets and strictness.
        """
        self._memories = Memories(policy)
        self._twins = Twins(policy)
        self._wanted = Wanted(policy)
        self._waiting: dict[str, list[tuple[int, int, Entered]]] = {}
        """By target: a heap of moment, order of arrival and measurement."""
        self._order = count()
        self._now_ms = 0

    def observe_report(self, placement: Placement, arrived: VerifiedReport) -> list[Verdict]:
        """All verdicts that one report makes possible, its own and those that waited for it.

        Args:
            placement: Where its node stood then.
            arrived: The report; one of an unknown version gives nothing.
        """
        report = arrived.report
        if report is None:
            return []
        wrong = bool(arrived.flags & {"wrong-clock", "future-time"})
        return [
            verdict
            for measurement in report.measurements
            for verdict in self.observe(
                placement,
                measurement,
                sealed_ms=arrived.dated_ms,
                clock_wrong=wrong or report.clock.source == "none",
            )
        ]

    def observe(
        self,
        placement: Placement,
        measurement: Measurement,
        *,
        sealed_ms: int,
        clock_wrong: bool = False,
    ) -> list[Verdict]:
        """All verdicts that one measurement makes possible.

        Args:
            placement: Where its node stood.
            measurement: What it measured.
            sealed_ms: The moment that its offsets count from, milliseconds since 1970.
            clock_wrong: Its clock is not to be trusted with certificate dates.
        """
        took_ms = measurement.started_offset_ms + round(measurement.duration_ms)
        # A report holds what had finished when it was sealed, whatever a node may claim: none may
        # move the judge's time ahead, for then nobody else would be waited for.
        at_ms = max(0, sealed_ms + min(0, took_ms))
        self._now_ms = max(self._now_ms, at_ms)
        self._memories.note_line(placement, measurement, at_ms)
        if measurement.probe in COMPARING:
            return self._twins.observe(placement, measurement, at_ms=at_ms)
        sighting = sight(measurement, at_ms=at_ms)
        if sighting is None or placement.role == "canary":
            return []
        verdicts = self._expire(sighting.target)
        if self._memories.note_control(placement, sighting):
            verdicts += self._settle(sighting.target)
        if placement.role == "control":
            self._wanted.note_try(sighting, network_of(placement))
        if placement.role == "sensor" and not sighting.asked:
            if self._memories.has_path(placement, sighting):
                self._wanted.note_failure(sighting, placement.node)
            verdicts += self._enter(
                self._memories.enter(placement, sighting, clock_wrong=clock_wrong)
            )
        return verdicts

    def advance(self, now_ms: int) -> list[Verdict]:
        """The verdicts that only time was needed for.

        Args:
            now_ms: A moment up to which everything has arrived that will.
        """
        self._now_ms = max(self._now_ms, now_ms)
        return [verdict for target in list(self._waiting) for verdict in self._expire(target)]

    def learn(self, met: Iterable[Met]) -> None:
        """Takes back the addresses at which targets were met in an earlier run."""
        self._memories.genuine.learn(met)

    def news(self) -> tuple[Met, ...]:
        """Addresses at which targets were met, to be given to `learn` in the next run."""
        return self._memories.genuine.news()

    def questions(self, now_ms: int) -> tuple[Question, ...]:
        """The addresses that controls should try, the newest failure first.

        Args:
            now_ms: Milliseconds since 1970 UTC.
        """
        return self._wanted.questions(now_ms)

    def _enter(self, entered: Entered) -> list[Verdict]:
        """Judges a newcomer at once, or lets it wait."""
        if not self._must_wait(entered):
            return [self._judge(entered)]
        queue = self._waiting.setdefault(entered.sighting.target, [])
        heappush(queue, (entered.sighting.at_ms, next(self._order), entered))
        return [self._judge(heappop(queue)[2])] if len(queue) > MAX_WAITING else []

    def _expire(self, target: str) -> list[Verdict]:
        """Judges those for whom no control can come any more."""
        queue, expired = self._waiting.get(target, []), []
        while queue and not self._must_wait(queue[0][2]):
            expired.append(self._judge(heappop(queue)[2]))
        if not queue:
            self._waiting.pop(target, None)
        return expired

    def _settle(self, target: str) -> list[Verdict]:
        """Judges all for whom a control's newest word was the missing one."""
        queue = self._waiting.pop(target, [])
        ready = [each for each in queue if not self._must_wait(each[2])]
        done = {order for _, order, _ in ready}
        still = [each for each in queue if each[1] not in done]
        if still:
            heapify(still)
            self._waiting[target] = still
        return [self._judge(entered) for _, _, entered in sorted(ready, key=lambda each: each[:2])]

    def _must_wait(self, entered: Entered) -> bool:
        end = entered.sighting.end
        if end is None:
            return False
        turned_away = end.page is not None and end.page.status in REFUSALS
        doubted = turned_away or end.injected or (end.tried == "http" and not end.secure)
        if entered.sighting.succeeded and not doubted:
            return False
        return self._memories.is_open(entered, end, now_ms=self._now_ms)

    def _judge(self, entered: Entered) -> Verdict:
        target, at_ms = entered.sighting.target, entered.sighting.at_ms
        lasting = self._twins.lasting(entered.placement.node, target, at_ms)
        cases = [
            replace(
                self._memories.case(entered, seen, now_ms=self._now_ms),
                lasting=lasting is not None,
            )
            for seen in entered.sighting.walk
        ]
        # Where one family reaches nothing at all, what the other met speaks first.
        # And among places that stand in for each other, the one of which the controls know.
        any_of = entered.sighting.any_of
        cases.sort(
            key=lambda case: (
                case.seen.failure is not None
                and 2 * case.no_path + (any_of and case.control != "worked")
            )
        )
        found = walk(RULES, cases)
        rule, answer = NOTHING, Answer(word="absent")
        if found is not None:
            rule, answer = found[0], found[1].witnesses
        place, concluded = entered.placement, rule.concludes
        return Verdict(
            node=NodeId(place.node),
            isp=place.isp,
            region=place.region,
            access=place.access,
            target=target,
            at_ms=at_ms,
            state=concluded.state,
            layer=concluded.layer,
            doubt=concluded.doubt,
            rule=rule.id,
            confidence=_confidence(rule, answer),
            reason=rule.reason,
            slowdown=lasting or entered.slowdown,
            controls=answer.nodes,
        )


def _confidence(rule: Rule[Case, Conclusion], answer: Answer) -> float:
    """The rule's own, less where it leans on controls of one network or at other addresses."""
    if rule.concludes.state not in ("blocked", "down"):
        return rule.confidence
    one_network = ONE_NETWORK if answer.networks == 1 else 1.0
    return rule.confidence * one_network * (_INDIRECT if answer.indirect else 1.0)
