"""What a bench gives: rows of a table, and how two programs are compared fairly.

Machines are shared and clocks are turned down, so a figure alone says little. A comparison runs
both programs in turns, round by round, and gives the median of the rounds' ratios.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    ours: float
    unit: str
    bare: float | None = None
    """The same work by the bare baseline, in the same unit; None: there is no such thing."""
    ratio: float | None = None
    """Ours to bare; above 1 is better than bare where more is better."""
    goal: str = ""
    met: bool | None = None
    """Whether the goal is met; None: no goal."""


def compare(
    ours: Callable[[], object], bare: Callable[[], object], *, calls: int, rounds: int = 7
) -> tuple[float, float, float]:
    """Calls a second of processor time, of both, taken in turns, and the median ratio."""
    rates = [(rate(ours, calls), rate(bare, calls)) for _ in range(rounds)]
    ratio = statistics.median(mine / other for mine, other in rates)
    mine, other = (statistics.median(each) for each in zip(*rates, strict=True))
    return mine, other, ratio


def rate(call: Callable[[], object], calls: int) -> float:
    """Calls a second of this thread's processor time: what others run meanwhile stays out."""
    started = time.thread_time()
    for _ in range(calls):
        call()
    return calls / (time.thread_time() - started)


def say(text: str) -> None:
    """Progress, beside the answer."""
    print(text, file=sys.stderr, flush=True)


def render(rows: Sequence[Row]) -> str:
    """The table for people."""
    heads = ("what", "ours", "bare", "ratio", "unit", "goal", "")
    lines = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    right = {1, 2, 3}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    met = {None: "", True: "met", False: "MISSED"}[row.met]
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    bare = "" if row.bare is None else _figure(row.bare)
    return (row.what, _figure(row.ours), bare, ratio, row.unit, row.goal, met)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
