"""Target test: does one target fail for the lines of one network, and not by chance?

Input are verdicts that already hold against a control. For each (network, target, kind of
interference) a line that says so adds evidence for each of its last three words in a row; a line
that says ok subtracts, and so does, from a block, one that finds the target slow. Words that are
down or unknown are nobody's fault and count neither way. A word is forgotten after three of the
line's usual gaps for that target, a day at most. One that is older than the line's newest, as in
back-fill, says nothing of now.

The price for watching many pairs is added to the thresholds: the logarithm of their number.
Quality samples become words as well: a rate under four tenths of its own median for this six-hour
slot of the day, or a handshake or round trip more than two and a half times it and a tenth of a
second longer, and outside four MADs, says `throttled`. Controls sample the same thing against their
own past: while one of them is as slow, or while none has been well within the hour, the word is
`unknown`. What is slow inside the country has controls only in its other networks, and gets none.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.signals import QualitySample, TargetState

FALSE_WORD: Final[Mapping[TargetState, float]] = {"blocked": 0.02, "throttled": 0.01}
"""Chance that a verdict says interference where there is none; controls have been applied. Slowness
is only said where luck explains the pairs behind it less often than this."""

TRUE_WORD = 0.85
STREAK_MAX = 3
KEPT_GAPS = 3.0
SLOT_HOURS = 6.0
SAMPLES_MIN = 12
RATE_RATIO, TIME_RATIO, MADS = 0.4, 2.5, 4.0
SLOWER_S = 0.1
"""Less than this much longer is no throttling, however short the usual time is."""

CONTROL_HOURS = 1.0
"""How long a control's sample speaks."""

RATE: Final = "rate:"
"""Before a site's name in the book, where it is about a rate: verdicts speak for themselves."""


@dataclass(slots=True, kw_only=True)
class TargetView:
    """What one line last said of one target.

    Attributes:
        line: The line.
        state: Newest word.
        streak: How many words in a row said the same.
        since: First word of the streak.
        before: The word before that, which said otherwise; equal to `since` where there is none.
        at: Newest word.
        gap_s: Its usual gap for this target.
    """

    line: Line
    state: TargetState
    streak: int
    since: Instant
    before: Instant
    at: Instant
    gap_s: float

    @property
    def complains(self) -> int:
        """1 where the newest word is not ok, else 0."""
        return int(self.state != "ok")

    def says(self, state: TargetState, at: Instant) -> None:
        """Take one more word, unless it is older than the newest."""
        if at < self.at:
            return
        self.gap_s += 0.3 * (at - self.at - self.gap_s) if self.gap_s else at - self.at
        if state == self.state:
            self.streak += 1
        else:
            self.state, self.streak, self.since, self.before = state, 1, at, self.at
        self.at = at

    def gain(self, state: TargetState) -> float:
        """Nats this line gives for an interference of that state."""
        if self.state == state:
            return math.log(TRUE_WORD / FALSE_WORD[state]) * min(self.streak, STREAK_MAX)
        reached = self.state == "ok" or (state == "blocked" and self.state == "throttled")
        return math.log((1.0 - TRUE_WORD) / (1.0 - FALSE_WORD[state])) if reached else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFinding:
    """One network and one target at one judged instant.

    Attributes:
        isp: The network.
        target: The target.
        state: blocked or throttled.
        score: In nats, after the price for the number of pairs.
        eligible: Lines of the network with a word that counts.
        lines: Those that say so.
        repeated: The longest streak among them.
        since: Begin of the oldest streak.
        before: When its line last said otherwise.
    """

    isp: str
    target: str
    state: TargetState
    score: float
    eligible: int
    lines: tuple[Line, ...]
    repeated: int
    since: Instant
    before: Instant


@dataclass(slots=True)
class TargetBook:
    """All newest words of one country.

    Attributes:
        views: By network and target, then by line.
        complaints: How many of these lines do not say ok; where none complains nothing is judged,
            and words may grow an hour too old.
    """

    views: dict[tuple[str, str], dict[Line, TargetView]] = field(default_factory=dict)
    complaints: dict[tuple[str, str], int] = field(default_factory=dict)

    def say(self, line: Line, target: str, state: TargetState, at: Instant) -> None:
        """One verdict; words without a network say nothing of a network."""
        if line.key.isp is None or state in {"down", "unknown"}:
            return
        pair = (line.key.isp, target)
        views = self.views.setdefault(pair, {})
        view = views.get(line)
        before = 0
        if view is None:
            view = views[line] = TargetView(
                line=line, state=state, streak=1, since=at, before=at, at=at, gap_s=0.0
            )
        else:
            before = view.complains
            view.says(state, at)
        self._complain(pair, view.complains - before)

    def forget(self, now: Instant, pace: Pace) -> None:
        """Drop words that are too old to speak for now."""
        on_the_hour = now % pace.hour_s < pace.heartbeat_s
        for pair in list(self.views if on_the_hour else self.complaints):
            views = self.views[pair]
            for line in list(views):
                kept_s = min(KEPT_GAPS * (views[line].gap_s or pace.hour_s), pace.day_s)
                if now - views[line].at > max(kept_s, pace.hour_s):
                    self._complain(pair, -views.pop(line).complains)
            if not views:
                del self.views[pair]

    def drop(self, line: Line) -> None:
        """Drop every word of a line that is gone."""
        for pair, views in list(self.views.items()):
            view = views.pop(line, None)
            if view is not None:
                self._complain(pair, -view.complains)
            if not views:
                del self.views[pair]

    def count(self) -> None:
        """Count the complaints anew: with a line that was gone at the restart its words went."""
        self.views = {pair: views for pair, views in self.views.items() if views}
        self.complaints.clear()
        for pair, views in self.views.items():
            self._complain(pair, sum(view.complains for view in views.values()))

    def findings(self, floor: float) -> list[TargetFinding]:
        """Every (network, target) whose score passes `floor`, best first."""
        price = math.log(max(len(self.views), 1))
        found = [
            finding
            for isp, target in self.complaints
            for state in ("blocked", "throttled")
            if (finding := _find(isp, target, state, self.views[isp, target].values(), price))
            and finding.score >= floor
        ]
        return sorted(found, key=lambda f: (-f.score, f.isp, f.target, f.state))

    def _complain(self, pair: tuple[str, str], change: int) -> None:
        count = self.complaints.get(pair, 0) + change
        if count:
            self.complaints[pair] = count
        else:
            self.complaints.pop(pair, None)


def _find(
    isp: str, target: str, state: TargetState, views: Iterable[TargetView], price: float
) -> TargetFinding | None:
    views = list(views)
    saying = [view for view in views if view.state == state]
    if not saying:
        return None
    first = min(saying, key=lambda view: view.since)
    return TargetFinding(
        isp=isp,
        target=target,
        state=state,
        score=sum(view.gain(state) for view in views) - price,
        eligible=len(views),
        lines=tuple(view.line for view in saying),
        repeated=max(view.streak for view in saying),
        since=first.since,
        before=first.before,
    )


@dataclass(slots=True)
class Usual:
    """Running median and MAD of the logarithm of one quantity, by stochastic steps."""

    median: float = 0.0
    mad: float = 0.3
    count: int = 0

    def distance(self, value: float) -> float:
        """How many MADs the logarithm of `value` lies above the median."""
        return (math.log(value) - self.median) / max(self.mad, 0.05)

    def learn(self, value: float) -> None:
        """Take one quiet value."""
        log = math.log(value)
        if self.count == 0:
            self.median = log
        self.count += 1
        step = max(self.mad, 0.05) * max(0.1, 1.0 / self.count)
        self.median += math.copysign(step, log - self.median)
        self.mad += math.copysign(0.1 * step, abs(log - self.median) - self.mad)


@dataclass(slots=True)
class QualityBook:
    """What is usual for each line, metric, target and six-hour slot of the day.

    Attributes:
        usual: By line, metric, target and slot; controls have theirs as lines have.
        controls: For each metric and target, each control's newest sample: when, and whether it
            was slow.
    """

    usual: dict[tuple[str, str, str, int], Usual] = field(default_factory=dict)
    controls: dict[tuple[str, str], dict[str, tuple[Instant, bool]]] = field(default_factory=dict)

    def note_control(self, line: Line, sample: QualitySample, pace: Pace) -> None:
        """One sample of a control, against its own past; while learning it says nothing."""
        slow = self._is_slow(line, sample, pace)
        if slow is not None:
            of = self.controls.setdefault((sample.metric, sample.target), {})
            of[repr(tuple(line.key))] = (sample.at, slow)

    def judge(self, line: Line, sample: QualitySample, pace: Pace) -> TargetState:
        """One sample against the same slot's past and the controls: ok, throttled, or unknown."""
        slow = self._is_slow(line, sample, pace)
        if slow is None:
            return "unknown"
        if not slow:
            return "ok"
        return "throttled" if self._controls_are_well(sample, pace) else "unknown"

    def _controls_are_well(self, sample: QualitySample, pace: Pace) -> bool:
        since = sample.at - CONTROL_HOURS * pace.hour_s
        heard = self.controls.get((sample.metric, sample.target), {}).values()
        fresh = [slow for at, slow in heard if at >= since]
        return bool(fresh) and not any(fresh)

    def _is_slow(self, line: Line, sample: QualitySample, pace: Pace) -> bool | None:
        """Whether a sample is far out of its own past, and so teaches nothing; None: learning."""
        slot = int(sample.at % pace.day_s // (SLOT_HOURS * pace.hour_s))
        key = (repr(tuple(line.key)), sample.metric, sample.target, slot)
        usual = self.usual.setdefault(key, Usual())
        if usual.count < SAMPLES_MIN:
            usual.learn(sample.value)
            return None
        distance, middle = usual.distance(sample.value), math.exp(usual.median)
        if sample.metric == "rate_bps":
            slow = sample.value < RATE_RATIO * middle and distance < -MADS
        else:
            longer_s = (sample.value - middle) / 1000.0
            slow = sample.value > TIME_RATIO * middle and distance > MADS and longer_s > SLOWER_S
        if not slow:
            usual.learn(sample.value)
        return slow
