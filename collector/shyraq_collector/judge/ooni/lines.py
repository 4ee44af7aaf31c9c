"""Lines of text in, one result per measurement out: the whole of `judge --format ooni`.

    1. A line that is a JSON object by itself is one measurement (JSON lines).
    2. A line that opens an object and does not close it begins a measurement written over
       several lines; it ends where the braces balance. If a whole measurement appears before
       that, the broken one is refused and the good one is judged.
    3. Everything else is refused with the line where it begins, and so is a file without any
       measurement. The rest is still judged.

Memory is bounded by one measurement. Opening files, printing and exit codes are the caller's:
print `Judged.verdict.as_json()` to standard output, `Refused` to standard error, exit 1 if
there was any `Refused`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from shyraq_collector.facts.verdicts import OoniRefusal, OoniVerdict
from shyraq_collector.judge.ooni.verdict import judge_ooni

_QUOTED: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')

MAX_MEASUREMENT_CHARACTERS: Final = 64 * 1024 * 1024
"""A measurement over several lines may not be longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One measurement that was judged."""

    line: int
    """1-based line where it begins."""
    verdict: OoniVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One text that could not be judged."""

    line: int
    """1-based line where it begins."""
    problem: str
    """What is wrong and what would be right."""


def judge_lines(lines: Iterable[str]) -> Iterator[Judged | Refused]:
    """Judges every measurement in a file's lines, in order; never raises for bad content.

    Args:
        lines: The file's text, line by line, with or without line ends.
    """
    is_empty = True
    for result in _results(lines):
        is_empty = False
        yield result
    if is_empty:
        yield Refused(line=1, problem="there is no measurement in it")


def _results(lines: Iterable[str]) -> Iterator[Judged | Refused]:
    pending: _Pending | None = None
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix("\ufeff").strip()
        if not text:
            continue
        if pending is not None and _whole_measurement(text):
            yield pending.unfinished()
            pending = None
        if pending is None:
            result = _judge_text(text)
            if isinstance(result, OoniVerdict):
                yield Judged(line=number, verdict=result)
                continue
            pending = _Pending(line=number, problem=result.problem)
        pending.add(text)
        if pending.over:
            yield pending.judge()
            pending = None
        elif pending.characters > MAX_MEASUREMENT_CHARACTERS:
            yield pending.refuse("an object begins here that is longer than 64 Mi characters")
            pending = None
    if pending is not None:
        yield pending.unfinished()


class _Pending:
    """A measurement over several lines as far as it was read, and its open braces."""

    def __init__(self, *, line: int, problem: str) -> None:
        self.characters = 0
        self._line = line
        self._problem = problem
        self._parts: list[str] = []
        self._open = 0
        self._torn = False

    @property
    def over(self) -> bool:
        """Whether the braces balance, or never can: a JSON text cannot span lines."""
        return self._open <= 0 or self._torn

    def add(self, text: str) -> None:
        """Takes one more line."""
        self._parts.append(text)
        self.characters += len(text)
        bare = _QUOTED.sub("", text)
        self._torn = '"' in bare
        self._open += bare.count("{") + bare.count("[") - bare.count("}") - bare.count("]")

    def judge(self) -> Judged | Refused:
        """The result of the whole."""
        if len(self._parts) == 1:
            return self.refuse(self._problem)
        result = _judge_text("\n".join(self._parts))
        if isinstance(result, OoniRefusal):
            return self.refuse(result.problem)
        return Judged(line=self._line, verdict=result)

    def unfinished(self) -> Refused:
        """The refusal of an object that was still open."""
        return self.refuse(f"an object begins here and never ends; {self._problem}")

    def refuse(self, problem: str) -> Refused:
        """The refusal of the whole, at its first line."""
        return Refused(line=self._line, problem=problem)


def _judge_text(text: str) -> OoniVerdict | OoniRefusal:
    try:
        value = json.loads(text)
    except RecursionError:
        return OoniRefusal(problem="not readable as JSON: nested too deeply")
    except ValueError as error:
        return OoniRefusal(problem=f"not readable as JSON: {error}")
    if not isinstance(value, dict):
        return OoniRefusal(problem="a JSON object is due, one measurement a line or a file")
    return judge_ooni(value)


def _whole_measurement(text: str) -> bool:
    """Whether a line inside an unfinished object is a whole measurement of its own."""
    if not (text.startswith("{") and text.endswith("}") and '"test_keys"' in text):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "test_name" in value
