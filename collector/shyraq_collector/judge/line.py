"""Whether a node's own line can be trusted at a moment: its ladder and its neutral names.

A target that fails while the node reaches nothing, or while names that nobody blocks fail too, is
no evidence against the target. The families are told apart: where IPv6 reaches nothing, a failure
over IPv6 says nothing of the target, however well IPv4 does.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shyraq_collector.facts.fleet import Placement
from shyraq_collector.judge.addresses import is_ipv6
from shyraq_collector.judge.fields import as_number, as_object
from shyraq_collector.judge.policy import Policy
from shyraq_collector.judge.sightings import Sighting, sight
from shyraq_wire.report import Measurement, Tier

_KEPT: Final = 16
"""Ladders and neutral outcomes of one node."""

_AT_HOME: Final[tuple[Tier, ...]] = ("official_domestic", "domestic")
_ABROAD: Final[tuple[Tier, ...]] = ("near_abroad", "abroad")


@dataclass(frozen=True, slots=True)
class LineState:
    """What is known of one node's line."""

    no_path: bool
    suspect: bool


@dataclass(frozen=True, slots=True)
class _Reach:
    """What answered in one direction, by family; a family that was not tried is absent."""

    alive: Mapping[str, bool]

    def is_dead(self, family: str | None) -> bool | None:
        """Whether nothing answered over a family, or over any; None: nothing was tried."""
        if family is not None and family in self.alive:
            return not self.alive[family]
        return not any(self.alive.values()) if self.alive else None


@dataclass(frozen=True, slots=True)
class _Ladder:
    at_ms: int
    home: _Reach
    """Nothing tried, as in a light beat: it says nothing of that."""
    abroad: _Reach

    def is_dead(self, *, domestic: bool, family: str | None) -> bool | None:
        """Whether nothing answered where such targets stand; None: it was not tried."""
        return (self.home if domestic else self.abroad).is_dead(family)


@dataclass(frozen=True, slots=True)
class _Neutral:
    at_ms: int
    target: str
    succeeded: bool


@dataclass(frozen=True, slots=True)
class _Memory:
    ladders: deque[_Ladder] = field(default_factory=lambda: deque(maxlen=_KEPT))
    neutral: deque[_Neutral] = field(default_factory=lambda: deque(maxlen=_KEPT))


class Lines:
    """The memory of every node's line."""

    def __init__(self, policy: Policy) -> None:
        """Start with nothing.

        Args:
            policy: Which targets are neutral, and how long a ladder speaks.
        """
        self._policy = policy
        self._memory: dict[str, _Memory] = {}

    def note(self, placement: Placement, measurement: Measurement, at_ms: int) -> None:
        """Keeps what a measurement says of its node's line, if anything."""
        if measurement.probe == "ladder":
            tiers = as_object(measurement.result.get("tiers"))
            ladder = _Ladder(at_ms, _reach(tiers, _AT_HOME), _reach(tiers, _ABROAD))
            if ladder.home.alive or ladder.abroad.alive:
                self._of(placement).ladders.append(ladder)
        elif self._policy.of(measurement.target).neutral:
            sighting = sight(measurement, at_ms=at_ms)
            if sighting is not None and sighting.walk:
                self._of(placement).neutral.append(
                    _Neutral(at_ms, measurement.target, sighting.succeeded)
                )

    def of(self, placement: Placement, sighting: Sighting, address: str | None) -> LineState:
        """The line's state at the moment of a sighting, as far as is known now.

        Args:
            placement: The node's.
            sighting: What it saw.
            address: The one in question, whose family counts; None: any family will do.
        """
        memory = self._memory.get(placement.node)
        if memory is None:
            return LineState(no_path=False, suspect=False)
        domestic = self._policy.of(sighting.target).domestic
        family = None if address is None else "ipv6" if is_ipv6(address) else "ipv4"
        near = [
            each.succeeded
            for each in memory.neutral
            if each.target != sighting.target
            and abs(each.at_ms - sighting.at_ms) <= self._policy.of(each.target).cadence_ms
        ]
        return LineState(
            no_path=self._is_dead_around(
                memory.ladders, sighting.at_ms, domestic=domestic, family=family
            ),
            suspect=bool(near) and not any(near),
        )

    def _is_dead_around(
        self, ladders: Iterable[_Ladder], at_ms: int, *, domestic: bool, family: str | None
    ) -> bool:
        """Whether the last ladder before a moment, or the first after it, was dead.

        Either is enough: what fails between a dead ladder and a live one may have failed while
        the line was still, or already, dead.
        """
        tried = [
            each
            for each in ladders
            if each.is_dead(domestic=domestic, family=family) is not None
            and abs(each.at_ms - at_ms) <= self._policy.ladder_age_ms
        ]
        before = max((each for each in tried if each.at_ms <= at_ms), key=_moment, default=None)
        after = min((each for each in tried if each.at_ms > at_ms), key=_moment, default=None)
        return any(
            each is not None and each.is_dead(domestic=domestic, family=family)
            for each in (before, after)
        )

    def _of(self, placement: Placement) -> _Memory:
        return self._memory.setdefault(placement.node, _Memory())


def _moment(ladder: _Ladder) -> int:
    return ladder.at_ms


def _reach(tiers: Mapping[str, object], names: tuple[Tier, ...]) -> _Reach:
    alive: dict[str, bool] = {}
    for name in names:
        for family, counts in as_object(tiers.get(name)).items():
            if as_number(as_object(counts).get("of")):
                answered = bool(as_number(as_object(counts).get("ok")))
                alive[family] = alive.get(family, False) or answered
    return _Reach(alive)
