"""The figures of `make score`: kept, added up over split runs, printed, held against the design.

A `Score` is everything counted in one run over one fleet, and `added` is that of two runs: counts
and lists of delays, so no figure is lost by splitting. Not here: what counts as found
(`score_judge`).
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from support.simulator_faults import KINDS, OWN_FAULTS, TARGET_FAULTS, FaultKind

HELD_TO_DESIGN = ("48", "48b", "200")
BASELINES = ("kleinberg", "thirty")


@dataclass
class Row:
    """What became of the faults of one kind; `beside`: how many of them the baselines heard."""

    laid: int = 0
    unobservable: int = 0
    found: int = 0
    scoped: int = 0
    caused: int = 0
    delays_s: list[float] = field(default_factory=list)
    restore_s: list[float] = field(default_factory=list)
    beside: int = 0
    baseline: dict[str, int] = field(default_factory=dict)


@dataclass
class Score:
    """All figures of one fleet.

    Attributes:
        fleet: Its name.
        runs: What was run: seed, quiet days, faults of each kind.
        rows: By kind of fault.
        confirmed: Entries `confirmed` or `reopened` of outages; `false`: those that match no fault;
            `false_quiet`: of them, those before the first fault was laid.
        confirmed_targets: The same of throttling and blocking; `false_targets`.
        dismissed: Suspicions that came to nothing.
        own_as_outage: Our own faults that were called outages.
        baseline_false: Alarms of each baseline that match no fault.
        days: Simulated days; `fault_days`: of them, those in which faults were laid.
        node_days: Nodes times days.
        took_s: Wall time; `cpu_s`: processor time of simulator and detectors.
        memory_mb: Peak memory of the process.
    """

    fleet: str
    runs: list[str] = field(default_factory=list)
    rows: dict[FaultKind, Row] = field(default_factory=lambda: {kind: Row() for kind in KINDS})
    confirmed: int = 0
    false: int = 0
    false_quiet: int = 0
    confirmed_targets: int = 0
    false_targets: int = 0
    dismissed: int = 0
    own_as_outage: int = 0
    baseline_false: dict[str, int] = field(default_factory=dict)
    days: float = 0.0
    fault_days: float = 0.0
    node_days: float = 0.0
    took_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0


def added(one: Score, two: Score) -> Score:
    """The figures of both runs together."""
    return _from_json({"fleet": one.fleet} | _sum(asdict(one), asdict(two)))


def _sum(one: dict[str, object], two: dict[str, object]) -> dict[str, object]:
    total: dict[str, object] = {}
    for name in [*one, *(name for name in two if name not in one)]:
        if name == "fleet":
            continue
        a, b = one.get(name), two.get(name)
        if name == "memory_mb" and isinstance(a, float) and isinstance(b, float):
            total[name] = max(a, b)
        elif isinstance(a, dict) or isinstance(b, dict):
            total[name] = _sum(a if isinstance(a, dict) else {}, b if isinstance(b, dict) else {})
        elif isinstance(a, list) or isinstance(b, list):
            total[name] = (a if isinstance(a, list) else []) + (b if isinstance(b, list) else [])
        else:
            total[name] = sum(part for part in (a, b) if isinstance(part, int | float))
    return total


def write(path: Path, score: Score) -> None:
    """Keep the figures of a run."""
    path.write_text(json.dumps(asdict(score)) + "\n", encoding="utf-8")


def read(path: Path) -> Score:
    """The figures of a run that was kept.

    Raises:
        ValueError: The file holds something else.
    """
    try:
        return _from_json(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not the figures of a run ({error}); see --into") from error


def _from_json(words: dict[str, object]) -> Score:
    score = Score(**words)  # type: ignore[arg-type]
    score.rows = {kind: Row(**score.rows[kind]) if kind in score.rows else Row() for kind in KINDS}  # type: ignore[arg-type]
    return score


def wilson(hits: int, total: int) -> str:
    """A share with its 95 % interval."""
    if not total:
        return "-"
    z, p = 1.96, hits / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * ((p * (1 - p) / total + z * z / (4 * total * total)) ** 0.5)
    return f"{100 * p:5.1f} % ({100 * max(0, centre - half):.1f}-{100 * min(1, centre + half):.1f})"


def show(score: Score) -> None:
    """Print the figures of one fleet."""
    quiet = score.days - score.fault_days
    print(
        f"\n== fleet {score.fleet}: {score.days:.0f} simulated days, {quiet:.0f} without faults =="
    )
    for run in score.runs if len(score.runs) == 1 else ():
        print(run)
    print(
        f"{'kind':13s} {'laid':>4s} {'n.obs':>5s}  {'found':24s} {'scope right':24s} "
        f"{'delay p50/p95 min':>17s} {'restored +- min':>15s}  kleinberg  30%silent"
    )
    for kind, row in score.rows.items():
        if row.laid:
            print(_row_text(kind, row))
    for kind in ("region", "region_power"):
        row = score.rows[kind]
        if row.found:
            print(f"cause of {kind} right: {wilson(row.caused, row.found)}")
    years = score.days / 365.0
    print(
        f"outages: precision {wilson(score.confirmed - score.false, score.confirmed)}; "
        f"false confirmed {score.false} in {years:.2f} years, "
        f"of which {score.false_quiet} in {quiet / 365.0:.2f} quiet years; "
        f"own faults called outages {score.own_as_outage}; "
        f"dismissed suspicions {score.dismissed / max(score.days, 1.0):.2f} a day; "
        f"baselines' false alarms {dict(score.baseline_false)}"
    )
    if score.confirmed_targets:
        right = score.confirmed_targets - score.false_targets
        print(
            f"throttling and blocking: precision {wilson(right, score.confirmed_targets)}; "
            f"false confirmed {score.false_targets} in {years:.2f} years"
        )
    print(
        f"{score.took_s:.0f} s, {score.cpu_s:.0f} s of processor; "
        f"{1e3 * score.cpu_s / max(score.node_days, 1.0):.2f} ms a node-day, simulator included; "
        f"peak memory {score.memory_mb:.0f} MB"
    )


def _row_text(kind: FaultKind, row: Row) -> str:
    seen = row.laid - row.unobservable
    heard = "  ".join(f"{row.baseline.get(name, 0):4d}/{row.beside}" for name in BASELINES)
    base = heard if row.beside else "   -"
    if kind in OWN_FAULTS:
        return f"{kind:13s} {row.laid:4d}        (must stay ours) {'':66s}  {base}"
    delay = restore = "-"
    if row.delays_s:
        p50, p95 = statistics.median(row.delays_s), quantile(row.delays_s, 0.95)
        delay = f"{p50 / 60:.1f}/{p95 / 60:.1f}"
    if row.restore_s:
        restore = f"{statistics.median(row.restore_s) / 60:.1f}"
    return (
        f"{kind:13s} {row.laid:4d} {row.unobservable:5d}  {wilson(row.found, seen):24s} "
        f"{wilson(row.scoped, row.found):24s} {delay:>17s} {restore:>15s}  {base}"
    )


def misses(score: Score) -> list[str]:
    """Which figures of the design are not met; fleets of 48 and 200 lines must meet them all."""
    rows = score.rows
    cuts = [d for k in ("nation", "exempt", "isp", "mobile") for d in rows[k].delays_s]
    lines = [k for k in rows if k not in OWN_FAULTS and k not in TARGET_FAULTS]
    powered = [rows[k] for k in ("region", "region_power")]
    years, quiet_years = score.days / 365.0, (score.days - score.fault_days) / 365.0
    wanted = {
        "recall 0.95": _found(rows, lines, 0.95),
        "half of a network 0.85": _found(rows, ["half_isp"], 0.85),
        "rolling 0.95": _found(rows, ["rolling"], 0.95),
        "rolling p50 10 min": quantile(rows["rolling"].delays_s, 0.5) <= 600.0,
        "cut p50 2 min": quantile(cuts, 0.5) <= 120.0,
        "cut p95 3 min": quantile(cuts, 0.95) <= 180.0,
        "scope 0.95": _scoped(rows, lines, 0.95),
        "precision 0.98": score.false <= 0.02 * score.confirmed or not score.fault_days,
        "own faults 0": score.own_as_outage == 0,
        "one false a quiet year": score.false_quiet <= max(1.0, quiet_years),
        "suspicions under one a day": score.dismissed < score.days,
        "cause 0.95": sum(r.caused for r in powered) >= 0.95 * sum(r.found for r in powered),
        "throttling and blocking: recall 0.95": _found(rows, sorted(TARGET_FAULTS), 0.95),
        "throttling and blocking: scope 0.95": _scoped(rows, sorted(TARGET_FAULTS), 0.95),
        "throttling and blocking: one false a year": score.false_targets <= max(1.0, years),
    }
    return [name for name, met in wanted.items() if not met]


def _found(rows: dict[FaultKind, Row], kinds: Iterable[FaultKind], share: float) -> bool:
    chosen = [rows[kind] for kind in kinds]
    return sum(r.found for r in chosen) >= share * sum(r.laid - r.unobservable for r in chosen)


def _scoped(rows: dict[FaultKind, Row], kinds: Iterable[FaultKind], share: float) -> bool:
    chosen = [rows[kind] for kind in kinds]
    return sum(row.scoped for row in chosen) >= share * sum(row.found for row in chosen)


def quantile(values: Sequence[float], part: float) -> float:
    """The value under which so large a part lies; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
