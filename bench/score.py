"""`make score`: the detector and two baselines against a simulated country with known truth.

1. Quiet stretches, shared-cause noise only: every confirmed incident is false.
2. Faults of each kind, a day and a bit apart, over the same noise: recall, delay, scope, cause and
   restoration of each; anything confirmed that matches no fault is false.
3. Both baselines hear the same words: Kleinberg's burst automaton, and "30 % silent for 5 min".
4. The largest fleet is only timed.

A found fault has an entry `confirmed` or `reopened` between its begin and ten minutes after its
end, at least half of whose lines it silenced. A group with fewer than three eligible lines is its
own row, "not observable". Intervals are Wilson's at 95 %. The simulator and the detector share an
author: an optimistic bound, for finding faults in the detector, not for publishing an accuracy.
"""

import argparse
import json
import random
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from shyraq_collector.correlate.pace import Pace  # noqa: E402
from shyraq_collector.facts.fleet import LineKey, Placement  # noqa: E402
from shyraq_collector.facts.incidents import Entry, Incident, Scope  # noqa: E402
from shyraq_collector.incidents.engine import Engine  # noqa: E402
from support.baselines import KleinbergBurst, ThirtyPercent  # noqa: E402
from support.simulator import (  # noqa: E402
    DAY_S,
    EPOCH_S,
    HOUR_S,
    Detector,
    Noise,
    NoiseLevel,
    World,
    canaries,
    lattice_fleet,
    scattered_fleet,
)
from support.simulator_faults import KINDS, OWN_FAULTS, FaultKind, Saboteur, Truth  # noqa: E402

SEEDS = ROOT / "tests" / "support" / "simulator_seeds.json"
GRACE_S = 600.0
HELD_TO_DESIGN = ("48", "48b", "200")
SPACING_S = 27.0 * HOUR_S
WARM_UP_S = 3.0 * DAY_S


class EngineUnderTest:
    """The engine, as the simulated world talks to it."""

    def __init__(self, placements: list[Placement]) -> None:
        self.engine = Engine(pace=Pace(), placements=[*placements, *canaries()])
        self.said: list[Entry] = []
        self.heard = self.engine.roster.heard
        self.told_down = self.engine.roster.down

    def disturbed(self, begin: float, end: float) -> None:
        """The collector's own client was disconnected."""
        self.engine.hold(end, since=begin)

    def tick(self, at: float) -> None:
        """Judge, and keep what was said."""
        self.said += self.engine.tick(at)


@dataclass
class Row:
    """What became of the faults of one kind."""

    laid: int = 0
    unobservable: int = 0
    found: int = 0
    scoped: int = 0
    caused: int = 0
    delays_s: list[float] = field(default_factory=list)
    restore_s: list[float] = field(default_factory=list)
    baseline: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class Score:
    """All figures of one fleet."""

    rows: dict[FaultKind, Row]
    false: int = 0
    confirmed: int = 0
    dismissed: int = 0
    days: float = 0.0
    own_as_outage: int = 0
    baseline_false: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    node_days: float = 0.0
    took_s: float = 0.0


def wilson(hits: int, total: int) -> str:
    """A share with its 95 % interval."""
    if not total:
        return "-"
    z, p = 1.96, hits / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * ((p * (1 - p) / total + z * z / (4 * total * total)) ** 0.5)
    return f"{100 * p:5.1f} % ({100 * max(0, centre - half):.1f}-{100 * min(1, centre + half):.1f})"


def fleets(seed: int) -> dict[str, list[Placement]]:
    """The fleets by name."""
    rng = random.Random(seed)  # noqa: S311 - a simulation must be repeatable
    return {
        "5": lattice_fleet(5, 1, 1),
        "48": lattice_fleet(4, 4, 3),
        "48b": lattice_fleet(4, 3, 4),
        "50s": scattered_fleet(50, 4, 17, rng),
        "200": lattice_fleet(4, 10, 5),
        "1000": lattice_fleet(5, 20, 10),
        "10000": lattice_fleet(8, 25, 50),
    }


def play(
    name: str,
    placements: list[Placement],
    seed: int,
    faults: int,
    quiet_days: float,
    *,
    wanted: Sequence[FaultKind] = KINDS,
    verbose: bool = False,
) -> Score:
    """Quiet days, then faults of every kind in turn, through the engine and the baselines."""
    rng = random.Random(seed)  # noqa: S311 - a simulation must be repeatable
    kinds = [kind for kind in wanted for _ in range(faults)]
    rng.shuffle(kinds)
    quiet_end = EPOCH_S + WARM_UP_S + quiet_days * DAY_S
    end = quiet_end + (len(kinds) + 1) * SPACING_S
    end -= end % 60.0
    spans = Noise(placements, EPOCH_S, end, NoiseLevel(), rng).make()
    saboteur = Saboteur(placements, spans, rng)
    truths = [
        saboteur.commit(kind, quiet_end + number * SPACING_S + rng.uniform(0.0, 2.0) * HOUR_S)
        for number, kind in enumerate(kinds)
    ]
    under_test = EngineUnderTest(placements)
    baselines = (KleinbergBurst(placements), ThirtyPercent(placements))
    detectors: list[Detector] = [under_test]
    if faults:
        detectors += baselines
    begun = time.perf_counter()

    def progress(at: float) -> None:
        done = (at - EPOCH_S) / (end - EPOCH_S)
        print(f"\r  {name}: {100 * done:3.0f} %", end="", file=sys.stderr, flush=True)

    World(placements, spans, rng).run(detectors, EPOCH_S, end, progress)
    print("\r", end="", file=sys.stderr)
    score = judge(under_test, truths, placements, verbose=verbose)
    score.took_s = time.perf_counter() - begun
    score.days = (end - EPOCH_S) / DAY_S
    score.node_days = score.days * len(placements)
    for baseline in baselines if faults else ():
        judge_baseline(score, baseline, truths)
    return score


def judge(
    under_test: EngineUnderTest,
    truths: list[Truth],
    placements: list[Placement],
    *,
    verbose: bool,
) -> Score:
    """Match what was said with what was true."""
    score = Score(rows={kind: Row() for kind in KINDS})
    lines = sorted({p.line for p in placements}, key=str)
    matched: set[tuple[str, int]] = set()
    incidents = {i.id: i for i in under_test.engine.incidents()}
    cuts = [e for e in under_test.said if e.state in {"confirmed", "reopened"}]
    for truth in truths:
        row = score.rows[truth.kind]
        row.laid += 1
        near = [
            e
            for e in cuts
            if e.kind == "outage" and truth.begin <= e.published_at <= truth.end + GRACE_S
        ]
        if truth.kind in OWN_FAULTS:
            score.own_as_outage += bool(near)
            matched |= {(e.incident, e.number) for e in near}
            continue
        hits = [e for e in near if _touches(e.scope, truth, lines)]
        matched |= {(e.incident, e.number) for e in hits}
        if truth.eligible < 3:
            row.unobservable += 1
            continue
        before = row.scoped
        if hits:
            _count_hit(row, hits, truth, [incidents[e.incident] for e in hits], lines)
        if verbose and row.scoped == before:
            print("scope wrong:" if hits else "missed:", _truth_text(truth))
            _tell(under_test.said, truth.begin - 600.0, truth.end + GRACE_S)
    outages = [e for e in cuts if e.kind == "outage"]
    score.confirmed = len(outages)
    score.false = sum((e.incident, e.number) not in matched for e in outages)
    for entry in outages:
        if verbose and (entry.incident, entry.number) not in matched:
            print("false:")
            _tell(under_test.said, entry.published_at - 1200.0, entry.published_at + 1200.0)
    score.dismissed = sum(e.state == "dismissed" and e.kind == "outage" for e in under_test.said)
    return score


def _count_hit(
    row: Row,
    hits: list[Entry],
    truth: Truth,
    incidents: list[Incident],
    lines: list[LineKey],
) -> None:
    row.found += 1
    row.delays_s.append(min(e.published_at for e in hits) - truth.begin)
    said = [
        e
        for incident in incidents
        for e in incident.history
        if truth.begin <= e.published_at <= truth.end + GRACE_S
    ]
    row.scoped += (
        any(_same(e.scope, truth, lines) for e in said) and len({e.incident for e in hits}) == 1
    )
    back = [
        e
        for incident in incidents
        for e in incident.history
        if e.state == "restored" and e.published_at > truth.begin
    ]
    if back:
        row.restore_s.append(abs(back[0].at - truth.end))
    late = [e for i in incidents for e in i.history if e.published_at >= truth.begin]
    causes = {e.cause for e in late}
    if truth.kind in {"region", "region_power"}:
        row.caused += ("power" if truth.why == "power" else "network") in causes


def _truth_text(truth: Truth) -> str:
    return (
        f"{truth.kind} {_clock(truth.begin)} to {_clock(truth.end)}, {len(truth.lines)} lines, "
        f"{sorted(truth.isps)} {sorted(truth.regions)}"
    )


def _tell(said: list[Entry], begin: float, end: float) -> None:
    for e in said:
        if begin <= e.published_at <= end:
            scope = (
                f"{e.scope.level} {','.join(e.scope.isps)} {','.join(e.scope.regions)} "
                f"{','.join(e.scope.access)} exempt {','.join(e.scope.exempt_isps)}"
            )
            print(f"    {_clock(e.published_at)} {e.incident[:4]} {e.state} {scope}: {e.note}")


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%m-%d %H:%M:%S}"


def _touches(scope: Scope, truth: Truth, lines: list[LineKey]) -> bool:
    held = [line for line in lines if _in_scope(scope, line)]
    return 2 * sum(line in truth.lines for line in held) >= len(held) > 0


def _in_scope(scope: Scope, line: LineKey) -> bool:
    return (
        (not scope.isps or line.isp in scope.isps)
        and (not scope.regions or line.region in scope.regions)
        and (not scope.access or line.access in scope.access)
    )


def _same(scope: Scope, truth: Truth, lines: list[LineKey]) -> bool:
    """The same level and names; in a fleet of one region, nation and region are the same."""
    one_region = len({line.region for line in lines}) == 1
    if one_region and {scope.level, truth.level} <= {"nation", "region"}:
        return {line for line in lines if _in_scope(scope, line)} >= truth.lines
    if scope.level != truth.level:
        return False
    if truth.level == "nation":
        return set(scope.isps) == truth.isps
    return set(scope.isps) == truth.isps and set(scope.regions) == truth.regions


def judge_baseline(
    score: Score, baseline: KleinbergBurst | ThirtyPercent, truths: list[Truth]
) -> None:
    """A baseline has found a fault when it cried for a group that the fault silenced by half."""
    alarms = baseline.alarms
    used = 0
    for truth in truths:
        near = [a for a in alarms if truth.begin <= a.at <= truth.end + GRACE_S]
        used += len(near)
        if truth.kind in OWN_FAULTS:
            score.rows[truth.kind].baseline[baseline.name] += bool(near)
        else:
            hit = any(2 * len(a.lines & truth.lines) >= len(a.lines) for a in near)
            score.rows[truth.kind].baseline[baseline.name] += hit
    score.baseline_false[baseline.name] += len(alarms) - used


def show(name: str, score: Score) -> None:
    """Print the figures of one fleet."""
    print(f"\n== fleet {name}: {score.days:.0f} simulated days ==")
    print(
        f"{'kind':13s} {'laid':>4s} {'n.obs':>5s}  {'found':24s} {'scope right':24s} "
        f"{'delay p50/p95 min':>17s} {'restored +- min':>15s}  kleinberg  30%silent"
    )
    for kind, row in score.rows.items():
        if not row.laid:
            continue
        seen = row.laid - row.unobservable
        base = "  ".join(f"{row.baseline[n]:4d}/{row.laid}" for n in ("kleinberg", "thirty"))
        if kind in OWN_FAULTS:
            print(f"{kind:13s} {row.laid:4d}        (must stay ours) {'':66s}  {base}")
            continue
        delay = restore = "-"
        if row.delays_s:
            ordered = sorted(row.delays_s)
            p95 = _quantile(ordered, 0.95)
            delay = f"{statistics.median(ordered) / 60:.1f}/{p95 / 60:.1f}"
        if row.restore_s:
            restore = f"{statistics.median(row.restore_s) / 60:.1f}"
        print(
            f"{kind:13s} {row.laid:4d} {row.unobservable:5d}  {wilson(row.found, seen):24s} "
            f"{wilson(row.scoped, row.found):24s} {delay:>17s} {restore:>15s}  {base}"
        )
    for kind in ("region", "region_power"):
        row = score.rows[kind]
        if row.found:
            print(f"cause of {kind} right: {wilson(row.caused, row.found)}")
    years = score.days / 365.0
    print(
        f"precision {wilson(score.confirmed - score.false, score.confirmed)}; "
        f"false confirmed {score.false} in {years:.2f} years; "
        f"own faults called outages {score.own_as_outage}; "
        f"dismissed suspicions {score.dismissed / score.days:.2f} a day; "
        f"baselines' false alarms {dict(score.baseline_false)}"
    )
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{score.took_s:.0f} s; {1e3 * score.took_s / score.node_days:.2f} ms a node-day; "
        f"peak memory {memory_mb:.0f} MB"
    )


def misses(score: Score) -> list[str]:
    """Which figures of the design are not met; fleets of 48 and 200 lines must meet them all."""
    rows = score.rows
    cuts = [d for k in ("nation", "exempt", "isp", "mobile") for d in sorted(rows[k].delays_s)]
    seen = {k: row.laid - row.unobservable for k, row in rows.items() if k not in OWN_FAULTS}
    found = {k: rows[k].found for k in seen}
    scoped = sum(rows[k].scoped for k in seen)
    powered = [rows[k] for k in ("region", "region_power")]
    wanted = {
        "recall 0.95": sum(found.values()) >= 0.95 * sum(seen.values()),
        "half of a network 0.85": found["half_isp"] >= 0.85 * seen["half_isp"],
        "rolling 0.95": found["rolling"] >= 0.95 * seen["rolling"],
        "rolling p50 10 min": _quantile(rows["rolling"].delays_s, 0.5) <= 600.0,
        "cut p50 2 min": _quantile(cuts, 0.5) <= 120.0,
        "cut p95 3 min": _quantile(cuts, 0.95) <= 180.0,
        "scope 0.95": scoped >= 0.95 * sum(found.values()),
        "precision 0.98": score.false <= 0.02 * score.confirmed or not sum(seen.values()),
        "own faults 0": score.own_as_outage == 0,
        "one false a year": score.false <= max(1.0, score.days / 365.0),
        "suspicions under one a day": score.dismissed < score.days,
        "cause 0.95": sum(r.caused for r in powered) >= 0.95 * sum(r.found for r in powered),
    }
    return [name for name, met in wanted.items() if not met]


def _quantile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def main() -> int:
    """Run what was asked for; exit 1 where a design figure is missed at 48 or 200 lines."""
    seeds = json.loads(SEEDS.read_text())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fleets", default="5,48,48b,50s,200", help="comma-separated names")
    parser.add_argument("--faults", type=int, default=10, help="of each kind (long run: 100)")
    parser.add_argument("--quiet-days", type=float, default=20.0, help="long run: 1100")
    parser.add_argument("--seed", type=int, default=seeds["default"])
    parser.add_argument("--verbose", action="store_true", help="tell every miss")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which faults")
    args = parser.parse_args()
    every = fleets(args.seed)
    failed = False
    for name in args.fleets.split(","):
        if name not in every:
            parser.error(f"no fleet {name!r}; there are {', '.join(every)}")
        timed_only = name == "10000"
        score = play(
            name,
            every[name],
            args.seed,
            0 if timed_only else args.faults,
            0.0 if timed_only else args.quiet_days,
            wanted=[kind for kind in KINDS if kind in args.kinds.split(",")],
            verbose=args.verbose,
        )
        show(name, score)
        missed = misses(score) if name in HELD_TO_DESIGN else []
        for figure in missed:
            print(f"MISSED: {figure}")
        failed = failed or bool(missed)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
