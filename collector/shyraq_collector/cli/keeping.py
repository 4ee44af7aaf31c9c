"""`backup`, `restore` and `window`: what operators do to keep a collector whole."""

import contextlib
import secrets
from pathlib import Path
from typing import Final

import click

from shyraq_collector.cli.options import (
    config_option,
    json_option,
    moment_text,
    moment_to_come,
    reading,
)
from shyraq_collector.cli.show import print_json
from shyraq_collector.clock import RealPace
from shyraq_collector.config import load_config
from shyraq_collector.errors import ConfigError
from shyraq_collector.store import copies
from shyraq_collector.store.schema import open_ledger
from shyraq_collector.store.window import EventWindow, clear_window, read_window, set_window

_file = click.Path(path_type=Path, dir_okay=False)
_LONGEST_REASON: Final = 200


@click.command()
@click.argument("path", type=_file)
@config_option
@json_option
def backup(path: Path, config_path: Path, as_json: bool) -> None:
    """Copy the ledger as it stands now to PATH, a new file; the collector may run meanwhile."""
    ledger = load_config(config_path).ledger_file
    copies.back_up(ledger, path)
    if as_json:
        print_json({"ledger": str(ledger), "backup": str(path), "bytes": path.stat().st_size})
    else:
        click.echo(f"{path}: a copy of {ledger}, {path.stat().st_size} bytes")


@click.command()
@click.argument("path", type=_file)
@config_option
@json_option
def restore(path: Path, config_path: Path, as_json: bool) -> None:
    """Make the ledger from the backup in PATH, where no ledger is, while no collector runs.

    It gets a new id, so that nodes send again what the backup lacks and they still hold.
    """
    config = load_config(config_path)
    config.ledger_file.parent.mkdir(parents=True, exist_ok=True)
    new = secrets.token_hex(16)
    copies.restore(path, config.ledger_file, ledger_id=new)
    if as_json:
        print_json({"ledger": new, "file": str(config.ledger_file)})
    else:
        click.echo(f"{config.ledger_file}: restored from {path} as ledger {new}")


@click.group()
def window() -> None:
    """The event window, in which nobody changes the fleet: set, clear, show."""


@window.command(name="set")
@click.option("--until", "until_ms", type=moment_to_come, required=True, help="Moment, or span.")
@click.option("--why", required=True, help="For the other operators.")
@config_option
@json_option
def set_(until_ms: int, why: str, config_path: Path, as_json: bool) -> None:
    """Let nobody change the fleet until a moment; a window that stood is replaced."""
    now_ms = RealPace().now_ms()
    if until_ms <= now_ms:
        raise ConfigError("--until: a moment to come is due, such as 2022-01-11T00:00:00Z or 3d")
    if not why.strip() or len(why) > _LONGEST_REASON:
        raise ConfigError(f"--why: 1 to {_LONGEST_REASON} characters are due")
    made = EventWindow(since_ms=now_ms, until_ms=until_ms, why=why)
    with contextlib.closing(open_ledger(load_config(config_path).ledger_file)) as connection:
        set_window(connection, made)
    _tell(made, as_json=as_json)


@window.command()
@config_option
@json_option
def clear(config_path: Path, as_json: bool) -> None:
    """End the window."""
    with contextlib.closing(open_ledger(load_config(config_path).ledger_file)) as connection:
        stood = clear_window(connection)
    if as_json:
        print_json({"cleared": stood})
    else:
        click.echo("the window is cleared" if stood else "no window stood")


@window.command()
@config_option
@json_option
def show(config_path: Path, as_json: bool) -> None:
    """The window that stands now."""
    with reading(config_path) as (_, connection):
        found = read_window(connection, RealPace().now_ms())
    _tell(found, as_json=as_json)


def _tell(found: EventWindow | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"window": window_json(found)})
    elif found is None:
        click.echo("no window stands: the fleet may be changed")
    else:
        click.echo(f"until {moment_text(found.until_ms)}: {found.why}")


def window_json(found: EventWindow | None) -> dict[str, object] | None:
    """A window for programs; None stays None."""
    if found is None:
        return None
    return {
        "since": moment_text(found.since_ms),
        "until": moment_text(found.until_ms),
        "why": found.why,
    }
