"""Handshake times of each target beside those of neutral names on the same line.

A pair is one handshake with the target and the nearest handshake with a neutral name by the same
node, within the target's cadence. From their own pairs the controls say what is usual: so many
times as long as the neutral name (a far server), or so many milliseconds longer (a slow one).
Whichever excuses more is what the node should have met, and its time is compared with that. The
usual excuses and never accuses: that a control finds the target quicker than the neutral name
says nothing of the node's own path. Without controls, or under `MIN_PAIRS` pairs, nothing is
said. Pairs age out by number, so that a return to normal is seen.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Final

from shyraq_collector.facts.verdicts import Slowdown
from shyraq_collector.judge.pairs import compare
from shyraq_wire.topics import NodeId

MIN_PAIRS: Final = 8
"""Fewer cannot reach the chance that is asked for."""

KEPT_PAIRS: Final = 12
"""Of one node and target; the verdict follows a change within half of them."""

_KEPT_NEUTRAL: Final = 32
_KEPT_USUAL: Final = 64


@dataclass(frozen=True, slots=True)
class _Timed:
    at_ms: int
    took_ms: float


@dataclass(frozen=True, slots=True)
class _Usual:
    """One pair of a control."""

    ratio: float
    excess_ms: float


class Slowness:
    """The memory of handshake times."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._neutral: dict[NodeId, deque[_Timed]] = {}
        self._pairs: dict[tuple[NodeId, str], deque[tuple[float, float]]] = {}
        self._usual: dict[str, deque[_Usual]] = {}

    def note_neutral(self, node: NodeId, at_ms: int, took_ms: float) -> None:
        """Keeps one handshake with a neutral name."""
        times = self._neutral.setdefault(node, deque(maxlen=_KEPT_NEUTRAL))
        times.append(_Timed(at_ms, took_ms))

    def note_control(
        self, node: NodeId, target: str, at_ms: int, took_ms: float, *, within_ms: int
    ) -> None:
        """Keeps one handshake of a control with a target."""
        twin = self._twin(node, at_ms, within_ms)
        if twin is not None:
            usual = self._usual.setdefault(target, deque(maxlen=_KEPT_USUAL))
            usual.append(_Usual(took_ms / twin, took_ms - twin))

    def note_target(
        self, node: NodeId, target: str, at_ms: int, took_ms: float, *, within_ms: int
    ) -> Slowdown | None:
        """Keeps one handshake with a target, and compares what is kept.

        Returns:
            None while there are too few pairs, or no control to say what is usual.
        """
        twin = self._twin(node, at_ms, within_ms)
        pairs = self._pairs.setdefault((node, target), deque(maxlen=KEPT_PAIRS))
        if twin is not None:
            pairs.append((took_ms, twin))
        usual = self._usual.get(target)
        if usual is None or len(pairs) < MIN_PAIRS:
            return None
        ratio = max(1.0, median(each.ratio for each in usual))
        excess_ms = max(0.0, median(each.excess_ms for each in usual))
        due = [max(neutral * ratio, neutral + excess_ms) for _, neutral in pairs]
        return compare([ours for ours, _ in pairs], due)

    def _twin(self, node: NodeId, at_ms: int, within_ms: int) -> float | None:
        near = [
            timed
            for timed in self._neutral.get(node, ())
            if abs(timed.at_ms - at_ms) <= within_ms and timed.took_ms > 0
        ]
        if not near:
            return None
        return min(near, key=lambda timed: abs(timed.at_ms - at_ms)).took_ms
