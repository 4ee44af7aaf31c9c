"""Typed reading of one JSON object: every complaint names the field, never its value.

`read_list` and `read_part` put their place before the inner complaint, so an error reads
`measurements[3].steps[0].duration_ms: a number of milliseconds is due`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

from shyraq_wire.errors import MalformedPayload
from shyraq_wire.moments import parse_moment

Object = Mapping[str, object]
T = TypeVar("T")

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8259 section 6)."""

HASH: Final = re.compile(r"[0-9a-f]{64}")
EPOCH: Final = re.compile(r"[0-9a-f]{32}")


def read_text(source: Object, name: str, *, limit: int = 256) -> str:
    """A string of at most `limit` characters."""
    value = source.get(name)
    if not isinstance(value, str) or len(value) > limit:
        raise MalformedPayload(f"{name}: a string of at most {limit} characters is due")
    return value


def read_optional_text(source: Object, name: str, *, limit: int = 256) -> str | None:
    """A string, or None where the field is null or absent."""
    return None if source.get(name) is None else read_text(source, name, limit=limit)


def read_match(source: Object, name: str, pattern: re.Pattern[str]) -> str:
    """A string that the pattern matches whole."""
    value = source.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise MalformedPayload(f"{name}: text of the form {pattern.pattern} is due")
    return value


def read_word(source: Object, name: str, words: frozenset[str]) -> str:
    """One word of a closed set."""
    value = source.get(name)
    if not isinstance(value, str) or value not in words:
        raise MalformedPayload(f"{name}: one of {', '.join(sorted(words))} is due")
    return value


def read_integer(source: Object, name: str, *, lo: int = 0, hi: int = MAX_SAFE_INTEGER) -> int:
    """An integer from lo to hi, both included; true and false are not integers."""
    value = source.get(name)
    if type(value) is not int or not lo <= value <= hi:
        raise MalformedPayload(f"{name}: an integer from {lo} to {hi} is due")
    return value


def read_duration_ms(source: Object, name: str) -> float:
    """A number of milliseconds, zero or more."""
    value = source.get(name)
    if type(value) not in (int, float) or not 0 <= cast("float", value) <= MAX_SAFE_INTEGER:
        raise MalformedPayload(f"{name}: a number of milliseconds is due")
    return float(cast("float", value))


def read_object(source: Object, name: str) -> Object:
    """An object; an absent field is an empty one."""
    value = source.get(name, {})
    if not isinstance(value, dict):
        raise MalformedPayload(f"{name}: an object is due")
    return cast("Object", value)


def read_part(source: Object, name: str, read: Callable[[Object], T]) -> T:
    """The object in a field, read by `read`; an absent field is an empty object."""
    return _read_inner(name, read_object(source, name), read)


def read_moment(source: Object, name: str) -> str:
    """The text of a moment in its one written form."""
    text = read_text(source, name, limit=32)
    try:
        parse_moment(text)
    except MalformedPayload as error:
        raise MalformedPayload(f"{name}: {error}") from error
    return text


def read_list(
    source: Object, name: str, read: Callable[[Object], T], *, limit: int
) -> tuple[T, ...]:
    """A list of at most `limit` objects, each read by `read`; an absent field is empty."""
    values = source.get(name, [])
    if not isinstance(values, list) or len(values) > limit:
        raise MalformedPayload(f"{name}: a list of at most {limit} is due")
    result: list[T] = []
    for index, value in enumerate(values):
        if not isinstance(value, dict):
            raise MalformedPayload(f"{name}[{index}]: an object is due")
        result.append(_read_inner(f"{name}[{index}]", value, read))
    return tuple(result)


def read_texts(
    source: Object, name: str, pattern: re.Pattern[str], *, limit: int
) -> tuple[str, ...]:
    """A list of 1 to `limit` strings, each of which the pattern matches whole."""
    values = source.get(name)
    if not isinstance(values, list) or not 1 <= len(values) <= limit:
        raise MalformedPayload(f"{name}: a list of 1 to {limit} is due")
    for index, value in enumerate(values):
        if not isinstance(value, str) or not pattern.fullmatch(value):
            due = f"text of the form {pattern.pattern}"
            raise MalformedPayload(f"{name}[{index}]: {due} is due")
    return tuple(values)


def _read_inner(place: str, value: Object, read: Callable[[Object], T]) -> T:
    try:
        return read(value)
    except MalformedPayload as error:
        raise MalformedPayload(f"{place}.{error}") from error
