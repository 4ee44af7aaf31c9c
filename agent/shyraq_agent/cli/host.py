"""The commands `pause` and `resume`: what a host may always do."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from shyraq_agent.app import ask_status
from shyraq_agent.cli.options import config_option, json_option, state_option
from shyraq_agent.cli.show import pause_words
from shyraq_agent.config import load_config
from shyraq_wire.report import Json

_LENGTHS_S: Final = {"1h": 3_600, "24h": 86_400, "until-resumed": None}


@click.command()
@click.argument("length", type=click.Choice(list(_LENGTHS_S)), default="1h")
@config_option
@state_option
@json_option
def pause(length: str, config_path: Path, state: Path | None, as_json: bool) -> None:
    """Measure and send nothing for LENGTH [default: 1h]; the running agent says so first.

    The pause lasts through restarts and reboots. Its beginning is a signed event, so that the
    silence is explained.
    """
    _tell({"do": "pause", "for_s": _LENGTHS_S[length]}, config_path, state, as_json=as_json)


@click.command()
@config_option
@state_option
@json_option
def resume(config_path: Path, state: Path | None, as_json: bool) -> None:
    """Let a paused agent go on."""
    _tell({"do": "resume"}, config_path, state, as_json=as_json)


def _tell(
    command: Mapping[str, Json], config_path: Path, state: Path | None, *, as_json: bool
) -> None:
    directory = state or load_config(config_path).settings.node.state_directory
    paused = ask_status(directory, command)["paused"]
    click.echo(json.dumps({"paused": paused}) if as_json else pause_words(paused))
