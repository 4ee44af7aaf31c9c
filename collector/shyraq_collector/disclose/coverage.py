"""Which incidents bear on which group, as far as they were known at an instant.

A `Word` is the newest entry of an incident that was published by then. It touches a group when
some line may belong to both, and covers it when every line of the group belongs to the scope.
Exempt networks belong to no scope. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_collector.disclose.privacy import Key
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import (
    Cause,
    Entry,
    Incident,
    Interval,
    Kind,
    Scope,
)

CLOSING_S: Final = 86_400.0
"""An incident is closed after a day without a new cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What had last been said of one incident at an instant."""

    incident: str
    kind: Kind
    cause: Cause
    scope: Scope
    is_open: bool
    is_confirmed: bool
    since: Interval
    """Of the present cut while it is open, else of the return."""
    confidence: float
    down: int
    is_heard: bool = False
    """Its lines are heard all the while; their ladders tell it."""

    @property
    def country(self) -> str:
        """The country it is about."""
        return self.scope.country

    def touches(self, key: Key) -> bool:
        """Whether some line may belong to the scope and to the group."""
        scope = self.scope
        return (
            (key.isp is None or (_admits(scope.isps, key.isp) and key.isp not in scope.exempt_isps))
            and (key.region is None or _admits(scope.regions, key.region))
            and (key.access is None or _admits(scope.access, key.access))
        )

    def covers(self, key: Key, cells: Iterable[Key]) -> bool:
        """Whether the scope takes in the whole group.

        Args:
            key: The group.
            cells: Every network in every region that has lines, in this group or not. A national
                scope takes in all of them, networks that it exempts aside.
        """
        if self.scope.level == "nation" and not self.scope.access:
            return self.touches(key)
        return self.touches(key) and all(
            self.touches(cell._replace(access=key.access))
            for cell in cells
            if key.isp in {None, cell.isp} and key.region in {None, cell.region}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One stretch of an incident: from a cut to a return.

    Attributes:
        began: When it was cut.
        returned_at: When it was back; None while it is not.
    """

    began: Interval
    returned_at: Instant | None


def cuts(history: Sequence[Entry]) -> tuple[Cut, ...]:
    """The stretches told by a timeline, oldest first; one onset may have several returns."""
    found: list[Cut] = []
    for entry in history:
        match entry.state:
            case "reopened":
                began = Interval(earliest=entry.at, latest=entry.at)
                if not found or found[-1].returned_at is not None:
                    found.append(Cut(began=began, returned_at=None))
            case "restored":
                began = found[-1].began if found else entry.onset
                if not found or found[-1].returned_at is None:
                    found[-1:] = [Cut(began=began, returned_at=entry.at)]
            case "closed" | "dismissed":
                pass
            case _:
                if len(found) <= 1 and (not found or found[0].returned_at is None):
                    found = [Cut(began=entry.onset, returned_at=None)]
    return tuple(found)


def was_interrupted(history: Sequence[Entry]) -> bool:
    """Whether it ended because our observation did: closed before it had been back for a day."""
    last = history[-1]
    back = [entry.published_at for entry in history if entry.state == "restored"]
    return last.state == "closed" and not (back and last.published_at - back[-1] >= CLOSING_S)


def as_known_at(incidents: Sequence[Incident], at: Instant) -> list[Word]:
    """The last word on each incident that had one by an instant and was not over then."""
    words = []
    for incident in incidents:
        known = [entry for entry in incident.history if entry.published_at <= at]
        if known and known[-1].state not in {"closed", "dismissed"}:
            words.append(_word(incident.id, known))
    return words


def _word(incident: str, known: list[Entry]) -> Word:
    last = known[-1]
    is_open = last.state != "restored"
    stretch = cuts(known)[-1]
    back_at = stretch.returned_at if stretch.returned_at is not None else last.at
    return Word(
        incident=incident,
        kind=last.kind,
        cause=last.cause,
        scope=last.scope,
        is_open=is_open,
        is_confirmed=any(entry.state == "confirmed" for entry in known),
        since=stretch.began if is_open else Interval(earliest=back_at, latest=back_at),
        confidence=last.confidence,
        down=last.evidence.down,
        is_heard=last.evidence.test == "ladder",
    )


def _admits(named: tuple[str, ...], name: str) -> bool:
    """An empty tuple limits nothing."""
    return not named or name in named
