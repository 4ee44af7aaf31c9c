"""The documentation of every key, printed from the docstrings in `settings` and `probing`.

A test compares docs/reference/agent-configuration.md with what is printed here, and fails when
a key has no docstring.
"""

import ast
import inspect
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from shyraq_agent.config import probing, settings
from shyraq_agent.config.settings import Settings

_HEAD = """# Agent configuration

Every key of the agent's TOML file. `shyraq-agent check-config FILE` lists every mistake in one
and prints what it will cost a month. Unknown keys are refused. This page is printed from the
program (`shyraq-agent check-config --keys`); a test keeps the two alike.
"""


def render_reference() -> str:
    """The page, in Markdown."""
    docstrings = _docstrings()
    parts = [_HEAD, "## Top level\n", *_keys(Settings, docstrings)]
    for name, kind, is_list in _tables():
        title = f"[[{name}]]" if is_list else f"[{name}]"
        parts += [f"## `{title}`\n", f"{inspect.cleandoc(kind.__doc__ or '')}\n"]
        parts += _keys(kind, docstrings)
    return "\n".join(parts)


def undocumented() -> tuple[str, ...]:
    """Keys without a docstring, as class.key."""
    docstrings = _docstrings()
    kinds: list[type[Any]] = [Settings, *(kind for _, kind, _ in _tables())]
    names = (f"{kind.__name__}.{each.name}" for kind in kinds for each in fields(kind))
    return tuple(name for name in names if name not in docstrings)


def _tables() -> Iterator[tuple[str, type[Any], bool]]:
    hints = get_type_hints(Settings)
    for each in fields(Settings):
        hint = hints[each.name]
        is_list = get_origin(hint) is tuple
        kind = get_args(hint)[0] if is_list else hint
        if is_dataclass(kind):
            yield each.name, cast("type[Any]", kind), is_list


def _keys(kind: type[Any], docstrings: Mapping[str, str]) -> Iterator[str]:
    hints = get_type_hints(kind)
    tables = {name for name, _, _ in _tables()} if kind is Settings else set()
    for each in fields(kind):
        if each.name not in tables:
            text = docstrings.get(f"{kind.__name__}.{each.name}", "")
            facts = ", ".join([_type_words(hints[each.name]), *_facts(each)])
            yield f"### `{each.name}`\n\n{facts}.\n\n{text}\n"


def _type_words(hint: Any) -> str:  # noqa: ANN401
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f"`{word}`" for word in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list, each {_type_words(get_args(hint)[0])}"
    if get_origin(hint) in (Union, types.UnionType):
        return _type_words(get_args(hint)[0])
    words = {str: "text", Path: "path", bool: "true or false", int: "whole number"}
    return words.get(hint, "number")


def _facts(each: "Field[Any]") -> Iterator[str]:
    if "bounds" in each.metadata:
        lo, hi = each.metadata["bounds"]
        yield f"{lo} to {hi}"
    if each.default is MISSING and each.default_factory is MISSING:
        yield "**required**"
    elif each.default is not MISSING:
        yield f"default {_default_words(each.default)}"


def _default_words(default: object) -> str:
    match default:
        case None:
            return "none"
        case bool():
            return f"`{str(default).lower()}`"
        case ():
            return "empty"
        case str():
            return f'`"{default}"`'
        case _:
            return f"`{default}`"


def _docstrings() -> Mapping[str, str]:
    """The string that follows each field, by class.key."""
    found: dict[str, str] = {}
    parsed = (ast.parse(inspect.getsource(module)) for module in (probing, settings))
    for node in (node for module in parsed for node in module.body):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, after in zip(node.body, node.body[1:], strict=False):
            match field, after:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[f"{node.name}.{name}"] = inspect.cleandoc(text)
                case _:
                    pass
    return found
