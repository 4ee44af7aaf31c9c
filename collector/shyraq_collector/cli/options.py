"""What several commands share: options, kinds of arguments, opening the ledger."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from shyraq_collector.clock import RealPace
from shyraq_collector.config import CollectorConfig, load_config
from shyraq_collector.registry import Registry
from shyraq_collector.store.schema import open_ledger, open_reader
from shyraq_wire.moments import format_moment

DEFAULT_CONFIG: Final = Path("/etc/shyraq/collector.toml")
WRONG: Final = 1
USAGE: Final = 2

_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Asking(click.Group):
    """A group of questions, one of which is meant where none is named."""

    def __init__(self, *args: Any, usual: str, **options: Any) -> None:  # noqa: ANN401  # click's
        """As click's own.

        Args:
            *args: Handed through.
            usual: The command that is meant.
            **options: Handed through.
        """
        super().__init__(*args, **options)
        self._usual = usual

    def parse_args(  # type: ignore[explicit-override]  # typing.override needs Python 3.12
        self, ctx: click.Context, args: list[str]
    ) -> list[str]:
        """As click's own; `incidents --json` is `incidents list --json`."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [self._usual, *args]
        return super().parse_args(ctx, args)


def moment(text: str) -> int:
    """Milliseconds since 1970 from RFC 3339 (UTC where no zone stands), or an age: 90m, 2d.

    Raises:
        click.BadParameter: Any other text.
    """
    span_ms = _span_ms(text)
    return _written(text, "an age") if span_ms is None else RealPace().now_ms() - span_ms


def moment_to_come(text: str) -> int:
    """Milliseconds since 1970 from RFC 3339 (UTC where no zone stands), or from now: 90m, 2d.

    Raises:
        click.BadParameter: Any other text.
    """
    span_ms = _span_ms(text)
    return _written(text, "a span") if span_ms is None else RealPace().now_ms() + span_ms


def _span_ms(text: str) -> int | None:
    span = _SPAN.fullmatch(text)
    if span is None:
        return None
    return timedelta(**{_UNITS[span[2]]: int(span[1])}) // timedelta(milliseconds=1)


def _written(text: str, else_due: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        due = f"2022-01-05T10:30:00Z or {else_due} such as 90m, 12h, 2d"
        raise click.BadParameter(f"{text!r}: due is {due}") from error
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return (when - _EPOCH) // timedelta(milliseconds=1)


@contextlib.contextmanager
def reading(config_path: Path) -> Iterator[tuple[CollectorConfig, sqlite3.Connection]]:
    """The configuration and a read-only connection to its ledger."""
    config = load_config(config_path)
    with contextlib.closing(open_reader(config.ledger_file)) as connection:
        yield config, connection


@contextlib.contextmanager
def changing(config_path: Path) -> Iterator[Registry]:
    """The registry for a change; the ledger is made when absent."""
    config = load_config(config_path)
    config.ledger_file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(open_ledger(config.ledger_file)) as connection:
        yield Registry(connection)


def moment_text(at_ms: int | None) -> str | None:
    """RFC 3339 for output; None stays None."""
    return None if at_ms is None else format_moment(at_ms)


def age_text(age_ms: int) -> str:
    """An age for people: the two largest units that count."""
    seconds = max(0, age_ms) // 1000
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [
        f"{count} {unit}"
        for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
        if count
    ]
    return " ".join(parts[:2]) or "0 s"
