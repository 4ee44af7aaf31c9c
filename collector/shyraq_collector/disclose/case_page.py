"""The page of one incident as values: what is known, cuts and returns, the timeline.

Everything the template prints is text made here; the template chooses nothing but markup.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shyraq_collector.disclose import privacy
from shyraq_collector.disclose.clocktext import ClockText
from shyraq_collector.disclose.coverage import cuts, was_interrupted
from shyraq_collector.disclose.front import tone
from shyraq_collector.disclose.languages import Wording
from shyraq_collector.disclose.places import Country
from shyraq_collector.disclose.rules import StateWord
from shyraq_collector.disclose.sentences import Sentences, percent
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Entry, Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCut:
    """One stretch: from a cut to a return."""

    began: str
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry:
    """One line of the timeline."""

    tone: StateWord
    sentence: str
    figures: str | None
    happened: str
    published: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """The whole page.

    Attributes:
        id: Of the incident.
        tone: Sign and colour.
        kind: Cut, slowing, blocked sites, our own fault.
        state: Where it stands.
        sentence: The last thing said.
        cause: What is proven of the cause, in a sentence.
        is_own_fault: The page says plainly that this was no outage.
        facts: Name and value, in order.
        cuts: Cuts and returns; empty for what is only a suspicion or our own fault.
        timeline: Oldest first.
    """

    id: str
    tone: StateWord
    kind: str
    state: str
    sentence: str
    cause: str
    is_own_fault: bool
    facts: tuple[tuple[str, str], ...]
    cuts: tuple[ShownCut, ...]
    timeline: tuple[ShownEntry, ...]


class CaseWriter:
    """Writes incident pages of one country in one language as seen at one instant."""

    def __init__(self, *, country: Country, wording: Wording, clock: ClockText) -> None:
        """Keep the three."""
        self._say = wording
        self._clock = clock
        self._sentences = Sentences(country=country, wording=wording)

    def page(self, incident: Incident) -> CasePage:
        """The page of a published incident."""
        return CasePage(
            id=incident.id,
            tone=tone(incident.kind, incident.state),
            kind=self._sentences.kind(incident),
            state=self._say(f"state.{incident.state}"),
            sentence=self._sentences.entry(
                incident.history[-1], is_interrupted=was_interrupted(incident.history)
            ),
            cause=self._say(f"cause.{incident.cause}"),
            is_own_fault=incident.kind == "collector-fault",
            facts=tuple((self._say(f"fact.{key}"), value) for key, value in self._facts(incident)),
            cuts=self._cuts(incident),
            timeline=tuple(
                self._entry(entry, incident.history[: number + 1])
                for number, entry in enumerate(incident.history)
            ),
        )

    def _facts(self, incident: Incident) -> list[tuple[str, str]]:
        return [
            *self._place(incident),
            ("began", self._clock.both(incident.onset)),
            *self._course(incident),
            *self._strength(incident),
        ]

    def _course(self, incident: Incident) -> list[tuple[str, str]]:
        """What a mere suspicion has not: a confirmation and a return."""
        if incident.confirmed_at is None:
            return []
        returned_at = cuts(incident.history)[-1].returned_at
        return [
            ("confirmed", self._clock.both_at(incident.confirmed_at)),
            ("back", self._back(incident, returned_at)),
        ]

    def _place(self, incident: Incident) -> list[tuple[str, str]]:
        if incident.kind == "collector-fault":
            return []
        scope, speak = incident.scope, self._sentences
        regions = speak.regions(scope.regions) or self._say("fact.regions_all")
        if privacy.place_is_withheld(scope):
            regions = self._say("fact.regions_withheld")
        access = ", ".join(self._say(f"access.{each}") for each in scope.access)
        facts = [
            ("networks", speak.networks(scope.isps) or self._say("who.all_networks")),
            ("exempt", speak.networks(scope.exempt_isps)),
            ("regions", regions),
            ("access", access or self._say("fact.access_all")),
            ("targets", ", ".join(scope.targets)),
        ]
        return [(key, value) for key, value in facts if value]

    def _strength(self, incident: Incident) -> list[tuple[str, str]]:
        if incident.kind == "collector-fault":
            return []
        lines = privacy.figure(incident.lines_observed, of=incident.lines_observed)
        facts = [("watched", str(lines) if lines is not None else self._say("fact.withheld"))]
        is_silence = incident.history[-1].evidence.test != "ladder"
        if incident.kind == "outage" and is_silence and lines is not None:
            down = incident.lines_down_peak
            value = self._say("fact.share", down=down, percent=percent(down, lines))
            facts.append(("silent", value))
        sure = self._say("fact.percent", percent=percent(round(incident.confidence * 1000), 1000))
        return [*facts, ("grade", self._say(f"grade.{incident.grade}")), ("confidence", sure)]

    def _cuts(self, incident: Incident) -> tuple[ShownCut, ...]:
        if incident.kind == "collector-fault" or incident.confirmed_at is None:
            return ()
        return tuple(
            ShownCut(began=self._clock.both(cut.began), back=self._back(incident, cut.returned_at))
            for cut in cuts(incident.history)
        )

    def _entry(self, entry: Entry, history: Sequence[Entry]) -> ShownEntry:
        return ShownEntry(
            tone=tone(entry.kind, entry.state),
            sentence=self._sentences.entry(entry, is_interrupted=was_interrupted(history)),
            figures=self._sentences.figures(entry),
            happened=self._say("timeline.happened", when=self._clock.both_at(entry.at)),
            published=self._say("timeline.published", when=self._clock.both_at(entry.published_at)),
        )

    def _back(self, incident: Incident, at: Instant | None) -> str:
        if at is not None:
            return self._clock.both_at(at)
        is_known = incident.state != "closed"
        return self._say("incidents.not_back" if is_known else "incidents.back_unknown")
