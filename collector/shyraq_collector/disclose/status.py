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
from shyraq_collector.facts.fleet import Access, Instant
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
            _country(
                code,
                _Known(
                    groups=groups,
                    counted=privacy.countable(groups),
                    impaired=impaired,
                    words=[word for word in words if word.country == code],
                ),
            )
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of one country at the instant."""

    groups: Mapping[Key, GroupStatus]
    counted: frozenset[Key]
    impaired: Impairment | None
    words: Sequence[coverage.Word]

    def cells(self, access: Access | None) -> list[Key]:
        """Every network in every region that has lines of a kind of access."""
        return [
            key._replace(access=None)
            for key, group in self.groups.items()
            if key.isp and key.region and key.access == access and group.lines
        ]


def _country(code: str, known: _Known) -> CountryStatus:
    groups = known.groups
    told = [key for key in groups if key.access is None and privacy.may_be_told(groups[key])]
    isps = sorted(key.isp for key in told if key.isp and not key.region)
    regions = sorted(key.region for key in told if key.region and not key.isp)
    cells_of = {access: known.cells(access) for access in (None, "fixed", "mobile")}

    def cells(keys: Sequence[Key]) -> tuple[Cell, ...]:
        parts = [(key, *(privacy.splits(groups, key) if key in groups else ())) for key in keys]
        return tuple(
            _cell(key, known, cells_of[key.access], is_counted=whole[0] in known.counted)
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


def _cell(key: Key, known: _Known, cells: Sequence[Key], *, is_counted: bool) -> Cell:
    case = _case(key, known, cells)
    rule = next(rule for rule in RULES if rule.holds(case))
    behind = rule.behind(case)
    group = case.group
    silent_since = group.since if rule.is_silence and group else None
    is_told = is_counted and group is not None and privacy.may_be_told(group)
    return Cell(
        key=key,
        word=rule.word,
        rule=rule.id,
        since=silent_since or (behind.since if behind else None),
        lines=group.lines if group and is_told else None,
        down=group.down if group and is_told else None,
        confidence=behind.confidence if behind else None,
        incident=behind.incident if behind else None,
    )


def _case(key: Key, known: _Known, cells: Sequence[Key]) -> Case:
    """Everything the rules may look at, of the incidents that bear on a group."""
    touching = [word for word in known.words if word.is_confirmed and word.touches(key)]
    covering = [word for word in touching if word.is_open and word.covers(key, cells)]
    outages = [word for word in touching if word.kind == "outage"]
    outage = max(
        (word for word in outages if word.is_open),
        key=lambda word: (word in covering, word.down),
        default=None,
    )
    group = known.groups.get(key)
    silent, lines = (group.down, group.lines) if group else (0, 0)
    return Case(
        group=group,
        impaired=known.impaired,
        outage=outage,
        is_covered=outage in covering,
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
