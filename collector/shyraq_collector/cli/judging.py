"""`replay` and `judge`: the same engine and the same rules on what was recorded before."""

import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from shyraq_collector.app.rejudge import Comparison, rejudge
from shyraq_collector.cli.options import (
    USAGE,
    WRONG,
    config_option,
    json_option,
    moment,
    moment_text,
    reading,
)
from shyraq_collector.cli.show import print_json, print_table
from shyraq_collector.judge.ooni import judge_lines
from shyraq_collector.judge.ooni.lines import MAX_MEASUREMENT_CHARACTERS, Judged
from shyraq_collector.replay import replay as replay_files
from shyraq_wire.report import Json

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

    With --format ooni: one JSON object a line for each web_connectivity measurement in FILES: JSON
    lines, single objects or arrays, also gzipped. What cannot be judged is named on standard error
    with its line, the rest is judged, and the exit code is 1; 2 if a file could not be read. With
    --since: what differs from what was said then; the exit code is 1 if anything does.
    """
    if form == "ooni" and files and since_ms is None:
        return _judge_files(files)
    if form is None and not files and since_ms is not None:
        with reading(config_path) as (config, connection):
            return _print_comparison(rejudge(connection, config.policy, since_ms), as_json)
    raise click.UsageError("either --format ooni with FILES, or --since without")


def _judge_files(files: tuple[Path, ...]) -> int:
    code = 0
    for path in files:
        try:
            with _opened(path) as stream:
                code = max(code, _judge_stream(path, stream))
        except (OSError, EOFError, zlib.error) as error:
            if isinstance(error, BrokenPipeError):
                raise
            click.echo(f"{path}: cannot be read: {error}", err=True)
            code = USAGE
    return code


def _judge_stream(path: Path, stream: TextIO) -> int:
    code = 0
    for result in judge_lines(_lines(stream)):
        if isinstance(result, Judged):
            click.echo(_json_line(result.verdict.as_json()))
        else:
            click.echo(f"{path}:{result.line}: {result.problem}", err=True)
            code = WRONG
    return code


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """The text of a file, or of standard input for -; unpacked if it is gzipped."""
    is_input = str(path) == "-"
    with ExitStack() as stack:
        file = sys.stdin.fileno() if is_input else path
        binary = stack.enter_context(open(file, "rb", closefd=not is_input))
        if binary.peek(2)[:2] == b"\x1f\x8b":
            packed = stack.enter_context(gzip.open(binary))
            yield io.TextIOWrapper(packed, encoding="utf-8", errors="replace")
        else:
            yield io.TextIOWrapper(binary, encoding="utf-8", errors="replace")


def _lines(stream: TextIO) -> Iterator[str]:
    """The lines of a text; of a line that is too long only the beginning."""
    limit = MAX_MEASUREMENT_CHARACTERS + 1
    while line := stream.readline(limit):
        yield line
        while len(line) == limit and not line.endswith("\n"):
            line = stream.readline(limit)


def _json_line(row: Mapping[str, Json]) -> str:
    """One row as JSON; in ASCII where the terminal, or any, cannot show its characters."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(row)
    return text


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
