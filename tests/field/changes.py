"""Cases: what operators do to a running fleet, and what must not happen when they do."""

import json
import time
from pathlib import Path
from typing import Final

from field.control import COLLECTOR, HEARTBEAT_S
from field.fleet import GATE_S, Fleet, must
from field.releases import VERSIONS
from netlab.sandbox import run

_BAD_GATE_S: Final = 30
_SILENT_WITHIN_S: Final = 60
_TOLD_WITHIN_S: Final = 12 * HEARTBEAT_S


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
    """Three of eight, a network, are dark: refused as an incident; forced, they are pending."""
    dark = fleet.nodes[::3]
    light = [each for each in fleet.nodes if each not in dark]
    for node in dark:
        node.cut_line()
    try:
        told_s = _await_incident(fleet)
        refused = fleet.control.play(
            "upgrade",
            fleet.inventory,
            shyraq_wheelhouse=str(fleet.control.releases / "second"),
        ).must(2)
        must("1 incident(s) open" in refused.output, refused.output)
        played = fleet.control.play(
            "upgrade",
            fleet.inventory,
            shyraq_wheelhouse=str(fleet.control.releases / "second"),
            fleet_gate_s=GATE_S,
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
    return (
        f"an incident after {told_s:.0f} s, refused; forced: rc 0 in {played.took_s:.0f} s, "
        f"{len(versions)} upgraded, {len(pending)} pending"
    )


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
        fleet_gate_s=GATE_S,
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
        fleet_gate_s=GATE_S,
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


def _await_incident(fleet: Fleet) -> float:
    """Wait until the collector tells of one; how long it took."""
    began = time.monotonic()
    while not fleet.ask("status")["incidents"]:
        must(time.monotonic() - began < _TOLD_WITHIN_S, "no incident is told")
        time.sleep(1)
    return time.monotonic() - began


def _operator_key(fleet: Fleet) -> tuple[Path, Path]:
    """The operator's own key for backups, made as the guide says."""
    key, certificate = fleet.control.folder / "operator.key", fleet.control.folder / "operator.crt"
    if not key.exists():
        run(
            *("openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "3650"),
            *("-subj", "/CN=operator", "-keyout", str(key), "-out", str(certificate)),
        )
    return key, certificate
