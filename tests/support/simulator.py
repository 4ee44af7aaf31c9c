"""A country that misbehaves, with the truth beside it; written apart from the detector.

1. `fleet` places lines: a lattice (ISPs × regions × lines a cell) or scattered at random.
2. `Noise` (see `simulator_noise`) gives every line its silences.
3. `Fault` (see `simulator_faults`) adds what must be found.
4. `World.run` plays heartbeats minute by minute: jitter, lost, late and double ones, worse in the
   evening, canaries that share the collector's fate; nodes that had power tell of the gap later.

It is used to hold the detector against known truth, never to publish an accuracy.
"""

import random
from collections.abc import Callable, Iterator
from typing import Protocol

from shyraq_collector.facts.fleet import Access, Placement
from support.simulator_noise import BEAT_S, CANARIES, DAY_S, HOUR_S, Span, merged
from support.simulator_targets import Survey


class Detector(Protocol):
    """What the world talks to: the engine, or a baseline."""

    def heard(self, node: str, at: float, known_at: float) -> None:
        """A live word, or a back-filled one where `known_at` is much later."""

    def told_down(self, node: str, at: float, known_at: float) -> None:
        """A node's own word, after its return, that it reached nothing at `at`."""

    def disturbed(self, begin: float, end: float) -> None:
        """The collector itself noticed that it lost its broker in [begin, end]."""

    def tick(self, at: float) -> None:
        """A multiple of half a heartbeat has passed."""


def lattice_fleet(isps: int, regions: int, lines: int) -> list[Placement]:
    """So many lines in every cell; the last provider is mobile; one line in ten has two nodes."""
    return [
        placement
        for isp in range(isps)
        for region in range(regions)
        for number in range(lines)
        for placement in _line(isp, region, number, mobile=isp == isps - 1)
    ]


def scattered_fleet(lines: int, isps: int, regions: int, rng: random.Random) -> list[Placement]:
    """Lines wherever a host was found: many cells hold one or none."""
    return [
        placement
        for number in range(lines)
        for placement in _line(
            rng.randrange(isps), rng.randrange(regions), number, mobile=rng.random() < 0.25
        )
    ]


def _line(isp: int, region: int, number: int, *, mobile: bool) -> Iterator[Placement]:
    access: Access = "mobile" if mobile else "fixed"
    for copy in range(2 if number % 10 == 9 else 1):
        yield Placement(
            node=f"n-{isp}-{region}-{number}-{copy}",
            isp=f"isp{isp}",
            region=f"XX-{region:02d}",
            country="XX",
            access=access,
            site=f"site-{isp}-{region}-{number}",
        )


def canaries() -> list[Placement]:
    """One on the collector's host, two controls abroad."""
    return [
        Placement(node=n, isp=None, region=None, country="", access=None, site=n, role="canary")
        for n in CANARIES
    ]


class World:
    """Plays the heartbeats of a fleet whose silences are known."""

    def __init__(
        self,
        placements: list[Placement],
        spans: dict[str, list[Span]],
        rng: random.Random,
        survey: Survey | None = None,
    ) -> None:
        """Take the silences as they are; they are sorted and merged here."""
        self._rng = rng
        self._survey = survey
        nodes = [p.node for p in placements] + list(CANARIES)
        self._broker = sorted(
            {(begin, end) for begin, end, why in spans[CANARIES[0]] if why == "broker"}
        )[::-1]
        self._nodes = sorted((rng.uniform(0.0, BEAT_S), node) for node in nodes)
        self._spans = {node: merged(spans[node])[::-1] for _, node in self._nodes}
        self._early = [each for each in self._nodes if each[0] < BEAT_S / 2.0]
        self._turn = 0
        self._jitter = [rng.gauss(0.0, 0.6) for _ in range(4099)]

    def run(
        self,
        detectors: list[Detector],
        begin: float,
        end: float,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Play every minute in [begin, end), both multiples of the heartbeat."""
        pending: list[tuple[float, str]] = []
        for minute in range(round(begin / BEAT_S), round(end / BEAT_S)):
            base = minute * BEAT_S
            pending = self._minute(detectors, base, pending)
            if self._survey is not None:
                self._survey.minute(base, self._is_silent)
            self._tick(detectors, base + BEAT_S)
            if progress is not None and minute % 1440 == 0:
                progress(base)

    def _minute(
        self, detectors: list[Detector], base: float, pending: list[tuple[float, str]]
    ) -> list[tuple[float, str]]:
        """One heartbeat of every node and what comes late; what is late then is returned."""
        late: list[tuple[float, str]] = []
        half = base + BEAT_S / 2.0
        for begin, end, nodes in (
            (base, half, self._early),
            (half, base + BEAT_S, self._nodes[len(self._early) :]),
        ):
            for at, node in pending:
                if begin <= at < end:
                    self._beat(detectors, node, at)
            self._half(detectors, base, nodes, late)
            if begin == base:
                self._tick(detectors, half)
        return late

    def _tick(self, detectors: list[Detector], at: float) -> None:
        """What the collector noticed of its own broker is told first."""
        while self._broker and self._broker[-1][1] <= at:
            for detector in detectors:
                detector.disturbed(*self._broker[-1])
            self._broker.pop()
        for detector in detectors:
            detector.tick(at)

    def _half(
        self,
        detectors: list[Detector],
        base: float,
        nodes: list[tuple[float, str]],
        late: list[tuple[float, str]],
    ) -> None:
        """The nodes whose turn is in one half of a minute."""
        bad = 0.012 if 13 <= (base % DAY_S) / HOUR_S < 18 else 0.004
        odd, jitter, spans, turn = self._rng.random, self._jitter, self._spans, self._turn
        ears = [detector.heard for detector in detectors]
        for phase, node in nodes:
            turn = (turn + 1) % 4099
            offset = phase + jitter[turn]
            at = base + (offset if 0.0 < offset < 59.9 else min(max(offset, 0.0), 59.9))
            silences = spans[node]
            if silences and at >= silences[-1][0] and self._silent(detectors, node, at):
                continue
            if odd() < bad:
                late += self._odd(at, base, node)
                continue
            for heard in ears:
                heard(node, at, at)
        self._turn = turn

    def _odd(self, at: float, base: float, node: str) -> list[tuple[float, str]]:
        """Lost, late by up to a minute, or doubled."""
        match self._rng.randrange(3):
            case 0:
                return []
            case 1:
                return [(max(at + self._rng.uniform(5.0, 55.0), base + BEAT_S), node)]
            case _:
                return [(base + BEAT_S, node), (base + BEAT_S + 0.2, node)]

    def _is_silent(self, node: str, at: float) -> bool:
        silences = self._spans[node]
        return bool(silences) and silences[-1][0] <= at < silences[-1][1]

    def _beat(self, detectors: list[Detector], node: str, at: float) -> None:
        if self._is_silent(node, at):
            return
        for detector in detectors:
            detector.heard(node, at, at)

    def _silent(self, detectors: list[Detector], node: str, at: float) -> bool:
        """Whether a node is silent at `at`; drops silences that are over, and back-fills them."""
        silences = self._spans[node]
        while silences and at >= silences[-1][1]:
            begin, end, why = silences.pop()
            if node not in CANARIES:
                self._backfill(detectors, node, (begin, end, why), at)
        return bool(silences) and at >= silences[-1][0]

    def _backfill(self, detectors: list[Detector], node: str, span: Span, now: float) -> None:
        """We are back: first a live word, then what the node knows of the gap, if it had power."""
        begin, end, why = span
        for detector in detectors:
            detector.heard(node, now - 0.1, now - 0.1)
            for part in (0.1, 0.5, 0.9):
                at = begin + part * (end - begin)
                if why == "network":
                    detector.told_down(node, at, now)
                elif why == "broker":
                    detector.heard(node, at, now)
