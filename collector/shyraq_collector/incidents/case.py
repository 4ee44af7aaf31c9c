"""One incident in the making: its lines, its depth, and all that has been said of it.

A case owns no line before it is confirmed. From then on it claims the lines of its scope that were
eligible just before onset (its base): their learning is frozen, new tests do not see them, and the
base is the denominator for as long as the case is open. `say` is the only way to add an entry; one
tick says one thing of one case: what is said a second time in the same state, because depth and
scope changed at once, say, takes the place of the first.
"""

import hashlib
import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from shyraq_collector.correlate.finding import Finding
from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.scope import Box
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import (
    Cause,
    Entry,
    Evidence,
    Grade,
    Incident,
    Interval,
    Kind,
    Scope,
    State,
)
from shyraq_collector.facts.signals import OutsideWord, Reach
from shyraq_collector.incidents.lifecycle import FINAL, OPEN, Event, step

TRACE_MAX = 400


def incident_id(kind: Kind, group: str, suspected_at: Instant) -> str:
    """Name an incident so that a crash and a second run give the same name."""
    text = f"{kind}|{group}|{suspected_at:.3f}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def id_by_words(kind: Kind, group: str, first_at: Instant, at: Instant, taken: set[str]) -> str:
    """Name an incident that words tell, and no silence.

    Args:
        kind: What sort.
        group: Country and what is concerned.
        first_at: When its first word was true: the same whichever tick comes to hear of it, so
            that a crash before that tick is committed changes nothing.
        at: The tick; it names the incident where an earlier one began with the same word.
        taken: Ids of earlier incidents.
    """
    name = incident_id(kind, group, first_at)
    return incident_id(kind, group, at) if name in taken else name


class Testimony(NamedTuple):
    """What one line that is heard says: of a target, or of what its ladder reaches.

    `word` is blocked, throttled, domestic or white_list, said `times` times in a row from `since`
    to `at`. The line is None where the registry knows it no longer.
    """

    line: Line | None
    target: str
    word: str
    since: Instant
    at: Instant
    times: int


@dataclass(slots=True, kw_only=True)
class Case:
    """An incident and what is needed to carry it on.

    Attributes:
        id: See `incident_id`.
        kind: What sort.
        scope: As proven now.
        onset: When it began.
        suspected_at: When the first entry was published.
        cause: As far as proven.
        grade: Strength of the evidence.
        evidence: The figures as last said.
        peak: The finding that made it suspected, or a stronger one since.
        again: What makes a restored case suspected of being cut again.
        parts: The boxes that make up the scope.
        recut_at: Onset of the newest cut, where it was reopened.
        base: Lines claimed: eligible just before onset.
        widest: The widest scope said so far.
        down_peak: Most lines down at once; `cut_peak`: since it was last cut.
        said_down: Depth at the last entry.
        grown_at: When the last line fell.
        back_since: Since when enough lines are back for a restoration; None while they are not.
        mostly_back_since: Since when all but a few lines of each network and region are back.
        told_down: Depth when the scope was last told.
        words: What each line said it reached while it was silent for us.
        outside: What an outside source or a second rendezvous said.
        news: Words came since the cause was last weighed.
        just_restored: It was restored since the cause was last weighed.
        spools: Back-fill has been seen in this fleet: its absence means something.
        trace: (at, score, down, lines) for the explanation, thinned.
        testimony: What its lines last said, where it is told by words and not by silence.
        entries: Everything said.
    """

    id: str
    kind: Kind
    scope: Scope
    onset: Interval
    suspected_at: Instant
    cause: Cause = "unknown"
    grade: Grade = "A"
    evidence: Evidence
    peak: Finding | None = None
    again: Finding | None = None
    parts: list[Box] = field(default_factory=list)
    base: list[Line] = field(default_factory=list)
    widest: Scope | None = None
    state: State = "suspected"
    confirmed_at: Instant | None = None
    restored_at: Instant | None = None
    recut_at: Instant | None = None
    watched: bool = True
    lines_observed: int = 0
    down_peak: int = 0
    cut_peak: int = 0
    said_down: int = 0
    grown_at: Instant = -math.inf
    back_since: Instant | None = None
    mostly_back_since: Instant | None = None
    words: dict[Line, Reach] = field(default_factory=dict)
    outside: OutsideWord | None = None
    news: bool = False
    just_restored: bool = False
    spools: bool = False
    told_down: int = 0
    trace: list[tuple[float, float, int, int]] = field(default_factory=list)
    testimony: list[Testimony] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it is confirmed and going on."""
        return self.state in OPEN

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.state in FINAL

    def is_over_since(self, at: Instant) -> bool:
        """Whether nothing was said of it after `at`, and nothing more can happen to it."""
        return self.is_final and self.entries[-1].published_at < at

    @property
    def cut_at(self) -> Instant:
        """When its lines began to fall, the last time they did."""
        return self.onset.earliest if self.recut_at is None else self.recut_at

    @property
    def down(self) -> int:
        """Lines of the base that are missing now."""
        return sum(line.state == "missing" for line in self.base)

    @property
    def confidence(self) -> float:
        """From the score, less where nobody watches the collector or few lines speak."""
        odds = 1.0 / (1.0 + math.exp(-(self.evidence.score - 9.0) / 2.0))
        weight = {"A": 0.99, "B": 0.75, "C": 0.6}[self.grade]
        return round(odds * weight * (1.0 if self.watched else 0.9), 3)

    def holds(self, line: Line) -> bool:
        """Whether a line lies in the scope."""
        return any(part.holds(line) for part in self.parts)

    def say(self, event: Event | None, *, at: Instant, published_at: Instant, note: str) -> Entry:
        """Move along the lifecycle and write the entry.

        Args:
            event: None for the first entry of a suspicion.
            at: When it happened.
            published_at: Now.
            note: Why, in one sentence.

        Returns:
            The entry; one of this tick that it replaces bears the same number.
        """
        if event is not None:
            self.state = step(self.state, event)
        if event == "confirm":
            self.confirmed_at = published_at
        elif event == "restore":
            self.restored_at = published_at
        elif event == "recut":
            self.restored_at = None
        if self.widest is None or _wider(self.scope, self.widest):
            self.widest = self.scope
        self.said_down = self.evidence.down
        self.down_peak = max(self.down_peak, self.evidence.down)
        self.lines_observed = max(self.lines_observed, self.evidence.lines)
        if self.entries and _is_same_word(self.entries[-1], self.state, published_at):
            earlier = self.entries.pop()
            at = min(at, earlier.at)
            note = note if note == earlier.note else f"{earlier.note}; {note}"
        entry = Entry(
            incident=self.id,
            number=len(self.entries),
            at=at,
            published_at=published_at,
            state=self.state,
            kind=self.kind,
            cause=self.cause,
            grade=self.grade,
            scope=self.scope,
            onset=self.onset,
            confidence=self.confidence,
            evidence=self.evidence,
            note=note,
        )
        self.entries.append(entry)
        return entry

    def count(self, *, score: float | None = None) -> None:
        """Renew the figures from the base."""
        down = [line for line in self.base if line.state == "missing"]
        self.evidence = replace(
            self.evidence,
            score=self.evidence.score if score is None else score,
            lines=len(self.base),
            down=len(down),
            sites=len({line.key.site for line in down}),
        )
        self.cut_peak = max(self.cut_peak, len(down))
        self.down_peak = max(self.down_peak, len(down))
        self.lines_observed = max(self.lines_observed, len(self.base))

    def remember(self, at: Instant, score: float) -> None:
        """Keep a point of the explanation; every second one goes when there are too many."""
        self.trace.append((at, round(score, 2), self.evidence.down, self.evidence.lines))
        if len(self.trace) > TRACE_MAX:
            del self.trace[1:-1:2]

    def summary(self) -> Incident:
        """Everything said so far, as a value."""
        return Incident(
            id=self.id,
            kind=self.kind,
            cause=self.cause,
            grade=self.grade,
            scope=self.widest or self.scope,
            state=self.state,
            onset=self.onset,
            suspected_at=self.suspected_at,
            confirmed_at=self.confirmed_at,
            restored_at=self.restored_at,
            lines_observed=self.lines_observed,
            lines_down_peak=self.down_peak,
            confidence=self.confidence,
            history=tuple(self.entries),
        )


def _is_same_word(earlier: Entry, state: State, published_at: Instant) -> bool:
    """Whether an entry says, at the same tick, that the case stands where it stands now."""
    return earlier.published_at == published_at and earlier.state == state


_WIDTH = {"cell": 0, "region": 1, "isp": 1, "nation": 2}


def _wider(new: Scope, old: Scope) -> bool:
    """Whether a scope says at least as much as the widest so far."""
    if _WIDTH[new.level] != _WIDTH[old.level]:
        return _WIDTH[new.level] > _WIDTH[old.level]
    fits = set(new.isps) >= set(old.isps) and set(new.regions) >= set(old.regions)
    return fits or (len(new.isps) + len(new.regions)) > (len(old.isps) + len(old.regions))
