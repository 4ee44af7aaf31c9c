"""The control machine: the real playbooks, run over ssh as an operator would."""

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from field.debian import OPERATOR
from field.machines import CONTROL_ADDRESS, Machine, Yard, ssh_options
from field.releases import REPOSITORY

HEARTBEAT_S: Final = 10
"""The shortest that is allowed: nobody here waits for a minute."""

COLLECTOR: Final = "server"
RESPONDER_NAME: Final = "r.example.org"
RESPONDER_ARMS: Final = ("10.77.0.13", "10.77.0.14", "10.77.0.15")
"""Of the neutral, the target and the rate arm."""

_GATEWAY: Final = {"tier": "gateway", "host": CONTROL_ADDRESS, "port": 0, "proof": "ping"}
"""The one rung here that the agent's address policy lets it reach."""

_BIN: Final = REPOSITORY / ".venv-ansible" / "bin"
_RECAP: Final = re.compile(
    r"^(?P<host>[\w-]+)\s+: ok=(?P<ok>\d+)\s+changed=(?P<changed>\d+)\s+"
    r"unreachable=(?P<unreachable>\d+)\s+failed=(?P<failed>\d+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How a playbook ended."""

    code: int
    output: str
    hosts: Mapping[str, Mapping[str, int]]
    """From the recap: ok, changed, unreachable, failed."""
    took_s: float

    @property
    def changed(self) -> int:
        """Changes on all hosts together."""
        return sum(each["changed"] for each in self.hosts.values())

    def must(self, code: int = 0) -> "Played":
        """Itself, if it ended with this code.

        Raises:
            RuntimeError: It did not; the text has the end of what was printed, then what failed.
        """
        if self.code != code:
            raise RuntimeError(
                f"rc {self.code}, due was {code}:\n{self.output[-4000:]}\n"
                f"{self.tasks('fatal:', 'failed:', '[ERROR]')}"
            )
        return self

    def tasks(self, *words: str) -> str:
        """For complaints: each line that begins with one of these, after the name of its task."""
        told, task = [], ""
        for line in self.output.splitlines():
            if line.startswith("TASK"):
                task = line.strip("* ")
            if line.startswith(words):
                told.append(f"{task} {line[:1500]}")
        return "\n".join(told)


@dataclass(slots=True, kw_only=True)
class Control:
    """Where playbooks are started."""

    yard: Yard
    releases: Path
    folder: Path
    """For inventories and logs; gone after the run."""
    _played: int = field(default=0)

    @property
    def backups(self) -> Path:
        """Where the playbook of that name puts what it brings home."""
        return self.folder / "backups"

    def write_inventory(
        self, server: Machine, nodes: Sequence[Machine], responder: Machine | None = None
    ) -> Path:
        """The inventory an operator writes by hand before anything exists."""
        hosts = {
            each.name: {
                "ansible_host": each.address,
                "agent_region": ("KZ-75", "KZ-71")[index % 2],
                "agent_isp": ("kazakhtelecom", "beeline", "kcell")[index % 3],
                "agent_access": "fixed",
                "agent_site": f"site-{each.number}",
            }
            for index, each in enumerate(nodes)
        }
        inventory = {
            "all": {
                "vars": self.variables(server),
                "children": {
                    "collector": {"hosts": {server.name: {"ansible_host": server.address}}},
                    "nodes": {"hosts": hosts},
                    "responder": {"hosts": _responders(responder)},
                },
            }
        }
        return self.write("inventory.json", inventory)

    def variables(self, server: Machine) -> dict[str, Any]:
        """What every host of the fleet is told."""
        return {
            "ansible_user": OPERATOR,
            "ansible_ssh_common_args": " ".join(ssh_options(self.yard)),
            "shyraq_wheelhouse": str(self.releases / "first"),
            "collector_heartbeat_s": HEARTBEAT_S,
            "agent_heartbeat_s": HEARTBEAT_S,
            # A pulse each ten seconds costs more than the budget of an ordinary node.
            "agent_monthly_bytes": 10_000_000_000,
            "agent_country": "KZ",
            "agent_brokers": [{"host": server.address}],
            "agent_settings": {"ladder": [_GATEWAY]},
            "broker_names": ["127.0.0.1", server.address],
        }

    def write(self, name: str, content: object) -> Path:
        """A JSON file, which is YAML too, in the control machine's folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_text(json.dumps(content, indent=1))
        return path

    def play(
        self,
        playbook: str,
        inventory: Path,
        *options: str,
        **variables: object,
    ) -> Played:
        """Run a playbook of the collection.

        Args:
            playbook: Its name without `.yml`.
            inventory: What -i names.
            options: Of ansible-playbook.
            variables: Extra variables.
        """
        began = time.monotonic()
        extra = [f"-e{json.dumps(variables)}"] if variables else []
        self._played += 1
        log = self.folder / f"{self._played:02}-{playbook}.log"
        with log.open("w") as printed:
            code = self._run(
                *("ansible-playbook", f"-i{inventory}", *extra, *options),
                str(REPOSITORY / f"ansible/playbooks/{playbook}.yml"),
                stdout=printed,
                stderr=subprocess.STDOUT,
            ).returncode
        output = log.read_text()
        recap = {
            each["host"]: {
                key: int(value) for key, value in each.groupdict().items() if key != "host"
            }
            for each in _RECAP.finditer(output)
        }
        return Played(
            code=code,
            output=output,
            hosts=recap,
            took_s=time.monotonic() - began,
        )

    def groups(self, inventory: Path) -> dict[str, Any]:
        """What `ansible-inventory --list` says."""
        done = self._run("ansible-inventory", f"-i{inventory}", "--list")
        return dict(json.loads(done.stdout))

    def _run(
        self,
        program: str,
        *arguments: str,
        stdout: int | IO[str] = subprocess.PIPE,
        stderr: int | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(_BIN / program), *arguments],
            stdout=stdout,
            stderr=stderr,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env={
                **os.environ,
                "PATH": f"{_BIN}:{os.environ.get('PATH', '')}",
                "ANSIBLE_CONFIG": str(REPOSITORY / "ansible/ansible.cfg"),
                "ANSIBLE_HOME": str(self.folder / "ansible"),
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
                "ANSIBLE_FORKS": "9",
                "ANSIBLE_TIMEOUT": "15",
                "ANSIBLE_NOCOLOR": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )


def _responders(responder: Machine | None) -> dict[str, dict[str, str]]:
    """The responder with the addresses of its arms."""
    if responder is None:
        return {}
    neutral, target, rate = RESPONDER_ARMS
    return {
        responder.name: {
            "ansible_host": responder.address,
            "responder_name": RESPONDER_NAME,
            "responder_neutral_address": neutral,
            "responder_target_address": target,
            "responder_rate_address": rate,
        }
    }
