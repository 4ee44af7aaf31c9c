"""How fast a name or a page is beside its neutral twin, pair by pair, on one node's line.

The newest `KEPT` pairs of each (node, target, kind) are compared exactly (`pairs`). From their own
pairs the controls say what is usual, and whether the thing works at all: without a control's pair
within `CONTROL_CADENCES` nothing is said. What is usual excuses and never accuses. A rate that is
almost the same in every transfer is a policer's or a shaper's; one that spreads is congestion's.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median, quantiles
from typing import Final

from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.verdicts import Slowdown
from shyraq_collector.judge.pairs import compare
from shyraq_collector.judge.policy import Policy
from shyraq_collector.judge.transfers import Kind, Pair
from shyraq_wire.topics import NodeId

MIN_PAIRS: Final = 8
"""Fewer cannot reach the chance that is asked for."""

KEPT: Final = 12
"""Pairs of one node, target and kind."""

CONTROL_CADENCES: Final = 4
"""A control's word holds for so many cadences."""

LASTING_CADENCES: Final = 3
"""And a slowdown, once found, for so many."""

STEADY_SPREAD: Final = 0.25
"""Quartile distance of the rates over their median, up to which they are one and the same."""

MAX_TRACKS: Final = 200_000
"""(node, target, kind) that are remembered; the longest unheard goes first."""

_KEPT_USUAL: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One kind of pair of one measurement, with everything that a rule may ask about it."""

    kind: Kind
    neutral_met: bool
    """The neutral side worked in at least one round."""
    failed_at: str
    """The step where the target's side failed in the last round, its neutral side being fine;
    empty: nowhere."""
    repeated: bool
    """So often in a row that it is no chance."""
    pairs: int
    """How many could be compared."""
    controlled: bool
    """A control has lately met both sides."""
    slowed: bool
    """Beyond doubt, controls allowed for."""
    steady: bool
    """The target's rates are one and the same."""
    ended: bool
    """It was slowed before, and the newest pairs show nothing of it."""
    slowdown: Slowdown | None
    controls: tuple[NodeId, ...]
    """Who said what is usual; sorted."""
    networks: int
    """How many networks they stand in."""


@dataclass(slots=True)
class _Track:
    pairs: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=KEPT))
    rates_bps: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    failures: int = 0
    was_slowed: bool = False
    slowed: Slowdown | None = None
    at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usual:
    """One pair of a control."""

    at_ms: int
    node: NodeId
    network: str
    ratio: float
    excess_ms: float


class Comparisons:
    """The memory of pairs."""

    def __init__(self, policy: Policy) -> None:
        """Start with nothing.

        Args:
            policy: Cadences and strictness.
        """
        self._policy = policy
        self._tracks: OrderedDict[tuple[str, str, Kind], _Track] = OrderedDict()
        self._usual: dict[tuple[str, Kind], deque[_Usual]] = {}

    def note_control(
        self, place: Placement, target: str, pairs: Sequence[Pair], at_ms: int
    ) -> None:
        """Keeps the pairs of a control."""
        for pair in pairs:
            ours, theirs = pair.target.took_ms, pair.neutral.took_ms
            if ours is not None and theirs is not None:
                usual = self._usual.setdefault((target, pair.kind), deque(maxlen=_KEPT_USUAL))
                usual.append(
                    _Usual(
                        at_ms=at_ms,
                        node=NodeId(place.node),
                        network=place.isp or place.node,
                        ratio=ours / theirs,
                        excess_ms=ours - theirs,
                    )
                )

    def note(
        self, place: Placement, target: str, pairs: Sequence[Pair], at_ms: int
    ) -> list[Compared]:
        """Keeps the pairs of a sensor's measurement, and compares what is kept of each kind."""
        kinds = tuple(dict.fromkeys(pair.kind for pair in pairs))
        return [
            self._compared(
                place.node, target, kind, [pair for pair in pairs if pair.kind == kind], at_ms
            )
            for kind in kinds
        ]

    def lasting(self, node: str, target: str, at_ms: int) -> Slowdown | None:
        """The slowdown that was last found on a node's line and still holds; None: none does."""
        within_ms = LASTING_CADENCES * self._policy.of(target).cadence_ms
        kinds: tuple[Kind, ...] = ("responder", "address", "page")
        for kind in kinds:
            track = self._tracks.get((node, target, kind))
            if track is not None and track.slowed and 0 <= at_ms - track.at_ms <= within_ms:
                return track.slowed
        return None

    def _compared(
        self, node: str, target: str, kind: Kind, pairs: Sequence[Pair], at_ms: int
    ) -> Compared:
        track = self._track((node, target, kind), pairs, at_ms)
        usual = self._recent(target, kind, at_ms)
        # Two servers may differ by a factor, wherever one stands; one server only by what it does.
        usual_ratio = median(each.ratio for each in usual) if usual and kind == "page" else 1.0
        slowdown = self._slowdown(track, usual, usual_ratio)
        met = [pair for pair in pairs if pair.neutral.took_ms is not None]
        is_fresh = any(pair.target.took_ms is not None for pair in met)
        slowed = is_fresh and slowdown is not None and self._policy.is_slow(slowdown)
        newest = self._slowdown(track, usual, usual_ratio, newest=MIN_PAIRS)
        is_over = newest is not None and newest.ratio < self._policy.slow_low
        steady = self._is_steady(slowdown)
        if is_fresh:
            # Uneven pages are nobody's doing: what lasts is what accuses.
            track.slowed = slowdown if slowed and (steady or kind != "page") else None
            track.was_slowed |= track.slowed is not None
        return Compared(
            kind=kind,
            neutral_met=bool(met),
            failed_at=met[-1].target.step if met and met[-1].target.failure else "",
            repeated=track.failures >= self._policy.repeats,
            pairs=len(track.pairs),
            controlled=bool(usual),
            slowed=slowed,
            steady=steady,
            ended=is_fresh and track.was_slowed and is_over and not slowed,
            slowdown=slowdown,
            controls=tuple(sorted({each.node for each in usual})),
            networks=len({each.network for each in usual}),
        )

    def _track(self, key: tuple[str, str, Kind], pairs: Sequence[Pair], at_ms: int) -> _Track:
        track = self._tracks.pop(key, None) or _Track()
        self._tracks[key] = track
        if len(self._tracks) > MAX_TRACKS:
            self._tracks.popitem(last=False)
        track.at_ms = at_ms
        for pair in pairs:
            theirs, ours = pair.neutral.took_ms, pair.target.took_ms
            if theirs is None:
                track.failures = 0  # what the neutral side meets too is not done to the name
                continue
            if ours is not None:
                track.pairs.append((ours, theirs))
                track.failures = 0
                if pair.target.rate_bps is not None:
                    track.rates_bps.append(pair.target.rate_bps)
            elif pair.target.failure is not None:
                track.failures += 1
        return track

    def _recent(self, target: str, kind: Kind, at_ms: int) -> list[_Usual]:
        within_ms = CONTROL_CADENCES * self._policy.of(target).cadence_ms
        return [
            each
            for each in self._usual.get((target, kind), ())
            if abs(at_ms - each.at_ms) <= within_ms
        ]

    def _slowdown(
        self, track: _Track, usual: Sequence[_Usual], usual_ratio: float, *, newest: int = KEPT
    ) -> Slowdown | None:
        pairs = list(track.pairs)[-newest:]
        if len(pairs) < MIN_PAIRS or not usual:
            return None
        ratio = max(1.0, usual_ratio)
        excess_ms = max(0.0, median(each.excess_ms for each in usual))
        due = [max(neutral * ratio, neutral + excess_ms) for _, neutral in pairs]
        found = compare([ours for ours, _ in pairs], due)
        if found is None or len(track.rates_bps) < MIN_PAIRS:
            return found
        low, middle, high = quantiles(track.rates_bps, n=4)
        return replace(found, rate_bps=middle, rate_spread=(high - low) / middle)

    def _is_steady(self, slowdown: Slowdown | None) -> bool:
        spread = slowdown.rate_spread if slowdown is not None else None
        return spread is not None and spread <= STEADY_SPREAD
