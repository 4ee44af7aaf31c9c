"""The silences of an ordinary day, and the shared causes that make simple detectors cry wolf.

Every line has its own drops (heavy-tailed rates, lognormal lengths). Beside them: a provider's
night reboots, street feeders that take neighbours of several providers, two nodes on one router,
agent roll-outs, broker restarts after which nodes dribble back, hosts that unplug for days.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from shyraq_collector.facts.fleet import Placement

Why: TypeAlias = Literal["power", "network", "broker", "agent"]
Span: TypeAlias = tuple[float, float, Why]

BEAT_S = 60.0
HOUR_S = 3600.0
DAY_S = 86400.0
EPOCH_S = 1_609_459_200.0
"""2021-01-01: begin of every simulation."""

BROKER_RETURN_S = 240.0
"""Within so long after a restart of the broker all nodes are back."""

CANARIES = ("canary", "control-a", "control-b")


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
        slow = 5.0 if node in CANARIES else rng.uniform(0.0, 1.0) ** 3 * BROKER_RETURN_S
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
