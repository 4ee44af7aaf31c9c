"""The public JSON values of the API, and how they are made from the values inside.

They are kept apart from `facts` on purpose: what is inside may change with the engine, what is
published may only grow. Every moment is RFC 3339 in UTC with milliseconds. None means: not known,
not yet, or withheld because too few places stand behind it; the field's text says which.
"""

from dataclasses import dataclass
from typing import Literal

from shyraq_collector.disclose import privacy
from shyraq_collector.disclose.coverage import cuts
from shyraq_collector.disclose.reader import Health, Numbered
from shyraq_collector.disclose.rules import Impairment, StateWord
from shyraq_collector.disclose.status import Cell, CountryStatus, Status
from shyraq_collector.facts.fleet import Access, Instant
from shyraq_collector.facts.incidents import (
    Cause,
    Entry,
    Grade,
    Incident,
    Interval,
    Kind,
    Level,
    Scope,
    State,
)
from shyraq_wire.moments import format_moment


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalAnswer:
    """After `earliest`, before `latest`."""

    earliest: str
    latest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellAnswer:
    """One group (null: all networks, all regions, both kinds of access) and its state word."""

    isp: str | None
    region: str | None
    access: Access | None
    state: StateWord
    rule: str
    since: IntervalAnswer | None
    lines: int | None
    lines_down: int | None
    confidence: float | None
    incident: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryAnswer:
    """One country; parts by access stand beside their whole."""

    country: str
    nation: list[CellAnswer]
    isps: list[CellAnswer]
    regions: list[CellAnswer]
    cells: list[CellAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """The state of all groups at one instant."""

    at: str
    view_at: str | None
    impaired: Impairment | None
    countries: list[CountryAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeAnswer:
    """How far an incident is proven to reach; an empty list does not limit that dimension.

    `place_withheld`: regions are known, but fewer than three places stand behind them.
    """

    country: str
    level: Level
    isps: list[str]
    regions: list[str]
    place_withheld: bool
    access: list[Access]
    exempt_isps: list[str]
    targets: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAnswer:
    """One stretch of an incident: when it was cut, when it was back (null: it is not)."""

    began: IntervalAnswer
    returned_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAnswer:
    """One incident without its timeline; figures are null where fewer than three lines spoke."""

    id: str
    kind: Kind
    cause: Cause
    grade: Grade
    state: State
    scope: ScopeAnswer
    onset: IntervalAnswer
    cuts: list[CutAnswer]
    suspected_at: str
    confirmed_at: str | None
    restored_at: str | None
    lines_observed: int | None
    lines_down_peak: int | None
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAnswer:
    """One line of a timeline: when it happened, when it was published, what was known then."""

    incident: str
    number: int
    at: str
    published_at: str
    state: State
    kind: Kind
    cause: Cause
    grade: Grade
    scope: ScopeAnswer
    onset: IntervalAnswer
    confidence: float
    lines: int | None
    lines_down: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentWithTimeline:
    """One incident and everything ever said of it, oldest first."""

    incident: IncidentAnswer
    timeline: list[EntryAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPage:
    """A page of the list; `next` is the cursor of the page behind it, null at the end."""

    incidents: list[IncidentAnswer]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthAnswer:
    """How the collector itself is. `impaired` says why it cannot judge now, null when it can."""

    impaired: Impairment | None
    view_at: str | None
    broker: Literal["connected", "lost", "unknown"]
    started_at: str | None
    reports_stored: int
    reports_refused: dict[str, int]
    reports_flagged: dict[str, int]


def status_answer(status: Status, *, country: str | None) -> StatusAnswer:
    """A status, of all countries or of one."""
    return StatusAnswer(
        at=moment(status.at),
        view_at=_moment_or_none(status.view_at),
        impaired=status.impaired,
        countries=[
            _country(each) for each in status.countries if country is None or each.code == country
        ],
    )


def incident_answer(incident: Incident) -> IncidentAnswer:
    """A published incident."""
    seen = incident.lines_observed
    return IncidentAnswer(
        id=incident.id,
        kind=incident.kind,
        cause=incident.cause,
        grade=incident.grade,
        state=incident.state,
        scope=_scope(incident.scope),
        onset=_interval(incident.onset),
        cuts=[
            CutAnswer(began=_interval(cut.began), returned_at=_moment_or_none(cut.returned_at))
            for cut in cuts(incident.history)
        ],
        suspected_at=moment(incident.suspected_at),
        confirmed_at=_moment_or_none(incident.confirmed_at),
        restored_at=_moment_or_none(incident.restored_at),
        lines_observed=privacy.figure(seen, of=seen),
        lines_down_peak=privacy.figure(incident.lines_down_peak, of=seen),
        confidence=incident.confidence,
    )


def entry_answer(entry: Entry) -> EntryAnswer:
    """A published entry."""
    lines = entry.evidence.lines
    return EntryAnswer(
        incident=entry.incident,
        number=entry.number,
        at=moment(entry.at),
        published_at=moment(entry.published_at),
        state=entry.state,
        kind=entry.kind,
        cause=entry.cause,
        grade=entry.grade,
        scope=_scope(entry.scope),
        onset=_interval(entry.onset),
        confidence=entry.confidence,
        lines=privacy.figure(lines, of=lines),
        lines_down=privacy.figure(entry.evidence.down, of=lines),
    )


def with_timeline(incident: Incident) -> IncidentWithTimeline:
    """A published incident with its timeline."""
    return IncidentWithTimeline(
        incident=incident_answer(incident),
        timeline=[entry_answer(entry) for entry in incident.history],
    )


def numbered_answer(numbered: Numbered, incident: Incident) -> EntryAnswer:
    """An entry of the stream, published as the incident it belongs to allows."""
    return entry_answer(privacy.published(incident).history[numbered.entry.number])


def health_answer(health: Health, status: Status) -> HealthAnswer:
    """The collector's health."""
    return HealthAnswer(
        impaired=status.impaired,
        view_at=_moment_or_none(status.view_at),
        broker=health.broker,
        started_at=_moment_or_none(health.started_at),
        reports_stored=health.stored,
        reports_refused=dict(sorted(health.refused.items())),
        reports_flagged=dict(sorted(health.flagged.items())),
    )


def moment(instant: Instant) -> str:
    """An instant in the one written form."""
    return format_moment(round(instant * 1000))


def _moment_or_none(instant: Instant | None) -> str | None:
    return None if instant is None else moment(instant)


def _interval(interval: Interval) -> IntervalAnswer:
    return IntervalAnswer(earliest=moment(interval.earliest), latest=moment(interval.latest))


def _scope(scope: Scope) -> ScopeAnswer:
    return ScopeAnswer(
        country=scope.country,
        level=scope.level,
        isps=list(scope.isps),
        regions=list(scope.regions),
        place_withheld=privacy.place_is_withheld(scope),
        access=list(scope.access),
        exempt_isps=list(scope.exempt_isps),
        targets=list(scope.targets),
    )


def _country(country: CountryStatus) -> CountryAnswer:
    return CountryAnswer(
        country=country.code,
        nation=[_cell(cell) for cell in country.nation],
        isps=[_cell(cell) for cell in country.isps],
        regions=[_cell(cell) for cell in country.regions],
        cells=[_cell(cell) for cell in country.cells],
    )


def _cell(cell: Cell) -> CellAnswer:
    return CellAnswer(
        isp=cell.key.isp,
        region=cell.key.region,
        access=cell.key.access,
        state=cell.word,
        rule=cell.rule,
        since=_interval(cell.since) if cell.since else None,
        lines=cell.lines,
        lines_down=cell.down,
        confidence=cell.confidence,
        incident=cell.incident,
    )
