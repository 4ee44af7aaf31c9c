"""Options that several commands share."""

from pathlib import Path
from typing import Final

import click

DEFAULT_CONFIG: Final = Path("/etc/shyraq/agent.toml")

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file.",
)
state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="The state directory, instead of the one in the configuration.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
