"""The engine: words in, ticks, timeline entries out.

How the app uses it:

1. `Engine(pace=…, placements=…, cadence_s=…)`; one `place` for each node that the registry adds.
2. After each commit, for every report in it: `heard` for a live one, `word` for back-fill and panel
   samples. Canaries and controls are nodes like the others, with their role in the placement.
3. `absent` for announced absences, `hold` for every disconnect or late tick of our own.
4. At each absolute multiple of half a heartbeat: `tick(at, watermark=…)`. Entries come back as
   values, to be stored and published; `snapshot()` is stored in the same transaction, with the
   cursor.
5. After a crash: the same constructor, then `restore(snapshot)`, then the arrivals since the
   cursor. The same incidents come out, with the same ids.

It reads no clock and does no I/O. Nothing in it looks ahead: a word counts from its `known_at` on.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from shyraq_collector.correlate.health import Health
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.roster import Roster
from shyraq_collector.correlate.target import RATE
from shyraq_collector.facts.fleet import Instant, NodeId, Placement
from shyraq_collector.facts.incidents import Entry, GroupStatus, Incident
from shyraq_collector.facts.signals import (
    PATH,
    Absence,
    LadderWord,
    OutsideWord,
    QualitySample,
    TargetWord,
)
from shyraq_collector.incidents.case import Case
from shyraq_collector.incidents.explain import Explanation, explain
from shyraq_collector.incidents.fault import own_fault
from shyraq_collector.incidents.now import group_statuses
from shyraq_collector.incidents.phases import PhaseTracker
from shyraq_collector.incidents.snapshot import Parts, freeze, thaw
from shyraq_collector.incidents.targets import TargetTracker
from shyraq_collector.incidents.tracker import Tracker


class Engine:
    """From arrivals to incidents, for a whole fleet."""

    def __init__(
        self,
        *,
        pace: Pace,
        placements: Iterable[Placement] = (),
        cadence_s: float | None = None,
        keep_days: float | None = 90.0,
    ) -> None:
        """Start with an empty memory.

        Args:
            pace: Heartbeat and time scale.
            placements: The registry now.
            cadence_s: The configured heartbeat as a prior for every node; None: learn it.
            keep_days: What is over leaves the memory after so many days; None: never.
        """
        self.pace = pace
        self.roster = Roster(pace=pace, cadence_s=cadence_s)
        self.health = Health()
        self._trackers: dict[str, Tracker] = {}
        self._targets: dict[str, TargetTracker] = {}
        self._phases: dict[str, PhaseTracker] = {}
        self._faults: list[Case] = []
        self._keep_s = math.inf if keep_days is None else keep_days * pace.day_s
        for placement in placements:
            self.place(placement)

    # -- words in ----------------------------------------------------------------------------------

    def place(self, placement: Placement) -> None:
        """Add a node or move it to another line."""
        with self._leaving(placement.node):
            self.roster.place(placement)
        for code, country in self.roster.countries.items():
            if code not in self._trackers:
                self._trackers[code] = Tracker(self.roster, country, self.pace)
                self._targets[code] = TargetTracker(country)
                self._phases[code] = PhaseTracker(country)

    def forget(self, node: NodeId) -> None:
        """Take a node out for good."""
        with self._leaving(node):
            self.roster.forget(node)

    @contextmanager
    def _leaving(self, node: NodeId) -> Iterator[None]:
        """Where a line goes with its last node, what it said of targets and ladders goes too."""
        line = self.roster.line(node) if self.roster.knows(node) else None
        yield
        if line is not None and line.nodes == 0:
            for targets in self._targets.values():
                targets.book.drop(line)
            for phases in self._phases.values():
                phases.book.drop(line)

    def knows(self, node: NodeId) -> bool:
        """Whether the node has been placed."""
        return self.roster.knows(node)

    def heard(self, node: NodeId, at: Instant, known_at: Instant | None = None) -> None:
        """A live report: the node was up at `at`.

        Raises:
            KeyError: The node was never placed.
        """
        self.roster.heard(node, at, at if known_at is None else known_at)

    def word(self, node: NodeId, at: Instant, known_at: Instant, *, up: bool) -> None:
        """A sample or a back-filled word: the node was up, or unreachable, at `at`.

        Raises:
            KeyError: The node was never placed.
        """
        if up:
            self.roster.heard(node, at, known_at)
        else:
            self.roster.down(node, at, known_at)

    def absent(self, absence: Absence) -> None:
        """A node said that it will be quiet: its line leaves every count until heard again.

        A watcher is in no count: its silence is looked at by `health`, announced or not.
        """
        line = self.roster.line(absence.node)
        if line.nodes == 1 and not line.watcher:
            self.roster.leave_out([line])

    def hold(self, at: Instant, *, since: Instant) -> None:
        """Our own side stumbled in [since, at]: silence of that time proves nothing for a hold."""
        self.health.hold(self.roster, at=at, since=since, pace=self.pace)

    def moved(self, node: NodeId, *, elsewhere: bool) -> None:
        """A node's uplink was seen in another network than the registered one, or back in it."""
        line = self.roster.line(node)
        line.elsewhere = elsewhere
        if elsewhere and not line.watcher:
            self.roster.leave_out([line])

    def ladder(self, word: LadderWord) -> None:
        """What a node could reach at some time of its silence."""
        line = self.roster.line(word.node)
        tracker = self._trackers.get(line.key.country)
        if tracker is not None:
            tracker.hear_reach(line, word.at, word.reach)

    def climbed(self, word: LadderWord) -> None:
        """What a node that is heard could reach; to be told before the report that says it.

        A ladder counts only if the line was heard within its leash before: else it was climbed in
        a silence that has just ended, and explains that.
        """
        line = self.roster.line(word.node)
        if line.watcher:
            if word.reach == "everywhere":
                for phases in self._phases.values():
                    phases.book.control_at = max(phases.book.control_at, word.at)
        elif line.state == "up" and word.known_at - line.last_heard <= line.leash_s:
            self._phases[line.key.country].book.say(line, word.reach, word.at)

    def verdict(self, word: TargetWord) -> None:
        """A verdict that holds against its control."""
        line = self.roster.line(word.node)
        targets = self._targets.get(line.key.country)
        if targets is not None and not line.watcher:
            targets.book.say(line, word.target, word.state, word.at)

    def quality(self, sample: QualitySample) -> None:
        """A rate, handshake time or round trip, judged against the line's past and a control."""
        line = self.roster.line(sample.node)
        if line.watcher:
            for targets in self._targets.values():
                targets.qualities.note_control(line, sample, self.pace)
        elif line.key.country in self._targets:
            targets = self._targets[line.key.country]
            state = targets.qualities.judge(line, sample, self.pace)
            is_way = sample.target.startswith(PATH)
            name = sample.target if is_way else RATE + sample.target
            targets.book.say(line, name, state, sample.at)

    def outside(self, incident: str, word: OutsideWord) -> None:
        """What a second rendezvous or an outside source says of an incident; once is enough."""
        for tracker in self._trackers.values():
            for case in tracker.cases:
                if case.id == incident and case.outside != word:
                    case.outside, case.news = word, True

    # -- judging -----------------------------------------------------------------------------------

    def tick(self, at: Instant, *, watermark: Instant | None = None) -> list[Entry]:
        """Judge everything that can be judged at `at`, a multiple of half a heartbeat.

        Args:
            at: The tick's instant; also when its entries are published.
            watermark: Oldest arrival received and not yet given to the engine; None: none waits.

        Returns:
            New timeline entries, in the order in which they came to be.
        """
        self.health.look(self.roster, at, self.pace)
        now = self.health.horizon(self.roster, at, self.pace)
        if watermark is not None:
            now = min(now, watermark)
        self.roster.advance(now)
        said = own_fault(self._faults, self.health, self.roster, at, self.pace)
        for late in self.roster.late:
            tracker = self._trackers.get(late.line.key.country)
            if tracker is not None:
                tracker.hear_reach(late.line, late.at, "everywhere" if late.up else "not_us")
        self.roster.late.clear()
        watch = self.roster.watch
        watched = (watch.beats or watch.logs) and self.health.distrusted_since is None
        for code in sorted(self._trackers):
            said += self._trackers[code].judge(now, at, watched=watched)
            said += self._targets[code].judge(now, at, self.pace)
            said += self._phases[code].judge(now, at, self.pace)
        if at % self.pace.day_s < self.pace.tick_s:
            for cases in self._shelves():
                cases[:] = [c for c in cases if not c.is_over_since(at - self._keep_s)]
        # What one tick says twice of one incident is one entry: the last word.
        return list({(entry.incident, entry.number): entry for entry in said}.values())

    # -- memory ------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything learned and said, as JSON; the same memory gives the same bytes."""
        return freeze(self._parts())

    def restore(self, snapshot: bytes) -> None:
        """Take over a snapshot; the engine must be new, with the placements of today.

        Lines that are no longer placed are forgotten; new ones begin without a habit.

        Raises:
            ValueError: Not a snapshot, or of another version: start with an empty memory.
        """
        thaw(snapshot, self._parts())

    def _parts(self) -> Parts:
        return Parts(
            roster=self.roster,
            health=self.health,
            trackers=self._trackers,
            targets=self._targets,
            phases=self._phases,
            faults=self._faults,
        )

    # -- answers -----------------------------------------------------------------------------------

    def incidents(self) -> list[Incident]:
        """Every incident of this memory, oldest first."""
        cases = sorted(self._cases(), key=lambda case: (case.suspected_at, case.id))
        return [case.summary() for case in cases]

    def why(self, incident: str) -> Explanation:
        """Which lines, which test, which score against time.

        Raises:
            KeyError: No such incident in this memory.
        """
        for case in self._cases():
            if case.id == incident:
                return explain(case)
        raise KeyError(incident)

    def _cases(self) -> list[Case]:
        return [case for cases in self._shelves() for case in cases]

    def _shelves(self) -> list[list[Case]]:
        parts = (self._trackers, self._targets, self._phases)
        return [*(part.cases for of in parts for part in of.values()), self._faults]

    def groups(self) -> list[GroupStatus]:
        """Every group of every country as it stands now."""
        return [
            status
            for code in sorted(self.roster.countries)
            for status in group_statuses(self.roster.countries[code])
        ]
