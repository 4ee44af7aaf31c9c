"""`make score`: the detector and two baselines against a simulated country with known truth.

1. Quiet stretches, shared-cause noise only: every confirmed incident is false.
2. Faults of each kind, a day and a bit apart, over the same noise: recall, delay, scope, cause and
   restoration of each; anything confirmed that matches no fault is false (see `score_judge`).
3. Both baselines hear the same faults: Kleinberg's burst automaton, and "30 % silent for 5 min".
4. The largest fleet is only timed.
5. Long runs may be split by seed: `--into DIRECTORY` keeps the figures of each run, `--merge
   FILE …` adds up what was kept and prints the totals.

Intervals are Wilson's at 95 %. The simulator and the detector share an author: an optimistic bound,
for finding faults in the detector, not for publishing an accuracy.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0:1] = [str(ROOT), str(ROOT / "tests")]

from bench import score_judge, score_table  # noqa: E402
from bench.score_table import HELD_TO_DESIGN, Score  # noqa: E402

from shyraq_collector.correlate.pace import Pace  # noqa: E402
from shyraq_collector.facts.fleet import Placement  # noqa: E402
from shyraq_collector.facts.incidents import Entry  # noqa: E402
from shyraq_collector.facts.signals import QualitySample, TargetState, TargetWord  # noqa: E402
from shyraq_collector.incidents.engine import Engine  # noqa: E402
from support.baselines import KleinbergBurst, ThirtyPercent  # noqa: E402
from support.simulator import World, canaries, lattice_fleet, scattered_fleet  # noqa: E402
from support.simulator_faults import KINDS, TARGET_FAULTS, FaultKind, Saboteur, Truth  # noqa: E402
from support.simulator_noise import (  # noqa: E402
    DAY_S,
    EPOCH_S,
    HOUR_S,
    Noise,
    NoiseLevel,
    Span,
)
from support.simulator_targets import Survey  # noqa: E402

SEEDS = ROOT / "tests" / "support" / "simulator_seeds.json"
SPACING_S = 27.0 * HOUR_S
WARM_UP_S = 3.0 * DAY_S
TIMED_ONLY = "10000"


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

    def verdict(self, node: str, target: str, at: float, state: TargetState) -> None:
        """What the judge says of one measurement."""
        word = TargetWord(node=node, target=target, at=at, state=state)
        self.engine.verdict(word)

    def rate(self, node: str, target: str, at: float, bits_per_second: float) -> None:
        """How fast a target was."""
        self.engine.quality(
            QualitySample(node=node, at=at, metric="rate_bps", value=bits_per_second, target=target)
        )

    def tick(self, at: float) -> None:
        """Judge, and keep what was said."""
        self.said += self.engine.tick(at)


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
        TIMED_ONLY: lattice_fleet(8, 25, 50),
    }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What happens to a fleet: quiet days until `quiet_end`, then faults until `end`."""

    spans: dict[str, list[Span]]
    truths: list[Truth]
    quiet_end: float
    end: float


def plan(
    placements: list[Placement],
    rng: random.Random,
    faults: int,
    quiet_days: float,
    wanted: Sequence[FaultKind],
) -> Plan:
    """Noise over everything, and so many faults of each wanted kind in random order."""
    kinds = [kind for kind in wanted for _ in range(faults)]
    rng.shuffle(kinds)
    quiet_end = EPOCH_S + WARM_UP_S + quiet_days * DAY_S
    quiet_end -= quiet_end % 60.0
    end = quiet_end + (len(kinds) + bool(kinds)) * SPACING_S
    spans = Noise(placements, EPOCH_S, end, NoiseLevel(), rng).make()
    saboteur = Saboteur(placements, spans, rng)
    truths = [
        saboteur.commit(kind, quiet_end + number * SPACING_S + rng.uniform(0.0, 2.0) * HOUR_S)
        for number, kind in enumerate(kinds)
    ]
    return Plan(spans=spans, truths=truths, quiet_end=quiet_end, end=end)


def play(
    name: str,
    placements: list[Placement],
    seed: int,
    faults: int,
    quiet_days: float,
    *,
    wanted: Sequence[FaultKind] = KINDS,
    beside: bool = True,
    verbose: bool = False,
) -> Score:
    """Quiet days, then faults of every kind in turn, through the engine and the baselines.

    Targets are surveyed only where target faults are wanted, and baselines heard only with
    `beside`: both cost as much time as the rest.
    """
    rng = random.Random(seed)  # noqa: S311 - a simulation must be repeatable
    planned = plan(placements, rng, faults, quiet_days, wanted)
    under_test = EngineUnderTest(placements)
    baselines = (KleinbergBurst(placements), ThirtyPercent(placements)) if beside else ()
    luck = random.Random(f"survey {seed}")  # noqa: S311 - a simulation must be repeatable
    met = [fault for truth in planned.truths if (fault := truth.interference) is not None]
    survey = Survey(placements, met, (EPOCH_S, planned.end), luck, under_test)
    on_targets = bool(TARGET_FAULTS & set(wanted))
    world = World(placements, planned.spans, rng, survey if on_targets else None)
    score = Score(fleet=name)
    score.runs = [f"seed {seed}: {quiet_days:g} quiet days, {faults} faults of each kind"]

    def progress(at: float) -> None:
        done = (at - EPOCH_S) / (planned.end - EPOCH_S)
        print(f"\r  {name}, seed {seed}: {100 * done:3.0f} %", end="", file=sys.stderr, flush=True)

    begun, cpu_begun = time.perf_counter(), time.process_time()
    world.run([under_test], EPOCH_S, planned.quiet_end, progress)
    # Baselines are heavier than the detector: what a node-day costs is taken from quiet days.
    score.cpu_s = time.process_time() - cpu_begun
    score.node_days = (planned.quiet_end - EPOCH_S) / DAY_S * len(placements)
    world.run([under_test, *baselines], planned.quiet_end, planned.end, progress)
    print("\r", end="", file=sys.stderr)
    lines = sorted({p.line for p in placements}, key=str)
    quiet_end = planned.quiet_end
    score_judge.judge(score, under_test.said, planned.truths, lines, quiet_end, verbose=verbose)
    if baselines and planned.truths:
        score_judge.judge_baselines(score, baselines, planned.truths)
    score.took_s = time.perf_counter() - begun
    score.days = (planned.end - EPOCH_S) / DAY_S
    score.fault_days = (planned.end - planned.quiet_end) / DAY_S
    score.memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return score


def main() -> int:
    """Run or merge; exit 1 where a figure of the design is missed at 48 or 200 lines."""
    args = _arguments()
    try:
        scores = _merged(args.merge) if args.merge else _played(args)
    except (OSError, ValueError) as error:
        print(f"score: {error}", file=sys.stderr)
        return 2
    failed = False
    for score in scores:
        score_table.show(score)
        missed = score_table.misses(score) if score.fleet in HELD_TO_DESIGN else []
        for figure in missed:
            print(f"MISSED: {figure}")
        failed = failed or bool(missed)
    return int(failed)


def _arguments() -> argparse.Namespace:
    seeds = json.loads(SEEDS.read_text())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fleets", default="5,48,48b,50s,200", help="comma-separated names")
    parser.add_argument("--faults", type=int, default=10, help="of each kind (long run: 100)")
    parser.add_argument("--quiet-days", type=float, default=20.0, help="long run: 1100")
    parser.add_argument("--seed", type=int, default=seeds["default"])
    parser.add_argument("--verbose", action="store_true", help="tell every miss")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which faults")
    parser.add_argument("--alone", action="store_true", help="without the baselines: faster")
    parser.add_argument("--into", type=Path, help="directory that keeps the figures of each run")
    parser.add_argument("--merge", type=Path, nargs="+", help="print the totals of kept figures")
    args = parser.parse_args()
    every = fleets(args.seed)
    for name in args.fleets.split(","):
        if name not in every:
            parser.error(f"no fleet {name!r}; there are {', '.join(every)}")
    for kind in args.kinds.split(","):
        if kind not in KINDS:
            parser.error(f"no fault {kind!r}; there are {', '.join(KINDS)}")
    return args


def _played(args: argparse.Namespace) -> list[Score]:
    scores = []
    for name in args.fleets.split(","):
        score = play(
            name,
            fleets(args.seed)[name],
            args.seed,
            0 if name == TIMED_ONLY else args.faults,
            0.0 if name == TIMED_ONLY else args.quiet_days,
            wanted=[kind for kind in KINDS if kind in args.kinds.split(",")],
            beside=not args.alone,
            verbose=args.verbose,
        )
        if args.into is not None:
            args.into.mkdir(parents=True, exist_ok=True)
            kinds = len(args.kinds.split(","))
            run = f"{name}-seed{args.seed}-quiet{args.quiet_days:g}-{args.faults}x{kinds}.json"
            score_table.write(args.into / run, score)
        scores.append(score)
    return scores


def _merged(paths: Sequence[Path]) -> list[Score]:
    """The totals, fleet by fleet."""
    totals: dict[str, Score] = {}
    for path in paths:
        score = score_table.read(path)
        before = totals.get(score.fleet)
        totals[score.fleet] = score if before is None else score_table.added(before, score)
    return list(totals.values())


if __name__ == "__main__":
    sys.exit(main())
