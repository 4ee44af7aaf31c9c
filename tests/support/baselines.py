"""Two published ways to find outages, rebuilt from their descriptions, for comparison only.

`KleinbergBurst`: the two-parameter burst automaton (s = 2, gamma = 0.5) on the stream of
disconnections of each group; an alarm at level 7 or more with at least five lines. It knows neither
canaries nor levels.
`ThirtyPercent`: an alarm when 30 % of a group of at least three lines has been silent for five
minutes.
"""

import math
from collections import defaultdict
from typing import NamedTuple

from shyraq_collector.facts.fleet import LineKey, Placement

SILENT_S = 150.0
LEVELS = 13
ALARM_LEVEL = 7
LINES_MIN = 5
QUIET_S = 1800.0


class Alarm(NamedTuple):
    """A baseline cried at `at` for a group of lines."""

    at: float
    lines: frozenset[LineKey]


class _Watch:
    """Who is silent, and which groups there are."""

    def __init__(self, placements: list[Placement]) -> None:
        self.line_of = {p.node: p.line for p in placements}
        self.last: dict[LineKey, float] = {}
        self.groups: dict[tuple[str, str], set[LineKey]] = defaultdict(set)
        for line in self.line_of.values():
            for group in self.groups_of(line):
                self.groups[group].add(line)

    @staticmethod
    def groups_of(line: LineKey) -> list[tuple[str, str]]:
        return [("", ""), (line.isp or "", ""), ("", line.region or "")]

    def heard(self, node: str, at: float) -> None:
        line = self.line_of.get(node)
        if line is not None:
            self.last[line] = max(self.last.get(line, at), at)


class ThirtyPercent:
    """30 % of a group silent for five minutes."""

    name = "thirty"

    def __init__(self, placements: list[Placement]) -> None:
        """Watch a fleet."""
        self.alarms: list[Alarm] = []
        self._watch = _Watch(placements)
        self._crying: set[tuple[str, str]] = set()

    def heard(self, node: str, at: float, known_at: float) -> None:
        """A word; only the live ones count."""
        if known_at - at < SILENT_S:
            self._watch.heard(node, at)

    def told_down(self, node: str, at: float, known_at: float) -> None:
        """Not used by this baseline."""

    def disturbed(self, begin: float, end: float) -> None:
        """Not used by this baseline."""

    def tick(self, at: float) -> None:
        """Look at every group."""
        silent = {line for line, last in self._watch.last.items() if 300.0 <= at - last < 86400.0}
        touched = {group for line in silent for group in self._watch.groups_of(line)}
        for group in touched | self._crying:
            lines = self._watch.groups[group]
            down = len(lines & silent)
            if down >= 3 and down >= 0.3 * len(lines):
                if group not in self._crying:
                    self.alarms.append(Alarm(at, frozenset(lines & silent)))
                    self._crying.add(group)
            else:
                self._crying.discard(group)


class KleinbergBurst:
    """A burst automaton on the disconnections of each group."""

    name = "kleinberg"

    def __init__(self, placements: list[Placement]) -> None:
        """Watch a fleet."""
        self.alarms: list[Alarm] = []
        self._watch = _Watch(placements)
        self._silent: set[LineKey] = set()
        self._begin: float | None = None
        self._events: dict[tuple[str, str], int] = defaultdict(int)
        self._last_event: dict[tuple[str, str], float] = {}
        self._costs: dict[tuple[str, str], list[float]] = {}
        self._recent: dict[tuple[str, str], list[tuple[float, LineKey]]] = defaultdict(list)
        self._cried: dict[tuple[str, str], float] = {}

    def heard(self, node: str, at: float, known_at: float) -> None:
        """A word; only the live ones count."""
        if known_at - at < SILENT_S:
            self._watch.heard(node, at)

    def told_down(self, node: str, at: float, known_at: float) -> None:
        """Not used by this baseline."""

    def disturbed(self, begin: float, end: float) -> None:
        """Not used by this baseline."""

    def tick(self, at: float) -> None:
        """Turn new silences into events of their groups."""
        if self._begin is None:
            self._begin = at
        silent = {line for line, last in self._watch.last.items() if at - last >= SILENT_S}
        fallen = sorted(silent - self._silent, key=lambda line: (self._watch.last[line], line))
        self._silent = silent
        for line in fallen:
            for group in self._watch.groups_of(line):
                self._event(group, line, self._watch.last[line], at)

    def _event(self, group: tuple[str, str], line: LineKey, at: float, now: float) -> None:
        begin = self._begin or now
        self._events[group] += 1
        rate = self._events[group] / max(now - begin, 3600.0)
        gap = max(at - self._last_event.get(group, begin), 1.0)
        self._last_event[group] = at
        costs = self._costs.get(group, [0.0] + [math.inf] * (LEVELS - 1))
        climb = 0.5 * math.log(max(self._events[group], 2))
        fresh = []
        for level in range(LEVELS):
            fast = rate * 2.0**level
            reach = min(
                cost + (climb * (level - before) if level > before else 0.0)
                for before, cost in enumerate(costs)
            )
            fresh.append(reach - math.log(fast) + fast * gap)
        low = min(fresh)
        self._costs[group] = [cost - low for cost in fresh]
        recent = [(t, x) for t, x in self._recent[group] if now - t < QUIET_S] + [(now, line)]
        self._recent[group] = recent
        lines = frozenset(x for _, x in recent)
        loud = self._costs[group].index(0.0) >= ALARM_LEVEL and len(lines) >= LINES_MIN
        if loud and now - self._cried.get(group, -math.inf) > QUIET_S:
            self.alarms.append(Alarm(now, lines))
        if loud:
            self._cried[group] = now
