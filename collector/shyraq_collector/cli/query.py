"""`query`: what was stored, by plain filters; for history at scale there is the archive."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from shyraq_collector.cli.options import Asking, config_option, moment, moment_text, reading
from shyraq_collector.cli.show import print_csv, print_json_rows, print_table
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.store import listing, queries

_TABLE_ROWS: Final = 100
_EVERYTHING: Final = -1
_MOMENTS: Final = ("started_ms", "received_ms", "at_ms", "dated_ms")
_VERDICT_COLUMNS: Final = (
    "at_ms",
    "node",
    "isp",
    "region",
    "access",
    "target",
    "state",
    "layer",
    "doubt",
    "rule",
    "confidence",
    "reason",
)
_SLOWDOWN_COLUMNS: Final = ("ratio", "low", "high", "p_value", "pairs", "rate_bps", "rate_spread")
"""Empty where no pairs could be compared."""

_FILTERS = (
    click.option("--node", help="Only this node."),
    click.option("--isp", help="Only this network."),
    click.option("--region", help="Only this region."),
    click.option("--target", help="Only targets that hold this text."),
    click.option("--since", "since_ms", type=moment, help="From here on: moment or age (2h)."),
    click.option("--until", "until_ms", type=moment, help="Up to here."),
    click.option("--limit", type=click.IntRange(1), help="At most so many; tables show 100."),
    click.option("--json", "form", flag_value="json", help="Print JSON."),
    click.option("--csv", "form", flag_value="csv", help="Print CSV."),
    config_option,
)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group(cls=Asking, usual="measurements")
def query() -> None:
    """What was stored: measurements (also where no command stands), verdicts, reports."""


@query.command()
@click.option("--probe", help="Only this probe.")
@click.option("--failed", is_flag=True, help="Only where a step failed.")
@_filtered
def measurements(
    form: str | None,
    limit: int | None,
    config_path: Path,
    since_ms: int | None,
    until_ms: int | None,
    *,
    failed: bool,
    **texts: str | None,
) -> None:
    """Measurements, newest first."""
    wanted = queries.Filter(
        limit=_limit(form, limit), since_ms=since_ms, until_ms=until_ms, failed=failed, **texts
    )
    with reading(config_path) as (_, connection):
        rows = queries.measurements(connection, wanted)
        _print(form, queries.MEASUREMENT_COLUMNS, rows, hide=("received_ms", "flags", "result"))


@query.command()
@click.option("--state", help="Only this word: ok, blocked, throttled, down, unknown.")
@_filtered
def verdicts(
    form: str | None,
    limit: int | None,
    config_path: Path,
    since_ms: int | None,
    until_ms: int | None,
    **wanted: str | None,
) -> None:
    """What the rules said of single measurements, oldest first."""
    with reading(config_path) as (_, connection):
        found = (
            verdict
            for verdict in queries.verdicts(connection, since_ms=since_ms or 0, until_ms=until_ms)
            if _is_wanted(verdict, wanted)
        )
        count = _limit(form, limit)
        chosen = found if count == _EVERYTHING else islice(found, count)
        hidden = ("confidence", "layer", "doubt", *_SLOWDOWN_COLUMNS[1:])
        _print(
            form, (*_VERDICT_COLUMNS, *_SLOWDOWN_COLUMNS), map(_verdict_row, chosen), hide=hidden
        )


@query.command()
@click.option("--node", help="Only this node.")
@click.option("--since", "since_ms", type=moment, help="Arrived from here on: moment or age (2h).")
@click.option("--limit", type=click.IntRange(1), help="At most so many; tables show 100.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@config_option
def reports(
    node: str | None, since_ms: int | None, limit: int | None, form: str | None, config_path: Path
) -> None:
    """Signed reports, newest first: under which key, by which software and configuration."""
    with reading(config_path) as (_, connection):
        rows = listing.reports(
            connection, node=node, since_ms=since_ms or 0, limit=_limit(form, limit)
        )
        _print(form, listing.REPORT_COLUMNS, rows, hide=("epoch", "key_id", "config_sha256"))


def _verdict_row(verdict: Verdict) -> list[object]:
    row = [getattr(verdict, name) for name in _VERDICT_COLUMNS]
    slowdown = verdict.slowdown
    return row + [
        None if (value := getattr(slowdown, name, None)) is None else round(value, 4)
        for name in _SLOWDOWN_COLUMNS
    ]


def _is_wanted(verdict: Verdict, wanted: dict[str, str | None]) -> bool:
    return all(
        value is None
        or (value in verdict.target if name == "target" else getattr(verdict, name) == value)
        for name, value in wanted.items()
    )


def _limit(form: str | None, limit: int | None) -> int:
    if limit is not None:
        return limit
    return _TABLE_ROWS if form is None else _EVERYTHING


def _print(
    form: str | None,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    hide: tuple[str, ...],
) -> None:
    match form:
        case "json":
            print_json_rows(dict(zip(columns, row, strict=True)) for row in rows)
        case "csv":
            print_csv(columns, rows)
        case _:
            shown = [index for index, name in enumerate(columns) if name not in hide]
            print_table(
                "",
                [columns[index].removesuffix("_ms") for index in shown],
                [[_for_people(columns[index], row[index]) for index in shown] for row in rows],
                empty="Nothing was found.",
            )


def _for_people(column: str, value: object) -> object:
    if column in _MOMENTS and isinstance(value, int):
        return moment_text(value)
    return f"{value:.1f}" if isinstance(value, float) else value
