"""A country that misbehaves, with the truth beside it; written apart from the detector.

1. `fleet` places lines: a lattice (ISPs × regions × lines a cell) or scattered at random.
2. `Noise` gives every line its silences: its own drops (heavy-tailed rates, lognormal lengths) and
   the shared causes that make simple detectors cry wolf: a provider's night reboots, street feeders
   that take neighbours of several providers, two nodes on one router, agent roll-outs, broker
   restarts after which nodes dribble back, hosts that unplug for days.
3. `Fault` (see `simulator_faults`) adds what must be found.
4. `World.run` plays heartbeats minute by minute: jitter, lost, late and double ones, worse in the
   evening, canaries that share the collector's fate; nodes that had power tell of the gap later.

It is used to hold the detector against known truth, never to publish an accuracy.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from shyraq_collector.facts.fleet import Access, Placement
from support.simulator_targets import Survey

Why: TypeAlias = Literal["power", "network", "broker", "agent"]
Span: TypeAlias = tuple[float, float, Why]

BEAT_S = 60.0
HOUR_S = 3600.0
DAY_S = 86400.0
EPOCH_S = 1_609_459_200.0
"""2021-01-01: begin of every simulation."""

CANARIES = ("canary", "control-a", "control-b")


class Detector(Protocol):
    """What the world talks to: the engine, or a baseline."""

    def heard(self, node: str, at: float, known_at: float) -> None:
        """A live word, or a back-filled one where `known_at` is much later."""

    def told_down(self, node: str, at: float, known_at: float) -> None:
        """A node's own word, after its return, that it reached nothing at `at`."""

    def disturbed(self, begin: float, end: float) -> None:
        """The collector itself noticed that it lost its broker in [begin, end]."""

    def tick(self, at: float) -> None:
        """A multiple of the heartbeat has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLevel:
    """How bad an ordinary day is.

    Attributes:
        drops_a_day: Mean of the lines' own drop rates; their shape is 0.5, so a few drop a lot.
        feeder_days: Mean days between failures of one street feeder (two or three lines).
        night_days: Mean days between night maintenances of one provider in one region.
        rollout_days: Days between agent roll-outs.
        broker_days: Mean days between broker restarts.
        unplug_days: Mean days between a host's unplugging for one to five days.
    """

    drops_a_day: float = 1.0
    feeder_days: float = 60.0
    night_days: float = 20.0
    rollout_days: float = 30.0
    broker_days: float = 7.0
    unplug_days: float = 150.0


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


@dataclass(slots=True)
class Noise:
    """The silences of every node over one stretch of time, by node."""

    placements: list[Placement]
    begin: float
    end: float
    level: NoiseLevel
    rng: random.Random
    spans: dict[str, list[Span]] = field(default_factory=dict)

    def make(self) -> dict[str, list[Span]]:
        """All silences, unsorted."""
        self.spans = {node: [] for node in (*(p.node for p in self.placements), *CANARIES)}
        by_site: dict[str, list[str]] = {}
        for placement in self.placements:
            by_site.setdefault(placement.site, []).append(placement.node)
        for nodes in by_site.values():
            self._own_drops(nodes)
        self._feeders(by_site)
        self._nights()
        self._rollouts()
        self._broker_restarts()
        return self.spans

    def _times(self, mean_days: float) -> Iterator[float]:
        at = self.begin + self.rng.expovariate(1.0 / (mean_days * DAY_S))
        while at < self.end:
            yield at
            at += self.rng.expovariate(1.0 / (mean_days * DAY_S))

    def _silence(self, nodes: list[str], begin: float, length: float, why: Why) -> None:
        for node in nodes:
            self.spans[node].append((begin, begin + length, why))

    def _own_drops(self, nodes: list[str]) -> None:
        rate = max(self.rng.gammavariate(0.5, 2.0 * self.level.drops_a_day), 0.01)
        for at in self._times(1.0 / rate):
            why: Why = "power" if self.rng.random() < 0.4 else "network"
            self._silence(nodes, at, 60.0 * self.rng.lognormvariate(math.log(12.0), 1.2), why)
        for at in self._times(self.level.unplug_days):
            self._silence(nodes, at, self.rng.uniform(1.0, 5.0) * DAY_S, "power")

    def _feeders(self, by_site: dict[str, list[str]]) -> None:
        """Neighbours of any provider on one feeder: two or three sites of a region."""
        by_region: dict[str | None, list[str]] = {}
        isp_of = {placement.site: placement.isp for placement in self.placements}
        for placement in self.placements:
            sites = by_region.setdefault(placement.region, [])
            if placement.site not in sites:
                sites.append(placement.site)
        for sites in by_region.values():
            self.rng.shuffle(sites)
            while sites:
                feeder = [sites.pop() for _ in range(min(len(sites), self.rng.choice((2, 3))))]
                if len({isp_of[site] for site in feeder}) == 1:
                    continue  # all of one network in one place: not to be told from a cell's cut
                nodes = [node for site in feeder for node in by_site[site]]
                for at in self._times(self.level.feeder_days):
                    length = 60.0 * self.rng.lognormvariate(math.log(50.0), 0.8)
                    self._silence(nodes, at, length, "power")

    def _nights(self) -> None:
        """A provider reboots its equipment in one region: each line once, within two hours."""
        cells: dict[tuple[str | None, str | None], list[str]] = {}
        for placement in self.placements:
            cells.setdefault((placement.isp, placement.region), []).append(placement.node)
        for nodes in cells.values():
            for at in self._times(self.level.night_days):
                night = at - at % DAY_S + 21.0 * HOUR_S
                for node in nodes:
                    begin = night + self.rng.uniform(0.0, 2.0) * HOUR_S
                    self._silence([node], begin, self.rng.uniform(120.0, 420.0), "network")

    def _rollouts(self) -> None:
        """Every agent restarts within two hours, a quarter of the fleet at a time."""
        at = self.begin + self.level.rollout_days * DAY_S
        while at < self.end:
            for placement in self.placements:
                begin = at + self.rng.randrange(4) * 1800.0 + self.rng.uniform(0.0, 900.0)
                self._silence([placement.node], begin, self.rng.uniform(20.0, 150.0), "agent")
            at += self.level.rollout_days * DAY_S

    def _broker_restarts(self) -> None:
        for at in self._times(self.level.broker_days):
            cut_broker(self.spans, at, self.rng.uniform(20.0, 150.0), self.rng)


def cut_broker(spans: dict[str, list[Span]], at: float, length: float, rng: random.Random) -> None:
    """The broker is away: all are silent; controls return at once, nodes within four minutes."""
    for node, silences in spans.items():
        slow = 5.0 if node in CANARIES else rng.uniform(0.0, 1.0) ** 3 * 240.0
        silences.append((at, at + length + slow, "broker"))


def merged(spans: list[Span]) -> list[Span]:
    """Sorted, without overlaps; a merged silence keeps the reason of its longest part."""
    done: list[Span] = []
    for begin, end, why in sorted(spans):
        if done and begin <= done[-1][1]:
            last_begin, last_end, last_why = done[-1]
            longer = why if end - begin > last_end - last_begin else last_why
            done[-1] = (last_begin, max(end, last_end), longer)
        else:
            done.append((begin, end, why))
    return done


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
            for at, node in pending:
                self._beat(detectors, node, at)
            pending = self._minute(detectors, base)
            while self._broker and self._broker[-1][1] <= base + BEAT_S:
                for detector in detectors:
                    detector.disturbed(*self._broker[-1])
                self._broker.pop()
            if self._survey is not None:
                self._survey.minute(base, self._is_silent)
            for detector in detectors:
                detector.tick(base + BEAT_S)
            if progress is not None and minute % 1440 == 0:
                progress(base)

    def _minute(self, detectors: list[Detector], base: float) -> list[tuple[float, str]]:
        """One heartbeat of every node; what will come late is returned."""
        bad = 0.012 if 13 <= (base % DAY_S) / HOUR_S < 18 else 0.004
        odd, jitter, spans, turn = self._rng.random, self._jitter, self._spans, self._turn
        late: list[tuple[float, str]] = []
        for phase, node in self._nodes:
            turn = (turn + 1) % 4099
            at = base + min(max(phase + jitter[turn], 0.0), 59.9)
            silences = spans[node]
            if silences and at >= silences[-1][0] and self._silent(detectors, node, at):
                continue
            if odd() < bad:
                late += self._odd(at, base, node)
                continue
            for detector in detectors:
                detector.heard(node, at, at)
        self._turn = turn
        return late

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
