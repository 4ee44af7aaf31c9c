"""One country, judged at each tick: findings become cases, cases move on.

1. Cases that are open count their base: deeper, partly back, restored, closed.
2. Missing lines that no case has claimed are put to the edge and level tests.
3. Something suspicious is first offered to what is already going on: an open case widens if the
   new lines and the old make one story, a restored case is cut again. Else a suspicion is opened.
4. A suspicion is confirmed when its best finding passed 13 nats and its lines are still down after
   a while that is longer the fewer they are; it is dismissed when they came back first.

Not here: the tests themselves (`correlate`), causes (`cause`), our own faults (`engine`).
"""

from collections.abc import Iterable
from dataclasses import replace

from shyraq_collector.correlate.edge import edge_findings
from shyraq_collector.correlate.finding import CONFIRM_NATS, Finding
from shyraq_collector.correlate.growth import explain, onset_of
from shyraq_collector.correlate.level import level_findings, remember_quiet
from shyraq_collector.correlate.line import NEVER, Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.roster import Country, Roster
from shyraq_collector.correlate.scope import Box
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Entry, Evidence, Scope
from shyraq_collector.incidents.case import Case, incident_id
from shyraq_collector.incidents.cause import first_cause, first_grade
from shyraq_collector.incidents.depth import follow

MANY_LINES = 8
"""From so many fallen lines on, nothing but the score is asked for."""

STILL_DOWN_SHARE = 0.8
SETTLE_BEATS = 10.0
ROLL_BEATS = 120.0
"""New falls this soon after the last belong to the same roll-out."""

SAME_SCOPE_SHARE = 0.5


class Tracker:
    """The cases of one country."""

    def __init__(self, roster: Roster, country: Country, pace: Pace) -> None:
        """Start with no case."""
        self.cases: list[Case] = []
        self.quiet_s = 0.0
        self.judged_to: Instant = NEVER
        self._roster = roster
        self._country = country
        self._pace = pace

    def judge(self, now: Instant, at: Instant, *, watched: bool) -> list[Entry]:
        """Judge the country as it stood at `now`; entries are published at `at`."""
        said: list[Entry] = []
        live = [case for case in self.cases if not case.is_final and case.kind == "outage"]
        if not live and not self._country.changed and now - self.judged_to < self._pace.hour_s:
            return said
        for case in live:
            said += follow(case, self._roster, now, at, self._pace)
        free = [line for line in self._country.missing.values() if line.case is None]
        free.sort(key=lambda line: (line.missing_since, str(line.key)))
        findings = self._findings(free, now)
        self._rest(free, findings, now)
        for case in live:
            if case.state == "suspected":
                said += self._weigh(case, findings, free, now, at)
            elif case.is_open:
                said += self._grow(case, findings, free, now, at)
        claimed = {line for case in live for line in case.base if line.case is not None}
        hot = [f for f in findings if f.suspicious and not claimed.intersection(f.lines)]
        if hot and not any(case.state == "suspected" for case in self.cases):
            said += self._suspect(max(hot, key=_strength), free, now, at, watched=watched)
        self._country.changed = False
        return said

    def _findings(self, free: list[Line], now: Instant) -> list[Finding]:
        if len(free) < 3:
            return []
        edge = edge_findings(self._country, free, now, self._pace)
        return edge + level_findings(self._country, free, now, self.quiet_s, self._pace)

    def _rest(self, free: list[Line], findings: list[Finding], now: Instant) -> None:
        """Quiet time teaches the level test what is usual."""
        passed = now - self.judged_to if self.judged_to != NEVER else 0.0
        self.judged_to = now
        busy = any(case.is_open or case.state == "suspected" for case in self.cases)
        if passed > 0 and not busy and not any(f.suspicious for f in findings):
            remember_quiet(self._country, free, passed)
            self.quiet_s += passed

    def _suspect(
        self, best: Finding, free: list[Line], now: Instant, at: Instant, *, watched: bool
    ) -> list[Entry]:
        case = Case(
            id=incident_id("outage", f"{self._country.code}|{best.key}", at),
            kind="outage",
            scope=Scope(country=self._country.code, level="nation"),
            onset=onset_of(best.lines),
            suspected_at=at,
            evidence=_evidence(best),
            peak=best,
            watched=watched,
        )
        self._describe(case, best, free, now)
        before = self._same_scope(case)
        if before is not None:
            # Nothing is said of a restored case before the new cut is confirmed.
            return self._recut(before, case, free, now, at) if self._proven(best, now) else []
        self.cases.append(case)
        said = [case.say(None, at=case.onset.latest, published_at=at, note=_why(best))]
        return said + self._weigh(case, [best], free, now, at)

    def _weigh(
        self, case: Case, findings: list[Finding], free: list[Line], now: Instant, at: Instant
    ) -> list[Entry]:
        """A suspicion: stronger, confirmed, or come to nothing?"""
        hot = [f for f in findings if f.suspicious]
        best = max(hot, key=_strength, default=None)
        peak = case.peak or best
        if peak is None:
            return []
        still = [line for line in peak.lines if line.state == "missing"]
        held = len(still) >= STILL_DOWN_SHARE * len(peak.lines)
        if best is not None and (not held or best.score >= peak.score):
            peak = best
        elif not held:
            case.evidence = replace(case.evidence, down=len(still))
            return [case.say("dismiss", at=now, published_at=at, note="the lines came back")]
        case.peak = peak
        case.evidence = _evidence(peak)
        case.remember(now, peak.score)
        if not self._proven(peak, now):
            return []
        self._claim(case, peak, free, now)
        return [case.say("confirm", at=case.onset.latest, published_at=at, note=_why(peak))]

    def _proven(self, finding: Finding, now: Instant) -> bool:
        """Whether a suspicious finding may be published: score, and time the fewer it rests on."""
        falls = sorted(line.missing_since for line in finding.lines)
        wait_s = max(0, MANY_LINES - finding.down) * self._pace.heartbeat_s
        return finding.score >= CONFIRM_NATS and now - falls[len(falls) // 2] >= wait_s

    def _describe(self, case: Case, best: Finding, free: list[Line], now: Instant) -> None:
        """Scope and onset from all that fell since the finding's window began."""
        own = [line for line in case.base if line.state == "missing"]
        since = min(best.since, case.onset.earliest)
        fresh = [line for line in free if line.missing_since >= since]
        up = [
            line
            for line in self._country.lines.values()
            if line.state == "up" and line.case in {None, case.id}
        ]
        scope, box = explain(self._country, [*own, *fresh], up, now, self._pace)
        inside = [line for line in [*own, *fresh] if box.holds(line)]
        if not inside:
            return
        case.scope, case.parts = scope, [box]
        if not case.entries or case.state == "suspected":
            case.onset = onset_of(inside)

    def _claim(self, case: Case, best: Finding, free: list[Line], now: Instant) -> None:
        """Make the scope's eligible lines the case's base."""
        self._describe(case, best, free, now)
        self._take(case, free, now)
        case.cause = first_cause(case.scope, self._country)
        case.grade = first_grade(case.base)
        case.count(score=best.score)

    def _take(self, case: Case, free: Iterable[Line], now: Instant) -> None:
        own = set(case.base)
        joined = [line for line in free if line not in own and case.holds(line)]
        joined += [
            line
            for line in self._country.lines.values()
            if line.state == "up" and line.case is None and case.holds(line)
        ]
        for line in joined:
            line.observe(now, self._pace)
            line.case = case.id
        case.base += joined
        if joined:
            case.grown_at = now

    def _grow(
        self, case: Case, findings: list[Finding], free: list[Line], now: Instant, at: Instant
    ) -> list[Entry]:
        """An open case: do new falls belong to it, and does that widen its scope?"""
        inside = [line for line in free if case.holds(line)]
        if inside:
            self._take(case, inside, now)
        settling = now - (case.confirmed_at or now) <= SETTLE_BEATS * self._country.beat_s
        rest = [line for line in free if line.case is None]
        hot = [f for f in findings if f.suspicious and any(x.case is None for x in f.lines)]
        if not rest or not (hot or settling):
            return []
        best = max(hot, key=_strength, default=case.peak)
        if best is None:
            return []
        trial = replace_scope(case)
        self._describe(trial, best, rest, now)
        own = [line for line in case.base if line.state == "missing"]
        covered = sum(trial.holds(line) for line in own) >= 0.9 * len(own)
        wider = covered and any(trial.holds(line) for line in rest)
        rolling = bool(hot) and now - case.grown_at <= ROLL_BEATS * self._country.beat_s
        if wider:
            self._adopt(case, trial.scope, trial.parts, rest, now)
        elif rolling:
            part = replace_scope(case)
            part.base = []
            self._describe(part, best, [x for x in best.lines if x.case is None], now)
            self._adopt(case, union(case.scope, part.scope), case.parts + part.parts, rest, now)
        else:
            return []
        case.count()
        return [case.say("change", at=now, published_at=at, note="more lines fell: wider scope")]

    def _adopt(
        self, case: Case, scope: Scope, parts: list[Box], free: list[Line], now: Instant
    ) -> None:
        case.scope, case.parts = scope, parts
        for line in case.base:
            if not case.holds(line):
                line.observed_to, line.case = now, None
        case.base = [line for line in case.base if line.case == case.id]
        self._take(case, free, now)
        case.cause = first_cause(case.scope, self._country)
        case.grade = first_grade(case.base)

    def _same_scope(self, case: Case) -> Case | None:
        """The restored case, not yet closed, that held mostly the same lines."""
        lines = list(self._country.lines.values())
        new = {line for line in lines if case.holds(line)}
        for other in self.cases:
            if other.state == "restored" and other.kind == "outage":
                old = {line for line in lines if other.holds(line)}
                if len(new & old) >= SAME_SCOPE_SHARE * len(new | old):
                    return other
        return None

    def _recut(
        self, case: Case, new: Case, free: list[Line], now: Instant, at: Instant
    ) -> list[Entry]:
        """Carry a restored case on with the scope of the new cut."""
        case.base, case.peak, case.cut_peak = [], new.peak, 0
        case.scope, case.parts = new.scope, new.parts
        self._take(case, free, now)
        case.count(score=new.evidence.score)
        note = "" if new.peak is None else _why(new.peak)
        return [case.say("recut", at=new.onset.latest, published_at=at, note=note)]


def replace_scope(case: Case) -> Case:
    """A copy on which a new scope can be tried without touching the case."""
    return replace(case, parts=list(case.parts), base=list(case.base), entries=list(case.entries))


def union(one: Scope, two: Scope) -> Scope:
    """The proven set of two scopes that do not make a box."""
    isps = tuple(sorted({*one.isps, *two.isps}))
    regions = tuple(sorted({*one.regions, *two.regions}))
    level = one.level if one.level == two.level else ("cell" if isps and regions else one.level)
    return replace(one, level=level, isps=isps, regions=regions, access=(), exempt_isps=())


def _strength(finding: Finding) -> tuple[float, float]:
    return finding.score, finding.share


def _evidence(finding: Finding) -> Evidence:
    return Evidence(
        test=finding.test,
        score=round(finding.score, 2),
        lines=finding.eligible,
        down=finding.down,
        sites=finding.sites,
    )


def _why(finding: Finding) -> str:
    return (
        f"{finding.down} of {finding.eligible} lines at {finding.sites} sites are silent "
        f"({finding.test} test, {finding.score:.1f} nats)"
    )
