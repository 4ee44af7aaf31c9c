"""The fleet that cases are tried on: machines, control machine, what the collector stored."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from field.control import Control
from field.machines import Machine

AGENT: Final = "/opt/shyraq/current/bin/shyraq-agent"
GATE_S: Final = 150
"""How long a node may take to be heard, seconds."""

_PROGRAM: Final = "/opt/shyraq/current/bin/shyraq-collector"


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The machines and the control machine, as one case leaves them to the next."""

    server: Machine
    spare: Machine
    responder: Machine
    nodes: Sequence[Machine]
    control: Control
    inventory: Path

    def ask(self, *arguments: str) -> Any:  # noqa: ANN401  # JSON is what it is
        """What a command of the collector answers with `--json`; 1 is no failure."""
        line = f"{_PROGRAM} {' '.join(arguments)} --json || test $? = 1"
        return json.loads(self.server.command(line))

    def reports(self, node: str, since: str = "1h") -> list[dict[str, Any]]:
        """Stored reports of a node, newest first."""
        return list(self.ask("query", "reports", "--node", node, "--since", since))

    def await_reports(self, nodes: Sequence[Machine], software: str | None = None) -> float:
        """Wait for a report of each node that arrives from now on; how long it took.

        Args:
            nodes: Which ones.
            software: Its version; None: any.
        """
        began, since = time.monotonic(), self.server.command("date -u +%Y-%m-%dT%H:%M:%SZ").strip()
        waiting = {each.name for each in nodes}
        while waiting:
            must(time.monotonic() - began < GATE_S, f"no report of {sorted(waiting)}")
            time.sleep(1)
            rows = self.ask("query", "reports", "--since", since)
            waiting -= {
                row["node"]
                for row in rows
                if software is None or row["software"] == f"shyraq-agent/{software}"
            }
        return time.monotonic() - began

    def slot_versions(self) -> dict[str, str]:
        """The version in use on each node that answers."""
        return {
            each.name: each.command(f"{AGENT} --version").split()[-1]
            for each in self.nodes
            if each.try_command("true").returncode == 0
        }


def must(holds: bool, why: str) -> None:
    """Return only if it holds.

    Raises:
        RuntimeError: It does not.
    """
    if not holds:
        raise RuntimeError(why)
