"""Blocking and throttling incidents, from verdicts and quality.

1. One case for each blocked target: the networks that block it are its scope and widen with it.
2. One case for each throttling network: one target is selective, two or more are the network's.
3. Suspected at 10 nats, confirmed at 13 with two lines of that network at two sites; in a fleet of
   up to ten lines one line that has repeated itself three times is published as grade C.
4. Where a scope cannot hold what was measured (a tier of the ladder is no target) it is left out:
   the network is slowed, and no site is named.
5. Restored when every network of the case is back under suspicion and nine tenths of what its lines
   say of it is ok, twice in a row, one straggler tolerated: a home's own filter blocks for ever.
   Closed a day later.

While the lines themselves are silent nothing new is said: words grow old and are forgotten, but a
case is restored only by words that say ok.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.finding import CONFIRM_NATS, SUSPECT_NATS
from shyraq_collector.correlate.lattice import LINES_MIN
from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.target import (
    RATE,
    STREAK_MAX,
    QualityBook,
    TargetBook,
    TargetFinding,
    TargetView,
)
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import (
    Cause,
    Entry,
    Evidence,
    Grade,
    Interval,
    Kind,
    Scope,
    State,
)
from shyraq_collector.facts.signals import PATH
from shyraq_collector.incidents.case import Case, Testimony, id_by_words
from shyraq_collector.incidents.depth import STRAGGLER_SHARE
from shyraq_collector.incidents.lifecycle import Event

CLOSE_DAYS = 1.0
STREAK_BACK = 2
AGAIN: Final[dict[State, Event]] = {"suspected": "confirm", "restored": "recut"}
"""What strong words mean to a case that is not open; to an open one they are a change, if any."""


@dataclass(slots=True)
class TargetTracker:
    """The cases of one country that come from verdicts.

    Attributes:
        country: Whose.
        book: Newest words.
        qualities: What is usual.
        cases: Blocking and throttling cases, in the order they came.
    """

    country: Country
    book: TargetBook = field(default_factory=TargetBook)
    qualities: QualityBook = field(default_factory=QualityBook)
    cases: list[Case] = field(default_factory=list)

    def judge(self, now: Instant, at: Instant, pace: Pace) -> list[Entry]:
        """Judge the words as they stand; entries are published at `at`."""
        if not self.book.views and not any(not case.is_final for case in self.cases):
            return []
        self.book.forget(now, pace)
        said: list[Entry] = []
        groups: dict[tuple[Kind, str], list[TargetFinding]] = {}
        for finding in self.book.findings(SUSPECT_NATS / 2.0):
            groups.setdefault(_case_key(finding), []).append(finding)
        for (kind, name), findings in groups.items():
            case = self._live(kind, name)
            if case is None and findings[0].score >= SUSPECT_NATS:
                said.append(self._suspect(kind, name, findings, at))
                case = self.cases[-1]
            if case is not None:
                said += self._advance(case, findings, now, at)
        for case in self.cases:
            if not case.is_final and (case.kind, _name(case)) not in groups:
                said += self._fade(case, now, at, pace)
        return said

    def _live(self, kind: Kind, name: str) -> Case | None:
        for case in self.cases:
            if case.kind == kind and not case.is_final and _name(case) == name:
                return case
        return None

    def _suspect(self, kind: Kind, name: str, findings: list[TargetFinding], at: Instant) -> Entry:
        findings = [finding for finding in findings if finding.score >= SUSPECT_NATS]
        scope = _scope(self.country.code, findings)
        lines = [line for finding in findings for line in finding.lines]
        first = min(findings, key=lambda finding: finding.since)
        case = Case(
            id=id_by_words(
                kind,
                f"{self.country.code}|{name}",
                first.since,
                at,
                {case.id for case in self.cases},
            ),
            kind=kind,
            scope=scope,
            onset=Interval(earliest=min(first.before, first.since), latest=first.since),
            suspected_at=at,
            cause=_cause(kind, findings),
            grade=grade_of(lines),
            evidence=_evidence(findings),
            testimony=self._testimony(findings),
        )
        self.cases.append(case)
        return case.say(None, at=first.since, published_at=at, note=_why(findings))

    def _advance(
        self, case: Case, findings: list[TargetFinding], now: Instant, at: Instant
    ) -> list[Entry]:
        strong = [f for f in findings if f.score >= SUSPECT_NATS]
        if not strong:
            return []
        case.back_since = None
        lines = [line for finding in strong for line in finding.lines]
        before, scope = case.scope, _scope(self.country.code, strong)
        case.evidence, case.grade = _evidence(strong), grade_of(lines)
        case.testimony = self._testimony(strong)
        case.remember(now, strong[0].score)
        proven = any(self._proven(finding) for finding in strong)
        if case.state in {"suspected", "restored"} and not proven:
            return []
        case.scope, case.cause = scope, _cause(case.kind, strong)
        event = AGAIN.get(case.state, "change")
        if event == "change" and scope == before:
            return []
        return [case.say(event, at=now, published_at=at, note=_why(strong))]

    def _testimony(self, findings: Iterable[TargetFinding]) -> list[Testimony]:
        """What the accusing lines say, word for word."""
        views = [
            (finding.target, self.book.views[finding.isp, finding.target][line])
            for finding in findings
            for line in finding.lines
        ]
        return [
            Testimony(view.line, target, view.state, view.since, view.at, view.streak)
            for target, view in views
        ]

    def _proven(self, finding: TargetFinding) -> bool:
        if finding.score < CONFIRM_NATS:
            return False
        sites = {line.key.site for line in finding.lines}
        alone = self.country.is_small and finding.repeated >= STREAK_MAX
        return len(sites) >= 2 or alone

    def _fade(self, case: Case, now: Instant, at: Instant, pace: Pace) -> list[Entry]:
        """Nothing says so any more: restored by words that say ok, dismissed if never proven."""
        if case.state == "restored":
            if at - (case.restored_at or at) >= CLOSE_DAYS * pace.day_s:
                return [case.say("close", at=now, published_at=at, note="quiet for a day")]
            return []
        if case.state == "suspected":
            return [case.say("dismiss", at=now, published_at=at, note="it was not repeated")]
        heard = self._heard(case)
        accusing = [view for view in heard if view.state != "ok"]
        case.evidence = replace(case.evidence, score=0.0, down=len(accusing))
        case.remember(now, 0.0)
        fine = sorted(v.since for v in heard if v.state == "ok" and v.streak >= STREAK_BACK)
        tolerated = max(1, int(STRAGGLER_SHARE * len(heard))) if len(heard) >= LINES_MIN else 0
        if fine and len(fine) >= len(heard) - tolerated:
            back = fine[len(heard) - tolerated - 1]
            note = f"{len(fine)} of {len(heard)} words say ok again"
            return [case.say("restore", at=back, published_at=at, note=note)]
        return []

    def _heard(self, case: Case) -> list[TargetView]:
        """What the lines of its scope now say; of a slowed network, of anything."""
        names = set(case.scope.targets) if case.kind == "blocking" else None
        return [
            view
            for (isp, target), views in self.book.views.items()
            if isp in case.scope.isps and (names is None or target in names)
            for view in views.values()
            if view.state in {"ok", "blocked" if case.kind == "blocking" else "throttled"}
        ]


def _case_key(finding: TargetFinding) -> tuple[Kind, str]:
    if finding.state == "blocked":
        return "blocking", finding.target
    return "throttling", finding.isp


def _name(case: Case) -> str:
    names = case.scope.targets if case.kind == "blocking" else case.scope.isps
    return names[0] if names else ""


def _scope(country: str, findings: Iterable[TargetFinding]) -> Scope:
    findings = list(findings)
    return Scope(
        country=country,
        level="isp",
        isps=tuple(sorted({finding.isp for finding in findings})),
        targets=tuple(sorted({name for f in findings if (name := site_of(f.target))})),
    )


def site_of(target: str) -> str | None:
    """The site that a target of the book stands for; None for a way that is no site."""
    return None if target.startswith(PATH) else target.removeprefix(RATE)


def _cause(kind: Kind, findings: Iterable[TargetFinding]) -> Cause:
    findings = list(findings)
    if kind == "throttling":
        sites = {site_of(finding.target) for finding in findings}
        return "selective" if len(sites) == 1 and None not in sites else "isp"
    return "isp" if len({finding.isp for finding in findings}) == 1 else "unknown"


def grade_of(lines: Iterable[Line]) -> Grade:
    """A: three lines of one network, or three sites on two networks. B: two sites. Else C."""
    lines = set(lines)
    sites = {line.key.site for line in lines}
    isps = [line.key.isp for line in lines]
    most = max((isps.count(isp) for isp in set(isps)), default=0)
    if most >= 3 or (len(sites) >= 3 and len(set(isps)) >= 2):
        return "A"
    return "B" if len(sites) >= 2 else "C"


def _evidence(findings: list[TargetFinding]) -> Evidence:
    lines = {line for finding in findings for line in finding.lines}
    return Evidence(
        test="target",
        score=round(findings[0].score, 2),
        lines=sum(finding.eligible for finding in findings),
        down=len(lines),
        sites=len({line.key.site for line in lines}),
    )


def _why(findings: list[TargetFinding]) -> str:
    best = findings[0]
    return (
        f"{len(best.lines)} of {best.eligible} lines of {best.isp} say {best.target} is "
        f"{best.state}, controls do not ({best.score:.1f} nats)"
    )
