"""One country, judged at each tick: findings become cases, cases move on.

1. Cases that are open count their base: deeper, partly back, restored, closed.
2. Missing lines that no case has claimed are put to the edge and level tests.
3. An open case is told anew when more of its lines fell or something suspicious fell beside it soon
   after: it widens if old and new make one story. A restored case that is cut again is reopened
   (see `again`). Only what is left opens a suspicion, one at a time.
4. A suspicion is confirmed when its best finding passed 13 nats and its lines are still down after
   a while that is longer the fewer they are; it is dismissed when they came back first.

Not here: the tests themselves (`correlate`), scope (`story`), causes (`cause`), our own faults
(`engine`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from shyraq_collector.correlate.country import SOFT_LEASHES, Country
from shyraq_collector.correlate.edge import edge_findings
from shyraq_collector.correlate.finding import STILL_DOWN_SHARE, Finding
from shyraq_collector.correlate.growth import onset_of
from shyraq_collector.correlate.hush import hushed
from shyraq_collector.correlate.level import down_by_group, level_findings, remember_quiet
from shyraq_collector.correlate.line import NEVER, Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.roster import Roster
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Entry
from shyraq_collector.facts.signals import Reach
from shyraq_collector.incidents.again import same_incident
from shyraq_collector.incidents.case import Case, incident_id
from shyraq_collector.incidents.cause import first_grade, listen, revise
from shyraq_collector.incidents.depth import follow
from shyraq_collector.incidents.story import (
    Story,
    adopt,
    evidence_of,
    fallen_before,
    fallen_since,
    half_hour_note,
    joined,
    strength,
    strongest,
    take,
    tell,
    why_of,
)

WAIT_BEATS = {3: 5.0, 4: 2.0, 5: 1.0}
"""How long so few fallen lines must stay down before they are published; more need no wait."""

LOOKS_A_BEAT = 12.0
"""Where words come once an hour there is nothing new to see at each tick."""

COVERED_SHARE = 0.9
SETTLE_BEATS = 10.0
ROLL_BEATS = 120.0
"""New falls this soon after the last belong to the same roll-out."""


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
        live = [case for case in self.cases if not case.is_final]
        since = now - self.judged_to
        if since < self._country.beat_s / LOOKS_A_BEAT:
            return said
        idle = not (live or self._country.changed or self._country.is_sparse(self._pace))
        if idle and since < self._pace.hour_s:
            return said
        for case in live:
            said += follow(case, self._roster, now, at, self._pace)
            said += revise(case, now, at)
        self._hush(now)
        free = [
            line
            for line in self._country.missing.values()
            if line.case is None and line.missing_since <= now
        ]
        free.sort(key=lambda line: (line.missing_since, str(line.key)))
        fallen = down_by_group(free)
        findings = edge_findings(self._country, fallen, now, self._pace)
        findings += level_findings(self._country, fallen, now, self.quiet_s, self._pace)
        self._rest(fallen, findings, now)
        suspicion = next((case for case in live if case.state == "suspected"), None)
        for case in live:
            if case.is_open:
                said += self._grow(case, findings, free, now, at)
        fresh = [f for f in findings if all(line.case is None for line in f.lines)]
        best = max((f for f in fresh if f.suspicious), key=strength, default=None)
        silent = next((case for case in live if case.again is not None), None)
        if suspicion is not None:
            said += self._weigh(suspicion, best, free, now, at)
        elif silent is not None:
            said += self._weigh_again(silent, best, free, now, at, watched=watched)
        elif best is not None and not any(self._rolls(case, now) for case in live):
            said += self._suspect(best, free, now, at, watched=watched)
        # What was known beyond the judged instant is still to be looked at.
        self._country.changed = any(
            line.missing_since > now for line in self._country.missing.values()
        )
        return said

    def hear_reach(self, line: Line, at: Instant, reach: Reach) -> None:
        """What a line reached while it was silent: evidence for the cause of its case."""
        for case in self.cases:
            listen(case, line, at, reach)

    def _hush(self, now: Instant) -> None:
        """Lines that went quiet as a group count as missing before their leashes are over."""
        passed = now - self.judged_to if self.judged_to != NEVER else 0.0
        quiet = not any(case.is_open or case.state == "suspected" for case in self.cases)
        ears, pace = self._roster.watch, self._pace
        for line in hushed(self._country, ears, now, passed, quiet=quiet, pace=pace):
            since = line.last_heard + SOFT_LEASHES * line.leash_s
            self._roster.move(line, "missing", since)

    def _rest(
        self, fallen: Mapping[int, list[Line]], findings: list[Finding], now: Instant
    ) -> None:
        """Quiet time teaches the level test what is usual."""
        passed = now - self.judged_to if self.judged_to != NEVER else 0.0
        self.judged_to = now
        busy = any(case.is_open or case.state == "suspected" for case in self.cases)
        if passed > 0 and not busy and not any(f.suspicious for f in findings):
            remember_quiet(self._country, fallen, passed)
            self.quiet_s += passed

    def _suspect(
        self, best: Finding, free: list[Line], now: Instant, at: Instant, *, watched: bool
    ) -> list[Entry]:
        story = self._tell(None, best, free, now)
        before = same_incident(self.cases, story, self._country, free)
        if before is not None:
            before.again = best
            return self._weigh_again(before, best, free, now, at, watched=watched)
        case = Case(
            id=incident_id("outage", f"{self._country.code}|{best.key}", at),
            kind="outage",
            scope=story.scope,
            parts=story.parts,
            onset=story.onset,
            suspected_at=at,
            evidence=evidence_of(best),
            peak=best,
            watched=watched,
            grade=first_grade(best.lines),
        )
        self.cases.append(case)
        said = [case.say(None, at=case.onset.latest, published_at=at, note=why_of(best))]
        return said + self._weigh(case, best, free, now, at)

    def _weigh(
        self, case: Case, best: Finding | None, free: list[Line], now: Instant, at: Instant
    ) -> list[Entry]:
        """A suspicion: stronger, confirmed, or come to nothing?"""
        peak = strongest(case.peak, best)
        if peak is None:
            case.evidence = replace(case.evidence, down=case.peak.still_down if case.peak else 0)
            return [case.say("dismiss", at=now, published_at=at, note="the lines came back")]
        case.peak, case.evidence = peak, evidence_of(peak)
        case.remember(now, peak.score)
        if not self._proven(peak, now):
            return []
        story = self._tell(case, peak, free, now)
        before = same_incident(self.cases, story, self._country, free)
        if before is not None:
            note = f"it is incident {before.id}, cut again"
            said = self._recut(before, peak, story, now, at)
            return [*said, case.say("dismiss", at=now, published_at=at, note=note)]
        case.onset = story.onset
        self._adopt(case, story, now)
        case.count(score=peak.score)
        note = why_of(peak) + half_hour_note(case.onset, self._pace)
        return [case.say("confirm", at=case.onset.latest, published_at=at, note=note)]

    def _weigh_again(
        self,
        case: Case,
        best: Finding | None,
        free: list[Line],
        now: Instant,
        at: Instant,
        *,
        watched: bool,
    ) -> list[Entry]:
        """A restored case under suspicion: nothing is said of it before the new cut is proven."""
        peak = case.again = strongest(case.again, best)
        if peak is None or not self._proven(peak, now):
            return []
        case.again = None
        story = self._tell(None, peak, free, now)
        if same_incident(self.cases, story, self._country, free) is case:
            return self._recut(case, peak, story, now, at)
        return self._suspect(peak, free, now, at, watched=watched)

    def _proven(self, finding: Finding, now: Instant) -> bool:
        """Whether a suspicious finding may be published: the score, and time where few speak."""
        if not finding.provable:
            return False
        falls = sorted(line.missing_since for line in finding.lines)
        wait_s = WAIT_BEATS.get(finding.down, 0.0) * self._pace.heartbeat_s
        total = finding.down > min(WAIT_BEATS) and not self._anyone_heard(finding)
        return total or now - falls[len(falls) // 2] >= wait_s

    def _anyone_heard(self, finding: Finding) -> bool:
        """Whether any line of the group has been heard since those that fell went silent."""
        key, onset = finding.key, onset_of(finding.lines)
        return any(
            line.state == "up" and line.last_heard > onset.latest
            for line in self._country.lines.values()
            if key.isp in {None, line.key.isp}
            and key.region in {None, line.key.region}
            and key.access in {None, line.key.access}
        )

    def _tell(
        self, case: Case | None, finding: Finding, free: Iterable[Line], now: Instant
    ) -> Story:
        if case is None or case.state == "suspected":
            since = min(finding.since, onset_of(finding.lines).earliest)
            fallen = [line for line in free if line.missing_since >= since]
        else:
            fallen = fallen_since(case, free, case.cut_at)
        owner = case.id if case is not None else None
        return tell(self._country, finding, fallen, owner=owner, now=now, pace=self._pace)

    def _adopt(self, case: Case, story: Story, now: Instant) -> None:
        adopt(case, story, self._country, now, self._pace)
        self._roster.leave_out(fallen_before(case, self._country))
        case.grown_at = now

    def _grow(
        self, case: Case, findings: list[Finding], free: list[Line], now: Instant, at: Instant
    ) -> list[Entry]:
        """An open case: do new falls belong to it, and does that change its scope?"""
        if take(case, free, now, self._pace):
            case.grown_at = now
        hot = [f for f in findings if f.suspicious and all(x.case is None for x in f.lines)]
        best = max(hot, key=strength, default=None)
        rolling = self._rolls(case, now)
        deeper = case.evidence.down > case.told_down
        if case.peak is None or not ((best and rolling) or deeper):
            return []
        case.told_down = case.evidence.down
        story = self._retold(case, best if rolling else None, free if rolling else (), now)
        if story is None or (story.parts == case.parts and story.scope == case.scope):
            return []
        same_words = story.scope == case.scope
        self._adopt(case, story, now)
        settling = now - (case.confirmed_at or now) <= SETTLE_BEATS * self._country.beat_s
        case.onset = story.onset if settling else case.onset
        case.count()
        if same_words:
            return []
        return [case.say("change", at=now, published_at=at, note="more lines fell")]

    def _rolls(self, case: Case, now: Instant) -> bool:
        """Whether new falls would still belong to this case."""
        return case.is_open and now - case.grown_at <= ROLL_BEATS * self._country.beat_s

    def _retold(
        self, case: Case, best: Finding | None, free: Iterable[Line], now: Instant
    ) -> Story | None:
        """The story of a case with what fell beside it; None where there is no one story."""
        if case.peak is None:
            return None
        story = self._tell(case, case.peak, free, now)
        own = [line for line in case.base if line.state == "missing"]
        covered = sum(story.holds(line) for line in own) >= COVERED_SHARE * len(own)
        if best is None:
            return story if covered else None
        held = sum(story.holds(line) for line in best.lines)
        if covered and held >= STILL_DOWN_SHARE * len(best.lines):
            return story
        before = Story(scope=case.scope, parts=case.parts, onset=case.onset)
        beside = tell(self._country, best, best.lines, owner=None, now=now, pace=self._pace)
        return joined(story if covered else before, beside)

    def _recut(
        self, case: Case, best: Finding, story: Story, now: Instant, at: Instant
    ) -> list[Entry]:
        """Carry a restored case on with the scope of the new cut."""
        case.base, case.peak, case.cut_peak, case.told_down = [], best, 0, 0
        case.recut_at, case.again = story.onset.earliest, None
        self._adopt(case, story, now)
        case.words.clear()
        case.count(score=best.score)
        return [case.say("recut", at=story.onset.latest, published_at=at, note=why_of(best))]
