"""Replay: a recorded file through the same engine, in event time, without look-ahead.

1. FLEET.csv: `node,isp,region,country,access,site,role`. Empty isp, region and access are unknown;
   an empty site is the node's own; a control node abroad is a canary here.
2. OBS.csv: `at,node,state[,received_at]`, state `up` or `down`, sorted by received_at where the
   column exists, else by at. Times are RFC 3339 (without a zone: UTC) or POSIX seconds.
3. Each row is given to the engine at its received_at; before it, every tick (absolute multiples of
   half a heartbeat) that came earlier is judged. The last tick is the last before the end of the
   file.
4. INCIDENTS.json: an array, oldest incident first; the bytes depend on the input alone.

A row that cannot be meant stops the replay with `file:line: problem`. Memory is that of the fleet:
rows are streamed. Not here: command-line flags (`cli`).
"""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from shyraq_collector.correlate.pace import Pace
from shyraq_collector.errors import ConfigError, InputError
from shyraq_collector.facts.fleet import Access, Instant, Placement, Role
from shyraq_collector.incidents.engine import Engine
from shyraq_collector.incidents.form import as_json

FLEET_COLUMNS = ("node", "isp", "region", "country", "access", "site", "role")
OBSERVATION_COLUMNS = ("at", "node", "state")
ROWS_PER_PROGRESS = 250_000
GAP_DAYS_MAX = 400.0
"""No record is silent for so long; a row that says so bears a wrong date."""


def replay(
    fleet_path: Path,
    observations_path: Path,
    out_path: Path,
    time_scale: float = 1.0,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Judge a recorded file and write its incidents.

    Args:
        fleet_path: FLEET.csv.
        observations_path: OBS.csv.
        out_path: INCIDENTS.json; replaced.
        time_scale: Divides every time threshold; above zero.
        progress: Called with the number of rows read so far, now and then.

    Returns:
        How many incidents were written.

    Raises:
        InputError: A row is wrong; the text names file and line.
        ConfigError: A file cannot be read or written, or the scale is not above zero.
    """
    if not (math.isfinite(time_scale) and time_scale > 0):
        raise ConfigError(f"--time-scale must be above 0, not {time_scale}")
    try:
        placements = read_fleet(fleet_path)
        engine = Engine(pace=Pace(time_scale=time_scale), placements=placements, keep_days=None)
        with observations_path.open(newline="", encoding="utf-8-sig") as file:
            _feed(engine, file, str(observations_path), progress)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read: {error}; both files must be CSV in UTF-8") from error
    incidents = [as_json(incident) for incident in engine.incidents()]
    try:
        out_path.write_text(
            json.dumps(incidents, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise ConfigError(f"cannot write: {error}") from error
    return len(incidents)


def read_fleet(path: Path) -> list[Placement]:
    """All placements of a FLEET.csv.

    Raises:
        InputError: A row is wrong.
    """
    placements: dict[str, Placement] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        columns = _header(next(rows, []), FLEET_COLUMNS[:1], str(path))
        for row in rows:
            if not row:
                continue
            where = str(path), rows.line_num
            fields = {n: row[i].strip() if i < len(row) else "" for n, i in columns.items()}
            placement = _placement(fields, where)
            if placement.node in placements:
                raise _wrong(where, f"node {placement.node!r} appears twice")
            placements[placement.node] = placement
    if not placements:
        raise InputError(path=str(path), line=1, problem="no node in the fleet")
    return list(placements.values())


def _wrong(where: tuple[str, int], problem: str) -> InputError:
    return InputError(path=where[0], line=where[1], problem=problem)


def _placement(fields: dict[str, str], where: tuple[str, int]) -> Placement:
    node = fields["node"]
    role = fields.get("role") or "sensor"
    if not node:
        raise _wrong(where, "node is empty")
    roles: dict[str, Role] = {"sensor": "sensor", "canary": "canary", "control": "control"}
    if role not in roles:
        raise _wrong(where, f"role is {role!r}; it must be sensor or canary")
    accesses: dict[str, Access | None] = {"": None, "fixed": "fixed", "mobile": "mobile"}
    access = fields.get("access", "")
    if access not in accesses:
        raise _wrong(where, f"access is {access!r}; it must be fixed, mobile or empty")
    return Placement(
        node=node,
        isp=fields.get("isp") or None,
        region=fields.get("region") or None,
        country=fields.get("country", ""),
        access=accesses[access],
        site=fields.get("site") or f"node:{node}",
        role=roles[role],
    )


def _feed(
    engine: Engine, file: Iterable[str], name: str, progress: Callable[[int], None] | None
) -> None:
    """Steps 2 and 3."""
    rows = csv.reader(file)
    columns = _header(next(rows, []), OBSERVATION_COLUMNS, name)
    try:
        for _ in _told(engine, rows, columns):
            if progress is not None and rows.line_num % ROWS_PER_PROGRESS == 0:
                progress(rows.line_num)
    except (_BadRowError, IndexError, csv.Error) as error:
        short = "too few columns: the row ends before the header does"
        problem = short if isinstance(error, IndexError) else str(error)
        raise InputError(path=name, line=rows.line_num, problem=problem) from error


def _told(
    engine: Engine, rows: Iterator[list[str]], columns: dict[str, int]
) -> Iterator[list[str]]:
    """Give each row to the engine, after the ticks that came before it; then yield the row.

    The one loop that sees every row: bound to locals on purpose.
    """
    at_i, node_i, state_i = (columns[column] for column in OBSERVATION_COLUMNS)
    known_i = columns.get("received_at", at_i)
    parse, heard, down = _Clock().parse, engine.roster.heard, engine.roster.down
    known = next_tick = -math.inf
    longest_gap_s = GAP_DAYS_MAX * engine.pace.day_s
    for row in filter(None, rows):
        at, before = parse(row[at_i]), known
        known = parse(row[known_i]) if known_i != at_i and row[known_i] else at
        if known < before:
            raise _BadRowError(_out_of_order(known_i != at_i))
        if known >= next_tick:
            if known - before > longest_gap_s and before > 0:
                raise _BadRowError(f"over {GAP_DAYS_MAX:.0f} days after the row before; check it")
            next_tick = _ticks(engine, next_tick, known)
        state = row[state_i]
        try:
            if state == "up":
                heard(row[node_i], at if at < known else known, known)  # noqa: FURB136 - a call
            elif state == "down":
                down(row[node_i], min(at, known), known)
            else:
                raise _BadRowError(f"state is {state!r}; it must be up or down")
        except KeyError:
            if engine.knows(row[node_i]):
                raise
            raise _BadRowError(f"node {row[node_i]!r} is not in the fleet file") from None
        yield row
    if math.isfinite(known):
        _ticks(engine, next_tick, math.nextafter(known, math.inf))


def _ticks(engine: Engine, next_tick: Instant, until: Instant) -> Instant:
    """Judge every tick before `until`; returns the one that is due next."""
    apart = engine.pace.tick_s
    if not math.isfinite(next_tick):
        return (math.floor(until / apart) + 1) * apart
    number = round(next_tick / apart)
    while number * apart < until:
        engine.tick(number * apart)
        number += 1
    return number * apart


def _out_of_order(by_receipt: bool) -> str:
    column = "received_at" if by_receipt else "at"
    return f"{column} is earlier than in the row before; sort the rows in the order of {column}"


class _BadRowError(ValueError):
    """What is wrong with a row; becomes an InputError with the place."""


class _Clock:
    """Reads instants; rows of one minute share the costly part."""

    def __init__(self) -> None:
        self._minutes: dict[str, float] = {}

    def parse(self, text: str) -> Instant:
        """POSIX seconds of an RFC 3339 text (no zone: UTC) or of a number."""
        minute = self._minutes.get(text[:16])
        if minute is not None and text[-1] == "Z" and text[16] == ":":
            seconds = text[17:-1]
            whole, _, part = seconds.partition(".")
            if len(whole) == 2 and whole < "60" and f"{whole}{part}".isdecimal():
                return minute + float(seconds)
        return self._parse_fully(text)

    def _parse_fully(self, text: str) -> Instant:
        try:
            when = datetime.fromisoformat(text.upper())
        except ValueError:
            return _number(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        if text[-1:] == "Z" and text[16:17] == ":" and text[10:11] in {"T", " "}:
            if len(self._minutes) > 5000:
                self._minutes.clear()
            self._minutes[text[:16]] = when.replace(second=0, microsecond=0).timestamp()
        return when.timestamp()


def _number(text: str) -> Instant:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e11:
        hint = " (milliseconds? divide by 1000)" if 1e11 <= value < 1e14 else ""
        example = "such as 2022-01-05T10:45:00Z"
        raise _BadRowError(f"time {text!r} is neither RFC 3339, {example}, nor POSIX seconds{hint}")
    return value


def _header(row: list[str], wanted: tuple[str, ...], name: str) -> dict[str, int]:
    columns = {column.strip(): index for index, column in enumerate(row)}
    missing = [column for column in wanted if column not in columns]
    if missing:
        problem = f"the header lacks {', '.join(missing)}; it is {','.join(row)[:80]!r}"
        raise InputError(path=name, line=1, problem=problem)
    if len(columns) < len(row):
        raise InputError(path=name, line=1, problem="the header names a column twice")
    return columns
