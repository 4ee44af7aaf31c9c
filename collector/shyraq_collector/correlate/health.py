"""Is it us? How far may the past be judged, and when is our own silence the explanation?

1. Canaries (on the collector's host) and controls (abroad) are the watchers. While any of them is
   within its habit, our side of the path works; one of them rebooting hides nothing.
2. `horizon`: the instant up to which nodes may be judged, three quarters of a leash after the
   newest word of any watcher. A watcher's leash is shorter than a node's, so a fault of ours hides
   its own consequences without any race.
3. All watchers overdue together: the collector is blind. Nothing is judged while it lasts, and
   silence that began meanwhile is excused for a hold afterwards.
   A gap in what all watchers say together, too short for blindness, opens a hold as well.
4. Watchers that stay silent while half of the nodes are heard prove nothing and are ignored until
   one of them is heard again: a dead canary must not blind a country.
5. Without watchers, several countries watch each other: all of them silent at once is us. One
   country alone has nobody to watch it.
"""

from dataclasses import dataclass

from shyraq_collector.correlate.line import NEVER
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.roster import Roster
from shyraq_collector.facts.fleet import Instant

RETURN_BEATS = 10.0
"""After a fault of ours nodes may take so many of their usual gaps to return; an hour at most."""

SLACK = 0.75
HEARD_SHARE = 0.5


@dataclass(slots=True, kw_only=True)
class Health:
    """What the collector knows of its own eyes.

    Attributes:
        blind_since: Last word of any watcher, while all are overdue; None while we see.
        distrusted: Watchers were silent while nodes were heard; ignored until heard again.
        held_until: Silence is excused until then.
    """

    blind_since: Instant | None = None
    distrusted: bool = False
    held_until: Instant = NEVER

    def hold(self, roster: Roster, *, at: Instant, since: Instant, pace: Pace) -> None:
        """Our side stumbled: silence since `since` proves nothing until a hold after `at`."""
        self.held_until = max(self.held_until, at + pace.hold_s)
        roster.excuse(since, self.held_until)

    def look(self, roster: Roster, now: Instant, pace: Pace) -> None:
        """Decide at a tick whether we are blind, and excuse what the blindness explains."""
        for since, until in roster.stumbles:
            self.hold(roster, at=until, since=since, pace=pace)
        roster.stumbles.clear()
        newest, leash_s = _watch(roster)
        overdue = now - newest > leash_s
        if self.distrusted:
            self.distrusted = overdue
        elif self.blind_since is None:
            self.blind_since = newest if overdue else None
        elif not overdue:
            self._see_again(roster, now, pace)
        elif _share_heard(roster, self.blind_since + leash_s) >= HEARD_SHARE:
            self.distrusted = True
            self._see_again(roster, now, pace)

    def horizon(self, roster: Roster, now: Instant) -> Instant:
        """Up to when nodes may be judged at a tick."""
        if self.distrusted:
            return now
        newest, leash_s = _watch(roster)
        return min(now, newest + SLACK * leash_s)

    def _see_again(self, roster: Roster, now: Instant, pace: Pace) -> None:
        since, self.blind_since = self.blind_since, None
        if since is None:
            return
        slowest = max((country.beat_s for country in roster.countries.values()), default=0.0)
        wait_s = max(pace.hold_s, min(RETURN_BEATS * slowest, pace.hour_s))
        self.held_until = max(self.held_until, now + wait_s)
        roster.excuse(since, self.held_until)


def share_overdue(roster: Roster, now: Instant) -> float:
    """Share of the lines that were up which are past their leash now, judged or not."""
    up = overdue = 0
    for country in roster.countries.values():
        for line in country.lines.values():
            if line.state == "up" or (line.state == "missing" and line.case is None):
                up += 1
                overdue += now - line.last_heard > line.leash_s
    return overdue / up if up else 0.0


def _watch(roster: Roster) -> tuple[Instant, float]:
    """Newest word of any watcher and the longest leash; (inf, 0) where nobody watches."""
    watchers = [line for line in roster.watchers.values() if line.learned]
    if watchers:
        return (
            max(line.last_heard for line in watchers),
            max(line.leash_s for line in watchers),
        )
    ripe = [
        [line for line in country.lines.values() if line.learned]
        for country in roster.countries.values()
    ]
    if roster.watchers or sum(len(lines) >= 3 for lines in ripe) < 2:
        return float("inf"), 0.0
    return (
        max(line.last_heard for lines in ripe for line in lines),
        1.5 * min(country.beat_s for country in roster.countries.values()),
    )


def _share_heard(roster: Roster, since: Instant) -> float:
    """Share of the lines that were up which have been heard after `since`."""
    up = heard = 0
    for country in roster.countries.values():
        for line in country.lines.values():
            if line.state in {"up", "missing"}:
                up += 1
                heard += line.last_heard > since
    return heard / up if up else 0.0
