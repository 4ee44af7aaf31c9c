"""Every command and playbook that the guides name exists, with the variables they give it."""

import re
from pathlib import Path

import click
import pytest

from field.releases import REPOSITORY
from shyraq_collector.cli.main import cli

GUIDES = sorted((REPOSITORY / "docs/guides").glob("*.md"))
PLAYBOOKS = REPOSITORY / "ansible/playbooks"
RUNBOOKS = REPOSITORY / "docs/guides/runbooks.md"
COMMAND = re.compile(r"(?m)(?:^ *|`)shyraq-collector ((?:[a-z][a-z-]* ?)+)")


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.name))
def test_commands_of_the_collector_exist(guide: Path) -> None:
    """Each word leads to a command or, below one, is an argument."""
    for line in COMMAND.findall(guide.read_text()):
        here: click.Command = cli
        for word in line.split():
            if not isinstance(here, click.Group):
                break
            assert word in here.commands, f"{guide}: no command {line!r}"
            here = here.commands[word]


def test_playbooks_of_the_runbooks_exist() -> None:
    """By path where they are run, by name where they are spoken of."""
    text = RUNBOOKS.read_text()
    named = set(re.findall(r"\b([a-z]+)\.yml\b", text)) - {"hosts"}
    assert named == {path.stem for path in PLAYBOOKS.glob("*.yml")}


def test_variables_of_the_runbooks_are_taken() -> None:
    """What a runbook gives a playbook with -e, the playbook reads."""
    for line in RUNBOOKS.read_text().replace("\\\n", " ").splitlines():
        for name, rest in re.findall(r"playbooks/([a-z]+)\.yml([^`]*)", line):
            taken = (PLAYBOOKS / f"{name}.yml").read_text()
            for variable in re.findall(r"-e (\w+)=", rest):
                assert variable in taken, f"{name}.yml does not take {variable}"
