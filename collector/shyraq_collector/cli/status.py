"""`status`: how the collector and the fleet stand, in one look.

What is wrong is said in sentences, and the exit code is 1: the view is old, the broker is away, our
own side is at fault, or a table of the fleet cannot be observed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from shyraq_collector.cli.keeping import window_json
from shyraq_collector.cli.options import (
    WRONG,
    age_text,
    config_option,
    json_option,
    moment_text,
    reading,
)
from shyraq_collector.cli.show import print_json, print_table
from shyraq_collector.clock import RealPace
from shyraq_collector.facts.incidents import GroupStatus, Incident
from shyraq_collector.facts.reports import FLAGS, REASONS
from shyraq_collector.incidents.codec import encode
from shyraq_collector.store import queries
from shyraq_collector.store.findings import View
from shyraq_collector.store.schema import ledger_id
from shyraq_collector.store.window import read_window

_OLD_HEARTBEATS: Final = 3
_OTHER_COUNTS: Final = {
    "stored": "Reports in the ledger.",
    "live": "Of them, the newest of their node when they were read.",
    "backfill": "Of them, older ones that came later.",
    "duplicate": "Reports that came again; normal after a lost receipt.",
    "replayed": "Reports that came again an hour or more after they were stored.",
}


@click.command()
@config_option
@json_option
def status(config_path: Path, as_json: bool) -> int:
    """How the collector and the fleet stand."""
    with reading(config_path) as (config, connection):
        view = queries.view(connection)
        counts = queries.counters(connection)
        open_now = queries.standing(connection)
        ledger = ledger_id(connection)
        now_ms = RealPace().now_ms()
        window = read_window(connection, now_ms)
    wrong = _what_is_wrong(view, now_ms, config.heartbeat_s * 1000)
    if as_json:
        print_json(
            {
                "ledger": ledger,
                "view": None if view is None else encode(view),
                "view_at": None if view is None else moment_text(view.at_ms),
                "view_age_ms": None if view is None else now_ms - view.at_ms,
                "wrong": wrong,
                "counts": dict(counts),
                "incidents": [incident.id for incident in open_now],
                "window": window_json(window),
            }
        )
    else:
        _print(ledger, view, counts, open_now, now_ms)
        if window is not None:
            click.echo(f"event window until {moment_text(window.until_ms)}: {window.why}")
        for sentence in wrong:
            click.echo(f"! {sentence}", err=True)
    return WRONG if wrong else 0


def _what_is_wrong(view: View | None, now_ms: int, heartbeat_ms: int) -> list[str]:
    if view is None:
        return ["no view yet: the collector has not run for a heartbeat; `run` starts it"]
    wrong = []
    age_ms = now_ms - view.at_ms
    if age_ms > _OLD_HEARTBEATS * heartbeat_ms:
        wrong.append(f"the view is {age_text(age_ms)} old: the collector does not run, or hangs")
    if not view.broker_connected:
        wrong.append("the broker is not connected: nothing can arrive")
    if view.hold == "own-fault":
        wrong.append("our own side is at fault: canaries and nodes are silent together")
    if view.turned_away:
        wrong.append(f"{view.turned_away} message(s) were turned away: the inbox was full")
    return wrong


def _print(
    ledger: str,
    view: View | None,
    counts: Mapping[str, int],
    open_now: list[Incident],
    now_ms: int,
) -> None:
    click.echo(f"ledger {ledger}")
    if view is not None:
        hold = {None: "judging", "starting": "starting", "hold": "holding", "own-fault": "blind"}
        canary = "no canary yet"
        if view.canary_round_trip_ms is not None:
            canary = f"canary {view.canary_round_trip_ms:.0f} ms"
        click.echo(
            f"view of {moment_text(view.at_ms)} ({age_text(now_ms - view.at_ms)} ago): "
            f"{hold[view.hold]}, {canary}, {view.nodes} node(s) registered, "
            f"running since {moment_text(view.started_ms)}"
        )
        print_table(
            "fleet",
            ("country", "isp", "region", "access", "lines", "down", "observable", "incident"),
            [_group_row(group) for group in view.groups if group.lines],
            empty="No line has been heard yet.",
        )
    print_table(
        "incidents that are not closed",
        ("id", "kind", "state"),
        [(each.id, each.kind, each.state) for each in open_now],
        empty="No incident is open.",
    )
    print_table(
        "counts",
        ("what", "count", "meaning"),
        [(name, value, _meaning(name)) for name, value in counts.items()],
        empty="Nothing has arrived yet.",
    )


def _group_row(group: GroupStatus) -> tuple[object, ...]:
    return (
        group.country,
        group.isp or "all",
        group.region or "all",
        group.access or "all",
        group.lines,
        group.down,
        "yes" if group.observable else "no",
        group.incident,
    )


def _meaning(name: str) -> str:
    kind, _, word = name.partition(":")
    table: Mapping[str, str] = {"refused": REASONS, "flag": FLAGS}.get(kind, _OTHER_COUNTS)  # type: ignore[assignment]
    return table.get(word or kind, "")
