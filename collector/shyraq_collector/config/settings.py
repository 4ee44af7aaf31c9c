"""Every setting of the collector: one frozen dataclass per TOML table, a docstring per key.

docs/reference/collector-configuration.md is printed from these docstrings. Ranges stand beside the
defaults, in `bounds`. Nothing is opened or built here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


def bounds(lo: float, hi: float) -> dict[str, Any]:
    """Metadata of a numeric key: the least and the greatest value allowed."""
    return {"bounds": (lo, hi)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorTable:
    """Who this collector is and where it keeps its state."""

    data_directory: Path
    """Holds the ledger unless `ledger_file` says otherwise; made when absent. No default: two
    collectors must not share one."""
    key_file: Path
    """Ed25519 key that signs receipts, PEM, readable by its owner only; `shyraq-collector keygen`
    makes it. Agents carry its public part."""
    ledger_file: Path | None = None
    """The SQLite file. None: `ledger.db` in `data_directory`."""
    heartbeat_s: int = field(default=60, metadata=bounds(10, 3600))
    """Seconds between two pulses of an agent, and between two looks at the fleet. It must be the
    agents' own `heartbeat_s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTable:
    """Where the MQTT broker is and how to speak to it."""

    host: str
    """Name or IP address."""
    port: int = field(default=8883, metadata=bounds(1, 65_535))
    """TCP port; 8883 is MQTT over TLS."""
    protocol: Literal["5", "3.1.1"] = "5"
    """MQTT version; 3.1.1 for brokers that speak nothing newer, such as NATS."""
    client_id: str = "shyraq-collector"
    """Name of the session that the broker keeps while the collector is away. Two collectors on one
    broker need two names."""
    tls: bool = True
    """TLS 1.3 towards the broker. false only for a broker on the same host."""
    ca_file: Path | None = None
    """Certificates that may vouch for the broker, PEM. Needed with `tls`."""
    certificate_file: Path | None = None
    """The collector's client certificate, PEM. None: the broker asks for none."""
    key_file: Path | None = None
    """Private key of `certificate_file`, PEM."""
    session_expiry_s: int = field(default=604_800, metadata=bounds(60, 4_294_967_294))
    """How long the broker keeps reports for a collector that is away. A week: agents keep them
    longer still."""
    keepalive_s: int = field(default=60, metadata=bounds(5, 300))
    """MQTT keep-alive in real seconds; a dead connection is found after one and a half of it."""
    connect_timeout_s: float = field(default=5.0, metadata=bounds(0.1, 60))
    """For the TCP and TLS handshake, in real seconds."""
    answer_timeout_s: float = field(default=10.0, metadata=bounds(0.1, 60))
    """For the broker's answers, in real seconds. After a broker's fault, silence proves nothing
    for this long, plus `backoff_cap_s`, plus two and a half heartbeats."""
    backoff_cap_s: float = field(default=30.0, metadata=bounds(0.1, 600))
    """Longest pause between two attempts to connect; agents use the same cap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryTable:
    """The loopback canary: a message to ourselves through the broker, on its own connection."""

    client_id: str = "shyraq-canary"
    """Name of its session; never the collector's own."""
    certificate_file: Path | None = None
    """Its client certificate, PEM. Needed where the collector has one: with one certificate for
    both, the broker would take them for one client and end one of them."""
    key_file: Path | None = None
    """Private key of `certificate_file`, PEM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTable:
    """The public API and page."""

    enabled: bool = True
    """false: nothing is served; the command line still answers."""
    host: str = "127.0.0.1"
    """Address to listen on. A web server with TLS belongs in front of it."""
    port: int = field(default=8080, metadata=bounds(1, 65_535))
    """TCP port to listen on."""
    countries_directory: Path | None = None
    """More countries for the page: each `*.toml` in it names one country, its regions and networks
    in three languages, as the package's own `disclose/country/kz.toml` does. A country that is
    named in neither is shown by its codes, in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsTable:
    """What one node may send, and how much may wait."""

    messages_per_s: float = field(default=300.0, metadata=bounds(1, 100_000))
    """Messages a second from one node, real time. Far above what an agent sends while it drains
    days of spool; what is above is counted as over-rate and sent again by the agent."""
    burst_messages: int = field(default=3_000, metadata=bounds(1, 1_000_000))
    """Messages that one node may send at once before the rate counts."""
    stored_mib_per_day: int = field(default=1_024, metadata=bounds(1, 1_048_576))
    """Signed MiB that are stored of one node in a day; guards the disk."""
    inbox_messages: int = field(default=20_000, metadata=bounds(100, 10_000_000))
    """Messages that may wait to be verified; more are turned away and sent again by the agents."""
    inbox_mib: int = field(default=128, metadata=bounds(1, 65_536))
    """The same limit in MiB, whichever is reached first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTable:
    """How one target is judged; targets without a table are judged with the defaults."""

    name: str
    """As configured on the nodes."""
    cadence_s: int = field(default=1_800, metadata=bounds(10, 86_400))
    """Seconds between two measurements of one node; a control counts only within it."""
    domestic: bool = False
    """Inside the country: judged against other networks at home, not from abroad."""
    neutral: bool = False
    """Nobody would block it: where it fails, the node's own line is suspected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file."""

    collector: CollectorTable
    broker: BrokerTable
    canary: CanaryTable = field(default_factory=CanaryTable)
    http: HttpTable = field(default_factory=HttpTable)
    limits: LimitsTable = field(default_factory=LimitsTable)
    target: tuple[TargetTable, ...] = ()
    """One table `[[target]]` for each target that is not judged with the defaults."""
