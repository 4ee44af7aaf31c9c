"""The inventory plugin under the real ansible-core: the registry becomes hosts and groups."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from field.releases import REPOSITORY
from shyraq_collector.clock import RealPace
from shyraq_wire.moments import format_moment

PROGRAM = REPOSITORY / ".venv-ansible/bin/ansible-inventory"


def node(name: str, *, heard: timedelta | None, **changes: object) -> dict[str, object]:
    """One node as `nodes list --json` prints it, heard so long ago."""
    at_ms = None if heard is None else RealPace().now_ms() - heard // timedelta(milliseconds=1)
    place = {"role": "sensor", "isp": "isp-a", "region": "KZ-75", "country": "KZ"}
    key = {"id": "k", "revoked": None}
    return {
        "node": name,
        **place,
        "access": "fixed",
        "site": "site-1",
        "keys": [key],
        "heard": None if at_ms is None else format_moment(at_ms),
        **changes,
    }


REVOKED = [{"id": "k", "revoked": "2022-01-05T00:00:00.000Z"}]


def fleet() -> list[dict[str, object]]:
    """What the registry answers when it is asked now; the plugin has a clock of its own."""
    return [
        node("node-lab-1", heard=timedelta(seconds=30)),
        node("node-lab-2", heard=timedelta(hours=1), isp="isp-b", region="KZ-71"),
        node("node-roof-1", heard=None, role="control", isp=None, region=None, access=None),
        node("node-gone-1", heard=timedelta(seconds=1), keys=REVOKED),
    ]


Show = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def show(tmp_path: Path) -> Show:
    """Writes the registry's answer and the inventory's settings; asks ansible-inventory."""
    if not PROGRAM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("make .venv-ansible/.ready makes the environment of Ansible")
        pytest.skip("no environment of Ansible: make .venv-ansible/.ready")

    def ask(answer: object, **settings: object) -> subprocess.CompletedProcess[str]:
        """Run it; `answer` None: the registry cannot be asked."""
        registry, inventory = tmp_path / "nodes.json", tmp_path / "fleet.registry.yml"
        registry.unlink(missing_ok=True)
        if answer is not None:
            registry.write_text(json.dumps(answer))
        inventory.write_text(json.dumps({"plugin": "registry", "file": "nodes.json", **settings}))
        return subprocess.run(
            [str(PROGRAM), f"-i{inventory}", "--list"],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(REPOSITORY / "ansible/ansible.cfg"),
                "ANSIBLE_HOME": str(tmp_path / "home"),
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )

    return ask


def _groups(shown: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert shown.returncode == 0, shown.stderr
    return {name: value.get("hosts") for name, value in json.loads(shown.stdout).items()}


def test_nodes_are_grouped_by_network_region_channel_and_state(show: Show) -> None:
    """Heard lately, long ago, never; the revoked one is no host at all."""
    shown = show(
        fleet(),
        channels={"early": ["node-lab-*"]},
        paused=["node-lab-1"],
        addresses={"node-lab-1": "192.0.2.1"},
        keyed_groups=[{"key": "agent_access", "prefix": "line"}],
    )
    groups = _groups(shown)
    assert groups["nodes"] == ["node-lab-1", "node-lab-2", "node-roof-1"]
    assert (groups["isp_isp_a"], groups["isp_isp_b"]) == (["node-lab-1"], ["node-lab-2"])
    assert (groups["region_KZ_75"], groups["region_KZ_71"]) == (["node-lab-1"], ["node-lab-2"])
    assert (groups["state_answering"], groups["state_paused"]) == (["node-lab-1"], ["node-lab-1"])
    assert groups["state_dark"] == ["node-lab-2", "node-roof-1"]
    assert groups["channel_early"] == ["node-lab-1", "node-lab-2"]
    assert (groups["channel_stable"], groups["role_control"]) == (["node-roof-1"], ["node-roof-1"])
    assert groups["line_fixed"] == ["node-lab-1", "node-lab-2"]
    hosts = json.loads(shown.stdout)["_meta"]["hostvars"]
    assert hosts["node-lab-1"]["ansible_host"] == "192.0.2.1"
    # What nodes and registry say is never taken for a template.
    assert hosts["node-lab-2"]["agent_region"] == {"__ansible_unsafe": "KZ-71"}
    assert "agent_isp" not in hosts["node-roof-1"]


def test_the_last_answer_serves_while_the_registry_is_away(show: Show, tmp_path: Path) -> None:
    """With a warning that says of when it is; without a cache, or before any answer, a refusal."""
    kept = {
        "cache": True,
        "cache_plugin": "jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "cache_timeout": 0,
    }
    assert "cannot be asked" in show(None, **kept).stderr
    before = _groups(show(fleet(), **kept))
    away = show(None, **kept)
    assert _groups(away) == before
    assert "going on with the registry of" in away.stderr
    assert show(None).returncode != 0


@pytest.mark.parametrize(
    ("answer", "settings", "due"),
    [
        ({"no": "list"}, {}, "not a list of nodes"),
        ([{"node": "node-lab-1"}], {}, "lacks fields"),
        ([], {"command": ["true"]}, "one of `command` and `file` is due"),
        ([], {"file": None, "command": ["sh", "-c", "echo no way >&2; exit 3"]}, "no way"),
    ],
)
def test_what_is_no_registry_is_refused(
    show: Show, answer: object, settings: dict[str, object], due: str
) -> None:
    """The complaint says what was wrong."""
    refused = show(answer, **settings)
    assert refused.returncode != 0
    assert due in refused.stderr


def test_a_command_is_asked_as_well_as_a_file(show: Show, tmp_path: Path) -> None:
    """Over ssh in the field; here the answer is printed by cat."""
    (tmp_path / "printed").write_text(json.dumps(fleet()))
    groups = _groups(show(None, file=None, command=["cat", str(tmp_path / "printed")]))
    assert groups["state_answering"] == ["node-lab-1"]
