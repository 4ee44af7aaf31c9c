"""Run the table: each row with real probes on the wire, and the real judge; then count.

A row's course: two controls abroad measure; the mechanism is put to work; a node of the provider
climbs its ladder, and measures a neutral name and the target, several times, and after each the
controls try the addresses that the judge wants to know of; the mechanism is undone; the controls
measure again. A domestic target's controls are nodes of another provider. All of it goes to a judge
of its own, in order of time, and the last verdict counts.

Three providers are censored side by side; the fourth is left alone, as the others' control.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Final

from netlab.asking import Answering
from netlab.geography import CONTROLS, ISPS, nodes_of
from netlab.measuring import PATIENT, SHORT, Seen, climb, endings, measure
from netlab.mechanisms import NotProved, Scene, working
from netlab.rows import Row
from netlab.stage import Stage
from shyraq_agent.measure.responder import Pairing
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.policy import Policy, TargetPolicy

NEUTRAL: Final = "https://neutral.example/"
_CENSORED: Final = ISPS[:3]
_CADENCE_MS: Final = 30 * 60_000
_RATIO_TOLERANCE: Final = 0.2
_STATES: Final = ("ok", "blocked", "throttled", "down", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a row ended."""

    row: Row
    verdict: Verdict | None
    """None: the row could not be run."""
    problem: str
    """Empty: steps and verdict are as expected."""
    took_s: float

    @property
    def said(self) -> str:
        """The verdict in a few words."""
        if self.verdict is None:
            return "no verdict"
        detail = self.verdict.layer or self.verdict.doubt
        return f"{self.verdict.state} ({detail})" if detail else self.verdict.state

    @property
    def ratio(self) -> str:
        """The ratio that is published beside the one that was set; empty where none was."""
        if self.row.set_ratio is None or self.verdict is None or self.verdict.slowdown is None:
            return ""
        found = self.verdict.slowdown
        rate = f", {found.rate_bps / 1000:.0f} kbit/s" if found.rate_bps is not None else ""
        return (
            f"{self.row.id}: ratio {found.ratio:.2f} ({found.low:.2f} to {found.high:.2f}{rate}),"
            f" set {self.row.set_ratio:g}: {found.ratio / self.row.set_ratio - 1:+.1%}"
        )

    @property
    def is_accused(self) -> bool:
        """Whether somebody is said to interfere."""
        return self.verdict is not None and self.verdict.state in ("blocked", "throttled")


class _Course:
    """One row on its way."""

    def __init__(self, stage: Stage, isp: str, row: Row) -> None:
        self._stage, self._isp, self._row = stage, isp, row
        self._limits = PATIENT if row.patient else SHORT
        self._judge = Judge(
            Policy(
                targets={
                    NEUTRAL: TargetPolicy(neutral=True),
                    row.target: TargetPolicy(domestic=row.domestic),
                }
            )
        )
        controls = [_placement(each, None, "control") for each in CONTROLS]
        self._answering = Answering(stage, self._judge, controls, self._limits)
        # Nothing lingers in this country: only where the line must rest is a washout waited for.
        self._pairing = Pairing(
            neutral_name="neutral.example", washout_ms=row.rest_s * 1000, rounds=4
        )
        self._said: list[Verdict] = []
        self.last: Seen | None = None
        # The canary sings in the first node; what holds must hold for the second.
        self._node = nodes_of(isp)[1].name

    def run(self) -> Verdict | None:
        row = self._row
        scene = Scene(stage=self._stage, isp=self._isp, name=row.aim)
        self._ask_controls()
        if row.met:
            self._measure_target()
        with working(row.does, scene) if row.does is not None else nullcontext():
            self._note(self._node, "sensor", climb(self._stage, self._node, limits=self._limits))
            for _ in range(row.rounds):
                self._note(self._node, "sensor", self._see(self._node, NEUTRAL, None))
                self._measure_target()
                self._answer_asks()
        self._ask_controls()
        self._answer_asks()
        assert self.last is not None
        self._said += self._judge.advance(self.last.arrived.received_ms + 2 * _CADENCE_MS)
        ours = [each for each in self._said if each.target == row.target]
        mine = [each for each in ours if each.node == self._node]
        return max(mine, key=lambda each: each.at_ms, default=None)

    def _measure_target(self) -> None:
        time.sleep(self._row.rest_s)
        self.last = self._see(self._node, self._row.target, self._row.probe)
        self._note(self._node, "sensor", self.last)

    def _ask_controls(self) -> None:
        neighbours = [node.name for node in nodes_of(ISPS[3])]
        for place in neighbours if self._row.domestic else CONTROLS:
            role = "sensor" if self._row.domestic else "control"
            for target, probe in ((NEUTRAL, None), (self._row.target, self._row.probe)):
                self._note(place, role, self._see(place, target, probe))

    def _answer_asks(self) -> None:
        for placement, seen in self._answering.round():
            self._said += self._judge.observe_report(placement, seen.arrived)

    def _see(self, place: str, target: str, probe: str | None) -> Seen:
        skew_ms = self._stage.skew_ms.get(self._isp, 0) if place == self._node else 0
        return measure(
            self._stage,
            place,
            target,
            probe=probe,
            limits=self._limits,
            skew_ms=skew_ms,
            pairing=self._pairing,
        )

    def _note(self, place: str, role: str, seen: Seen) -> None:
        placement = _placement(place, self._isp if place == self._node else None, role)
        self._said += self._judge.observe_report(placement, seen.arrived)


def _placement(place: str, isp: str | None, role: str) -> Placement:
    return Placement(
        node=place,
        isp=isp or place,
        region="KZ-75" if role == "sensor" else None,
        country="KZ" if role == "sensor" else "DE",
        access="fixed",
        site=place,
        role="sensor" if role == "sensor" else "control",
    )


def run_row(stage: Stage, isp: str, row: Row) -> Outcome:
    """One row in one provider."""
    began = time.monotonic()
    course = _Course(stage, isp, row)
    try:
        verdict = course.run()
    except NotProved as error:
        return Outcome(row=row, verdict=None, problem=str(error), took_s=time.monotonic() - began)
    return Outcome(
        row=row,
        verdict=verdict,
        problem=_problem(row, course.last, verdict),
        took_s=time.monotonic() - began,
    )


def _problem(row: Row, last: Seen | None, verdict: Verdict | None) -> str:
    if last is None or verdict is None:
        return "no verdict"
    steps = endings(last.measurement)
    said = (verdict.state, verdict.layer or verdict.doubt)
    if said not in (row.said, *row.or_said):
        return f"said {said} by {verdict.rule} {verdict.slowdown}, not {row.said}; steps {steps}"
    if row.step not in steps:
        return f"step {row.step} is not among {steps}"
    if row.set_ratio is not None:
        found = verdict.slowdown
        if found is None or abs(found.ratio / row.set_ratio - 1) > _RATIO_TOLERANCE:
            return f"slowdown {found}, where {row.set_ratio:g} was set"
    return ""


def run_all(
    stage: Stage, rows: Sequence[Row], *, progress: Callable[[Outcome], None]
) -> list[Outcome]:
    """All rows; long ones first, three at a time."""
    waiting = sorted(rows, key=_patience)
    lock, outcomes = Lock(), list[Outcome]()

    def work(isp: str) -> None:
        while True:
            with lock:
                if not waiting:
                    return
                row = waiting.pop()
            outcome = run_row(stage, isp, row)
            with lock:
                outcomes.append(outcome)
                progress(outcome)

    with ThreadPoolExecutor(len(_CENSORED)) as pool:
        for done in [pool.submit(work, isp) for isp in _CENSORED]:
            done.result()
    return sorted(outcomes, key=lambda each: rows.index(each.row))


def _patience(row: Row) -> int:
    """What takes longest begins first."""
    return row.rounds * (10 if row.probe in ("name_pair", "rate") and row.patient else 1)


def confusion(outcomes: Iterable[Outcome]) -> str:
    """Expected against said, as a table for people."""
    counts: dict[tuple[str, str], int] = {}
    for each in outcomes:
        side = "guilty" if each.row.guilty else "innocent"
        expected = f"{side}, {'beyond reach' if each.row.beyond else each.row.said[0]}"
        said = each.verdict.state if each.verdict is not None else "none"
        counts[expected, said] = counts.get((expected, said), 0) + 1
    columns = (*_STATES, "none")
    lines = [f"{'expected':<22}" + "".join(f"{column:>10}" for column in columns)]
    for expected in sorted({each for each, _ in counts}):
        cells = "".join(f"{counts.get((expected, column), 0) or '.':>10}" for column in columns)
        lines.append(f"{expected:<22}{cells}")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What counts."""

    guilty: int
    found: int
    """Guilty rows that were found out, with the right steps and layer."""
    innocent: int
    accused: int
    """Innocent rows said to be blocked or throttled: must be none."""
    wrong: int
    """Rows whose steps or verdict are not exactly as the table says."""

    @property
    def is_good(self) -> bool:
        """0 innocent accused, at least 95 % of the guilty found, every row exactly right."""
        return self.accused == 0 and self.found >= 0.95 * self.guilty and self.wrong == 0


def score(outcomes: Sequence[Outcome]) -> Score:
    """Count."""
    guilty = [each for each in outcomes if each.row.guilty]
    innocent = [each for each in outcomes if not each.row.guilty]
    return Score(
        guilty=len(guilty),
        found=sum(each.is_accused and not each.problem for each in guilty),
        innocent=len(innocent),
        accused=sum(each.is_accused for each in innocent),
        wrong=sum(bool(each.problem) for each in outcomes),
    )
