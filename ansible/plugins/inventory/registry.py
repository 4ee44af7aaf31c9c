"""Inventory of a fleet, read from the collector's own registry.

The registry is asked each time; what was answered last serves while it cannot be asked.
"""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

DOCUMENTATION = """
name: registry
short_description: The fleet as the collector's registry knows it
author: The Shyraq developers
description:
  - Asks the collector C(nodes list --json) and makes a host of each node that is still trusted.
  - Every node is in the group C(nodes), in C(isp_...), C(region_...), C(role_...), C(channel_...)
    and in C(state_answering) or C(state_dark); paused nodes are in C(state_paused) too.
  - A registry holds no addresses. Hosts are reached by their id, through the ssh configuration,
    unless O(addresses) says otherwise.
  - With O(cache) the last answer serves while the collector cannot be asked, with a warning.
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: Marks the file as one of this plugin.
    required: true
    choices: [registry, shyraq.fleet.registry]
  command:
    description:
      - Prints what C(shyraq-collector nodes list --json) prints; run on the control machine.
      - One of O(command) and O(file) is due.
    type: list
    elements: str
  file:
    description: A file that holds what the command would print; relative to the inventory file.
    type: str
  addresses:
    description: Addresses by node id, where the id alone does not lead to the host.
    type: dict
    default: {}
  channels:
    description: Patterns of node ids by channel; the first that fits counts, the rest is C(stable).
    type: dict
    default: {}
  paused:
    description: Ids of nodes that are paused, as their hosts or operators said.
    type: list
    elements: str
    default: []
  dark_after_s:
    description: A node that was not heard for so long is dark.
    type: int
    default: 300
  timeout_s:
    description: How long the command may take.
    type: int
    default: 30
"""

EXAMPLES = """
# fleet.registry.yml
plugin: registry
command: [ssh, server, sudo, /opt/shyraq/current/bin/shyraq-collector, nodes, list, --json]
channels:
  early: [node-almaty-1, "node-lab-*"]
cache: true
cache_plugin: jsonfile
cache_connection: ~/.cache/shyraq
cache_timeout: 0
"""

_PLACE = ("isp", "region", "country", "access", "site")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Makes hosts and groups of the registry's answer."""

    NAME = "registry"

    def verify_file(self, path: str) -> bool:
        """Whether the file is one of ours, by its name."""
        return super().verify_file(path) and path.endswith(("registry.yml", "registry.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: ANN401  # Ansible's own signature
        """Fill the inventory.

        Raises:
            AnsibleParserError: The registry cannot be read and no answer is kept.
        """
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        now = _now()
        self.inventory.add_group("nodes")
        for node in self._nodes(path):
            if any(_is_trusted(key, now) for key in node["keys"]):
                self._add(node, now)

    def _nodes(self, path: str) -> list[dict[str, Any]]:
        """The registry's answer: fresh, else the one that was kept."""
        key = self.get_cache_key(path)
        try:
            nodes = _read(self._ask(path))
        except AnsibleParserError as error:
            kept = self._kept(key)
            if kept is None:
                raise
            self.display.warning(f"{error}; going on with the registry of {kept['at']}")
            return list(kept["nodes"])
        if self.get_option("cache"):
            at = _now().isoformat(timespec="seconds")
            self._cache[key] = {"at": at, "nodes": nodes}
        return nodes

    def _kept(self, key: str) -> dict[str, Any] | None:
        try:
            return self._cache[key] if self.get_option("cache") else None
        except KeyError:
            return None

    def _ask(self, path: str) -> str:
        command, file = self.get_option("command"), self.get_option("file")
        if (command is None) == (file is None):
            raise AnsibleParserError(f"{path}: one of `command` and `file` is due")
        try:
            if file is not None:
                return (Path(path).parent / Path(file).expanduser()).read_text(encoding="utf-8")
            done = subprocess.run(  # noqa: S603  # the operator's own command
                command,
                capture_output=True,
                text=True,
                check=True,
                stdin=subprocess.DEVNULL,
                timeout=self.get_option("timeout_s"),
            )
        except subprocess.CalledProcessError as error:
            why = error.stderr.strip() or f"exit code {error.returncode}"
            raise AnsibleParserError(f"{path}: the registry cannot be asked: {why}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AnsibleParserError(f"{path}: the registry cannot be asked: {error}") from error
        return done.stdout

    def _add(self, node: dict[str, Any], now: datetime) -> None:
        name = node["node"]
        self.inventory.add_host(name, group="nodes")
        variables = {f"agent_{each}": node[each] for each in _PLACE if node[each] is not None}
        variables |= {"agent_kind": node["role"], "shyraq_heard": node["heard"]}
        if name in self.get_option("addresses"):
            variables["ansible_host"] = self.get_option("addresses")[name]
        for variable, value in variables.items():
            self.inventory.set_variable(name, variable, value)
        for group in self._groups(node, now):
            self.inventory.add_child(self.inventory.add_group(self._sanitize(group)), name)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(
            self.get_option("keyed_groups"), variables, name, strict=strict
        )

    def _sanitize(self, group: str) -> str:
        return str(self._sanitize_group_name(group))

    def _groups(self, node: dict[str, Any], now: datetime) -> list[str]:
        """Names of the groups a node is in, beside `nodes`."""
        name = node["node"]
        limit = timedelta(seconds=self.get_option("dark_after_s"))
        is_heard = node["heard"] is not None and now - _moment(node["heard"]) <= limit
        groups = [f"state_{'answering' if is_heard else 'dark'}", f"role_{node['role']}"]
        groups += [f"{each}_{node[each]}" for each in ("isp", "region") if node[each]]
        if name in self.get_option("paused"):
            groups.append("state_paused")
        channels = self.get_option("channels").items()
        fits = (
            channel
            for channel, patterns in channels
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        )
        return [*groups, f"channel_{next(fits, 'stable')}"]


def _read(text: str) -> list[dict[str, Any]]:
    """The nodes in the registry's answer.

    Raises:
        AnsibleParserError: It is not what `nodes list --json` prints.
    """
    due = {"node", "role", "heard", "keys", *_PLACE}
    try:
        nodes = json.loads(text)
        if not all(due <= node.keys() for node in nodes):
            raise AnsibleParserError("the registry's answer lacks fields: another version?")
    except (ValueError, AttributeError, TypeError) as error:
        raise AnsibleParserError("the registry's answer is not a list of nodes") from error
    return list(nodes)


def _now() -> datetime:
    return datetime.now(tz=UTC)  # noqa: TID251  # Ansible makes the plugin, nobody hands it a clock


def _is_trusted(key: dict[str, Any], now: datetime) -> bool:
    return key["revoked"] is None or _moment(key["revoked"]) > now


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
