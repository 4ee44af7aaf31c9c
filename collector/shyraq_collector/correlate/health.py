"""Is it us? How far may the past be judged, and when is our own silence the explanation?

1. Canaries (on the collector's host) and controls (abroad) are the watchers, heard together (see
   `watch`). While any of them is within the habit, our side of the path works.
2. `horizon`: the instant up to which nodes may be judged, at most three quarters of a leash after
   the newest word of any watcher, and sooner than any usual node could be missing from a fault
   just after that word: a fault of ours hides its own consequences without any race. Where watchers
   only log changes, nodes are judged 2.5 heartbeats late, so that the watchers' own `down` words
   come first.
3. All watchers overdue, or all known down: the collector is blind. Nothing is judged while it
   lasts, and silence that began meanwhile is excused for a hold afterwards. A gap of the watch too
   short to be seen at a tick opens a hold as well.
4. Nodes that are heard prove the path too, if a fifth of them are: no fault of ours leaves so many.
   So blindness begins when both have fallen silent, and a gap of a few irregular watchers that a
   country fills with its words is none. Watchers that stay silent while half of the nodes are heard
   are distrusted until one of them is heard again: a dead canary must not blind a country. For a
   day the nodes are then watched by each other alone: when fewer than a fifth are heard, whatever
   silenced the watchers may have reached the nodes, and we are blind. After that the watchers are
   as good as none.
5. Without watchers, several countries watch each other: all of them silent at once is us. One
   country alone has nobody to watch it.
"""

from dataclasses import dataclass

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.line import NEVER
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.roster import Roster
from shyraq_collector.facts.fleet import Instant

RETURN_BEATS = 10.0
"""After a fault of ours nodes may take so many of their usual gaps to return; an hour at most.

Where words are rare the part of a leash that a hush needs is enough: it is several gaps long.
"""

SLACK, SOONER = 0.75, 0.9
LOG_BEATS = 2.5
HEARD_SHARE = 0.5
FORGOTTEN_DAYS = 1.0
"""Watchers silent for so long beside nodes that are heard are broken, and nobody watches."""

NODES_LEASH_BEATS = 1.5
"""Nodes that watch each other are not all silent for so many of their usual gaps."""

PROOF_SHARE = 0.2
"""One network of five that is heard shows that we hear."""


@dataclass(slots=True, kw_only=True)
class Health:
    """What the collector knows of its own eyes.

    Attributes:
        blind_since: Last word of any watcher, while all are overdue; None while we see.
        distrusted_since: When watchers had been silent while nodes were heard; None from when one
            is heard again.
        held_until: Silence is excused until then.
    """

    blind_since: Instant | None = None
    distrusted_since: Instant | None = None
    held_until: Instant = NEVER

    def hold(self, roster: Roster, *, at: Instant, since: Instant, pace: Pace) -> None:
        """Our side stumbled: silence since `since` proves nothing until a hold after `at`."""
        self.held_until = max(self.held_until, at + pace.hold_s)
        roster.excuse(since, self.held_until)

    def look(self, roster: Roster, now: Instant, pace: Pace) -> None:
        """Decide at a tick whether we are blind, and excuse what the blindness explains."""
        for since, until in roster.watch.stumbles:
            self.hold(roster, at=until, since=since, pace=pace)
        roster.watch.stumbles.clear()
        newest, leash_s = _watched(roster)
        down = roster.watch.logs and roster.watch.all_down
        overdue = down or now - newest > leash_s
        if not overdue:
            self.distrusted_since = None
            self._see_again(roster, now, pace)
        elif self.distrusted_since is not None:
            self._look_by_nodes(roster, now, pace)
        elif not down and _share_heard(roster, newest + leash_s) >= HEARD_SHARE:
            self.distrusted_since = now
            self._see_again(roster, now, pace)
        elif self.blind_since is None:
            begin = now - LOG_BEATS * pace.heartbeat_s if down else _proven_to(roster, newest)
            self.blind_since = begin if down or now - begin > leash_s else None

    def horizon(self, roster: Roster, now: Instant, pace: Pace) -> Instant:
        """Up to when nodes may be judged at a tick."""
        if self._watches_nobody(now, pace):
            return now
        if roster.watch.logs:
            late = now - LOG_BEATS * pace.heartbeat_s
            return late if self.blind_since is None else min(late, self.blind_since)
        newest, leash_s = _watched(roster)
        if self.distrusted_since is not None:
            newest, leash_s = _proven_to(roster, newest), _nodes_leash_s(roster, leash_s)
        elif now - newest > leash_s and self.blind_since is None:
            newest = _proven_to(roster, newest)
        soonest = min((country.margin_s for country in roster.countries.values()), default=0.0)
        return min(now, newest + min(SLACK * leash_s, SOONER * soonest))

    def _watches_nobody(self, now: Instant, pace: Pace) -> bool:
        """Whether the watchers have been distrusted for so long that they are as good as none."""
        since = self.distrusted_since
        return since is not None and now - since >= FORGOTTEN_DAYS * pace.day_s

    def _look_by_nodes(self, roster: Roster, now: Instant, pace: Pace) -> None:
        """The watchers are distrusted: do the nodes still prove the path?"""
        newest, leash_s = _watched(roster)
        proven_to = _proven_to(roster, newest)
        if self._watches_nobody(now, pace) or now - proven_to <= _nodes_leash_s(roster, leash_s):
            self._see_again(roster, now, pace)
        elif self.blind_since is None:
            self.blind_since = proven_to

    def _see_again(self, roster: Roster, now: Instant, pace: Pace) -> None:
        since, self.blind_since = self.blind_since, None
        if since is None:
            return
        slowest = max(
            (_return_s(country, pace) for country in roster.countries.values()), default=0
        )
        wait_s = max(pace.hold_s, min(slowest, pace.hour_s, 2.0 * (now - since)))
        self.held_until = max(self.held_until, now + wait_s)
        roster.excuse(since, self.held_until)


def _return_s(country: Country, pace: Pace) -> float:
    """How long its lines may take to be heard again after a fault of ours."""
    usual_s = RETURN_BEATS * country.beat_s
    return min(usual_s, country.margin_s + country.beat_s) if country.is_sparse(pace) else usual_s


def _nodes_leash_s(roster: Roster, leash_s: float) -> float:
    """How long the nodes may leave the path unproven; never less than the watchers may."""
    slowest = max((country.beat_s for country in roster.countries.values()), default=0.0)
    return max(leash_s, NODES_LEASH_BEATS * slowest)


def share_overdue(roster: Roster, now: Instant) -> float:
    """Share of the lines that were up which are past their leash now, judged or not."""
    up = overdue = 0
    for country in roster.countries.values():
        for line in country.lines.values():
            if line.state == "up" or (line.state == "missing" and line.case is None):
                up += 1
                overdue += line.known_down or now - line.last_heard > line.leash_s
    return overdue / up if up else 0.0


def _watched(roster: Roster) -> tuple[Instant, float]:
    """Newest word of any watcher and the leash of all; (inf, 0) where nobody watches."""
    watch = roster.watch
    if watch.beats and watch.newest != NEVER:
        return watch.newest, watch.leash_s
    ripe = [
        [line for line in country.lines.values() if line.learned and not line.explicit]
        for country in roster.countries.values()
    ]
    if watch.lines or sum(len(lines) >= 3 for lines in ripe) < 2:
        return float("inf"), 0.0
    return (
        max(line.last_heard for lines in ripe for line in lines),
        NODES_LEASH_BEATS * min(country.beat_s for country in roster.countries.values()),
    )


def _proven_to(roster: Roster, newest: Instant) -> Instant:
    """Until when our side of the path is known to have worked.

    Args:
        roster: Whose lines prove it, where a fifth of them have been heard since.
        newest: The watchers' newest word.
    """
    heard = sorted(
        line.last_heard
        for country in roster.countries.values()
        for line in country.lines.values()
        if line.state in {"up", "missing"}
    )
    return max(newest, heard[int((1.0 - PROOF_SHARE) * len(heard))]) if heard else newest


def _share_heard(roster: Roster, since: Instant) -> float:
    """Share of the lines that were up which have been heard after `since`."""
    up = heard = 0
    for country in roster.countries.values():
        for line in country.lines.values():
            if line.state in {"up", "missing"}:
                up += 1
                heard += line.last_heard > since
    return heard / up if up else 0.0
