"""The front page as values: headline, table of regions and networks, list of incidents.

Everything the template prints is text made here; the template chooses nothing but markup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_collector.disclose.clocktext import ClockText
from shyraq_collector.disclose.coverage import cuts
from shyraq_collector.disclose.headline import Headline, headline, newest
from shyraq_collector.disclose.languages import Wording
from shyraq_collector.disclose.places import Country
from shyraq_collector.disclose.privacy import NATION, Key
from shyraq_collector.disclose.rules import StateWord
from shyraq_collector.disclose.sentences import Sentences
from shyraq_collector.disclose.status import Cell, CountryStatus, Status
from shyraq_collector.facts.fleet import Access
from shyraq_collector.facts.incidents import Incident, Interval, Kind, State

TONES: Final[Mapping[Kind, StateWord]] = {
    "outage": "cut-off",
    "throttling": "throttled",
    "blocking": "blocked-sites",
    "collector-fault": "unknown",
}
"""Which sign an open incident of each kind bears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One time on both clocks; `machine` is RFC 3339 for programs that read the page."""

    local: str
    utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCell:
    """One cell of the table: the word with its sign, since when, how many.

    Attributes:
        tone: The state word's id, for sign and colour.
        label: Fixed or mobile, where a cell is told in two parts; else empty.
        word: The state word.
        since: Since when; None where not known.
        counts: How many were asked, or are silent; empty where withheld.
        incident: Where the page says more; None without an incident.
    """

    tone: StateWord
    label: str
    word: str
    since: Moment | None
    counts: str
    incident: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One region, or the whole country, with a list of parts for each column."""

    name: str
    is_whole: bool
    columns: tuple[tuple[str, tuple[ShownCell, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownIncident:
    """One line of the incident list."""

    id: str
    tone: StateWord
    kind: str
    who: str
    began: Moment
    back: Moment | None
    no_return: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The whole page.

    Attributes:
        now: When the state was true: the view's tick.
        headline: Which sentence, and of which incident.
        answer: The sentence.
        leads: What follows it, a short sentence each.
        doubt: Why our own view is impaired; None when it is in order.
        networks: Column heads: name, and fixed or mobile where a network is only one.
        rows: The table.
        incidents: The newest incidents.
    """

    now: Moment
    headline: Headline
    answer: str
    leads: tuple[str, ...]
    doubt: str | None
    networks: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    incidents: tuple[ShownIncident, ...]


class FrontWriter:
    """Writes front pages of one country in one language as seen at one instant."""

    def __init__(self, *, country: Country, wording: Wording, clock: ClockText) -> None:
        """Keep the three."""
        self._country = country
        self._say = wording
        self._clock = clock
        self._sentences = Sentences(country=country, wording=wording)

    def front(
        self,
        *,
        status: Status,
        state: CountryStatus | None,
        standing: Sequence[Incident],
        recent: Sequence[Incident],
    ) -> Front:
        """The page.

        Args:
            status: The whole state; its view's tick is the page's time.
            state: Of this country; None when there is no node in it.
            standing: Published incidents of this country that are not over.
            recent: Published incidents for the list, newest first.
        """
        head = headline(impaired=status.impaired, country=state, standing=standing)
        seen_at = status.at if status.view_at is None else status.view_at
        return Front(
            now=Moment(local=self._clock.local(seen_at), utc=self._clock.utc(seen_at)),
            headline=head,
            answer=self._answer(head),
            leads=(*self._last_known(head, state, standing), *self._leads(head, state)),
            doubt=self._say(f"impaired.{status.impaired}") if status.impaired else None,
            networks=tuple(self._network(cell, state) for cell in self._wholes(state)),
            rows=tuple(self._rows(state)) if state else (),
            incidents=tuple(self.incident(incident) for incident in recent),
        )

    def incident(self, incident: Incident) -> ShownIncident:
        """One line of the list."""
        stretches = cuts(incident.history)
        back_at = stretches[-1].returned_at
        return ShownIncident(
            id=incident.id,
            tone=tone(incident.kind, incident.state),
            kind=self._sentences.kind(incident),
            who="" if incident.kind == "collector-fault" else self._sentences.who(incident.scope),
            began=self._moment(incident.onset),
            back=None
            if back_at is None
            else self._moment(Interval(earliest=back_at, latest=back_at)),
            no_return=self._say(
                f"incidents.{'back_unknown' if incident.state == 'closed' else 'not_back'}"
            ),
            state=self._say(f"state.{incident.state}"),
        )

    def _answer(self, head: Headline) -> str:
        who = self._sentences.who(newest(head.incident).scope) if head.incident else ""
        inside = self._country.inside[self._say.language]
        answer = self._say(f"head.{head.situation}", who=who, inside=inside)
        return answer[:1].upper() + answer[1:]

    def _last_known(
        self, head: Headline, state: CountryStatus | None, standing: Sequence[Incident]
    ) -> list[str]:
        """What was going on when our own view was lost: a cut does not end because we blink."""
        if head.situation != "impaired":
            return []
        others = [each for each in standing if each.kind != "collector-fault"]
        before = headline(impaired=None, country=state, standing=others)
        if before.incident is None:
            return []
        return [self._say("lead.last", answer=self._answer(before))]

    def _leads(self, head: Headline, state: CountryStatus | None) -> list[str]:
        leads = []
        if head.incident is not None:
            stretch = cuts(head.incident.history)[-1]
            if stretch.returned_at is None:
                leads.append(self._say("lead.since", when=self._clock.both(stretch.began)))
            else:
                when = self._clock.both_at(stretch.returned_at)
                leads.append(self._say("lead.back", when=when))
            last = newest(head.incident)
            figures = self._sentences.figures(last) if head.situation != "back" else None
            leads += [figures] if figures else []
            if last.scope.exempt_isps and last.scope.level != "nation" and head.situation != "back":
                exempt = self._sentences.networks(last.scope.exempt_isps)
                leads.append(self._say("lead.exempt", isps=exempt))
        if head.others and head.situation != "impaired":
            leads.append(self._say("lead.more", count=head.others))
        lines = state.nation[0].lines if state else None
        if state and lines is not None:
            isps, regions = len(self._wholes(state)), sum(not c.key.access for c in state.regions)
            leads.append(self._say("lead.watch", lines=lines, isps=isps, regions=regions))
        return leads

    def _network(self, cell: Cell, state: CountryStatus | None) -> tuple[str, str]:
        """A column's head; a network of one kind says which."""
        isp = cell.key.isp or ""
        parts = (
            [c.key.access for c in state.isps if c.key.isp == isp and c.key.access] if state else []
        )
        access = self._say(f"access.{parts[0]}") if len(parts) == 1 else ""
        return self._country.network(isp, self._say.language), access

    def _rows(self, state: CountryStatus) -> list[Row]:
        cells: dict[Key, list[Cell]] = {}
        for cell in (*state.nation, *state.isps, *state.regions, *state.cells):
            cells.setdefault(cell.key._replace(access=None), []).append(cell)
        regions = [c.key.region for c in state.regions if c.key.access is None]
        order = {code: place for place, code in enumerate(self._country.regions)}
        regions.sort(key=lambda code: (order.get(code or "", len(order)), code or ""))
        return [self._row(region, state, cells) for region in (None, *regions)]

    def _wholes(self, state: CountryStatus | None) -> list[Cell]:
        """One cell for each network, fixed and mobile together, in the order of the country."""
        cells = [cell for cell in state.isps if cell.key.access is None] if state else []
        order = {slug: place for place, slug in enumerate(self._country.networks)}
        return sorted(cells, key=lambda cell: order.get(cell.key.isp or "", len(order)))

    def _row(
        self, region: str | None, state: CountryStatus, cells: Mapping[Key, list[Cell]]
    ) -> Row:
        columns = [(self._say("table.all_networks"), NATION._replace(region=region))]
        columns += [
            (
                self._country.network(c.key.isp or "", self._say.language),
                c.key._replace(region=region),
            )
            for c in self._wholes(state)
        ]
        return Row(
            name=self._country.region(region, self._say.language)
            if region
            else self._say("table.whole"),
            is_whole=region is None,
            columns=tuple((name, self._shown(cells.get(key, []))) for name, key in columns),
        )

    def _shown(self, whole_and_parts: Sequence[Cell]) -> tuple[ShownCell, ...]:
        """A group in one part, or in two where fixed and mobile do not say the same."""
        parts = [cell for cell in whole_and_parts if cell.key.access]
        if len({(cell.word, cell.since) for cell in parts}) > 1:
            return tuple(self._cell(cell) for cell in parts)
        return tuple(self._cell(cell) for cell in whole_and_parts[:1])

    def _cell(self, cell: Cell) -> ShownCell:
        access: Access | None = cell.key.access
        return ShownCell(
            tone=cell.word,
            label=self._say(f"access.{access}") if access else "",
            word=self._say(f"word.{cell.word}"),
            since=self._moment(cell.since) if cell.since else None,
            counts=self._counts(cell),
            incident=cell.incident,
        )

    def _counts(self, cell: Cell) -> str:
        if cell.rule == "few-sites":
            return self._say("table.few")
        if cell.lines is None or cell.down is None:
            return ""
        if cell.down and cell.word != "unknown":
            return self._say("table.silent", down=cell.down, lines=cell.lines)
        return self._say("table.asked", lines=cell.lines)

    def _moment(self, interval: Interval) -> Moment:
        return Moment(
            local=self._clock.interval_local(interval), utc=self._clock.interval_utc(interval)
        )


def tone(kind: Kind, state: State) -> StateWord:
    """The sign of an incident: its kind's while it goes on, calmer before and after."""
    match state:
        case "restored" | "closed" | "dismissed":
            return "reachable"
        case "suspected" | "partial_restore":
            return "unknown" if kind == "collector-fault" else "degraded"
        case _:
            return TONES[kind]
