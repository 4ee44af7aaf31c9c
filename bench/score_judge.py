"""What of all that was said is true: entries of a run matched with the faults that were laid.

A found fault has an entry `confirmed` or `reopened`, of the fault's own kind, between its begin and
ten minutes after its end, at least half of whose lines it touched; an entry on targets must name
one of the fault's, and has an hour more, for targets are looked at once an hour. Whatever is
confirmed and matches no fault is false. A group with fewer than three eligible lines is counted
apart: "not observable". Not here: figures (`score_table`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from bench.score_table import Row, Score

from shyraq_collector.facts.fleet import LineKey
from shyraq_collector.facts.incidents import Entry, Kind, Scope
from support.baselines import Alarm
from support.simulator_faults import OWN_FAULTS, FaultKind, Truth
from support.simulator_noise import HOUR_S

GRACE_S = 600.0
KIND_OF: dict[FaultKind, Kind] = {
    "blocked": "blocking",
    "selective": "throttling",
    "throttled": "throttling",
}


class Baseline(Protocol):
    """What cried, and when."""

    name: str
    alarms: list[Alarm]


def judge(
    score: Score,
    said: Sequence[Entry],
    truths: Iterable[Truth],
    lines: Sequence[LineKey],
    quiet_end: float,
    *,
    verbose: bool = False,
) -> None:
    """Count what was found, and what was said of nothing.

    Args:
        score: Where to count.
        said: All entries of the run, as published.
        truths: The faults that were laid.
        lines: All lines of the fleet.
        quiet_end: Before this instant no fault was laid.
        verbose: Print every miss, wrong scope and false incident.
    """
    histories: dict[str, list[Entry]] = defaultdict(list)
    for entry in said:
        histories[entry.incident].append(entry)
    cuts = [entry for entry in said if entry.state in {"confirmed", "reopened"}]
    matched: set[tuple[str, int]] = set()
    for truth in truths:
        row = score.rows[truth.kind]
        row.laid += 1
        near = [entry for entry in cuts if _is_near(entry, truth)]
        if truth.kind in OWN_FAULTS:
            score.own_as_outage += bool(near)
            hits = near
            if verbose and near:
                print("own fault called an outage:", _truth_text(truth))
                _tell(said, truth.begin - 1200.0, truth.end + 1200.0)
        else:
            hits = [entry for entry in near if _touches(entry.scope, truth, lines)]
        matched |= {(entry.incident, entry.number) for entry in hits}
        if truth.kind in OWN_FAULTS:
            continue
        if truth.eligible < 3:
            row.unobservable += 1
            continue
        before = row.scoped
        if hits:
            ids = {entry.incident for entry in hits}
            late = [e for i in ids for e in histories[i] if e.published_at >= truth.begin]
            _count_hit(row, hits, truth, late, lines)
        if verbose and row.scoped == before:
            print("scope wrong:" if hits else "missed:", _truth_text(truth))
            _tell(said, truth.begin - 600.0, truth.end + GRACE_S)
    _count_false(score, said, cuts, matched, quiet_end, verbose=verbose)


def judge_baselines(score: Score, baselines: Iterable[Baseline], truths: Sequence[Truth]) -> None:
    """What the baselines found; they know nothing of targets."""
    for truth in truths:
        score.rows[truth.kind].beside += not truth.targets
    for baseline in baselines:
        _judge_baseline(score, baseline, truths)


def _judge_baseline(score: Score, baseline: Baseline, truths: Iterable[Truth]) -> None:
    """A baseline has found a fault when it cried for a group that the fault silenced by half."""
    used = 0
    for truth in truths:
        if truth.targets:
            continue
        near = [a for a in baseline.alarms if truth.begin <= a.at <= truth.end + GRACE_S]
        used += len(near)
        hit = any(2 * len(alarm.lines & truth.lines) >= len(alarm.lines) for alarm in near)
        cried = bool(near) if truth.kind in OWN_FAULTS else hit
        found = score.rows[truth.kind].baseline
        found[baseline.name] = found.get(baseline.name, 0) + cried
    false = score.baseline_false
    false[baseline.name] = false.get(baseline.name, 0) + len(baseline.alarms) - used


def _is_near(entry: Entry, truth: Truth) -> bool:
    grace_s = GRACE_S + (HOUR_S if truth.targets else 0.0)
    kind = KIND_OF.get(truth.kind, "outage")
    return entry.kind == kind and truth.begin <= entry.published_at <= truth.end + grace_s


def _count_hit(
    row: Row, hits: list[Entry], truth: Truth, late: list[Entry], lines: Sequence[LineKey]
) -> None:
    """One fault that was found; `late` is all that was said of its incidents since it began."""
    row.found += 1
    row.delays_s.append(min(e.published_at for e in hits) - truth.begin)
    named = any(_same(e.scope, truth, lines) for e in late if e.published_at <= truth.end + GRACE_S)
    row.scoped += named and len({e.incident for e in hits}) == 1
    back = [e.at for e in late if e.state == "restored"]
    if back:
        row.restore_s.append(abs(min(back) - truth.end))
    if truth.kind in {"region", "region_power"}:
        row.caused += ("power" if truth.why == "power" else "network") in {e.cause for e in late}


def _count_false(
    score: Score,
    said: Sequence[Entry],
    cuts: list[Entry],
    matched: set[tuple[str, int]],
    quiet_end: float,
    *,
    verbose: bool,
) -> None:
    for entry in cuts:
        false = (entry.incident, entry.number) not in matched
        if entry.kind == "outage":
            score.confirmed += 1
            score.false += false
            score.false_quiet += false and entry.published_at < quiet_end
        elif entry.kind in KIND_OF.values():
            score.confirmed_targets += 1
            score.false_targets += false
        if verbose and false and entry.kind != "collector-fault":
            print("false:")
            _tell(said, entry.published_at - 1200.0, entry.published_at + 1200.0)
    score.dismissed += sum(e.state == "dismissed" and e.kind != "collector-fault" for e in said)


def _touches(scope: Scope, truth: Truth, lines: Sequence[LineKey]) -> bool:
    held = [line for line in lines if _in_scope(scope, line)]
    targets = not truth.targets or bool(truth.targets & set(scope.targets))
    return targets and 2 * sum(line in truth.lines for line in held) >= len(held) > 0


def _in_scope(scope: Scope, line: LineKey) -> bool:
    return (
        (not scope.isps or line.isp in scope.isps)
        and (not scope.regions or line.region in scope.regions)
        and (not scope.access or line.access in scope.access)
    )


def _same(scope: Scope, truth: Truth, lines: Sequence[LineKey]) -> bool:
    """The same level and names; in a fleet of one region, nation and region are the same."""
    if truth.targets:
        return set(scope.isps) == truth.isps and set(scope.targets) == truth.targets
    one_region = len({line.region for line in lines}) == 1
    if one_region and {scope.level, truth.level} <= {"nation", "region"}:
        return {line for line in lines if _in_scope(scope, line)} >= truth.lines
    if scope.level != truth.level:
        return False
    if truth.level == "nation":
        return set(scope.isps) == truth.isps
    return set(scope.isps) == truth.isps and set(scope.regions) == truth.regions


def _truth_text(truth: Truth) -> str:
    return (
        f"{truth.kind} {_clock(truth.begin)} to {_clock(truth.end)}, {len(truth.lines)} lines, "
        f"{sorted(truth.isps)} {sorted(truth.regions)} {sorted(truth.targets)}"
    )


def _tell(said: Sequence[Entry], begin: float, end: float) -> None:
    for e in said:
        if begin <= e.published_at <= end:
            scope = (
                f"{e.scope.level} {','.join(e.scope.isps)} {','.join(e.scope.regions)} "
                f"{','.join(e.scope.access)} exempt {','.join(e.scope.exempt_isps)} "
                f"{','.join(e.scope.targets)}"
            )
            print(f"    {_clock(e.published_at)} {e.incident[:4]} {e.state} {scope}: {e.note}")


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%m-%d %H:%M:%S}"
