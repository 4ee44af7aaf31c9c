"""From TOML tables to frozen dataclasses, collecting every mistake on the way.

The dataclass is the schema: types, defaults, `bounds`. A mistake is one sentence that names the key
by its path (`target[0].cadence_s`), what is wrong and what would be right. Reading goes on after a
mistake, so that the operator sees all of them at once.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


class _Wrong(Exception):  # noqa: N818  # never leaves this module
    """A value that is not what is due; its text is the mistake."""


def read_table(table: Mapping[str, object], kind: type[T], mistakes: list[str]) -> T | None:
    """The dataclass that a table describes; None when a mistake was found.

    Args:
        table: As the TOML reader gives it.
        kind: A dataclass; its fields may be bool, int, float, str, Path, Literal, X | None,
            another dataclass, or a tuple of dataclasses.
        mistakes: Each mistake found is appended.
    """
    before = len(mistakes)
    value = _table(table, kind, "", mistakes)
    return None if len(mistakes) > before else cast("T", value)


def _table(table: Mapping[str, object], kind: type, path: str, mistakes: list[str]) -> object:
    known = {each.name: each for each in fields(kind)}
    hints = get_type_hints(kind)
    for key in table.keys() - known.keys():
        close = get_close_matches(key, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        mistakes.append(f"{path}{key}: there is no such key{hint}")
    values: dict[str, object] = {}
    before = len(mistakes)
    for name, each in known.items():
        if name in table:
            try:
                values[name] = _value(table[name], hints[name], each, f"{path}{name}", mistakes)
            except _Wrong as wrong:
                mistakes.append(f"{path}{name}: {wrong} is due")
        elif each.default is MISSING and each.default_factory is MISSING:
            mistakes.append(f"{path}{name}: missing, and it has no default")
    return None if len(mistakes) > before else kind(**values)


def _value(
    value: object,
    hint: Any,  # noqa: ANN401  # a type annotation of any form
    each: "Field[Any]",
    path: str,
    mistakes: list[str],
) -> object:
    if get_origin(hint) is UnionType:
        hint = next(part for part in get_args(hint) if part is not type(None))
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise _Wrong("a table")
        return _table(value, cast("type", hint), f"{path}.", mistakes)
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise _Wrong("a list of [[tables]]")
        inner = get_args(hint)[0]
        return tuple(
            _table(item, inner, f"{path}[{index}].", mistakes) for index, item in enumerate(value)
        )
    return _single(value, hint, each)


def _single(value: object, hint: Any, each: "Field[Any]") -> object:  # noqa: ANN401  # as above
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise _Wrong("one of " + ", ".join(f'"{word}"' for word in get_args(hint)))
        return value
    if hint is bool:
        if not isinstance(value, bool):
            raise _Wrong("true or false")
        return value
    if hint in (int, float):
        lo, hi = each.metadata["bounds"]
        good = isinstance(value, int if hint is int else (int, float))
        if isinstance(value, bool) or not good or not lo <= cast("float", value) <= hi:
            raise _Wrong(f"a{' whole' if hint is int else ''} number from {lo} to {hi}")
        return hint(value)
    if not isinstance(value, str) or not value:
        raise _Wrong("a text")
    return Path(value) if hint is Path else value
