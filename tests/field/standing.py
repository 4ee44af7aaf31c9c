"""Cases: a fleet out of empty machines, and what stands when it was made."""

import json
import os
import socket
import ssl
from pathlib import Path
from typing import Final

from field.control import COLLECTOR, HEARTBEAT_S, RESPONDER_ARMS, RESPONDER_NAME
from field.fleet import AGENT, Fleet, must
from shyraq_wire.echo import NONCE_BYTES, ask, is_answer

_LIVE: Final = f"/etc/letsencrypt/live/{RESPONDER_NAME}"


def provision(fleet: Fleet) -> str:
    """From empty machines to a fleet that reports."""
    _renew_certificate(fleet)
    played = fleet.control.play("site", fleet.inventory).must()
    took_s = fleet.await_reports(fleet.nodes)
    return f"{played.changed} changes on {len(played.hosts)} hosts; all report after {took_s:.0f} s"


def second_run(fleet: Fleet) -> str:
    """The same again changes nothing."""
    played = fleet.control.play("site", fleet.inventory, _some(fleet)).must()
    must(played.changed == 0, f"changed: {played.tasks('changed:')}")
    return f"0 changes on {len(played.hosts)} hosts"


def check_mode(fleet: Fleet) -> str:
    """Check mode ends well and announces nothing."""
    played = fleet.control.play("site", fleet.inventory, "--check", _some(fleet)).must()
    must(played.changed == 0, f"changed: {played.tasks('changed:')}")
    return f"0 changes announced on {len(played.hosts)} hosts"


def measuring(fleet: Fleet) -> str:
    """Measurements arrive from under the real units; the gateway answers unprivileged ICMP."""
    node = fleet.nodes[0]
    rows = fleet.ask("query", "measurements", "--node", node.name, "--probe", "ladder")
    must(bool(rows), "no ladder measurement is stored")
    tiers = json.loads(rows[0]["result"])["tiers"]
    must(tiers["gateway"]["ipv4"]["ok"] > 0, f"the gateway does not answer: {tiers}")
    vitals = node.command(f"{AGENT} status --json || true")
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


def responder(fleet: Fleet) -> str:
    """Every arm serves the same bytes; a renewed certificate is shown once the role ran again."""
    first = [_download(address) for address in RESPONDER_ARMS]
    must(len({body for _, body in first}) == 1, "the arms serve different bytes")
    _renew_certificate(fleet)
    played = fleet.control.play("site", fleet.inventory, f"--limit={fleet.responder.name}").must()
    second = [_download(address) for address in RESPONDER_ARMS]
    must(len({shown for shown, _ in first + second}) == 2, "the renewed certificate is not shown")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        nonce = os.urandom(NONCE_BYTES)
        asking.sendto(ask(nonce), (RESPONDER_ARMS[2], 7007))
        must(is_answer(asking.recv(2048), nonce), "the echo does not bring the nonce back")
    unit = fleet.responder.command("systemctl show shyraq-responder -p NRestarts,User")
    must("NRestarts=0" in unit and "User=shyraq-responder" in unit, unit)
    return (
        f"{len(first[0][1])} bytes alike from 3 arms; renewed with {played.changed} changes, "
        "never restarted; the nonce comes back"
    )


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


def _renew_certificate(fleet: Fleet) -> None:
    """What the responder's ACME client does: a new key and certificate at its usual place."""
    fleet.responder.command(
        f"mkdir -p {_LIVE} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        f" -days 90 -subj /CN={RESPONDER_NAME} -addext subjectAltName=DNS:{RESPONDER_NAME}"
        f" -keyout {_LIVE}/privkey.pem -out {_LIVE}/fullchain.pem"
    )


def _download(address: str) -> tuple[bytes, bytes]:
    """The certificate shown, and what is served, under a name that is not the responder's own."""
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, 443), timeout=5) as plain,
        anything.wrap_socket(plain, server_hostname="www.example.net") as arm,
    ):
        arm.sendall(b"GET / HTTP/1.1\r\nHost: www.example.net\r\nConnection: close\r\n\r\n")
        shown = arm.getpeercert(binary_form=True)
        answer = b"".join(iter(lambda: arm.recv(65536), b""))
    assert shown is not None
    return shown, answer.partition(b"\r\n\r\n")[2]


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


def _some(fleet: Fleet) -> str:
    """One of each kind and two more nodes: five more would show the same and take a minute each."""
    names = (COLLECTOR, fleet.responder.name, *(each.name for each in fleet.nodes[:3]))
    return f"--limit={','.join(names)}"
