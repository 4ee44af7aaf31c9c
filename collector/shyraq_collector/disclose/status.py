"""From a view of the fleet to state words: what is reachable, cut off, or not known.

First the view is judged as a whole (`impairment`): without a fresh view of an engine that judges,
every word is "unknown". Then the table in `rules` gives each group its word. Which groups are told
at all, and with which counts, is for `privacy` to say.

Pure: the instant, the view and the incidents are given; nothing is read, nothing is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_collector.disclose import coverage, privacy
from shyraq_collector.disclose.privacy import NATION, Key
from shyraq_collector.disclose.reader import View
from shyraq_collector.disclose.rules import RULES, Case, Impairment, StateWord
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import GroupStatus, Incident, Interval

STALE_HEARTBEATS: Final = 3
"""A view older than this many heartbeats says nothing of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One group and its word.

    Attributes:
        key: Which network, region and access.
        word: The state word.
        rule: Id of the rule that gave it.
        since: Since when, as an interval; None where not known.
        lines: Lines (a line is one way out of one site) that were asked; None where withheld.
        down: Of them, silent; None where withheld.
        confidence: 0 to 1 of the incident behind the word; None without one.
        incident: Id of the incident behind the word.
    """

    key: Key
    word: StateWord
    rule: str
    since: Interval | None
    lines: int | None
    down: int | None
    confidence: float | None
    incident: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryStatus:
    """One country: the whole, its networks, its regions, and every network in every region.

    Parts by access (fixed, mobile) stand beside their whole, with `key.access` set.
    """

    code: str
    nation: tuple[Cell, ...]
    isps: tuple[Cell, ...]
    regions: tuple[Cell, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All that can be said of one instant.

    Attributes:
        at: The instant asked about.
        view_at: Tick of the view it was answered from; None without one.
        impaired: Why every word is unknown; None when our own view is in order.
        countries: By code.
    """

    at: Instant
    view_at: Instant | None
    impaired: Impairment | None
    countries: tuple[CountryStatus, ...]


def status(
    view: View | None, standing: Sequence[Incident], *, at: Instant, heartbeat_s: float
) -> Status:
    """What can be said of an instant.

    Args:
        view: The newest view committed at or before the instant, None where there is none.
        standing: Incidents not over at the instant; entries published later are not read.
        at: The instant, POSIX seconds.
        heartbeat_s: How often nodes are heard; the measure of a stale view.
    """
    words = coverage.as_known_at(standing, at)
    impaired = impairment(view, words, at=at, heartbeat_s=heartbeat_s)
    by_country: dict[str, dict[Key, GroupStatus]] = {}
    for group in view.groups if view else ():
        key = Key(group.isp, group.region, group.access)
        by_country.setdefault(group.country, {})[key] = group
    return Status(
        at=at,
        view_at=view.at if view else None,
        impaired=impaired,
        countries=tuple(
            _country(code, groups, impaired, [word for word in words if word.country == code])
            for code, groups in sorted(by_country.items())
        ),
    )


def impairment(
    view: View | None, words: Sequence[coverage.Word], *, at: Instant, heartbeat_s: float
) -> Impairment | None:
    """Why nothing can be said of an instant; None when our own view is in order."""
    if view is None:
        return "no-view"
    if at - view.at > STALE_HEARTBEATS * heartbeat_s:
        return "stale"
    if any(word.kind == "collector-fault" and word.is_open for word in words):
        return "own-fault"
    return view.hold


def _country(
    code: str,
    groups: Mapping[Key, GroupStatus],
    impaired: Impairment | None,
    words: Sequence[coverage.Word],
) -> CountryStatus:
    told = [key for key in groups if key.access is None and privacy.may_be_told(groups[key])]
    isps = sorted(key.isp for key in told if key.isp and not key.region)
    regions = sorted(key.region for key in told if key.region and not key.isp)
    counted = privacy.countable(groups)

    def cells(keys: Sequence[Key]) -> tuple[Cell, ...]:
        parts = [(key, *(privacy.splits(groups, key) if key in groups else ())) for key in keys]
        return tuple(
            _cell(key, groups, impaired, words, is_counted=whole[0] in counted)
            for whole in parts
            for key in whole
        )

    return CountryStatus(
        code=code,
        nation=cells([NATION]),
        isps=cells([Key(isp, None, None) for isp in isps]),
        regions=cells([Key(None, region, None) for region in regions]),
        cells=cells([Key(isp, region, None) for region in regions for isp in isps]),
    )


def _cell(
    key: Key,
    groups: Mapping[Key, GroupStatus],
    impaired: Impairment | None,
    words: Sequence[coverage.Word],
    *,
    is_counted: bool,
) -> Cell:
    case = _case(key, groups, impaired, words)
    rule = next(rule for rule in RULES if rule.holds(case))
    behind = rule.behind(case)
    silent_since = case.group.since if rule.is_silence and case.group else None
    tells = is_counted and privacy.may_be_told(case.group) and case.group is not None
    return Cell(
        key=key,
        word=rule.word,
        rule=rule.id,
        since=silent_since or (behind.since if behind else None),
        lines=case.group.lines if tells and case.group else None,
        down=case.group.down if tells and case.group else None,
        confidence=behind.confidence if behind else None,
        incident=behind.incident if behind else None,
    )


def _case(
    key: Key,
    groups: Mapping[Key, GroupStatus],
    impaired: Impairment | None,
    words: Sequence[coverage.Word],
) -> Case:
    touching = [word for word in words if word.is_confirmed and word.touches(key)]
    outages = [word for word in touching if word.kind == "outage"]
    outage = max(
        (word for word in outages if word.is_open),
        key=lambda word: (word.covers(key), word.down),
        default=None,
    )
    covering = [word for word in touching if word.is_open and word.covers(key)]
    silent, lines = coverage.silent_lines(key, groups, outage)
    return Case(
        group=groups.get(key),
        impaired=impaired,
        outage=outage,
        throttling=next((word for word in covering if word.kind == "throttling"), None),
        blocking=next((word for word in covering if word.kind == "blocking"), None),
        returned=max(
            (word for word in outages if not word.is_open),
            key=lambda word: word.since.latest,
            default=None,
        ),
        silent_share=silent / lines if lines else 0.0,
        silent=silent,
    )
