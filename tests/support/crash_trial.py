"""The crash trial: kill everything again and again, then count what is left.

1. Collector and agents live a few seconds each, then are killed: from outside at a random moment,
   or by themselves at a named point of their commits. The broker is killed between, and each new
   one remembers nothing.
2. When there were kills enough and every named point was met, everything is killed once more and
   started to deliver what the spools hold.
3. The ledger is compared with the spools: every report that an agent ever committed must be there
   once, in one unbroken chain, with its own measurements and nobody else's.
"""

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from shyraq_wire.chain import GENESIS
from shyraq_wire.codec import sha256_hex
from shyraq_wire.envelope import open_frame
from shyraq_wire.report_json import decode_report
from support.crash_world import AGENT_POINTS, COLLECTOR_POINTS, RARE_POINTS, Node, Victim, World

_LOOK_S: Final = 0.02
_STARTING_S: Final = 60.0
"""A process that has not begun to store by then is killed all the same."""

_LIFE_S: Final = (0.0, 2.5)
"""Of a process at work, until it is killed from outside."""

_LONG_LIFE_S: Final = 12.0
"""Of a process at work that is to kill itself at a named point."""

_EARLY_S: Final = (0.0, 2.0)
"""Some are killed so soon that they may not be at work yet."""

_BROKER_LIFE_S: Final = (3.0, 7.0)
_KILLING_S: Final = 300.0
_PATIENCE_S: Final = 900.0
"""So long where a named point was never met: a loaded machine gives few lives a minute."""

_DRAIN_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is left after a trial."""

    kills: int
    made: int
    """Reports that the agents ever committed to their spools."""
    stored: int
    """Of these, in the ledger."""
    lost: int
    """Made and neither in the ledger nor in a spool; and spools that began anew."""
    forked: int
    """Places with two frames, links that do not hold, conflicts written down."""
    duplicated: int
    """Rows of frames or measurements beyond one for each thing reported."""
    undelivered: int
    """Made, safe in a spool, and not in the ledger when the trial ended."""
    unmet: tuple[str, ...]
    """Named points that no process passed in time: they were not tried."""

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, forked, doubled or left behind."""
        zeros = (self.lost, self.forked, self.duplicated, self.undelivered)
        return not any(zeros) and not self.unmet

    def line(self) -> str:
        """The one line."""
        return (
            f"kills {self.kills}, reports made {self.made}, stored {self.stored}, "
            f"lost {self.lost}, forked {self.forked}, duplicated rows {self.duplicated}"
        )


@dataclass(kw_only=True)
class Plan:
    """When one victim dies next."""

    victim: Victim
    points: list[str]
    """Named points still to be tried, the next one last."""
    not_passed: set[str] = field(default_factory=set)
    """Points that a whole life passed too seldom: from then on tried at their first passing."""
    point: str | None = None
    life_s: float = 0.0
    """Counted from the moment it is at work."""
    dies_at: float = 0.0
    is_at_work: bool = False


@dataclass(kw_only=True)
class Trial:
    """One trial in a world."""

    world: World
    seed: int
    kills_due: int
    each_point: int
    """How often every named point is to be met, while there is time; once is a must."""
    say: Callable[[str], None]
    kills: Counter[str] = field(default_factory=Counter)
    """By victim's kind, or by named point."""

    def run(self) -> Verdict:
        """Kill, deliver, count.

        Raises:
            UnaskedDeath: A process ended by itself.
        """
        self._rng = Random(self.seed)  # noqa: S311  # moments of kills, no secret
        unmet = self._kill_on()
        self.world.calm_down()
        self.kills["all at once"] += 1 + len(self.world.victims)
        self._deliver()
        return judge(self.world, kills=self.kills.total(), unmet=unmet)

    def _kill_on(self) -> tuple[str, ...]:
        """Kill until there were enough; the points that were never met."""
        began = time.monotonic()
        plans = [self._plan(victim) for victim in self.world.victims]
        for plan in plans:
            self._start(plan)
        broker_dies_at = time.monotonic() + self._rng.uniform(*_BROKER_LIFE_S)
        told = 0
        while self.kills.total() < self.kills_due or any(plan.points for plan in plans):
            killed_s = time.monotonic() - began
            is_enough = self.kills.total() >= self.kills_due and not self._unmet(plans)
            if killed_s > (_KILLING_S if is_enough else _PATIENCE_S):
                break
            for plan in plans:
                self._look_at(plan)
            if time.monotonic() > broker_dies_at:
                self.world.kill_broker()
                self.kills["broker"] += 1
                broker_dies_at = time.monotonic() + self._rng.uniform(*_BROKER_LIFE_S)
            if self.kills.total() >= told + 10:
                told = self.kills.total() // 10 * 10
                self.say(f"{told} kills, {sum(len(p.points) for p in plans)} points to come")
            time.sleep(_LOOK_S)
        return self._unmet(plans)

    def _unmet(self, plans: list[Plan]) -> tuple[str, ...]:
        """Named points at which nobody has died yet."""
        left = {point for plan in plans for point in plan.points}
        return tuple(sorted(point for point in left if not self.kills[point]))

    def _plan(self, victim: Victim) -> Plan:
        """The points are spread over the agents; the collector has its own."""
        if victim is self.world.collector:
            points = [*COLLECTOR_POINTS] * self.each_point
        else:
            turn, agents = self.world.agents.index(victim), len(self.world.agents)
            points = ([*AGENT_POINTS] * self.each_point)[turn::agents]
        self._rng.shuffle(points)
        return Plan(victim=victim, points=points)

    def _start(self, plan: Plan) -> None:
        """Every other life ends at a named point, while there are any to try."""
        at_a_point = bool(plan.points) and self._rng.random() < 0.6
        plan.points.sort(key=lambda point: -self.kills[point])  # what was never met comes first
        plan.point = plan.points[-1] if at_a_point else None
        at_once = plan.point in RARE_POINTS or plan.point in plan.not_passed
        count = 1 if at_once else self._rng.randint(1, 12)
        early = self._rng.random() < 0.2
        plan.victim.start(None if plan.point is None else f"{plan.point}:{count}")
        plan.life_s = _LONG_LIFE_S if at_a_point else self._rng.uniform(*_LIFE_S)
        starting_s = self._rng.uniform(*_EARLY_S) if early and not at_a_point else _STARTING_S
        plan.dies_at = time.monotonic() + starting_s
        plan.is_at_work = False

    def _look_at(self, plan: Plan) -> None:
        kind = "collector" if plan.victim is self.world.collector else "agent"
        if plan.victim.is_dead():
            assert plan.point is not None
            plan.points.pop()
            self.kills[plan.point] += 1
        elif time.monotonic() > plan.dies_at:
            if plan.point is not None:  # not passed in this life: later again
                plan.points.insert(0, plan.points.pop())
                plan.not_passed.add(plan.point)
            plan.victim.kill()
            self.kills[kind] += 1
        else:
            if not plan.is_at_work and plan.victim.is_at_work():
                plan.is_at_work = True
                plan.dies_at = time.monotonic() + plan.life_s
            return
        self._start(plan)

    def _deliver(self) -> None:
        """Until all is in the ledger, or for as long as that may take; the agents are dead then."""
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline:
            for victim in self.world.victims:
                victim.is_dead()
            if self._all_delivered():
                for agent in self.world.agents:
                    agent.kill()
                if self._all_delivered():
                    return
                for agent in self.world.agents:  # one more report was made meanwhile
                    agent.start()
            time.sleep(0.5)
        for agent in self.world.agents:
            agent.kill()

    def _all_delivered(self) -> bool:
        stored = frames_stored(self.world)
        made = sum(tip + 1 for node in self.world.nodes for _, tip in epochs(node))
        self.say(f"delivering: {stored} of {made} reports")
        return stored >= made


def judge(world: World, *, kills: int, unmet: tuple[str, ...]) -> Verdict:
    """Compare ledger and spools; the agents must not run any more."""
    found: Counter[str] = Counter()
    with world.house.reader() as ledger:
        found["forked"] = int(ledger.execute("SELECT count(*) FROM conflict").fetchone()[0])
        for node in world.nodes:
            known = epochs(node)
            found["lost"] += len(known) - 1  # a spool that began anew has lost its chain
            for epoch, tip in known:
                found += _judge_epoch(node, epoch, tip, _rows(ledger, node, epoch))
    return Verdict(
        kills=kills,
        made=found["made"],
        stored=found["stored"],
        lost=found["lost"],
        forked=found["forked"],
        duplicated=found["duplicated"],
        undelivered=found["undelivered"],
        unmet=unmet,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    seq: int
    body: bytes
    measurements: int
    """Rows of measurements that belong to it."""


def _judge_epoch(node: Node, epoch: str, tip: int, rows: list[_Row]) -> Counter[str]:
    held = held_by_spool(node)
    bodies = {(row.seq, row.body) for row in rows}
    seqs = {row.seq for row in rows}
    missing = set(range(tip + 1)) - seqs
    return Counter(
        made=tip + 1,
        stored=len(seqs),
        lost=len(missing - held),
        undelivered=len(missing & held),
        # two frames for one place, links that do not hold, frames unknown to their own maker
        forked=len(bodies) - len(seqs) + _broken(node, epoch, rows) + sum(s > tip for s in seqs),
        duplicated=len(rows) - len(bodies) + sum(_doubled(node, row) for row in rows),
    )


def _broken(node: Node, epoch: str, rows: list[_Row]) -> int:
    """Frames that name another place, or another predecessor, than the ledger has."""
    broken, before = 0, GENESIS
    for expected, row in enumerate(rows, start=rows[0].seq if rows else 0):
        report = decode_report(open_frame(row.body, node.public_key)[1])
        in_place = (report.node, report.epoch, report.seq) == (node.id, epoch, row.seq)
        broken += not in_place or (row.seq == expected and report.prev != before)
        before = sha256_hex(row.body)
    return broken


def _doubled(node: Node, row: _Row) -> int:
    """Rows of measurements beyond, or short of, what the frame itself holds."""
    report = decode_report(open_frame(row.body, node.public_key)[1])
    return abs(row.measurements - len(report.measurements))


def epochs(node: Node) -> list[tuple[str, int]]:
    """(epoch, tip seq) of a node's spool; more than one: it began anew."""
    with _reading_spool(node) as spool:
        return [
            (str(each), int(tip)) for each, tip in spool.execute("SELECT epoch, tip_seq FROM epoch")
        ]


def held_by_spool(node: Node) -> set[int]:
    """Sequence numbers that the spool still holds."""
    with _reading_spool(node) as spool:
        return {int(place) & (2**40 - 1) for (place,) in spool.execute("SELECT place FROM frame")}


def frames_stored(world: World) -> int:
    """Rows of frames in the ledger."""
    with world.house.reader() as ledger:
        return int(ledger.execute("SELECT count(*) FROM frame").fetchone()[0])


@contextlib.contextmanager
def _reading_spool(node: Node) -> Iterator[sqlite3.Connection]:
    uri = f"{node.spool.as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
        yield connection


def _rows(ledger: sqlite3.Connection, node: Node, epoch: str) -> list[_Row]:
    rows = ledger.execute(
        "SELECT seq, body, (SELECT count(*) FROM measurement WHERE frame_no = frame.no) FROM frame "
        "JOIN epoch ON epoch.no = epoch_no JOIN node ON node.no = node_no "
        "WHERE node.id = ? AND epoch = ? ORDER BY seq, frame.no",
        (node.id, epoch),
    )
    return [_Row(seq=seq, body=bytes(body), measurements=count) for seq, body, count in rows]
