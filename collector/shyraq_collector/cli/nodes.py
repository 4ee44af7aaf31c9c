"""`nodes`: who may report. A running collector sees every change within seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

import click

from shyraq_collector.cli.options import (
    Asking,
    age_text,
    changing,
    config_option,
    json_option,
    moment,
    moment_text,
    reading,
)
from shyraq_collector.cli.show import print_json, print_table
from shyraq_collector.clock import RealPace
from shyraq_collector.errors import ConfigError
from shyraq_collector.facts.fleet import Access, Placement, Role
from shyraq_collector.registry import Node, Registry
from shyraq_collector.store import queries
from shyraq_collector.verify import RegisteredKey
from shyraq_wire.keys import KeyId
from shyraq_wire.topics import NodeId

_PLACE_OPTIONS = (
    click.option("--isp", help="Network: its slug in the country's data file."),
    click.option("--region", help="ISO 3166-2 code, such as KZ-75."),
    click.option("--country", required=True, help="ISO 3166-1 code, such as KZ."),
    click.option("--access", type=click.Choice(get_args(Access)), help="Kind of line."),
    click.option("--site", required=True, help="Opaque id of the place; one router, one site."),
    click.option(
        "--role",
        type=click.Choice(get_args(Role)),
        default="sensor",
        show_default=True,
        help="control: abroad; canary: on the collector's own host.",
    ),
)


def _placed(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where a node stands."""
    for option in reversed(_PLACE_OPTIONS):
        command = option(command)
    return command


@click.group(cls=Asking, usual="list")
def nodes() -> None:
    """Who may report: list (also where no command stands), show, add, move, add-key, revoke."""


@nodes.command()
@click.argument("node")
@click.option("--public-key", required=True, help="64 hexadecimal digits, from the agent's keygen.")
@_placed
@click.option("--from", "from_ms", type=moment, help="Trusted from this moment on.  [default: now]")
@click.option("--note", default="", help="For yourself; never published.")
@config_option
@json_option
def add(
    node: str,
    *,
    public_key: str,
    from_ms: int | None,
    note: str,
    config_path: Path,
    as_json: bool,
    **place: str | None,
) -> None:
    """Register NODE with its public key and its place."""
    with changing(config_path) as registry:
        key = registry.add(
            placement=_placement(node, place),
            public_key=_raw(public_key),
            valid_from_ms=_now_ms() if from_ms is None else from_ms,
            note=note,
        )
    _done(as_json, {"node": node, "key": key}, f"node {node} is registered; key {key[:16]}…")


@nodes.command(name="add-key")
@click.argument("node")
@click.option("--public-key", required=True, help="64 hexadecimal digits.")
@click.option("--from", "from_ms", type=moment, help="Trusted from this moment on.  [default: now]")
@config_option
@json_option
def add_key(
    node: str, public_key: str, from_ms: int | None, config_path: Path, as_json: bool
) -> None:
    """Register another key of NODE; the older ones stay trusted until they are revoked."""
    with changing(config_path) as registry:
        key = registry.add_key(
            node,
            public_key=_raw(public_key),
            valid_from_ms=_now_ms() if from_ms is None else from_ms,
        )
    _done(as_json, {"node": node, "key": key}, f"node {node} has another key: {key[:16]}…")


@nodes.command()
@click.argument("node")
@_placed
@click.option("--from", "from_ms", type=moment, help="From this moment on.  [default: now]")
@config_option
@json_option
def move(
    node: str, from_ms: int | None, config_path: Path, as_json: bool, **place: str | None
) -> None:
    """Give NODE a new place from a moment on; what it measured before stays where it was."""
    at_ms = _now_ms() if from_ms is None else from_ms
    with changing(config_path) as registry:
        registry.place(_placement(node, place), valid_from_ms=at_ms)
    _done(as_json, {"node": node, "from": moment_text(at_ms)}, f"node {node} has moved")


@nodes.command()
@click.argument("node")
@click.option("--why", required=True, help="For your records.")
@click.option("--key", "key_id", help="Only this key; else every key of the node.")
@click.option("--at", "at_ms", type=moment, help="Not trusted from this moment on. [default: now]")
@config_option
@json_option
def revoke(
    node: str,
    *,
    why: str,
    key_id: str | None,
    at_ms: int | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """Trust NODE no longer: reports that arrive from now on are refused, and it is told so."""
    at_ms = _now_ms() if at_ms is None else at_ms
    with changing(config_path) as registry:
        count = registry.revoke(
            node, at_ms=at_ms, why=why, key=None if key_id is None else KeyId(key_id)
        )
    _done(
        as_json,
        {"node": node, "revoked_keys": count, "at": moment_text(at_ms)},
        f"node {node}: {count} key(s) not trusted from {moment_text(at_ms)} on",
    )


@nodes.command(name="list")
@click.option("--role", type=click.Choice(get_args(Role)), help="Only this role.")
@config_option
@json_option
def list_nodes(role: str | None, config_path: Path, as_json: bool) -> None:
    """Every registered node, its place, and when it was heard last."""
    with reading(config_path) as (_, connection):
        heard = queries.last_arrivals(connection)
        found = [
            node
            for node in Registry(connection).nodes()
            if role is None or node.current.placement.role == role
        ]
    if as_json:
        print_json([_as_json(node, heard.get(node.id)) for node in found])
        return
    now_ms = _now_ms()
    print_table(
        f"{len(found)} node(s)",
        ("node", "role", "isp", "region", "access", "site", "trusted keys", "heard"),
        [
            (
                node.id,
                place.role,
                place.isp,
                place.region,
                place.access,
                place.site,
                sum(key.is_trusted(now_ms) for key in node.keys),
                _heard_text(heard.get(node.id), now_ms),
            )
            for node in found
            for place in (node.current.placement,)
        ],
        empty="No node is registered; `nodes add` registers one.",
    )


@nodes.command()
@click.argument("node")
@config_option
@json_option
def show(node: str, config_path: Path, as_json: bool) -> None:
    """Everything known of NODE: keys, places, counts."""
    with reading(config_path) as (_, connection):
        found = Registry(connection).node(node)
        counts = queries.counters(connection, node)
        heard_ms = queries.last_arrivals(connection).get(found.id)
    if as_json:
        print_json({**_as_json(found, heard_ms), "counts": dict(counts)})
        return
    now_ms = _now_ms()
    heard = _heard_text(heard_ms, now_ms)
    click.echo(f"node {found.id}, registered {moment_text(found.registered_ms)}, heard {heard}")
    if found.note:
        click.echo(f"note: {found.note}")
    print_table(
        "keys",
        ("key id", "trusted from", "revoked", "now"),
        [
            (
                key.id,
                moment_text(key.valid_from_ms),
                moment_text(key.revoked_ms),
                "trusted" if key.is_trusted(now_ms) else "not trusted",
            )
            for key in found.keys
        ],
        empty="no key",
    )
    print_table(
        "places",
        ("from", "to", "isp", "region", "country", "access", "site", "role"),
        [
            (
                moment_text(each.valid_from_ms),
                moment_text(each.valid_to_ms),
                each.placement.isp,
                each.placement.region,
                each.placement.country,
                each.placement.access,
                each.placement.site,
                each.placement.role,
            )
            for each in found.assignments
        ],
        empty="no place",
    )
    print_table("counts", ("what", "count"), list(counts.items()), empty="nothing arrived yet")


def _as_json(node: Node, heard_ms: int | None) -> dict[str, object]:
    place = node.current.placement
    return {
        "node": node.id,
        "role": place.role,
        "isp": place.isp,
        "region": place.region,
        "country": place.country,
        "access": place.access,
        "site": place.site,
        "registered": moment_text(node.registered_ms),
        "note": node.note,
        "heard": moment_text(heard_ms),
        "keys": [_key_json(key) for key in node.keys],
        "placed_from": moment_text(node.current.valid_from_ms),
    }


def _key_json(key: RegisteredKey) -> dict[str, object]:
    return {
        "id": key.id,
        "public_key": key.public_key.hex(),
        "valid_from": moment_text(key.valid_from_ms),
        "revoked": moment_text(key.revoked_ms),
    }


def _placement(node: str, place: dict[str, str | None]) -> Placement:
    return Placement(
        node=NodeId(node),
        isp=place["isp"],
        region=place["region"],
        country=place["country"] or "",
        access=cast("Access | None", place["access"]),
        site=place["site"] or "",
        role=cast("Role", place["role"]),
    )


def _raw(public_key: str) -> bytes:
    try:
        return bytes.fromhex(public_key)
    except ValueError as error:
        raise ConfigError("--public-key: 64 hexadecimal digits are due") from error


def _heard_text(heard_ms: int | None, now_ms: int) -> str:
    return "never" if heard_ms is None else f"{age_text(now_ms - heard_ms)} ago"


def _done(as_json: bool, answer: dict[str, object], sentence: str) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(sentence)


def _now_ms() -> int:
    return RealPace().now_ms()
