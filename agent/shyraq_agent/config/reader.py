"""From a TOML table to a frozen dataclass, collecting every mistake on the way.

The dataclass is the schema: field types, defaults, `bounds`. A mistake is one sentence that
names the key by its path (`broker[0].port`), what is wrong and what would be right. Reading
goes on after a mistake, so that the operator sees all of them at once.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

_UNREADABLE = object()
"""In place of a value that was wrong; its mistake is already on the list."""


def read_table(table: Mapping[str, object], kind: type[T], mistakes: list[str]) -> T | None:
    """The dataclass that a table describes.

    Args:
        table: As the TOML reader gives it.
        kind: A dataclass whose fields have the types listed in `_read`.
        mistakes: Each mistake found is appended.

    Returns:
        None when a mistake was found.
    """
    before = len(mistakes)
    value = _read_dataclass(table, kind, "", mistakes)
    return None if len(mistakes) > before else cast("T", value)


def _read_dataclass(table: object, kind: type, path: str, mistakes: list[str]) -> object:
    if not isinstance(table, Mapping):
        mistakes.append(f"{path}: a table is due")
        return _UNREADABLE
    known = {each.name: each for each in fields(kind)}
    hints = get_type_hints(kind)
    mistakes.extend(
        _unknown(_join(path, key), key, list(known)) for key in table if key not in known
    )
    values: dict[str, object] = {}
    for name, each in known.items():
        if name in table:
            values[name] = _read(table[name], hints[name], each, _join(path, name), mistakes)
        elif each.default is MISSING and each.default_factory is MISSING:
            mistakes.append(f"{_join(path, name)}: missing, and it has no default")
            values[name] = _UNREADABLE
    if any(value is _UNREADABLE for value in values.values()):
        return _UNREADABLE
    return kind(**values)


def _read(value: object, hint: Any, each: "Field[Any]", path: str, mistakes: list[str]) -> object:  # noqa: ANN401
    """Containers: X | None, tuple, dataclass; the rest are single values."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
        return _read(value, inner, each, path, mistakes)
    if origin is tuple:
        return _read_tuple(value, get_args(hint)[0], each, path, mistakes)
    if is_dataclass(hint):
        return _read_dataclass(value, cast("type", hint), path, mistakes)
    return _read_single(value, hint, each, path, mistakes)


def _read_single(
    value: object,
    hint: Any,  # noqa: ANN401
    each: "Field[Any]",
    path: str,
    mistakes: list[str],
) -> object:
    """Literal, bool, int, float, Path or str."""
    if get_origin(hint) is Literal:
        words = [str(arg) for arg in get_args(hint)]
        due = f"one of {', '.join(words)}"
        return _checked(value, value in words, due, path, mistakes, hint=_nearest(value, words))
    if hint is bool:
        return _checked(value, isinstance(value, bool), "true or false", path, mistakes)
    if hint in (int, float):
        return _read_number(value, hint, each, path, mistakes)
    is_text = isinstance(value, str) and (value != "" or (hint is str and each.default == ""))
    text = _checked(value, is_text, "text", path, mistakes)
    return Path(str(text)) if hint is Path and text is not _UNREADABLE else text


def _read_tuple(
    value: object,
    inner: Any,  # noqa: ANN401
    each: "Field[Any]",
    path: str,
    mistakes: list[str],
) -> object:
    if not isinstance(value, list):
        what = "[[tables]]" if is_dataclass(inner) else "a list"
        return _checked(value, False, what, path, mistakes)
    read = [
        _read(item, inner, each, f"{path}[{index}]", mistakes) for index, item in enumerate(value)
    ]
    return _UNREADABLE if any(item is _UNREADABLE for item in read) else tuple(read)


def _read_number(
    value: object, kind: type, each: "Field[Any]", path: str, mistakes: list[str]
) -> object:
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        what = "a whole number" if kind is int else "a number"
        return _checked(value, False, what, path, mistakes)
    lo, hi = each.metadata["bounds"]
    if not lo <= cast("float", value) <= hi:
        return _checked(value, False, f"{lo} to {hi}, not {value},", path, mistakes)
    return kind(value)


def _checked(
    value: object,
    good: bool,
    due: str,
    path: str,
    mistakes: list[str],
    *,
    hint: str = "",
) -> object:
    if good:
        return value
    mistakes.append(f"{path}: {due} is due{hint}")
    return _UNREADABLE


def _unknown(path: str, key: str, known: list[str]) -> str:
    return f"{path}: there is no such key{_nearest(key, known)}"


def _nearest(value: object, known: list[str]) -> str:
    close = get_close_matches(str(value), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
