"""`replay` and `judge`: the same engine and the same rules on what was recorded before."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from shyraq_collector.app.rejudge import Comparison, rejudge
from shyraq_collector.cli.options import (
    WRONG,
    config_option,
    json_option,
    moment,
    moment_text,
    reading,
)
from shyraq_collector.cli.show import print_json, print_table
from shyraq_collector.errors import ConfigError
from shyraq_collector.judge.ooni import judge_lines
from shyraq_collector.judge.ooni.lines import Judged
from shyraq_collector.replay import replay as replay_files

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--fleet", "fleet_path", type=_FILE, required=True, help="FLEET.csv")
@click.option("--observations", "observations_path", type=_FILE, required=True, help="OBS.csv")
@click.option("--out", "out_path", type=_FILE, required=True, help="INCIDENTS.json; replaced.")
@click.option("--time-scale", type=float, default=1.0, help="Divides every time threshold.")
@json_option
def replay(
    fleet_path: Path, observations_path: Path, out_path: Path, time_scale: float, as_json: bool
) -> None:
    """Judge recorded observations in event time, without looking ahead.

    FLEET.csv has the columns node,isp,region,country,access,site,role; OBS.csv has
    at,node,state[,received_at], sorted by time, state up or down.
    """
    with _rows_read() as progress:
        count = replay_files(fleet_path, observations_path, out_path, time_scale, progress)
    if as_json:
        click.echo(json.dumps({"incidents": count, "out": str(out_path)}))
    else:
        click.echo(f"{count} incident(s) written to {out_path}")


@contextmanager
def _rows_read() -> Iterator[Callable[[int], None]]:
    """Progress on standard error while rows are read; silent where nobody watches."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.completed:,.0f} rows read"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda rows: progress.update(task, completed=rows)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--format", "form", type=click.Choice(["ooni"]), help="What FILES hold.")
@click.option("--since", "since_ms", type=moment, help="Judge stored reports again from here on.")
@config_option
@json_option
def judge(
    files: tuple[Path, ...],
    form: str | None,
    since_ms: int | None,
    config_path: Path,
    as_json: bool,
) -> int:
    """Judge OONI measurements from FILES (- is standard input), or stored reports again.

    With --format ooni: one JSON object a line for each web_connectivity measurement; what cannot be
    judged is named on standard error, and the exit code is 1. With --since: what differs from what
    was said then; the exit code is 1 if anything does.
    """
    if form == "ooni" and files and since_ms is None:
        return _judge_files(files)
    if form is None and not files and since_ms is not None:
        with reading(config_path) as (config, connection):
            return _print_comparison(rejudge(connection, config.policy, since_ms), as_json)
    raise click.UsageError("either --format ooni with FILES, or --since without")


def _judge_files(files: tuple[Path, ...]) -> int:
    code = 0
    with ExitStack() as stack:
        for path in files:
            for result in judge_lines(_open(path, stack)):
                if isinstance(result, Judged):
                    click.echo(json.dumps(result.verdict.as_json(), ensure_ascii=False))
                else:
                    click.echo(f"{path}:{result.line}: {result.problem}", err=True)
                    code = WRONG
    return code


def _open(path: Path, stack: ExitStack) -> TextIO:
    if str(path) == "-":
        return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")
    try:
        return stack.enter_context(path.open(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _print_comparison(comparison: Comparison, as_json: bool) -> int:
    rows = [
        {
            "at": moment_text(each.at_ms),
            "node": each.node,
            "target": each.target,
            "then": None if then is None else then.state,
            "then_rule": None if then is None else then.rule,
            "now": None if now is None else now.state,
            "now_rule": None if now is None else now.rule,
        }
        for then, now in comparison.differences
        for each in ((now or then),)
        if each is not None
    ]
    if as_json:
        print_json({"same": comparison.same, "differences": rows})
    else:
        print_table(
            f"{comparison.same} the same, {len(rows)} different",
            ("at", "node", "target", "then", "then rule", "now", "now rule"),
            [tuple(row.values()) for row in rows],
            empty=f"{comparison.same} verdict(s), all the same.",
        )
    return WRONG if rows else 0
