"""What the controls saw of each target, and what they say of one moment.

A control's word on (target, layer, address, moment) is:

    worked    it got through that layer, at that very address, before and after the moment,
              within the target's cadence
    failed    it tried, and never got through
    untried   it measured the target then, but not at that address
    mixed     it got through only before or only after: the site itself was changing
    waiting   the time after the moment has not passed yet
    absent    it did not measure the target then

For DNS and HTTP the address does not matter: any answer, any page. Controls are the nodes abroad;
for a domestic target they are the sensors of the other networks at home.

A control that was asked to try an address speaks of that address only. "Failed" is said before
the time is up only when two networks have failed there afterwards: one may be ill itself.

Memory: the newest `MEMORY` outcomes of each target.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from shyraq_collector.judge.addresses import are_neighbours
from shyraq_collector.judge.pages import Page
from shyraq_collector.judge.sightings import OF_ADDRESS, Seen, Sighting, Tried
from shyraq_wire.topics import NodeId

Word = Literal["worked", "failed", "untried", "mixed", "waiting", "absent"]

MEMORY: Final = 512
"""Outcomes kept of one target: at one a minute, more than eight hours."""

ONE_NETWORK: Final = 0.85
"""What is left of a confidence when all controls stand in one network."""

_ENOUGH: Final = 2
"""Networks that must have failed before it is final early."""

_DEPTH: Final[dict[Tried, int]] = {"dns": 0, "tcp": 1, "tls": 2, "quic": 3, "http": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One control's measurement of one target."""

    node: NodeId
    network: str
    """A control never speaks against a node of its own network."""
    abroad: bool
    sighting: Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the controls are asked."""

    target: str
    tried: Tried
    address: str | None
    """None: any address will do; it never matters for DNS and HTTP."""
    at_ms: int
    cadence_ms: int
    now_ms: int
    """How far time has come; never beyond what has been observed."""
    domestic: bool
    network: str
    """Of the node that is judged."""

    @property
    def is_of_address(self) -> bool:
        """Whether only what was tried at the very address counts."""
        return self.address is not None and self.tried in OF_ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the controls say."""

    word: Word
    nodes: tuple[NodeId, ...] = ()
    """Who got through, or, where nobody did, who tried; sorted."""
    networks: int = 0
    """How many networks they stand in."""
    page: Page | None = None
    """The newest page among them."""
    answers: frozenset[str] = frozenset()
    """What their own resolvers gave for the name at about that time."""
    steady: bool = False
    """Every network among them was given about the same addresses as another: the name's answer
    does not depend on where one asks."""
    tried: bool = False
    """Whether any of them tried the very address, or the layer where no address matters."""
    passed_after: bool = False
    """Whether every one that tried it got through, and one of them after the moment."""
    indirect: bool = False
    """They speak of other addresses of the target; this one is known to be genuine."""


class Controls:
    """The memory of control outcomes, by target."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._outcomes: dict[str, list[Outcome]] = {}

    def remember(self, outcome: Outcome) -> None:
        """Keeps one outcome."""
        kept = self._outcomes.setdefault(outcome.sighting.target, [])
        insort(kept, outcome, key=_moment)
        del kept[:-MEMORY]

    def ask(self, question: Question) -> Answer:
        """The controls' word on one observation."""
        near = [
            outcome
            for outcome in self._within(question)
            if outcome.network != question.network and (outcome.abroad != question.domestic)
        ]
        tried = [(outcome, got) for outcome in near if (got := _got(outcome, question)) is not None]
        passed = [outcome for outcome, got in tried if got]
        telling = passed or [outcome for outcome, _ in tried]
        later = question.now_ms - question.at_ms > question.cadence_ms
        given = _given(near)
        return Answer(
            word=_word(question.at_ms, near, tried, later=later),
            nodes=tuple(sorted({outcome.node for outcome in telling})),
            networks=len({outcome.network for outcome in telling}),
            page=_newest_page(passed),
            tried=bool(tried),
            passed_after=len(passed) == len(tried)
            and any(_moment(outcome) > question.at_ms for outcome in passed),
            answers=frozenset().union(*given.values()),
            steady=_steady(given),
        )

    def _within(self, question: Question) -> list[Outcome]:
        kept = self._outcomes.get(question.target, [])
        first = bisect_left(kept, question.at_ms - question.cadence_ms, key=_moment)
        after = bisect_right(kept, question.at_ms + question.cadence_ms, key=_moment)
        return kept[first:after]


def _moment(outcome: Outcome) -> int:
    return outcome.sighting.at_ms


def _word(
    at_ms: int, near: list[Outcome], tried: list[tuple[Outcome, bool]], *, later: bool
) -> Word:
    passed_before = any(got and outcome.sighting.at_ms <= at_ms for outcome, got in tried)
    passed_after = any(got and outcome.sighting.at_ms > at_ms for outcome, got in tried)
    tried_after = {outcome.network for outcome, _ in tried if outcome.sighting.at_ms > at_ms}
    if passed_before and passed_after:
        return "worked"
    if not later and (len(tried_after) < _ENOUGH or passed_before or passed_after):
        return "waiting"
    if passed_before or passed_after:
        return "mixed"
    if tried:
        return "failed"
    return "untried" if near else "absent"


def _got(outcome: Outcome, question: Question) -> bool | None:
    """Whether a control got through the layer; None: it did not try."""
    if outcome.sighting.asked and not question.is_of_address:
        return None
    answers = [_layer_got(seen, question) for seen in _relevant(outcome.sighting.walk, question)]
    known = [answer for answer in answers if answer is not None]
    return any(known) if known else None


def _relevant(walk: Iterable[Seen], question: Question) -> Iterable[Seen]:
    if not question.is_of_address:
        return walk
    return (seen for seen in walk if seen.address == question.address)


def _layer_got(seen: Seen, question: Question) -> bool | None:
    if question.tried == "dns":
        return seen.failure is None if seen.tried == "dns" else None
    if seen.tried == "dns" or _DEPTH[seen.tried] < _DEPTH[question.tried]:
        return None if seen.failure is None else False
    return _DEPTH[seen.tried] > _DEPTH[question.tried] or seen.failure is None


def _given(near: Iterable[Outcome]) -> dict[str, frozenset[str]]:
    """What the resolvers of each network gave."""
    given: dict[str, frozenset[str]] = {}
    for outcome in near:
        answers = (answer for seen in outcome.sighting.walk for answer in seen.answers)
        given[outcome.network] = given.get(outcome.network, frozenset()).union(answers)
    return given


def _steady(given: Mapping[str, frozenset[str]]) -> bool:
    """Whether there are two networks or more, and each was given what another was given."""
    told = {network: answers for network, answers in given.items() if answers}
    return len(told) >= _ENOUGH and all(
        any(
            are_neighbours(answer, others)
            for other, others in told.items()
            if other != network
            for answer in answers
        )
        for network, answers in told.items()
    )


def _newest_page(passed: list[Outcome]) -> Page | None:
    for outcome in reversed(passed):
        end = outcome.sighting.end
        if end is not None and end.page is not None:
            return end.page
    return None
