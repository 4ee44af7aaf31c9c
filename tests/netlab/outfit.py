"""Everything the journey's programs read: configurations, keys, the registry.

Three sensors stand at each node place, each a site of its own; one control at each of two places
abroad. The files are what an operator would write, and the registry is filled by its own code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from netlab.geography import BROKER, CONTROLS, ECHO, ECHO_PORT, ISPS, NAME_SERVER, nodes_of
from netlab.pace import BEGINS_AT_MS, HEARTBEAT_S
from netlab.sites import address_of
from shyraq_agent.sign.keyfile import raw_public_key, write_new_key
from shyraq_collector.config.keys import make_key_file
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.registry import Registry
from shyraq_collector.store.schema import open_ledger

MQTT_PORT: Final = 8883
HTTP_PORT: Final = 8080
TARGET: Final = "https://news.example/"
NEUTRAL: Final = "https://neutral.example/"
REGIONS: Final = ("KZ-75", "KZ-71")
_SITES_EACH: Final = 3
_PAGE_S: Final = 6 * HEARTBEAT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One agent of the fleet."""

    id: str
    place: str
    isp: str
    region: str | None
    role: Literal["sensor", "control"]


def fleet() -> Iterator[Member]:
    """All agents."""
    for isp in ISPS:
        for node, region in zip(nodes_of(isp), REGIONS, strict=True):
            for k in range(_SITES_EACH):
                name = f"lab-{node.name}-{k}"
                yield Member(id=name, place=node.name, isp=isp, region=region, role="sensor")
    for control in CONTROLS:
        yield Member(id=f"lab-{control}", place=control, isp=control, region=None, role="control")


def write_all(folder: Path, bundle: Path) -> Path:
    """Write every file; gives the collector's configuration.

    Args:
        folder: `nodes/PLACE/ID` and `collector` are made in it.
        bundle: The authority that agents trust.
    """
    home = folder / "collector"
    home.mkdir()
    receipt_key = make_key_file(home / "collector.pem").public_key().public_bytes_raw()
    connection = open_ledger(home / "ledger.db")
    try:
        registry = Registry(connection)
        for member in fleet():
            place = folder / "nodes" / member.place / member.id
            place.mkdir(parents=True)
            key = write_new_key(place / "node.pem")
            (place / "agent.toml").write_text(_agent(member, place, receipt_key.hex(), bundle))
            registry.add(
                placement=_placement(member),
                public_key=raw_public_key(key),
                valid_from_ms=BEGINS_AT_MS - 86_400_000,
            )
    finally:
        connection.close()
    path = home / "collector.toml"
    path.write_text(_COLLECTOR)
    return path


def _placement(member: Member) -> Placement:
    return Placement(
        node=member.id,
        isp=member.isp,
        region=member.region,
        country="KZ" if member.role == "sensor" else "DE",
        access="fixed",
        site=member.id,
        role=member.role,
    )


def _agent(member: Member, place: Path, receipt_key: str, bundle: Path) -> str:
    return _AGENT.format(
        id=member.id,
        place=place,
        receipt_key=receipt_key,
        answers=str(member.role == "control").lower(),
        bundle=bundle,
    ) + "".join(map(_rung, _RUNGS))


_AGENT: Final = f"""
[node]
id = "{{id}}"
state_directory = "{{place}}/state"
key_file = "{{place}}/node.pem"
heartbeat_s = {HEARTBEAT_S}
[collector]
receipt_keys = ["{{receipt_key}}"]
answers_asks = {{answers}}
[[broker]]
host = "{BROKER[0]}"
port = {MQTT_PORT}
tls = false
connect_timeout_s = 1.0
answer_timeout_s = 1.0
[network]
trust_bundle = "{{bundle}}"
[lists]
shipped = false
[[resolver]]
role = "isp"
address = "{NAME_SERVER[0]}"
[cadence]
ladder_s = {5 * HEARTBEAT_S}
web_s = {_PAGE_S}
vitals_s = {30 * HEARTBEAT_S}
[limits]
lookup_ms = 800
late_answer_ms = 30
connect_ms = 800
handshake_ms = 800
request_ms = 800
ladder_ms = 800
[budget]
monthly_bytes = 20_000_000_000
[[target]]
target = "{TARGET}"
[[target]]
target = "{NEUTRAL}"
"""


def _rung(rung: tuple[str, str, int, str, str]) -> str:
    tier, host, port, proof, name = rung
    asked = f'server_name = "{name}"\n' if name else ""
    return (
        f'[[ladder]]\ntier = "{tier}"\nhost = "{host}"\nport = {port}\nproof = "{proof}"\n{asked}'
    )


_RUNGS: Final = (
    ("resolver", NAME_SERVER[0], 53, "dns", "gov.example"),
    ("official_domestic", address_of("gov.example"), 443, "tls", "gov.example"),
    ("domestic", address_of("shop.example"), 443, "tls", "shop.example"),
    ("domestic", address_of("shop.example", 6), 443, "tls", "shop.example"),
    ("abroad", ECHO[0], ECHO_PORT, "echo", ""),
    ("abroad", ECHO[1], ECHO_PORT, "echo", ""),
    ("abroad", address_of("neutral-b.example"), 443, "tls", "neutral-b.example"),
    ("collector", BROKER[0], ECHO_PORT, "echo", ""),
)

_COLLECTOR: Final = f"""
[collector]
data_directory = "."
key_file = "collector.pem"
heartbeat_s = {HEARTBEAT_S}
[broker]
host = "127.0.0.1"
port = {MQTT_PORT}
tls = false
connect_timeout_s = 1.0
answer_timeout_s = 1.0
[http]
host = "127.0.0.1"
port = {HTTP_PORT}
[[target]]
name = "{TARGET}"
cadence_s = {_PAGE_S}
[[target]]
name = "{NEUTRAL}"
cadence_s = {_PAGE_S}
neutral = true
"""
