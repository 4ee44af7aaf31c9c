"""Domestic-only and white-list phases of lines that are heard all the while.

Where a white list admits our broker nobody falls silent, and the tests of silence see nothing. The
ladders do: the country answers, or only its official sites, and nothing abroad (see `reaching`).
Such a phase is an outage whose cause is known from the beginning.

1. Suspected at 10 nats, confirmed at 13; dismissed when the lines reach abroad again first.
2. An entry for each change of scope or cause, and for a part that reaches abroad again.
3. Restored when all but a tenth of the lines that spoke (one straggler is tolerated) have said for
   ten minutes that they reach abroad; closed a day later; a new phase before that reopens it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.finding import CONFIRM_NATS
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.reaching import NARROW, ReachBook, ReachFinding, ReachView
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import (
    Cause,
    Entry,
    Evidence,
    Interval,
    Scope,
    State,
)
from shyraq_collector.incidents.case import Case, Testimony, id_by_words
from shyraq_collector.incidents.depth import (
    CLOSE_DAYS,
    PARTIAL_SHARE,
    RESTORE_MINUTES,
    STRAGGLER_SHARE,
    WORSE_SHARE,
)
from shyraq_collector.incidents.lifecycle import Event
from shyraq_collector.incidents.story import without_regions
from shyraq_collector.incidents.targets import grade_of

AGAIN: Final[dict[State, Event]] = {"suspected": "confirm", "restored": "recut"}
"""What strong ladders mean to a case that is not open."""


@dataclass(slots=True)
class PhaseTracker:
    """The phases of one country.

    Attributes:
        country: Whose.
        book: Newest ladders.
        cases: In the order they came.
    """

    country: Country
    book: ReachBook = field(default_factory=ReachBook)
    cases: list[Case] = field(default_factory=list)

    def judge(self, now: Instant, at: Instant, pace: Pace) -> list[Entry]:
        """Judge the ladders as they stand; entries are published at `at`."""
        case = self.cases[-1] if self.cases and not self.cases[-1].is_final else None
        if not self.book.views and case is None:
            return []
        self.book.forget(now, pace)
        finding = self.book.find(self.country)
        said: list[Entry] = []
        if case is None and finding is not None:
            case = self._suspect(finding, at)
            said += case.entries
        if case is not None and case.is_open:
            said += self._follow(case, finding, now, at, pace)
        elif case is not None and finding is not None:
            said += self._strengthen(case, finding, now, at)
        elif case is not None:
            said += self._fade(case, now, at, pace)
        return said

    def _fade(self, case: Case, now: Instant, at: Instant, pace: Pace) -> list[Entry]:
        """Nothing says so any more of a suspicion, or of a phase that was over."""
        if case.state == "suspected":
            note = "the lines reach abroad again, or fell silent"
            return [case.say("dismiss", at=now, published_at=at, note=note)]
        if at - (case.restored_at or at) >= CLOSE_DAYS * pace.day_s:
            return [case.say("close", at=now, published_at=at, note="quiet for a day")]
        return []

    def _suspect(self, finding: ReachFinding, at: Instant) -> Case:
        first = min(finding.views, key=lambda view: view.since)
        scope = self._scope(finding)
        case = Case(
            id=id_by_words(
                "outage",
                f"{self.country.code}|ladder",
                first.since,
                at,
                {case.id for case in self.cases},
            ),
            kind="outage",
            scope=scope,
            onset=Interval(earliest=first.before, latest=first.since),
            suspected_at=at,
            cause=_cause(finding),
            evidence=_evidence(finding),
        )
        self._describe(case, finding, at)
        self.cases.append(case)
        case.say(None, at=first.since, published_at=at, note=_why(finding))
        return case

    def _strengthen(
        self, case: Case, finding: ReachFinding, now: Instant, at: Instant
    ) -> list[Entry]:
        """A suspicion, or a phase that was over: strong enough to be said?"""
        if finding.score < CONFIRM_NATS:
            return []
        self._describe(case, finding, now)
        event = AGAIN[case.state]
        case.cut_peak, case.back_since = case.evidence.down, None
        began = min(view.since for view in finding.views)
        return [case.say(event, at=began, published_at=at, note=_why(finding))]

    def _follow(
        self, case: Case, finding: ReachFinding | None, now: Instant, at: Instant, pace: Pace
    ) -> list[Entry]:
        """An open phase: wider, deeper, partly or wholly over?"""
        if finding is not None and (self._scope(finding), _cause(finding)) != (
            case.scope,
            case.cause,
        ):
            self._describe(case, finding, now)
            return [case.say("change", at=now, published_at=at, note=_why(finding))]
        inside = [view for view in self.book.views.values() if case.holds(view.line)]
        narrow = [view for view in inside if view.reach in NARROW]
        self._count(case, inside, narrow, finding)
        case.remember(now, 0.0 if finding is None else finding.score)
        if not inside:
            return []  # silence is told elsewhere, and ends nothing here
        if len(narrow) > max(1.0, STRAGGLER_SHARE * len(inside)):
            case.back_since = None
            return self._depth(case, now, at)
        case.back_since = now if case.back_since is None else case.back_since
        if now - case.back_since < RESTORE_MINUTES * pace.minute_s:
            return []
        note = f"{len(inside) - len(narrow)} of {len(inside)} lines reach abroad again"
        return [case.say("restore", at=case.back_since, published_at=at, note=note)]

    def _depth(self, case: Case, now: Instant, at: Instant) -> list[Entry]:
        down, peak = case.evidence.down, case.cut_peak
        note = f"{down} of {case.evidence.lines} lines reach nothing abroad"
        if case.state == "partial_restore":
            if down >= WORSE_SHARE * peak:
                return [case.say("worsen", at=now, published_at=at, note=note)]
        elif down <= PARTIAL_SHARE * peak and peak - down >= 2:
            return [case.say("partial", at=now, published_at=at, note=note)]
        return []

    def _describe(self, case: Case, finding: ReachFinding, now: Instant) -> None:
        """Make a finding the case's own."""
        case.scope, case.parts = self._scope(finding), [finding.box]
        case.cause, case.evidence = _cause(finding), _evidence(finding)
        case.grade = grade_of(view.line for view in finding.views)
        case.testimony = _testimony(finding.views)
        case.cut_peak = max(case.cut_peak, case.evidence.down)
        case.remember(now, finding.score)

    def _count(
        self,
        case: Case,
        inside: list[ReachView],
        narrow: list[ReachView],
        finding: ReachFinding | None,
    ) -> None:
        case.evidence = replace(
            case.evidence,
            score=case.evidence.score if finding is None else round(finding.score, 2),
            lines=len(inside),
            down=len(narrow),
            sites=len({view.line.key.site for view in narrow}),
        )
        case.cut_peak = max(case.cut_peak, len(narrow))
        case.down_peak = max(case.down_peak, len(narrow))
        case.lines_observed = max(case.lines_observed, len(inside))
        if narrow:
            case.testimony = _testimony(narrow)

    def _scope(self, finding: ReachFinding) -> Scope:
        return without_regions(finding.scope) if self.country.is_small else finding.scope


def _cause(finding: ReachFinding) -> Cause:
    listed = sum(view.reach == "white_list" for view in finding.views)
    return "white-list" if 2 * listed > len(finding.views) else "domestic-only"


def _evidence(finding: ReachFinding) -> Evidence:
    return Evidence(
        test="ladder",
        score=round(finding.score, 2),
        lines=finding.eligible,
        down=len(finding.views),
        sites=len({view.line.key.site for view in finding.views}),
    )


def _testimony(views: Iterable[ReachView]) -> list[Testimony]:
    return [
        Testimony(view.line, "abroad", view.reach, view.since, view.at, view.streak)
        for view in views
    ]


def _why(finding: ReachFinding) -> str:
    what = "official sites only" if _cause(finding) == "white-list" else "the country only"
    return (
        f"{len(finding.views)} of {finding.eligible} lines that are heard reach {what} "
        f"(ladder test, {finding.score:.1f} nats)"
    )
