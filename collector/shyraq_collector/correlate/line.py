"""One line: what is its habit, how often does it drop, what is its silence worth?

Habit. Of each 32 gaps between arrivals the median and the second longest are kept; the leash, after
which the line counts as missing, is the larger of 2.1 medians and 1.3 times the second longest, at
most 8 medians. It widens at once and narrows slowly, so that a quiet night is not a surprise twice.
Nothing else knows whether a line beats each minute, five times an hour or once an hour. A gap runs
from the newest word to the moment the next was *known*, so a node that always delivers late simply
has a longer leash.

What the habit is worth. A few irregular gaps say little of the longest that may come. From their
spread and their number follows the chance that the next gap outlasts the leash by itself (see
`habit`; nought where words are regular). It is part of the prior of the drop rate, so a line is
trusted as its own record grows, and one with a regular beat at once.

Drop rate. Three bands (overdue by 0, 1 and 3 steps, a step being the leash) each keep a count of
entries and the time spent inside, over a memory of 28 days, with a gamma prior worth one day. The
chance that an innocent line is silent now, having fallen within the last w seconds, is at most
rate × w and at most the share of its life it spends that silent; over the bands it reached, the
smallest of these.

Not here: counting in groups (`lattice`), transitions (`roster`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from shyraq_collector.correlate.habit import overrun
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Instant, LineKey

LineState: TypeAlias = Literal["new", "up", "missing", "absent"]
"""new: not known, or no longer (a panel stopped sampling it). up: heard within its habit. missing:
silent or known unreachable, and counted. absent: announced or chronic, and not counted."""

LEASH_MEDIANS = 2.1
LEASH_TAIL = 1.3
LEASH_MEDIANS_MAX = 8.0
LEASH_NARROWS = 0.15
SPREAD_OF_A_BEAT = 1.15
"""Gaps as like as that are a beat: a leash of two of them is never outlasted by chance."""

GAPS_LEARNED = 32
GAPS_NEEDED = 8
BANDS = (0.0, 1.0, 3.0)
"""How many steps overdue a line must be to enter a band."""
PRIOR_DROPS = (0.6, 0.5, 0.4)
PRIOR_DAYS = 1.0
PRIOR_SHARE = (0.03, 0.025, 0.02)
MEMORY_DAYS = 28.0
INNOCENT_MIN, INNOCENT_MAX = 1e-5, 0.5
NEVER = -math.inf


@dataclass(slots=True, kw_only=True, eq=False)
class Line:
    """A line and all that is remembered of it; owned and moved by `Roster`.

    Attributes:
        key: Site, ISP, access and place.
        watcher: True for canaries and controls, which are never evidence (see `watch`).
        state: See `LineState`.
        first_heard: Oldest instant at which it was up.
        last_heard: Newest instant at which it was up.
        last_word: When the newest word about it (up or down) was known.
        leash_s: Silence longer than this makes it missing; infinite while the habit is unknown.
        median_s: Its usual gap; 0 while unknown.
        missing_since: When it crossed its leash, or the instant of the `down` word.
        known_down: Its newest live word was `down`.
        explicit: It gives live `down` words: its silence means "unknown", not "down".
        changes: Words that differ from the one before; `repeats`: words that do not.
        excused_until: Its silence proves nothing before this instant (holds, announcements).
        bucket: Where it sits in the roster's wheel, if it does.
        recent: Gaps collected since the habit was last learned.
        wanted: How many to collect before learning.
        learned: A habit is known, from arrivals or as a prior.
        overruns: For each band, the chance that an innocent gap reaches it.
        counts: Entries into each band, decayed.
        silent_s: Time spent in each band, decayed.
        observed_s: Time watched, decayed; `observed_to`: until when.
        groups: Indices of its groups in the lattice.
        nodes: How many nodes speak for it.
        lag_s: How late its newest arrival was.
        tiny_s: Shorter gaps are doubles and bursts, not habit.
        elsewhere: Seen in another network than the registered one: counts nowhere meanwhile.
        case: Id of the incident that has claimed it, if any; learning is frozen meanwhile.
        last_case: Id of the last incident that had claimed it: its back-fill still explains that.
    """

    key: LineKey
    watcher: bool = False
    nodes: int = 1
    state: LineState = "new"
    first_heard: Instant = NEVER
    last_heard: Instant = NEVER
    last_word: Instant = NEVER
    lag_s: float = 0.0
    leash_s: float = math.inf
    median_s: float = 0.0
    tiny_s: float = 0.0
    missing_since: Instant = NEVER
    known_down: bool = False
    explicit: bool = False
    changes: int = 0
    repeats: int = 0
    excused_until: Instant = NEVER
    elsewhere: bool = False
    case: str | None = None
    last_case: str | None = None
    bucket: int | None = None
    recent: list[float] = field(default_factory=list)
    wanted: int = GAPS_NEEDED
    learned: bool = False
    overruns: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    counts: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    silent_s: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    observed_s: float = 0.0
    observed_to: Instant = NEVER
    groups: tuple[int, ...] = ()

    def assume(self, cadence_s: float) -> None:
        """Give the habit as a prior: the configured heartbeat, until arrivals say otherwise."""
        self.median_s = cadence_s
        self.tiny_s = 0.1 * cadence_s
        self.leash_s = LEASH_MEDIANS * cadence_s
        self.learned = True
        self.wanted = GAPS_LEARNED

    def learn(self) -> None:
        """Turn the gaps collected into a habit; called each time enough of them are there."""
        gaps = sorted(self.recent)
        self.recent.clear()
        median = gaps[len(gaps) // 2]
        tail = max(LEASH_MEDIANS * median, LEASH_TAIL * gaps[-2])
        leash = min(tail, LEASH_MEDIANS_MAX * median)
        if not self.learned:
            # Few gaps say little about the tail: begin with a wide leash.
            self.leash_s = leash * (1.0 + 2.0 / len(gaps))
        elif leash > self.leash_s:
            self.leash_s = leash
        else:
            self.leash_s += LEASH_NARROWS * (leash - self.leash_s)
        self.median_s = median
        self.tiny_s = 0.1 * median
        self.learned = True
        self.wanted = GAPS_LEARNED
        spread = gaps[-2] / gaps[1]
        self.overruns = [
            overrun((1.0 + steps) * self.leash_s / median, spread, len(gaps))
            if spread > SPREAD_OF_A_BEAT
            else 0.0
            for steps in BANDS
        ]

    @property
    def logs_changes(self) -> bool:
        """Whether its words come only when its state changes, as in a log of connections."""
        return self.explicit and self.repeats <= self.changes

    def overrun_share(self, band: int) -> float:
        """Share of time in which the line is that late by habit; a panel's words come on time."""
        return 0.0 if self.explicit else self.overruns[band]

    def observe(self, until: Instant, pace: Pace) -> None:
        """Let quiet time count: decay the memory and add the time since the last call."""
        if self.observed_to == NEVER:
            self.observed_to = until
            return
        passed = until - self.observed_to
        if passed <= 0:
            return
        keep = math.exp(-passed / (MEMORY_DAYS * pace.day_s))
        self.observed_s = self.observed_s * keep + passed
        for band in range(len(BANDS)):
            self.counts[band] *= keep
            self.silent_s[band] *= keep
        self.observed_to = until

    @property
    def step_s(self) -> float:
        """One step of overdue time: the leash, one sample of a panel, nothing in a log."""
        if self.logs_changes:
            return 0.0
        if self.explicit:
            return self.median_s
        return self.leash_s if math.isfinite(self.leash_s) else 0.0

    def due(self, leash_s: float, unheard_s: float) -> Instant:
        """When its silence is proof.

        Not before the leash is over, nor before it should have spoken once since the longest fault
        of ours that can have gone unseen: a usual gap and that fault after its last word.

        Args:
            leash_s: The leash, or the part of it that is asked for.
            unheard_s: The longest gap of the watchers since its last word.
        """
        return self.last_heard + max(leash_s, self.median_s + unheard_s)

    def remember(self, overdue_s: float) -> None:
        """Count an absence that has ended, or a chronic one, in every band it reached."""
        step = self.step_s
        for band, steps in enumerate(BANDS):
            beyond = overdue_s - steps * step
            if beyond > 0:
                self.counts[band] += 1.0
                self.silent_s[band] += beyond

    def innocent(self, now: Instant, window_s: float, pooled: "Pooled", pace: Pace) -> float:
        """Chance that an innocent line is as silent as this one now, having fallen in the window.

        Args:
            now: The judged instant.
            window_s: Length of the window in which it fell.
            pooled: What the lines of its country do on average; the prior.
            pace: Time scale.

        Returns:
            A probability between 1e-5 and 0.5.
        """
        self.observe(now, pace)
        prior_s = PRIOR_DAYS * pace.day_s
        overdue, step = now - self.missing_since, self.step_s
        chance = INNOCENT_MAX
        for band, steps in enumerate(BANDS):
            if overdue < steps * step:
                break
            doubt = self.overrun_share(band)
            rate = pooled.rate[band] + (doubt / self.median_s if doubt else 0.0)
            drops = rate * prior_s + self.counts[band]
            silent_s = (pooled.share[band] + doubt) * prior_s + self.silent_s[band]
            watched_s = prior_s + self.observed_s
            chance = min(chance, drops / watched_s * window_s, silent_s / watched_s)
        return max(chance, INNOCENT_MIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """What the lines of one country do on average: the prior of each of them.

    Attributes:
        rate: Drops a second, per band.
        share: Share of life spent that silent, per band.
        overrun: Share that is silent because habits are not yet known well (see `habit`).
    """

    rate: tuple[float, ...]
    share: tuple[float, ...]
    overrun: float = 0.0


def pool(lines: Iterable[Line], pace: Pace) -> Pooled:
    """Average over lines, with the built-in prior worth ten days of one line."""
    lines = list(lines)
    prior_s = 10.0 * pace.day_s
    observed = prior_s + sum(line.observed_s for line in lines)
    return Pooled(
        rate=tuple(
            (10.0 * PRIOR_DROPS[band] + sum(line.counts[band] for line in lines)) / observed
            for band in range(len(BANDS))
        ),
        share=tuple(
            (PRIOR_SHARE[band] * prior_s + sum(line.silent_s[band] for line in lines)) / observed
            for band in range(len(BANDS))
        ),
        overrun=sum(line.overrun_share(0) for line in lines) / max(len(lines), 1),
    )
