"""What is tried on the fleet, in order; each case says what was seen, or raises why it is wrong.

The cases build on one another: the first makes the fleet out of empty machines, the last moves its
collector to another host. What counts is what the collector has stored, never what a service says
of itself.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from field.control import COLLECTOR, HEARTBEAT_S, Control
from field.machines import Machine
from field.releases import VERSIONS
from netlab.sandbox import run

_PROGRAM: Final = "/opt/shyraq/current/bin/shyraq-collector"
_AGENT: Final = "/opt/shyraq/current/bin/shyraq-agent"
_GATE_S: Final = 150
_BAD_GATE_S: Final = 30
_SILENT_WITHIN_S: Final = 60


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The machines and the control machine, as one case leaves them to the next."""

    server: Machine
    spare: Machine
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
            must(time.monotonic() - began < _GATE_S, f"no report of {sorted(waiting)}")
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
            each.name: each.command(f"{_AGENT} --version").split()[-1]
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


def provision(fleet: Fleet) -> str:
    """From empty machines to a fleet that reports."""
    played = fleet.control.play("site", fleet.inventory).must()
    took_s = fleet.await_reports(fleet.nodes)
    return f"{played.changed} changes on {len(played.hosts)} hosts; all report after {took_s:.0f} s"


def second_run(fleet: Fleet) -> str:
    """The same again changes nothing."""
    played = fleet.control.play("site", fleet.inventory, _some(fleet)).must()
    must(played.changed == 0, f"changed: {_changed(played.output)}")
    return f"0 changes on {len(played.hosts)} hosts"


def check_mode(fleet: Fleet) -> str:
    """Check mode ends well and announces nothing."""
    played = fleet.control.play("site", fleet.inventory, "--check", _some(fleet)).must()
    must(played.changed == 0, f"changed: {_changed(played.output)}")
    return f"0 changes announced on {len(played.hosts)} hosts"


def measuring(fleet: Fleet) -> str:
    """Measurements arrive from under the real units; the gateway answers unprivileged ICMP."""
    node = fleet.nodes[0]
    rows = fleet.ask("query", "measurements", "--node", node.name, "--probe", "ladder")
    must(bool(rows), "no ladder measurement is stored")
    tiers = json.loads(rows[0]["result"])["tiers"]
    must(tiers["gateway"]["ipv4"]["ok"] > 0, f"the gateway does not answer: {tiers}")
    vitals = node.command(f"{_AGENT} status --json || true")
    must('"wrong": []' in vitals, f"the agent says: {vitals}")
    shown = node.command("systemctl show shyraq-agent -p NRestarts,CapEff,User,NoNewPrivileges")
    must("NRestarts=0" in shown, shown)
    scores = [
        machine.command(f"systemd-analyze security --no-pager {unit} | tail -1")
        .split(": ")[1]
        .strip()
        for machine, unit in ((node, "shyraq-agent"), (fleet.server, "shyraq-collector"))
    ]
    return f"{len(rows)} ladders stored, gateway answers; exposure {scores[0]} and {scores[1]}"


def inventory(fleet: Fleet) -> str:
    """The registry is the inventory: groups by network, region, channel and state."""
    path = _registry_inventory(fleet)
    groups = fleet.control.groups(path)
    answering = groups["state_answering"]["hosts"]
    must(len(answering) == len(fleet.nodes), f"answering: {answering}")
    must("region_KZ_75" in groups and "isp_beeline" in groups, f"groups: {sorted(groups)}")
    must(groups["channel_early"]["hosts"] == [fleet.nodes[0].name], str(groups["channel_early"]))
    named = sorted(groups.keys() - {"_meta", "all", "ungrouped", "nodes"})
    return f"{len(answering)} answering; {', '.join(named)}"


def frozen(fleet: Fleet) -> str:
    """In an event window an upgrade is refused; a reason lets it pass and stays on record."""
    upgrade = {"shyraq_wheelhouse": str(fleet.control.releases / "second")}
    window = {"fleet_until": "1h", "fleet_reason": "election"}
    fleet.control.play("freeze", fleet.inventory, **window).must()
    refused = fleet.control.play("upgrade", fleet.inventory, **upgrade).must(2)
    must("event window until" in refused.output, refused.output)
    forced = fleet.control.play(
        "upgrade",
        fleet.inventory,
        "--limit=collector",
        **upgrade,
        fleet_force_reason="a hole must be closed",
    )
    log = fleet.server.command("cat /var/log/shyraq/operations.jsonl")
    must('"why": "a hole must be closed"' in log, f"rc {forced.code}; records: {log}")
    fleet.control.play("thaw", fleet.inventory).must()
    must(fleet.ask("window", "show") == {"window": None}, "a window stands")
    return "refused with the reason; forced only on record; thawed"


def upgrade(fleet: Fleet) -> str:
    """Three of eight are dark: they are pending, the others get the release, the code is 0."""
    dark, light = fleet.nodes[-3:], fleet.nodes[:-3]
    for node in dark:
        node.cut_line()
    try:
        played = fleet.control.play(
            "upgrade",
            fleet.inventory,
            shyraq_wheelhouse=str(fleet.control.releases / "second"),
            fleet_gate_s=_GATE_S,
            fleet_force_reason="three lines were cut for this test",
        ).must()
        versions = fleet.slot_versions()
    finally:
        for node in dark:
            node.mend_line()
    must(set(versions) == {each.name for each in light}, f"answering: {versions}")
    must(set(versions.values()) == {VERSIONS["second"]}, f"versions: {versions}")
    last = fleet.server.command("tail -1 /var/log/shyraq/operations.jsonl")
    pending = json.loads(last)["pending"]
    must(sorted(pending) == [each.name for each in dark], f"pending: {pending}")
    return f"rc 0 in {played.took_s:.0f} s; {len(versions)} upgraded, {len(pending)} pending"


def bad_release(fleet: Fleet) -> str:
    """A release that never delivers stops at the canary, which returns by itself."""
    played = fleet.control.play(
        "upgrade",
        fleet.inventory,
        shyraq_wheelhouse=str(fleet.control.releases / "third"),
        fleet_gate_s=_BAD_GATE_S,
        fleet_force_reason="three lines were cut for this test",
    ).must(2)
    touched = [
        each.name
        for each in fleet.nodes
        if VERSIONS["third"] in each.command("cat /opt/shyraq/slots/*/release.json")
    ]
    versions = fleet.slot_versions()
    must(len(touched) == 1, f"touched: {touched}")
    must(VERSIONS["third"] not in versions.values(), f"versions: {versions}")
    took_s = fleet.await_reports(fleet.nodes)
    return (
        f"rc 2 in {played.took_s:.0f} s; only {touched[0]} touched, all report {took_s:.0f} s after"
    )


def rollback(fleet: Fleet) -> str:
    """Nodes return to the release they came from, behind the same gate."""
    names = [each.name for each in fleet.nodes[1:3]]
    fleet.control.play(
        "rollback",
        fleet.inventory,
        f"--limit={COLLECTOR},{','.join(names)}",
        fleet_gate_s=_GATE_S,
        fleet_force_reason="three lines were cut for this test",
    ).must()
    versions = fleet.slot_versions()
    must(all(versions[name] != VERSIONS["second"] for name in names), f"versions: {versions}")
    return f"{', '.join(f'{name} {versions[name]}' for name in names)}"


def audit(fleet: Fleet) -> str:
    """What differs is named, as JSON: some nodes run the second release."""
    target = fleet.control.folder / "audit.json"
    fleet.control.play("audit", fleet.inventory, fleet_audit_file=str(target)).must()
    found = json.loads(target.read_text())
    drifting = {node: drift for node, drift in found["drift"].items() if drift}
    expected = {n for n, v in fleet.slot_versions().items() if v == VERSIONS["second"]}
    must(set(drifting) == expected, f"drift: {found}")
    must(all(set(each) == {"release"} for each in drifting.values()), f"drift: {found}")
    return f"{len(drifting)} of {len(found['drift'])} drift, by release alone"


def rotate(fleet: Fleet) -> str:
    """A node gets new keys; the old one is trusted no longer; nothing is lost between."""
    node = fleet.nodes[1]
    old = fleet.reports(node.name)[0]["key_id"]
    fleet.control.play(
        "rotate",
        fleet.inventory,
        f"--limit={COLLECTOR},{node.name}",
        fleet_gate_s=_GATE_S,
    ).must()
    new = fleet.reports(node.name)[0]["key_id"]
    keys = {each["id"]: each["revoked"] for each in fleet.ask("nodes", "show", node.name)["keys"]}
    must(new != old and keys[new] is None and keys[old] is not None, f"keys: {keys}")
    left = node.command("ls /etc/shyraq /etc/shyraq/keys")
    must(".old" not in left, left)
    return "reports under the new key; the old one is revoked and destroyed"


def revoke(fleet: Fleet) -> str:
    """A revoked node's open session stops delivering."""
    node = fleet.nodes[2]
    fleet.await_reports([node])
    began = time.monotonic()
    fleet.control.play(
        "revoke", fleet.inventory, fleet_node=node.name, fleet_reason="seized in this test"
    ).must()
    took_s = time.monotonic() - began
    refused = len(fleet.reports(node.name))
    time.sleep(3 * HEARTBEAT_S)
    must(len(fleet.reports(node.name)) == refused, "it still delivers")
    must(took_s < _SILENT_WITHIN_S * 3, f"it took {took_s:.0f} s")
    entered = f"user {node.name}" in fleet.server.command("cat /etc/mosquitto/shyraq/acl")
    must(not entered, "the broker's list still names it")
    return f"silent for {3 * HEARTBEAT_S} s after a playbook of {took_s:.0f} s; the agent still ran"


def decommission(fleet: Fleet) -> str:
    """A node whose host leaves: nothing of ours stays there, nobody believes its keys."""
    node = fleet.nodes[3]
    fleet.control.play(
        "decommission", fleet.inventory, fleet_node=node.name, fleet_why="its host moved"
    ).must()
    paths = "/etc/shyraq /opt/shyraq /var/lib/shyraq-agent /etc/systemd/system/shyraq-agent.service"
    left = node.try_command(f"ls -d {paths}").stdout
    must(not left, f"left: {left}")
    keys = fleet.ask("nodes", "show", node.name)["keys"]
    must(all(each["revoked"] for each in keys), f"keys: {keys}")
    return "no key, spool, program or unit is left; its keys are revoked"


def move_collector(fleet: Fleet) -> str:
    """Backed up, its host lost, restored onto another: nodes send again what it lacks."""
    key, certificate = _operator_key(fleet)
    fleet.control.play(
        "backup",
        fleet.inventory,
        fleet_backup_certificate=str(certificate),
        fleet_backup_directory=str(fleet.control.backups),
    ).must()
    (backup,) = fleet.control.backups.iterdir()
    must(b"PRIVATE KEY" not in backup.read_bytes(), "the backup is readable")
    before = fleet.ask("status")
    stored = before["counts"]["stored"]
    nodes = [each for each in fleet.nodes if each not in fleet.nodes[2:4]]
    fleet.server.cut_power()
    fleet.server = fleet.spare
    fleet.inventory = fleet.control.write_inventory(fleet.server, nodes)
    fleet.control.play(
        "restore",
        fleet.inventory,
        fleet_backup=str(backup),
        fleet_backup_key=str(key),
    ).must()
    fleet.control.play("site", fleet.inventory).must()
    took_s = fleet.await_reports(nodes)
    after = fleet.ask("status")
    must(after["ledger"] != before["ledger"], "the ledger kept its id")
    must(after["counts"]["stored"] > stored - 200, f"stored {stored}, now {after['counts']}")
    open_keys = fleet.server.command("find /etc/shyraq -name '*.key' -perm /077")
    must(not open_keys, f"others can read {open_keys}")
    left = fleet.server.command("ls /var/lib | grep shyraq").split()
    must(left == ["shyraq-collector"], f"left: {left}")
    return (
        f"ledger of {stored} reports under a new id; all {len(nodes)} report {took_s:.0f} s later"
    )


def no_secret_here(fleet: Fleet) -> str:
    """No private key of the fleet ever came to the control machine, its logs or inventory."""
    operator_key, _ = _operator_key(fleet)
    found = [
        path
        for path in fleet.control.folder.rglob("*")
        if path.is_file() and path != operator_key and b"PRIVATE KEY" in path.read_bytes()
    ]
    must(not found, f"found in {found}")
    return "no private key but the operator's own"


CASES: Final[tuple[tuple[str, Callable[[Fleet], str]], ...]] = (
    ("from empty machines", provision),
    ("second run", second_run),
    ("check mode", check_mode),
    ("real sandbox", measuring),
    ("inventory", inventory),
    ("event window", frozen),
    ("upgrade, 3 of 8 dark", upgrade),
    ("bad release", bad_release),
    ("rollback", rollback),
    ("audit", audit),
    ("rotate", rotate),
    ("revoke", revoke),
    ("decommission", decommission),
    ("backup, restore elsewhere", move_collector),
    ("no secret here", no_secret_here),
)
"""Name for the table, and what is done."""


def _registry_inventory(fleet: Fleet) -> Path:
    nodes = fleet.control.write("nodes.json", fleet.ask("nodes", "list"))
    settings = {
        "plugin": "registry",
        "file": nodes.name,
        "dark_after_s": 10 * HEARTBEAT_S,
        "channels": {"early": [fleet.nodes[0].name]},
        "addresses": {each.name: each.address for each in fleet.nodes},
    }
    return fleet.control.write("fleet.registry.yml", settings)


def _operator_key(fleet: Fleet) -> tuple[Path, Path]:
    """The operator's own key for backups, made as the guide says."""
    key, certificate = fleet.control.folder / "operator.key", fleet.control.folder / "operator.crt"
    if not key.exists():
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "3650"),
            *("-subj", "/CN=operator", "-keyout", str(key), "-out", str(certificate)),
        )
    return key, certificate


def _some(fleet: Fleet) -> str:
    """The collector and three nodes: five more would show the same and take a minute each."""
    return f"--limit={','.join((COLLECTOR, *(each.name for each in fleet.nodes[:3])))}"


def _changed(output: str) -> str:
    """The tasks that changed something, for the complaint."""
    lines, task = [], ""
    for line in output.splitlines():
        if line.startswith("TASK"):
            task = line
        if line.startswith("changed:"):
            lines.append(f"{task.strip('* ')} {line}")
    return "; ".join(lines)
