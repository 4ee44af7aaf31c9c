"""What living nodes say of targets: verdicts and rates, with the truth about who interferes.

1. Once an hour, each in its own minute, a node judges every target and measures its rate; controls
   abroad measure rates only.
2. `TargetFault`: a target blocked or slowed, or everything slowed, for the lines of some networks.
3. Ordinary noise: verdicts that are wrong or missing; a home filter that blocks one target for one
   line for ever; targets that are down for all, now and then called blocked; rates that scatter,
   fall each evening, and for whole hours at one home or, less, in one network.

Like the rest of the simulator it is used to hold the detector against known truth only.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from shyraq_collector.facts.fleet import LineKey, Placement
from shyraq_collector.facts.signals import TargetState

TARGETS = ("news.example", "video.example", "forum.example", "chat.example")
CONTROLS = ("control-a", "control-b")
HOUR_S, DAY_S, MINUTE_S = 3600.0, 86400.0, 60.0

WRONG, MISSING, DOWN_CALLED_BLOCKED = 0.003, 0.03, 0.03
FILTERED_LINES = 0.025
TARGET_DAYS, HOME_DAYS, PROVIDER_DAYS = 10.0, 3.0, 10.0
"""Mean days between outages of a target, slow hours of a home, busy hours of a network."""

SEEN = 0.92
"""How often a verdict sees an interference that is there; else it is unknown."""

SLOWED, HOME_SLOW, PROVIDER_SLOW, EVENING_SLOW = 0.2, 0.15, 0.6, 0.55
USUAL_BPS, SCATTER = 12e6, 0.25


class Listener(Protocol):
    """Who is told."""

    def verdict(self, node: str, target: str, at: float, state: TargetState) -> None:
        """What the judge says of one measurement."""

    def rate(self, node: str, target: str, at: float, bits_per_second: float) -> None:
        """How fast a target was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFault:
    """An interference.

    Attributes:
        begin: From when.
        end: Until when.
        state: blocked or throttled.
        isps: For the lines of these networks.
        targets: Which targets.
    """

    begin: float
    end: float
    state: TargetState
    isps: frozenset[str]
    targets: frozenset[str]

    def hits(self, key: LineKey, target: str, at: float) -> bool:
        """Whether a line meets it."""
        return self.begin <= at < self.end and key.isp in self.isps and target in self.targets


class Survey:
    """Every hour's round of every node."""

    def __init__(
        self,
        placements: list[Placement],
        faults: list[TargetFault],
        span: tuple[float, float],
        rng: random.Random,
        listener: Listener,
    ) -> None:
        """Lay the noise over [begin, end) of `span`."""
        self._rng, self._faults, self._listener = rng, faults, listener
        self._turns: dict[int, list[tuple[str, LineKey | None]]] = defaultdict(list)
        for placement in placements:
            self._turns[rng.randrange(60)].append((placement.node, placement.line))
        for node in CONTROLS:
            self._turns[rng.randrange(60)].append((node, None))
        keys = sorted({placement.line for placement in placements}, key=str)
        self._filters = {k: rng.choice(TARGETS) for k in keys if rng.random() < FILTERED_LINES}
        self._down = {name: self._spans(span, TARGET_DAYS, 1.5) for name in TARGETS}
        self._home = {key: self._spans(span, HOME_DAYS, 2.0) for key in keys}
        isps = sorted({key.isp for key in keys if key.isp})
        self._busy = {isp: self._spans(span, PROVIDER_DAYS, 4.0) for isp in isps}

    def _spans(self, span: tuple[float, float], days: float, hours: float) -> list[list[float]]:
        """Stretches of up to so many hours, newest first, to be popped as time passes."""
        found: list[list[float]] = []
        at = span[0]
        while at < span[1]:
            at += self._rng.expovariate(1.0 / (days * DAY_S))
            length = self._rng.uniform(0.2, 1.0) * hours * HOUR_S
            found.append([at, at + length])
            at += length
        return found[::-1]

    def minute(self, base: float, is_silent: Callable[[str, float], bool]) -> None:
        """Everything that is said in one minute by nodes that are not silent."""
        for node, key in self._turns[round(base / MINUTE_S) % 60]:
            for at, target in self._round(base):
                if is_silent(node, at):
                    continue
                met = None if key is None else self._met(key, target, at)
                if key is not None:
                    self._listener.verdict(node, target, at, self._state(key, met, target, at))
                if met != "blocked" and not _inside(self._down[target], at):
                    self._listener.rate(node, target, at, self._rate(key, met, at))

    @staticmethod
    def _round(base: float) -> Iterator[tuple[float, str]]:
        for number, target in enumerate(TARGETS):
            yield base + 2.0 + 11.0 * number, target

    def _met(self, key: LineKey, target: str, at: float) -> TargetState | None:
        """The interference that a line meets, if any."""
        return next((fault.state for fault in self._faults if fault.hits(key, target, at)), None)

    def _state(self, key: LineKey, met: TargetState | None, target: str, at: float) -> TargetState:
        luck = self._rng.random()
        if _inside(self._down[target], at):
            return "blocked" if luck < DOWN_CALLED_BLOCKED else "down"
        if self._filters.get(key) == target:
            return "blocked"
        if met is not None:
            return met if luck < SEEN else "unknown"
        if luck < WRONG:
            return "blocked" if luck < 0.6 * WRONG else "throttled"
        return "unknown" if luck < WRONG + MISSING else "ok"

    def _rate(self, key: LineKey | None, met: TargetState | None, at: float) -> float:
        rate = USUAL_BPS * self._rng.lognormvariate(0.0, SCATTER)
        if key is None:
            return 5.0 * rate
        if 13.0 <= at % DAY_S / HOUR_S < 18.0:
            rate *= EVENING_SLOW
        if _inside(self._home[key], at):
            rate *= HOME_SLOW
        if key.isp and _inside(self._busy[key.isp], at):
            rate *= PROVIDER_SLOW
        return rate * SLOWED if met == "throttled" else rate


def _inside(spans: list[list[float]], at: float) -> bool:
    while spans and spans[-1][1] <= at:
        spans.pop()
    return bool(spans) and spans[-1][0] <= at
