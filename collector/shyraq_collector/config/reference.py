"""The reference of every key, printed from the settings' docstrings.

    cd docs/reference
    python -m shyraq_collector.config.reference > collector-configuration.md
    python -m shyraq_collector.config.reference responder > responder-configuration.md

Tests compare the files with what is printed here, so a key without a docstring fails.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from shyraq_collector.config import responder, settings
from shyraq_collector.config.responder import ResponderSettings
from shyraq_collector.config.settings import Settings

_HEAD: Final = """# Configuration of the collector

Written by `python -m shyraq_collector.config.reference`; do not edit. One TOML file, by default
`/etc/shyraq/collector.toml`. Unknown keys are refused, and all mistakes are reported at once:
`shyraq-collector check-config`. Relative paths count from the file's own directory.
"""


_RESPONDER_HEAD: Final = """# Configuration of the responder

Written by `python -m shyraq_collector.config.reference responder`; do not edit. One TOML file of
its own, by default `/etc/shyraq/responder.toml`, for `shyraq-collector responder`. Unknown keys are
refused, and all mistakes are reported at once: `shyraq-collector responder --check`. Relative paths
count from the file's own directory.
"""


def render_reference() -> str:
    """The page of the collector, in Markdown."""
    return _render(_HEAD, Settings, settings)


def render_responder_reference() -> str:
    """The page of the responder, in Markdown."""
    return _render(_RESPONDER_HEAD, ResponderSettings, responder)


def _render(head: str, root: type[Any], module: ModuleType) -> str:
    documented = _docstrings(module)
    parts = [head]
    hints = get_type_hints(root)
    for table in fields(root):
        hint = hints[table.name]
        is_list = get_origin(hint) is tuple
        kind = get_args(hint)[0] if is_list else hint
        parts.append(f"## `{f'[[{table.name}]]' if is_list else f'[{table.name}]'}`\n")
        parts.append(f"{inspect.cleandoc(kind.__doc__ or '')}\n")
        parts.append("| key | value | default | meaning |\n|---|---|---|---|")
        parts += _rows(kind, documented)
        parts.append("")
    return "\n".join(parts)


def _rows(kind: type[Any], documented: Mapping[str, str]) -> Iterator[str]:
    hints = get_type_hints(kind)
    for each in fields(kind):
        meaning = documented[f"{kind.__name__}.{each.name}"]
        yield f"| `{each.name}` | {_value(each, hints[each.name])} | {_default(each)} | {meaning} |"


def _value(each: "Field[Any]", hint: Any) -> str:  # noqa: ANN401  # a type annotation of any form
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{word}"`' for word in get_args(hint))
    inner = next((part for part in get_args(hint) if part is not type(None)), hint)
    words = {bool: "true, false", str: "text", Path: "path", int: "whole number", float: "number"}
    bounds = each.metadata.get("bounds")
    return words[inner] + (f", {bounds[0]} to {bounds[1]}" if bounds else "")


def _default(each: "Field[Any]") -> str:
    if each.default is MISSING:
        return "none: it must be given"
    if each.default is None:
        return "not set"
    if isinstance(each.default, bool):
        return f"`{str(each.default).lower()}`"
    return f'`"{each.default}"`' if isinstance(each.default, str) else f"`{each.default}`"


def _docstrings(module: ModuleType) -> dict[str, str]:
    """The string below each field, by `Class.field`."""
    found: dict[str, str] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                text = " ".join(str(below.value.value).split())
                found[f"{node.name}.{field.target.id}"] = text
    return found


if __name__ == "__main__":
    wants_responder = sys.argv[1:] == ["responder"]
    sys.stdout.write(render_responder_reference() if wants_responder else render_reference())
