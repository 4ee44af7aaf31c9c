"""Printing for people and for programs.

Texts that came from nodes may hold anything. For the terminal, control characters are replaced, so
that a target cannot move the cursor; in CSV, a cell that a spreadsheet would take for a formula is
led by an apostrophe. JSON has escapes of its own for all control characters, and they are used.
"""

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""Full-width signs too: spreadsheets read them as the plain ones."""

_ESCAPES: Final = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
"""What a terminal may obey and JSON need not escape."""


def print_json(value: object) -> None:
    """One JSON value, indented."""
    click.echo(_json(value, indent=1))


def print_json_rows(rows: Iterable[object]) -> None:
    """A JSON array, one row a line, as they come: memory is bounded whatever their number."""
    click.echo("[", nl=False)
    separator = "\n"
    for row in rows:
        click.echo(separator + _json(row), nl=False)
        separator = ",\n"
    click.echo("\n]")


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """CSV with a header line (RFC 4180)."""
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([harmless(cell) for cell in row])
        if line.tell() > 65_536:
            sys.stdout.write(line.getvalue())
            line.seek(0)
            line.truncate()
    sys.stdout.write(line.getvalue())


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str
) -> None:
    """A table for people, or a sentence when there is nothing to show."""
    table = Table(title=title, title_justify="left", header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    if table.row_count:
        # Piped output is not folded to a width that nobody has.
        Console(width=None if sys.stdout.isatty() else 200).print(table)
    else:
        click.echo(empty)


def clean(cell: object) -> Text:
    """A cell for the terminal: no control characters, no markup."""
    text = "" if cell is None else str(cell)
    return Text("".join(char if char.isprintable() else "�" for char in text))


def harmless(cell: object) -> Any:  # noqa: ANN401  # numbers stay numbers
    """A cell for a spreadsheet: never a formula."""
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False).translate(_ESCAPES)
