"""All lines of the fleet: words in, transitions out.

1. A live arrival keeps its line `up`; little else happens on that path, it runs by the million.
2. A live `down` word (a panel sample) moves it to `missing` at once. From then on the line is
   explicit: its silence means unknown, not down.
3. `advance` moves to `missing` every line whose leash ended before the judged instant. Each line
   that is up sits in a wheel of buckets, twelve a heartbeat (see `wheel`).
4. Watchers (canaries, controls) go to `watch` and are never judged here.
5. A word older than the line's own leash is back-fill: it is put aside in `late` as an explanation
   of the past and never counts as an arrival.
6. A line missing for a day that no incident has claimed is chronic: `absent` until heard again.

Not here: scores (`edge`, `level`), incidents.
"""

import math
from collections.abc import Iterable

from shyraq_collector.correlate.country import Country, Late
from shyraq_collector.correlate.line import LEASH_MEDIANS_MAX, NEVER, Line, LineState, pool
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.watch import Watch
from shyraq_collector.correlate.wheel import Wheel
from shyraq_collector.facts.fleet import Instant, NodeId, Placement

RIPE_HOURS = 6.0
"""Where `down` words come, a line heard so long ago without a habit speaks only of changes."""

BUCKETS_A_BEAT = 12.0
"""The judged instant lies anywhere between two ticks; a line is looked at so soon after its due."""

STALE_LEASHES = 3.0
"""A panel that has not sampled a line for so many leashes no longer knows it."""


class Roster:
    """Who is up, who is missing, and since when."""

    def __init__(self, *, pace: Pace, cadence_s: float | None) -> None:
        """Start with nobody.

        Args:
            pace: Time scale.
            cadence_s: The configured heartbeat, given to each new line as a prior; None where
                every habit must be learned from arrivals alone.
        """
        self.pace = pace
        self.countries: dict[str, Country] = {}
        self.watch = Watch()
        self.late: list[Late] = []
        self.spools = False
        self._cadence_s = cadence_s
        self._by_node: dict[NodeId, Line] = {}
        self.wheel = Wheel(pace.heartbeat_s / BUCKETS_A_BEAT)

    def place(self, placement: Placement) -> None:
        """Add a node, or move it to another line."""
        self.forget(placement.node)
        if placement.role == "sensor":
            country = self._country(placement.country)
            line = country.lines.get(placement.line)
            if line is None:
                line = country.lines[placement.line] = Line(key=placement.line, nodes=0)
                line.groups = country.lattice.join(line.key)
            line.nodes += 1
        else:
            line = self.watch.lines[placement.node] = Line(key=placement.line, watcher=True)
        if self._cadence_s is not None and not line.learned:
            line.assume(self._cadence_s)
            self.watch.learn()
        self._by_node[placement.node] = line

    def forget(self, node: NodeId) -> None:
        """Take a node out; its line goes with its last node."""
        line = self._by_node.pop(node, None)
        if line is None or self.watch.lines.pop(node, None) is not None:
            return
        line.nodes -= 1
        if line.nodes == 0:
            self.move(line, "absent")
            country = self.countries[line.key.country]
            country.lattice.leave(line.groups)
            del country.lines[line.key]

    def knows(self, node: NodeId) -> bool:
        """Whether the node has been placed."""
        return node in self._by_node

    def line(self, node: NodeId) -> Line:
        """The line a node speaks for; KeyError for a node that was never placed."""
        return self._by_node[node]

    def heard(self, node: NodeId, at: Instant, known_at: Instant) -> None:
        """A node was up at `at`, and this was known at `known_at`."""
        line = self._by_node[node]
        gap = known_at - line.last_heard
        lag = known_at - at
        leash = line.leash_s
        if line.state == "up" and gap <= leash and lag <= leash:
            if at > line.last_heard:  # noqa: PLR1730 - max() is a call; this runs by the million
                line.last_heard = at
            fresh = known_at > line.last_word  # rows of one delivery are one arrival
            line.last_word, line.lag_s = known_at, lag
            line.repeats += 1
            if fresh and gap > line.tiny_s:
                line.recent.append(gap)
                if len(line.recent) >= line.wanted:
                    line.learn()
        elif lag > leash and line.learned:
            self.late.append(Late(line, at, known_at, up=True))
            self.spools = True
        else:
            self._heard_again(line, at, known_at, gap)

    def down(self, node: NodeId, at: Instant, known_at: Instant) -> None:
        """A node was unreachable at `at`, and this was known at `known_at`."""
        line = self._by_node[node]
        if known_at - at > 2.0 * line.lag_s + self.pace.minute_s / 12.0:
            # Later than its arrivals are: the node's own word, given after its return.
            self.late.append(Late(line, at, known_at, up=False))
            self.spools = True
            return
        if line.watcher:
            self.watch.down(line, at)
            return
        together = line.nodes > 1 and at - line.last_heard < line.leash_s
        if together or at < line.last_heard:
            return
        self._become_explicit(line)
        if line.known_down:
            line.repeats += 1
        else:
            line.changes += 1
        self._collect(line, known_at - line.last_word)
        line.known_down = True
        line.last_word = known_at
        if line.state == "up":
            self.move(line, "missing", at)

    def advance(self, horizon: Instant) -> None:
        """Move every line whose leash ended at or before `horizon` to `missing`."""
        for line in self.wheel.turn(horizon):
            self._check(line, horizon)
        for country in self.countries.values():
            if horizon - country.pooled_at >= self.pace.hour_s:
                self._let_chronic_go(country, horizon)
                self._let_logged_ripen(country, horizon)
                country.renew(horizon, self.pace)

    def excuse(self, since: Instant, until: Instant) -> None:
        """Silence that began after `since` proves nothing before `until`: a fault of our own."""
        for country in self.countries.values():
            for line in country.lines.values():
                fell = line.state == "missing" and line.missing_since >= since
                if line.state == "up" or fell:
                    line.excused_until = max(line.excused_until, until)
                if fell and line.case is None:
                    # A `down` word of that time was our own loss of it: now it is not known.
                    self.move(line, "new" if line.known_down else "up")

    def move(self, line: Line, state: LineState, since: Instant = NEVER) -> None:
        """Put a line into a state and keep every count right.

        Args:
            line: The line; never a watcher.
            state: Where to.
            since: For missing: since when.
        """
        before, line.state = line.state, state
        country = self.countries[line.key.country]
        country.changed = True
        if before == "up" and state != "up":
            country.lattice.count(line.groups, -1)
        elif state == "up" and before != "up":
            country.lattice.count(line.groups, 1)
        if state == "missing":
            line.missing_since = since
            country.missing[line.key] = line
        else:
            country.missing.pop(line.key, None)
        if state == "up":
            self.wheel.seat(line, line.last_heard + line.leash_s)

    def leave_out(self, lines: Iterable[Line]) -> None:
        """Take lines out of every count until they are heard again."""
        for line in list(lines):
            self.move(line, "absent")

    def resume(self, wheel_at: int | None) -> None:
        """Rebuild counts and wheel from the lines' own states, after a snapshot was loaded."""
        self.wheel.resume(wheel_at)
        for country in self.countries.values():
            for line in country.lines.values():
                if line.state == "up":
                    country.lattice.count(line.groups, 1)
                self.wheel.put_back(line)

    def _heard_again(self, line: Line, at: Instant, known_at: Instant, gap: float) -> None:
        if line.watcher:
            self.watch.heard(line, at, known_at)
            return
        self._account(line, at, gap)
        if line.first_heard == NEVER:
            line.first_heard = at
        fresh = known_at > line.last_word
        line.last_word, line.lag_s = known_at, known_at - at
        line.last_heard = max(line.last_heard, at)
        if line.known_down:
            line.known_down = False
            line.changes += 1
        short = gap <= LEASH_MEDIANS_MAX * line.median_s
        if (line.case is None or short) and line.state != "absent" and fresh:
            self._collect(line, gap)
        ripe = line.learned or line.state != "new" or self.countries[line.key.country].is_panel
        if line.state != "up" and ripe and not line.elsewhere:
            self.move(line, "up")

    def _account(self, line: Line, at: Instant, gap: float) -> None:
        """An absence ended: it goes on the line's own record unless something explains it."""
        line.observe(at, self.pace)
        if line.case is not None or at < line.excused_until:
            return
        if line.state == "missing":
            line.remember(at - line.missing_since)
        elif line.state == "up" and gap > line.leash_s and not line.explicit:
            line.remember(gap - line.leash_s)

    def _collect(self, line: Line, gap: float) -> None:
        if math.isfinite(gap) and gap > line.tiny_s:
            line.recent.append(gap)
            if len(line.recent) >= line.wanted:
                line.learn()
                if line.state == "up":
                    self.wheel.seat(line, line.last_heard + line.leash_s)

    def _become_explicit(self, line: Line) -> None:
        if line.explicit:
            return
        country = self.countries[line.key.country]
        line.explicit = True
        was_panel = country.is_panel
        country.explicit += 1
        if country.is_panel and not was_panel:
            for other in country.lines.values():
                self._ripen(other)

    def _ripen(self, line: Line) -> None:
        """A line with one `up` and no habit is eligible where words tell of changes only."""
        if line.state == "new" and line.last_heard != NEVER and not line.known_down:
            self.move(line, "up")

    def _check(self, line: Line, horizon: Instant) -> None:
        """A line's turn in the wheel: is its leash over, or when must it be looked at again?"""
        if line.explicit:
            stale = line.last_word + STALE_LEASHES * line.leash_s
            due = math.inf if line.logs_changes else stale
        else:
            due = line.due(line.leash_s, self.watch.gap_since(line.last_heard))
            due = max(due, line.excused_until)
        if due > horizon:
            self.wheel.seat(line, min(due, horizon + self.pace.day_s))
        elif line.explicit:
            self.move(line, "new")
        else:
            self.move(line, "missing", due)

    def _let_chronic_go(self, country: Country, horizon: Instant) -> None:
        for line in list(country.missing.values()):
            if line.case is None and horizon - line.missing_since > self.pace.day_s:
                line.observe(horizon, self.pace)
                line.remember(horizon - line.missing_since)
                self.move(line, "absent")

    def _let_logged_ripen(self, country: Country, horizon: Instant) -> None:
        old = horizon - RIPE_HOURS * self.pace.hour_s
        for line in country.lines.values() if country.explicit else ():
            if NEVER < line.first_heard <= old and not line.learned:
                self._ripen(line)

    def _country(self, code: str) -> Country:
        country = self.countries.get(code)
        if country is None:
            country = self.countries[code] = Country(
                code=code, pooled=pool((), self.pace), beat_s=self.pace.heartbeat_s
            )
        return country
