"""The fingerprint of what the engine remembers: names and types of all fields, in one short text.

Whoever adds, removes or retypes a field of a remembered dataclass gets another fingerprint without
having to think of it, so a snapshot is never read by a program that means something else by it. The
words of a Literal do not count: a word more changes no field.
"""

import dataclasses
import hashlib
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

_DIGITS: Final = 16


def fingerprint(kinds: Iterable[Any], apart: Mapping[str, Iterable[str]]) -> str:
    """16 hexadecimal digits.

    Args:
        kinds: Annotated types that are written whole; what they are made of is looked into.
        apart: Names of what is written attribute by attribute, by whose they are.
    """
    shapes: dict[str, str] = {}
    for kind in kinds:
        _note(kind, shapes)
    lines = [f"{name}: {text}" for name, text in sorted(shapes.items())]
    lines += [f"{name}: {' '.join(names)}" for name, names in sorted(apart.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_DIGITS]


def _note(kind: Any, shapes: dict[str, str]) -> str:  # noqa: ANN401 - an annotation of any form
    """The type in words; what it is made of is written to `shapes` once."""
    kind = getattr(kind, "__supertype__", kind)
    origin = get_origin(kind)
    if origin is Literal:
        return "word"
    if origin is not None:
        inside = ", ".join(_note(part, shapes) for part in get_args(kind))
        either = origin in {Union, types.UnionType}
        return f"{'either' if either else origin.__name__}[{inside}]"
    name = getattr(kind, "__name__", str(kind))
    if _is_made_of_fields(kind) and name not in shapes:
        shapes[name] = ""  # it may hold itself
        hints = get_type_hints(kind)
        shapes[name] = ", ".join(f"{field} {_note(hints[field], shapes)}" for field in hints)
    return str(name)


def _is_made_of_fields(kind: Any) -> bool:  # noqa: ANN401 - an annotation of any form
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"))
