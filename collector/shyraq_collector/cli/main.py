"""The commands, as click sees them: arguments in, exit code out. The work is done elsewhere."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import click

from shyraq_collector.cli.door import broker_config, ca
from shyraq_collector.cli.incidents import incidents
from shyraq_collector.cli.judging import judge, replay
from shyraq_collector.cli.keeping import backup, restore, window
from shyraq_collector.cli.nodes import nodes
from shyraq_collector.cli.options import USAGE, WRONG, config_option, json_option
from shyraq_collector.cli.query import query
from shyraq_collector.cli.responder import responder
from shyraq_collector.cli.running import run_until_stopped
from shyraq_collector.cli.show import print_json
from shyraq_collector.cli.status import status
from shyraq_collector.config import load_config
from shyraq_collector.config.keys import make_key_file, read_key_file
from shyraq_collector.errors import CollectorError, ConfigError
from shyraq_wire.keys import key_id


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name.

    Returns:
        The exit code.
    """
    try:
        code = cli.main(list(arguments), prog_name="shyraq-collector", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return WRONG
    except ConfigError as error:
        click.echo(str(error), err=True)
        return USAGE
    except CollectorError as error:
        click.echo(f"shyraq-collector: {error}", err=True)
        return WRONG
    return code if isinstance(code, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("shyraq"), prog_name="shyraq-collector")
def cli() -> None:
    """Verify and keep what the nodes report, and tell of outages.

    Exit codes: 0 all is well, 1 something is wrong, 2 usage or configuration.
    """


@cli.command()
@config_option
def run(config_path: Path) -> None:
    """Verify, store, receipt, judge and tell until SIGTERM or Ctrl-C."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        asyncio.run(run_until_stopped(load_config(config_path)))
    except* CollectorError as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[CollectorError]) -> CollectorError:
    """The first error of a group, however deep: one sentence for the operator."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CollectorError)  # noqa: S101  # `except*` has sorted them
    return error


@cli.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--show", is_flag=True, help="Only print the public part of an existing key.")
@json_option
def keygen(path: Path, show: bool, as_json: bool) -> None:
    """Make the key that signs receipts in PATH, and print its public part for the agents."""
    key = read_key_file(path) if show else make_key_file(path)
    raw = key.public_key().public_bytes_raw()
    if as_json:
        print_json({"public_key": raw.hex(), "key_id": key_id(raw), "file": str(path)})
    else:
        click.echo(f"public key {raw.hex()}\nkey id     {key_id(raw)}")


@cli.command(name="check-config")
@config_option
@json_option
def check_config(config_path: Path, as_json: bool) -> None:
    """Every mistake in a configuration, all at once."""
    config = load_config(config_path)
    read_key_file(config.key_file)
    if as_json:
        print_json({"config": str(config_path), "ledger": str(config.ledger_file)})
    else:
        click.echo(f"{config_path}: no mistake found; the ledger is {config.ledger_file}")


for command in (
    *(status, nodes, incidents, query, replay, judge, ca, broker_config, responder),
    *(backup, restore, window),
):
    cli.add_command(command)
