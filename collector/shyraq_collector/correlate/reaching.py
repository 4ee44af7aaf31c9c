"""Ladder test: do lines that are heard reach the country, and nothing abroad?

Input are full ladders that a line climbed while it was heard. A line that reached domestic tiers
only, or official sites only, adds evidence for each of its last three ladders in a row; one that
reached abroad subtracts; one that reached nothing at all says something of itself, and counts
neither way. A line that is silent now is no business of this test.

There is no word without a control: something outside the group must have reached abroad since the
oldest of these words, a control node or, where none has climbed, a line that is not concerned. Else
the far ends of the ladders may be what is down.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.finding import DOWN_SHARE_MIN, SITES_MIN, SUSPECT_NATS
from shyraq_collector.correlate.lattice import LINES_MIN
from shyraq_collector.correlate.line import NEVER, Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.scope import Box, best_box, count_cells, name_scope
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Scope
from shyraq_collector.facts.signals import Reach

NARROW: Final[frozenset[Reach]] = frozenset({"domestic", "white_list"})
FALSE_WORD = 0.02
"""Chance that an innocent line reaches nothing abroad, and the country all the same."""

TRUE_WORD = 0.85
STREAK_MAX = 3
KEPT_GAPS = 3.0


@dataclass(slots=True, kw_only=True)
class ReachView:
    """What one line last reached while it was heard.

    Attributes:
        line: The line.
        reach: Newest word.
        streak: How many in a row said the same.
        since: First of them.
        before: The one before that, which said otherwise; equal to `since` where there is none.
        at: Newest.
        gap_s: Its usual gap between full ladders.
    """

    line: Line
    reach: Reach
    streak: int
    since: Instant
    before: Instant
    at: Instant
    gap_s: float = 0.0

    def says(self, reach: Reach, at: Instant) -> None:
        """Take one more ladder, unless it is older than the newest."""
        if at <= self.at:
            return
        self.gap_s += 0.3 * (at - self.at - self.gap_s) if self.gap_s else at - self.at
        if reach == self.reach:
            self.streak += 1
        else:
            self.reach, self.streak, self.since, self.before = reach, 1, at, self.at
        self.at = at

    @property
    def gain(self) -> float:
        """Nats for a country that is cut from abroad."""
        if self.reach in NARROW:
            return math.log(TRUE_WORD / FALSE_WORD) * min(self.streak, STREAK_MAX)
        return math.log((1.0 - TRUE_WORD) / (1.0 - FALSE_WORD))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachFinding:
    """What the ladders of one country say at one judged instant.

    Attributes:
        scope: The narrowest proven one.
        box: Its lines.
        score: In nats.
        views: Those inside that reach nothing abroad.
        eligible: Lines inside with a ladder that counts.
    """

    scope: Scope
    box: Box
    score: float
    views: tuple[ReachView, ...]
    eligible: int


@dataclass(slots=True)
class ReachBook:
    """The newest full ladders of one country.

    Attributes:
        views: By line.
        control_at: When a control last reached abroad.
    """

    views: dict[Line, ReachView] = field(default_factory=dict)
    control_at: Instant = NEVER

    def say(self, line: Line, reach: Reach, at: Instant) -> None:
        """A line that is heard has climbed."""
        if reach == "nowhere":
            return
        view = self.views.get(line)
        if view is None:
            self.views[line] = ReachView(
                line=line, reach=reach, streak=1, since=at, before=at, at=at
            )
        else:
            view.says(reach, at)

    def forget(self, now: Instant, pace: Pace) -> None:
        """Drop ladders that are too old to speak for now."""
        for line, view in list(self.views.items()):
            if now - view.at > min(max(KEPT_GAPS * view.gap_s, pace.hour_s), pace.day_s):
                del self.views[line]

    def drop(self, line: Line) -> None:
        """Drop the ladder of a line that is gone."""
        self.views.pop(line, None)

    def find(self, country: Country) -> ReachFinding | None:
        """The narrowest proven scope of the lines that reach nothing abroad; None: none is."""
        views = [view for view in self.views.values() if view.line.state == "up"]
        narrow = [view for view in views if view.reach in NARROW]
        if len(narrow) < LINES_MIN or not self._is_controlled(narrow, views):
            return None
        wide = [view for view in views if view.reach not in NARROW]
        cells = count_cells((view.line for view in wide), (view.line for view in narrow))
        named = name_scope(
            country.code, best_box(cells), cells, lambda box: _passes(_inside(box, views))
        )
        if named is None or not _passes(_inside(named[1], views)):
            return None
        scope, box = named
        inside = _inside(box, views)
        return ReachFinding(
            scope=scope,
            box=box,
            score=_score(inside),
            views=tuple(view for view in inside if view.reach in NARROW),
            eligible=len(inside),
        )

    def _is_controlled(self, narrow: list[ReachView], views: list[ReachView]) -> bool:
        since = min(view.since for view in narrow)
        wide = (view.at for view in views if view.reach not in NARROW)
        return max(self.control_at, *wide, NEVER) >= since


def _inside(box: Box, views: Iterable[ReachView]) -> list[ReachView]:
    return [view for view in views if box.holds(view.line)]


def _score(views: Iterable[ReachView]) -> float:
    return sum(view.gain for view in views)


def _passes(views: list[ReachView]) -> bool:
    """Whether these lines, taken alone, pass as suspected."""
    narrow = [view for view in views if view.reach in NARROW]
    return (
        len(narrow) >= max(LINES_MIN, DOWN_SHARE_MIN * len(views))
        and len({view.line.key.site for view in narrow}) >= SITES_MIN
        and _score(views) >= SUSPECT_NATS
    )
