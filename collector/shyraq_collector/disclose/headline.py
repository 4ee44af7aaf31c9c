"""The first sentence of the page: is anything cut now?

`ORDER` is read top to bottom, as the table of state words is: our own doubt first, then cuts, then
lesser harm, then what is over, then quiet. A sentence about an incident follows the incident that
reaches furthest. Published values in, text out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from shyraq_collector.disclose.rules import Impairment, StateWord
from shyraq_collector.disclose.status import CountryStatus
from shyraq_collector.facts.incidents import Entry, Incident, Kind

Situation: TypeAlias = Literal[
    "impaired",
    "empty",
    "cut",
    "domestic",
    "returning",
    "partly",
    "few",
    "throttled",
    "blocked",
    "suspected",
    "silent",
    "back",
    "quiet",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What the first sentence is about.

    Attributes:
        situation: Which sentence.
        tone: The state word whose sign and colour it bears.
        incident: The incident it speaks of, None where it speaks of none.
        others: Further incidents that are open and confirmed.
    """

    situation: Situation
    tone: StateWord
    incident: Incident | None
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """Everything the order looks at."""

    impaired: Impairment | None
    country: CountryStatus | None
    standing: Sequence[Incident]

    def furthest(self, holds: Callable[[Incident], bool]) -> Incident | None:
        """The incident of a sort that has, or had, most lines down."""
        return max(
            (each for each in self.standing if holds(each)),
            key=lambda each: (each.scope.level == "nation", each.lines_down_peak, each.id),
            default=None,
        )

    def furthest_cut(self, *, is_partly_back: bool, is_domestic: bool = False) -> Incident | None:
        """The furthest confirmed outage in one of its forms."""
        return self.furthest(
            lambda each: (
                each.kind == "outage"
                and is_going_on(each)
                and (each.state == "partial_restore") == is_partly_back
                and (each.cause in {"domestic-only", "white-list"}) == is_domestic
            )
        )

    def furthest_of(self, kind: Kind) -> Incident | None:
        """The furthest confirmed incident of a kind."""
        return self.furthest(lambda each: each.kind == kind and is_going_on(each))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """When `holds` says yes, or finds an incident, this is the sentence."""

    situation: Situation
    tone: StateWord
    holds: Callable[[_Scene], Incident | bool | None]


ORDER: Final[tuple[_Row, ...]] = (
    _Row(
        situation="impaired",
        tone="unknown",
        holds=lambda s: s.impaired is not None and (s.furthest_of("collector-fault") or True),
    ),
    _Row(situation="empty", tone="not-observable", holds=lambda s: s.country is None),
    _Row(situation="cut", tone="cut-off", holds=lambda s: s.furthest_cut(is_partly_back=False)),
    _Row(
        situation="domestic",
        tone="domestic-only",
        holds=lambda s: s.furthest_cut(is_partly_back=False, is_domestic=True),
    ),
    _Row(
        situation="returning",
        tone="reachable",
        holds=lambda s: s.furthest(
            lambda each: (
                each.kind == "outage"
                and each.state == "partial_restore"
                and newest(each).evidence.down == 0
            )
        ),
    ),
    _Row(
        situation="partly",
        tone="degraded",
        holds=lambda s: (
            s.furthest_cut(is_partly_back=True)
            or s.furthest_cut(is_partly_back=True, is_domestic=True)
        ),
    ),
    _Row(
        situation="few",
        tone="not-observable",
        holds=lambda s: s.country is not None and s.country.nation[0].word == "not-observable",
    ),
    _Row(situation="throttled", tone="throttled", holds=lambda s: s.furthest_of("throttling")),
    _Row(situation="blocked", tone="blocked-sites", holds=lambda s: s.furthest_of("blocking")),
    _Row(
        situation="suspected",
        tone="degraded",
        holds=lambda s: s.furthest(
            lambda each: each.kind == "outage" and each.state == "suspected"
        ),
    ),
    _Row(situation="silent", tone="degraded", holds=lambda s: _has_silence(s.country)),
    _Row(
        situation="back",
        tone="reachable",
        holds=lambda s: s.furthest(lambda each: each.kind == "outage" and each.state == "restored"),
    ),
    _Row(situation="quiet", tone="reachable", holds=lambda _: True),
)


def headline(
    *,
    impaired: Impairment | None,
    country: CountryStatus | None,
    standing: Sequence[Incident],
) -> Headline:
    """The first sentence for one country.

    Args:
        impaired: Why our own view says nothing; None when it is in order.
        country: Its state; None when there is no node in it.
        standing: Published incidents of the country that are not over.
    """
    scene = _Scene(impaired=impaired, country=country, standing=standing)
    row, found = next((row, found) for row in ORDER if (found := row.holds(scene)))
    incident = found if isinstance(found, Incident) else None
    going_on = [
        each
        for each in standing
        if is_going_on(each) and each is not incident and each.kind != "collector-fault"
    ]
    return Headline(situation=row.situation, tone=row.tone, incident=incident, others=len(going_on))


def is_going_on(incident: Incident) -> bool:
    """Confirmed and not yet back."""
    return incident.state in {"confirmed", "ongoing", "partial_restore", "reopened"}


def newest(incident: Incident) -> Entry:
    """The last thing said of an incident."""
    return incident.history[-1]


def _has_silence(country: CountryStatus | None) -> bool:
    """Whether some group is worse than usual without an incident behind it."""
    cells = (*country.nation, *country.isps, *country.regions, *country.cells) if country else ()
    return any(cell.word in {"degraded", "unknown"} for cell in cells)
