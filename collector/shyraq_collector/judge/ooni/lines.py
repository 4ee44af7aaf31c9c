"""Lines of text in, one result per measurement out: the whole of `judge --format ooni`.

    1. A line that is a JSON object by itself is one measurement (JSON lines).
    2. A line that opens an object and does not close it begins a measurement written over
       several lines; it ends where the braces balance. If a whole measurement appears before
       that, the broken one is refused and the good one is judged.
    3. An array of measurements, on one line or over many, counts as its members.
    4. Everything else is refused with the line where it begins, and so is a file without any
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

from shyraq_collector.facts.verdicts import OoniVerdict
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
    reader = _Reader()
    number = 0
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix("\ufeff").strip()
        if len(line) > MAX_MEASUREMENT_CHARACTERS:
            yield Refused(line=number, problem="this line is longer than 64 Mi characters")
        elif text:
            yield from reader.take(number, text)
    yield from reader.finish(number)


class _Reader:
    """What is still open while lines are read: a measurement, and the array around it."""

    def __init__(self) -> None:
        self._pending: _Pending | None = None
        self._array_line: int | None = None

    def take(self, number: int, text: str) -> Iterator[Judged | Refused]:
        """The results that one more line completes."""
        pending = self._pending
        if pending is not None and _whole_measurement(text.rstrip(",] ")):
            yield pending.unfinished()
            pending = self._pending = None
        if pending is None:
            value = _parse(text)
            if isinstance(value, _Unreadable):
                text = self._without_array(number, text)
                if not text:
                    return
                value = _parse(text)
            if not isinstance(value, _Unreadable):
                yield from _judge_value(number, value)
                return
            pending = self._pending = _Pending(line=number, problem=value.problem)
        pending.add(text)
        if pending.over:
            self._pending = None
            yield from pending.judge(in_array=self._array_line is not None)
            if pending.closed_array:
                self._array_line = None
        elif pending.characters > MAX_MEASUREMENT_CHARACTERS:
            self._pending = None
            yield pending.refuse("an object begins here that is longer than 64 Mi characters")

    def finish(self, number: int) -> Iterator[Refused]:
        """The refusal of what was still open after the last line."""
        if self._pending is not None:
            yield self._pending.unfinished()
        elif self._array_line is not None:
            problem = f"the array that begins in line {self._array_line} never ends"
            yield Refused(line=number, problem=problem)

    def _without_array(self, number: int, text: str) -> str:
        """A line without the marks of an array around its measurement."""
        if text.startswith("[") and text[1:].lstrip()[:1] in ("", "{"):
            self._array_line = number
            text = text[1:].lstrip()
        if self._array_line is None:
            return text
        text = text.removeprefix(",").lstrip()
        if text.endswith("]") and _depth(text) < 0:
            self._array_line = None
            text = text[:-1].rstrip()
        return text.removesuffix(",").rstrip()


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

    @property
    def closed_array(self) -> bool:
        """Whether the last line also closed the array around the measurement."""
        return self._open < 0

    def add(self, text: str) -> None:
        """Takes one more line."""
        self._parts.append(text)
        self.characters += len(text)
        self._torn = '"' in _QUOTED.sub("", text)
        self._open += _depth(text)

    def judge(self, *, in_array: bool) -> Iterator[Judged | Refused]:
        """The results of the whole."""
        text = "\n".join(self._parts)
        value = _parse(text.rstrip(",] ") if in_array else text)
        if len(self._parts) == 1 or isinstance(value, _Unreadable):
            problem = value.problem if isinstance(value, _Unreadable) else self._problem
            yield self.refuse(problem)
        else:
            yield from _judge_value(self._line, value)

    def unfinished(self) -> Refused:
        """The refusal of an object that was still open."""
        return self.refuse(f"an object begins here and never ends; {self._problem}")

    def refuse(self, problem: str) -> Refused:
        """The refusal of the whole, at its first line."""
        return Refused(line=self._line, problem=problem)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Why a text is no JSON."""

    problem: str


def _parse(text: str) -> object:
    """The JSON value in a text, or `_Unreadable`."""
    try:
        return json.loads(text)
    except RecursionError:
        return _Unreadable("not readable as JSON: nested too deeply")
    except ValueError as error:
        return _Unreadable(f"not readable as JSON: {error}")


def _judge_value(line: int, value: object) -> Iterator[Judged | Refused]:
    members = value if isinstance(value, list) else [value]
    if members and not any(isinstance(member, dict) for member in members):
        members = [None]
    for member in members:
        if isinstance(member, dict):
            result = judge_ooni(member)
            if isinstance(result, OoniVerdict):
                yield Judged(line=line, verdict=result)
            else:
                yield Refused(line=line, problem=result.problem)
        else:
            problem = "a JSON object is due: one measurement a line or a file, or an array of them"
            yield Refused(line=line, problem=problem)


def _depth(text: str) -> int:
    """How many braces and brackets a line leaves open; less than zero: it closes others."""
    bare = _QUOTED.sub("", text)
    return bare.count("{") + bare.count("[") - bare.count("}") - bare.count("]")


def _whole_measurement(text: str) -> bool:
    """Whether a line inside an unfinished object is a whole measurement of its own."""
    if not (text.startswith("{") and text.endswith("}") and '"test_keys"' in text):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "test_name" in value
