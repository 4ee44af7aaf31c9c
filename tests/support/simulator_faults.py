"""What must be found: faults with their truth, laid over a simulated country.

Each kind silences a set of lines in its own way, or has targets blocked or slowed for lines that
stay alive, and knows the scope that a perfect observer would publish. Faults of our own (broker,
collector) silence everybody and must never become an outage.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from shyraq_collector.facts.fleet import LineKey, Placement
from shyraq_collector.facts.incidents import Level
from support.simulator_noise import BROKER_RETURN_S, CANARIES, HOUR_S, Span, Why, cut_broker
from support.simulator_targets import TARGETS, TargetFault

FaultKind: TypeAlias = Literal[
    "nation",
    "exempt",
    "isp",
    "half_isp",
    "region",
    "region_power",
    "cell",
    "mobile",
    "rolling",
    "broker",
    "collector",
    "blocked",
    "selective",
    "throttled",
]

KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
OWN_FAULTS: frozenset[FaultKind] = frozenset({"broker", "collector"})
TARGET_FAULTS: frozenset[FaultKind] = frozenset({"blocked", "selective", "throttled"})
ROLL_S = HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A fault and what is true of it.

    Attributes:
        kind: Which.
        begin: First line silenced.
        end: All of them back.
        lines: Keys of the lines silenced at its height.
        level: The scope's level.
        isps: Networks that a perfect observer names; empty where none limits the scope.
        regions: The same for regions.
        why: Whether equipment had power.
        eligible: How many of the lines were up in the ten minutes before.
        targets: Names of the targets concerned, where lines stay alive.
    """

    kind: FaultKind
    begin: float
    end: float
    lines: frozenset[LineKey]
    level: Level
    isps: frozenset[str]
    regions: frozenset[str]
    why: Why
    eligible: int = 0
    targets: frozenset[str] = frozenset()

    @property
    def interference(self) -> TargetFault | None:
        """The same as the survey of targets meets it; None where lines are silent."""
        if not self.targets:
            return None
        return TargetFault(
            begin=self.begin,
            end=self.end,
            state="blocked" if self.kind == "blocked" else "throttled",
            isps=self.isps,
            targets=self.targets,
        )


class Saboteur:
    """Lays faults over the silences of a fleet."""

    def __init__(
        self, placements: list[Placement], spans: dict[str, list[Span]], rng: random.Random
    ) -> None:
        """Take the fleet and its silences, which are added to."""
        self._spans = spans
        self._rng = rng
        self._nodes: dict[LineKey, list[str]] = defaultdict(list)
        for placement in placements:
            self._nodes[placement.line].append(placement.node)
        self._isps = sorted({p.isp for p in placements if p.isp})
        self._regions = sorted({p.region for p in placements if p.region})

    def commit(self, kind: FaultKind, at: float) -> Truth:
        """Lay one fault of a kind that begins at `at`; three quarters of an hour to six hours."""
        end = at + self._rng.uniform(0.75, 6.0) * HOUR_S
        match kind:
            case "broker":
                back = at + self._rng.uniform(60.0, 1800.0)
                cut_broker(self._spans, at, back - at, self._rng)
                return self._own(kind, at, back + BROKER_RETURN_S)
            case "collector":
                return self._collector(at, end)
            case "rolling":
                return self._rolling(at, end + ROLL_S)
            case "blocked" | "selective" | "throttled":
                return self._on_targets(kind, at, at + self._rng.uniform(3.0, 12.0) * HOUR_S)
            case _:
                return self._at_once(kind, at, end)

    def _own(self, kind: FaultKind, at: float, end: float) -> Truth:
        nobody: frozenset[str] = frozenset()
        return Truth(
            kind=kind,
            begin=at,
            end=end,
            lines=frozenset(),
            level="nation",
            isps=nobody,
            regions=nobody,
            why="broker",
        )

    def _collector(self, at: float, end: float) -> Truth:
        for node, silences in self._spans.items():
            lag = 0.0 if node in CANARIES else self._rng.uniform(0.0, 30.0)
            silences.append((at, end + lag, "broker"))
        return self._own("collector", at, end)

    def _at_once(self, kind: FaultKind, at: float, end: float) -> Truth:
        isp, region = self._rng.choice(self._isps), self._rng.choice(self._regions)
        isps = frozenset(self._isps) - ({isp} if kind == "exempt" else frozenset())
        regions: frozenset[str] = frozenset()
        level: Level = "nation"
        lines = set(self._nodes)
        if kind in {"isp", "half_isp", "mobile"}:
            isp = self._isps[-1] if kind == "mobile" else isp
            isps, level = frozenset({isp}), "isp"
        elif kind in {"region", "region_power"}:
            isps, regions, level = frozenset(), frozenset({region}), "region"
        elif kind == "cell":
            isps, regions, level = frozenset({isp}), frozenset({region}), "cell"
        lines = {
            line
            for line in lines
            if (not isps or line.isp in isps) and (not regions or line.region in regions)
        }
        if kind == "half_isp":
            lines = set(self._rng.sample(sorted(lines, key=str), (len(lines) + 1) // 2))
        why: Why = "power" if kind == "region_power" else "network"
        eligible = sum(self._is_up(line, at) for line in lines)
        for line in sorted(lines, key=str):
            self._silence(line, at, end, why)
        return Truth(
            eligible=eligible,
            kind=kind,
            begin=at,
            end=end,
            lines=frozenset(lines),
            level=level,
            isps=isps,
            regions=regions,
            why=why,
        )

    def _rolling(self, at: float, end: float) -> Truth:
        """Cell after cell in random order, over an hour."""
        cells = sorted({(line.isp, line.region) for line in self._nodes}, key=str)
        self._rng.shuffle(cells)
        eligible = sum(self._is_up(line, at) for line in self._nodes)
        for line in sorted(self._nodes, key=str):
            turn = cells.index((line.isp, line.region)) / len(cells)
            self._silence(line, at + turn * ROLL_S, end, "network")
        return Truth(
            eligible=eligible,
            kind="rolling",
            begin=at,
            end=end,
            lines=frozenset(self._nodes),
            level="nation",
            isps=frozenset(self._isps),
            regions=frozenset(),
            why="network",
        )

    def _on_targets(self, kind: FaultKind, at: float, end: float) -> Truth:
        """One target of one network, or of two where it is blocked; or all that one network has."""
        count = 2 if kind == "blocked" and self._rng.random() < 0.3 else 1
        isps = frozenset(self._rng.sample(self._isps, count))
        names = TARGETS if kind == "throttled" else (self._rng.choice(TARGETS),)
        lines = frozenset(line for line in self._nodes if line.isp in isps)
        return Truth(
            eligible=sum(self._is_up(line, at) for line in lines),
            kind=kind,
            begin=at,
            end=end,
            lines=lines,
            level="isp",
            isps=isps,
            regions=frozenset(),
            why="network",
            targets=frozenset(names),
        )

    def _is_up(self, line: LineKey, at: float) -> bool:
        spans = self._spans[self._nodes[line][0]]
        return not any(begin < at and end > at - HOUR_S / 6.0 for begin, end, _ in spans)

    def _silence(self, line: LineKey, begin: float, end: float, why: Why) -> None:
        # People and equipment come back one after another, not at one instant.
        until = end + self._rng.uniform(0.0, 1.0) ** 2 * 180.0
        for node in self._nodes[line]:
            self._spans[node].append((begin, until, why))
