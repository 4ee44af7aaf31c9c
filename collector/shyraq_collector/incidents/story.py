"""What is told of the lines that fell: their scope and onset, and which lines a case claims.

A story is proven boxes and the scope they add up to. A case is described from all that fell since
its onset, its own lines and unclaimed ones alike; when the description changes, it adopts the new
scope: lines outside are given back, eligible lines inside are claimed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.finding import STILL_DOWN_SHARE, Finding
from shyraq_collector.correlate.growth import explain, onset_of
from shyraq_collector.correlate.lattice import GroupKey
from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.scope import Box
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Evidence, Interval, Level, Scope
from shyraq_collector.incidents.case import Case
from shyraq_collector.incidents.cause import first_cause, first_grade

HELD_SHARE = 0.8
"""A box that holds less of the finding's own lines tells another story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A scope and where it comes from.

    Attributes:
        scope: What may be published.
        parts: The boxes that make it up.
        onset: When it began.
    """

    scope: Scope
    parts: list[Box]
    onset: Interval

    def holds(self, line: Line) -> bool:
        """Whether a line lies in the scope."""
        return any(part.holds(line) for part in self.parts)


def tell(
    country: Country,
    finding: Finding,
    fallen: Sequence[Line],
    *,
    owner: str | None,
    now: Instant,
    pace: Pace,
) -> Story:
    """The story of the lines that fell.

    Args:
        country: Where.
        finding: What made it suspicious; where the best box tells another story or nothing is
            proven beyond it, the story is the finding's own group.
        fallen: All lines that belong to it.
        owner: Id of the case whose lines may be counted as eligible.
        now: The judged instant.
        pace: Time scale.
    """
    up = [
        line
        for line in country.lines.values()
        if line.state == "up" or (line.state == "missing" and line.case not in {None, owner})
    ]
    told = explain(country, fallen, up, now, pace)
    own = finding.lines
    if told is None or sum(told[1].holds(line) for line in own) < HELD_SHARE * len(own):
        told = _of_group(country.code, finding.key)
    scope, box = told
    if country.is_small:
        scope = without_regions(scope)
    if scope.exempt_isps:
        held = _held_by_others(country, owner)
        scope = replace(scope, exempt_isps=tuple(i for i in scope.exempt_isps if i not in held))
    inside = [line for line in fallen if box.holds(line)]
    onset = onset_of(inside or own)
    if onset.latest > now:
        onset = replace(onset, latest=now)
    return Story(scope=scope, parts=[box], onset=onset)


def _held_by_others(country: Country, owner: str | None) -> set[str | None]:
    """Networks of which another case holds lines that are down: not exempt, only told elsewhere."""
    return {
        line.key.isp
        for line in country.missing.values()
        if line.case is not None and line.case != owner
    }


def without_regions(scope: Scope) -> Scope:
    """A handful of lines names no region: that would be a host."""
    wider: dict[Level, Level] = {
        "cell": "isp",
        "region": "nation",
        "isp": "isp",
        "nation": "nation",
    }
    return replace(scope, regions=(), level=wider[scope.level])


def _of_group(code: str, key: GroupKey) -> tuple[Scope, Box]:
    box = Box(
        frozenset({key.isp}) if key.isp else None,
        frozenset({key.region}) if key.region else None,
        key.access,
    )
    levels: dict[tuple[bool, bool], Level] = {
        (False, False): "nation",
        (True, False): "isp",
        (False, True): "region",
        (True, True): "cell",
    }
    scope = Scope(
        country=code,
        level=levels[key.isp is not None, key.region is not None],
        isps=tuple(box.isps or ()),
        regions=tuple(box.regions or ()),
        access=(key.access,) if key.access else (),
    )
    return scope, box


def fallen_since(case: Case, free: Iterable[Line], since: Instant) -> list[Line]:
    """The case's own lines that are down, and the unclaimed ones that fell since then."""
    own = [line for line in case.base if line.state == "missing"]
    return own + [line for line in free if line.case is None and line.missing_since >= since]


def fallen_before(case: Case, country: Country) -> list[Line]:
    """Lines of the scope that had fallen by themselves before: they were not there to fall."""
    since = _fell_from(case)
    return [
        line
        for line in country.missing.values()
        if line.case is None and line.missing_since < since and case.holds(line)
    ]


def adopt(case: Case, story: Story, country: Country, now: Instant, pace: Pace) -> None:
    """Make a story the case's own: scope, cause, grade, and the lines it claims."""
    case.scope, case.parts = story.scope, story.parts
    for line in case.base:
        if not case.holds(line):
            line.observed_to, line.case = now, None
    case.base = [line for line in case.base if line.case == case.id]
    take(case, country.missing.values(), now, pace)
    take(case, country.lines.values(), now, pace)
    case.cause = first_cause(case.scope)
    case.grade = first_grade(case.base)


def take(case: Case, lines: Iterable[Line], now: Instant, pace: Pace) -> int:
    """Claim unclaimed lines of the scope that are up, or fell since its onset; how many it took."""
    since = _fell_from(case)
    joined = [
        line
        for line in lines
        if line.case is None
        and (line.state == "up" or (line.state == "missing" and line.missing_since >= since))
        and case.holds(line)
    ]
    joined.sort(key=lambda line: str(line.key))
    for line in joined:
        line.observe(now, pace)
        line.case = line.last_case = case.id
    case.base += joined
    return len(joined)


def _fell_from(case: Case) -> Instant:
    """Lines that fell at this instant or later belong to the case."""
    peak = () if case.peak is None else case.peak.lines
    return min([case.cut_at, *(line.missing_since for line in peak)])


def half_hour_note(onset: Interval, pace: Pace) -> str:
    """A begin on :00 or :30 is worth a mention: most ordered cuts have one, few others do."""
    half_hour_s = pace.hour_s / 2.0
    mark = math.ceil((onset.earliest - pace.minute_s) / half_hour_s) * half_hour_s
    narrow = onset.latest - onset.earliest <= 5.0 * pace.minute_s
    if narrow and mark <= onset.latest + pace.minute_s:
        return "; it began on the half hour"
    return ""


def joined(one: Story, two: Story) -> Story:
    """The proven set of two stories that do not make a box."""
    isps = tuple(sorted({*one.scope.isps, *two.scope.isps}))
    regions = tuple(sorted({*one.scope.regions, *two.scope.regions}))
    level = one.scope.level
    if level != two.scope.level:
        level = "cell" if isps and regions else "nation"
    scope = replace(one.scope, level=level, isps=isps, regions=regions, access=(), exempt_isps=())
    return Story(scope=scope, parts=one.parts + two.parts, onset=one.onset)


def strength(finding: Finding) -> tuple[float, float]:
    """What makes one finding better than another: score, then share."""
    return finding.score, finding.share


def strongest(peak: Finding | None, best: Finding | None) -> Finding | None:
    """What a suspicion stands on: its peak while the lines of that stay down, or a stronger one."""
    if peak is None or peak.still_down < STILL_DOWN_SHARE * len(peak.lines):
        return best
    return best if best is not None and best.score >= peak.score else peak


def evidence_of(finding: Finding) -> Evidence:
    """The figures of a finding, for an entry."""
    return Evidence(
        test=finding.test,
        score=round(finding.score, 2),
        lines=finding.eligible,
        down=finding.down,
        sites=finding.sites,
    )


def why_of(finding: Finding) -> str:
    """A finding in one sentence."""
    return (
        f"{finding.down} of {finding.eligible} lines at {finding.sites} sites are silent "
        f"({finding.test} test, {finding.score:.1f} nats)"
    )
