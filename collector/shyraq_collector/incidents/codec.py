"""Typed values to JSON and back, by their annotations.

Knows what the correlator's memory is made of: numbers, texts, None, lists, tuples, frozensets,
dictionaries (as pairs), named tuples and dataclasses. A `Line` inside another value is written as
its key only and looked up again: lines belong to the roster. Everything else is a bug and raises.
"""

import dataclasses
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from shyraq_collector.correlate.line import Line
from shyraq_collector.facts.fleet import LineKey

Find = Callable[[LineKey], Line | None]


def encode(value: object) -> Any:  # noqa: ANN401 - JSON is what it is
    """A JSON value; exact for floats, ordered as the value is ordered."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Line():
            return list(value.key)
        case frozenset():
            return sorted(value)
        case list() | tuple():
            return [encode(item) for item in value]
        case dict():
            return [[encode(key), encode(item)] for key, item in value.items()]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {field.name: encode(getattr(value, field.name)) for field in fields}
        case _:
            raise TypeError(f"cannot encode {type(value).__name__}")


def decode(kind: Any, data: Any, find: Find) -> Any:  # noqa: ANN401 - JSON is what it is
    """The value of the annotated type `kind`; a Line that is gone becomes None."""
    kind = getattr(kind, "__supertype__", kind)  # a NewType is its base type, written down
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Line:
        return find(LineKey(*data))
    if data is None or origin is Literal or kind in {bool, int, float, str}:
        return data
    if origin in {Union, types.UnionType}:
        return decode(next(part for part in inner if part is not type(None)), data, find)
    if origin in {list, frozenset, tuple, dict}:
        return _decode_many(origin, inner, data, find)
    return _decode_fields(kind, data, find)


def _decode_many(origin: Any, inner: Any, data: Any, find: Find) -> Any:  # noqa: ANN401
    if origin is dict:
        pairs = ((decode(inner[0], k, find), decode(inner[1], v, find)) for k, v in data)
        return {key: item for key, item in pairs if key is not None}
    if origin is tuple and inner[1:] != (...,):
        return tuple(decode(part, item, find) for part, item in zip(inner, data, strict=True))
    items = (decode(inner[0], item, find) for item in data)
    return origin(item for item in items if item is not None)


def _decode_fields(kind: Any, data: Any, find: Find) -> Any:  # noqa: ANN401 - JSON is what it is
    hints = get_type_hints(kind)
    if hasattr(kind, "_fields"):
        return kind(*(decode(hints[n], x, find) for n, x in zip(kind._fields, data, strict=True)))
    return kind(**{name: decode(hints[name], item, find) for name, item in data.items()})
