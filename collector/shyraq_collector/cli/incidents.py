"""`incidents`: what was told, when, and why."""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import click

from shyraq_collector.app.engine import make_engine
from shyraq_collector.cli.options import (
    WRONG,
    Asking,
    config_option,
    json_option,
    moment_text,
    reading,
)
from shyraq_collector.cli.show import print_json, print_table
from shyraq_collector.clock import RealPace
from shyraq_collector.config import CollectorConfig, load_config
from shyraq_collector.facts.incidents import Entry, Incident, Scope
from shyraq_collector.facts.signals import OutsideWord
from shyraq_collector.incidents.explain import Explanation, Saying, as_svg
from shyraq_collector.incidents.form import as_json as incident_json
from shyraq_collector.registry import Registry
from shyraq_collector.store import queries
from shyraq_collector.store.findings import memory
from shyraq_collector.store.outside import write_outside
from shyraq_collector.store.schema import open_ledger, open_reader

_FILE = click.Path(path_type=Path, dir_okay=False, writable=True)
_FORGOTTEN = "the engine's memory no longer holds this incident"


@click.group(cls=Asking, usual="list")
def incidents() -> None:
    """What was told: list (also where no command stands), show; what others say: outside."""


@incidents.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Dismissed suspicions too.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most.")
@config_option
@json_option
def list_incidents(everything: bool, limit: int, config_path: Path, as_json: bool) -> None:
    """Incidents, newest first."""
    with reading(config_path) as (_, connection):
        found = [
            incident
            for incident in queries.incidents(connection, limit=limit)
            if everything or incident.state != "dismissed"
        ]
    if as_json:
        print_json([incident_json(incident) for incident in found])
        return
    print_table(
        f"{len(found)} incident(s)",
        ("id", "kind", "state", "cause", "scope", "began", "confirmed", "restored", "down"),
        [_row(incident) for incident in found],
        empty="No incident was told.",
    )


@incidents.command()
@click.argument("incident_id")
@click.option("--why", is_flag=True, help="Test, score, counts and lines behind every entry.")
@click.option("--plot", type=_FILE, help="Write score and depth over time to this file, as SVG.")
@config_option
@json_option
def show(
    incident_id: str, *, why: bool, plot: Path | None, config_path: Path, as_json: bool
) -> int:
    """One incident with its whole timeline."""
    with reading(config_path) as (config, connection):
        incident = queries.incident(connection, incident_id)
        explained = _explain(config, connection, incident_id) if why or plot else None
    if incident is None:
        click.echo(f"{incident_id}: there is no such incident; see `incidents list`", err=True)
        return WRONG
    if plot is not None:
        if explained is None:
            click.echo(f"{incident_id}: too old to be plotted: {_FORGOTTEN}", err=True)
            return WRONG
        plot.write_text(as_svg(explained), encoding="utf-8")
    if as_json:
        answer = incident_json(incident)
        print_json({**answer, "why": _why_json(incident, explained)} if why else answer)
        return 0
    click.echo(f"{incident.kind} {incident.id}: {incident.state}, {_scope_text(incident.scope)}")
    click.echo(
        f"cause as far as proven: {incident.cause}; grade {incident.grade}; "
        f"confidence {incident.confidence:.2f}; "
        f"{incident.lines_down_peak} of {incident.lines_observed} lines down at the worst"
    )
    print_table(
        "timeline",
        ("published", "happened", "state", "scope", "note"),
        [
            (_at(e.published_at), _at(e.at), e.state, _scope_text(e.scope), e.note)
            for e in incident.history
        ],
        empty="no entry",
    )
    if why:
        _print_why(incident.history)
        _print_lines(explained)
    return 0


@incidents.command()
@click.argument("incident_id")
@click.argument("word", type=click.Choice(get_args(OutsideWord)))
@click.option("--source", required=True, help="Who says so, and where it can be looked up.")
@config_option
@json_option
def outside(
    incident_id: str, word: OutsideWord, source: str, config_path: Path, as_json: bool
) -> int:
    """Write down what a second rendezvous or an outside source says of a cut.

    WORD is what they see: national (inside the country nothing answers either), border (the
    country answers within itself), isp, power, or none (they see no outage). A running collector
    takes it up at its next tick, as a new entry of the timeline.
    """
    config = load_config(config_path)
    with contextlib.closing(open_reader(config.ledger_file)) as connection:
        incident = queries.incident(connection, incident_id)
    if incident is None or incident.kind != "outage":
        click.echo(f"{incident_id}: there is no such cut; see `incidents list`", err=True)
        return WRONG
    with contextlib.closing(open_ledger(config.ledger_file)) as connection:
        write_outside(
            connection,
            incident=incident_id,
            word=word,
            source=source,
            said_ms=RealPace().now_ms(),
        )
    if as_json:
        print_json({"incident": incident_id, "word": word, "source": source})
    else:
        click.echo(f"incident {incident_id}: {word}, says {source}")
    return 0


def _explain(
    config: CollectorConfig, connection: sqlite3.Connection, incident_id: str
) -> Explanation | None:
    """What the engine's last snapshot remembers of an incident; None: nothing any more."""
    kept = memory(connection)
    if kept is None:
        return None
    engine = make_engine(config, Registry(connection).placements(kept.ticked_ms))
    try:
        engine.restore(kept.snapshot)
        return engine.why(incident_id)
    except (KeyError, ValueError):
        return None


def _print_lines(explained: Explanation | None) -> None:
    if explained is None:
        click.echo(f"which lines: {_FORGOTTEN}")
        return
    if any(each.says for each in explained.witnesses):
        _print_sayings(explained)
        return
    print_table(
        "lines, first fallen first",
        ("isp", "region", "access", "site", "last word", "missing from", "now"),
        [
            (
                *(each.key.isp, each.key.region, each.key.access, each.key.site),
                _at(max(0.0, each.last_heard)),
                _at(each.fell_at),
                "down" if each.is_down else "up",
            )
            for each in explained.witnesses
        ],
        empty="no line",
    )


def _print_sayings(explained: Explanation) -> None:
    print_table(
        "lines, first to say so first",
        ("isp", "region", "access", "site", "of", "says", "times", "from", "to", "now"),
        [
            (
                *(each.key.isp, each.key.region, each.key.access, each.key.site),
                *(said.target, said.word, said.times, _at(said.since), _at(said.until)),
                "silent" if each.is_down else "heard",
            )
            for each in explained.witnesses
            if (said := each.says) is not None
        ],
        empty="no line",
    )


def _print_why(history: Iterable[Entry]) -> None:
    print_table(
        "why (suspected from 10 nats on, confirmed from 13)",
        ("published", "state", "test", "score, nats", "down", "of lines", "sites", "began between"),
        [
            (
                _at(entry.published_at),
                entry.state,
                entry.evidence.test,
                f"{entry.evidence.score:.1f}",
                entry.evidence.down,
                entry.evidence.lines,
                entry.evidence.sites,
                f"{_at(entry.onset.earliest)} and {_at(entry.onset.latest)}",
            )
            for entry in history
        ],
        empty="no entry",
    )


def _why_json(incident: Incident, explained: Explanation | None) -> dict[str, object]:
    answer: dict[str, object] = {"entries": [_figures(entry) for entry in incident.history]}
    if explained is None:
        return answer
    return answer | {
        "lines": [
            {
                "isp": each.key.isp,
                "region": each.key.region,
                "access": each.key.access,
                "site": each.key.site,
                "last_heard": _at(max(0.0, each.last_heard)),
                "fell_at": _at(each.fell_at),
                "is_down": each.is_down,
                "says": _saying(each.says),
            }
            for each in explained.witnesses
        ],
        "trace": [
            {"at": _at(at), "score": score, "down": down, "lines": lines}
            for at, score, down, lines in explained.trace
        ],
    }


def _saying(said: Saying | None) -> dict[str, object] | None:
    """What a line says; None for a line that is told by its silence."""
    if said is None:
        return None
    return {
        "target": said.target,
        "word": said.word,
        "times": said.times,
        "since": _at(said.since),
        "until": _at(said.until),
    }


def _figures(entry: Entry) -> dict[str, object]:
    return {
        "published_at": _at(entry.published_at),
        "state": entry.state,
        "test": entry.evidence.test,
        "score": entry.evidence.score,
        "lines": entry.evidence.lines,
        "down": entry.evidence.down,
        "sites": entry.evidence.sites,
        "confidence": entry.confidence,
        "note": entry.note,
    }


def _row(incident: Incident) -> tuple[object, ...]:
    return (
        incident.id,
        incident.kind,
        incident.state,
        incident.cause,
        _scope_text(incident.scope),
        _at(incident.onset.latest),
        _at(incident.confirmed_at),
        _at(incident.restored_at),
        f"{incident.lines_down_peak}/{incident.lines_observed}",
    )


def _scope_text(scope: Scope) -> str:
    words = [scope.country or "everywhere", *scope.isps, *scope.regions, *scope.access]
    words += [f"not {isp}" for isp in scope.exempt_isps]
    return " ".join([*words, *scope.targets])


def _at(instant_s: float | None) -> str | None:
    return moment_text(None if instant_s is None else round(instant_s * 1000))
