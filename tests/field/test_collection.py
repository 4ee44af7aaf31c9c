"""The collection as data: specifications agree with defaults, examples are whole fleets."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ANSIBLE = Path(__file__).parents[2] / "ansible"
ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir())


def read(path: Path) -> Any:  # noqa: ANN401 - YAML of any form
    """One YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_has_a_specification_with_its_default(role: str) -> None:
    """What defaults/main.yml sets stands in argument_specs.yml with the same value."""
    folder = ANSIBLE / "roles" / role
    options = read(folder / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = read(folder / "defaults/main.yml")
    given = {name: option["default"] for name, option in options.items() if "default" in option}
    assert given == defaults
    for name, option in options.items():
        assert name.startswith(f"{role}_") or name == "shyraq_wheelhouse"
        assert option["description"]
        assert option["type"]
        assert not (option.get("required") and "default" in option)


@pytest.mark.parametrize(
    ("example", "sensors", "controls", "cells"), [("small", 4, 1, 4), ("example48", 48, 2, 16)]
)
def test_an_example_is_one_server_and_a_whole_fleet(
    example: str, sensors: int, controls: int, cells: int
) -> None:
    """Every node has a place and a site of its own; addresses are of documentation."""
    groups = read(ANSIBLE / "inventories" / example / "hosts.yml")["all"]["children"]
    assert len(groups["collector"]["hosts"]) == 1
    nodes = groups["nodes"]["hosts"].values()
    measuring = [node for node in nodes if node.get("agent_kind") != "control"]
    assert (len(measuring), len(nodes) - len(measuring)) == (sensors, controls)
    assert len({(node["agent_isp"], node["agent_region"]) for node in measuring}) == cells
    assert len({node["agent_site"] for node in nodes}) == len(nodes)
    for node in nodes:
        assert node["ansible_host"].startswith(("192.0.2.", "198.51.100.", "203.0.113."))


def test_units_and_drop_ins_are_those_of_deploy() -> None:
    """The roles install the very files that an operator without Ansible would take."""
    deploy = ANSIBLE.parent / "deploy"
    for role, file in (
        ("agent", "systemd/shyraq-agent.service"),
        ("collector", "systemd/shyraq-collector.service"),
        ("responder", "systemd/shyraq-responder.service"),
        ("broker", "mosquitto/shyraq.conf"),
    ):
        installed = ANSIBLE / "roles" / role / "files" / Path(file).name
        assert installed.read_bytes() == (deploy / file).read_bytes()
