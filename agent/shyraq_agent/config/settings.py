"""Every setting of the agent: one frozen dataclass per TOML table, a docstring per key.

The docstrings are the reference: docs/reference/agent-configuration.md is printed from them.
Ranges stand beside the default, in `bounds`. The tables of what is measured are in `probing`.
Nothing is opened or built here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shyraq_agent.config.probing import (
    CadenceSettings,
    LimitSettings,
    ListSettings,
    NamePairSettings,
    ResolverSettings,
    ResponderSettings,
    RungSettings,
    TargetSettings,
    TraceSettings,
    bounds,
)
from shyraq_wire.ask import MAX_ASKS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """Who this node is and where it keeps its state."""

    id: str
    """Opaque id given at registration: 8 to 32 of a-z, 0-9 and hyphen. No default: it must be
    the one that the collector's registry has."""
    state_directory: Path
    """Holds the spool and the status socket; made with mode 0700 if it does not exist. No
    default: two agents on one directory are refused."""
    key_file: Path
    """The node's Ed25519 evidence key, PEM, readable by its owner only; `shyraq-agent keygen`
    makes it. It never leaves the node."""
    heartbeat_s: int = field(default=60, metadata=bounds(10, 3600))
    """Seconds between two pulses. 60, because the collector counts silence in minutes and a
    minute of pulses costs about a kilobyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSettings:
    """Whose receipts count, and whether its asks are answered."""

    receipt_keys: tuple[str, ...]
    """Ed25519 public keys of the collector, 64 hexadecimal digits each; several while a key is
    being replaced. A frame is forgotten only when one of them has signed for it."""
    answers_asks: bool = False
    """Whether this node tries the very addresses that other nodes were given for its own targets,
    when the collector asks in a signed message. For control nodes abroad; false for a home."""
    asks_per_hour: int = field(
        default=MAX_ASKS_PER_HOUR // 2, metadata=bounds(1, MAX_ASKS_PER_HOUR)
    )
    """Asks obeyed within any hour, of at most four addresses each; the rest are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """One way to the broker; the tables are tried in the order in which they stand."""

    host: str
    """Name or IP address."""
    port: int = field(default=8883, metadata=bounds(1, 65_535))
    """TCP port. 8883 is MQTT over TLS; a second table with 443 passes most firewalls."""
    protocol: Literal["5", "3.1.1"] = "5"
    """MQTT version. 5 tells why a message is refused; some brokers speak only 3.1.1."""
    transport: Literal["tcp", "websocket"] = "tcp"
    """`websocket` for networks that pass only what looks like the web."""
    tls: bool = True
    """Whether the connection is encrypted (TLS 1.3). false is for a broker on this very host."""
    tls_ca_file: Path | None = None
    """The broker's issuer, PEM; no other is trusted. None: only with `tls = false`."""
    tls_cert_file: Path | None = None
    """This node's client certificate, PEM. None: the broker asks for none."""
    tls_key_file: Path | None = None
    """The client certificate's key, PEM, readable by its owner only. None: it stands in
    `tls_cert_file`, or there is no client certificate."""
    connect_timeout_s: float = field(default=5.0, metadata=bounds(0.1, 60))
    """Real seconds for the TCP connection, and again for the TLS handshake. 5: a slow mobile
    network needs two."""
    answer_timeout_s: float = field(default=10.0, metadata=bounds(0.1, 120))
    """Real seconds until the broker answers a connection or a subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """The host's own network and what is trusted in it."""

    gateways: tuple[str, ...] = ()
    """Addresses of the host's own routers. Only the ladder touches them; nothing else on the
    host's network is ever touched. Empty: the gateway tier is not tried."""
    system_resolver: bool = True
    """Whether names are also asked of the host's own resolver, as its browsers would."""
    trust_bundle: Path | None = None
    """Authorities that certificates are checked against, PEM. None: the bundle installed with
    the agent. Never the system's store: a root that was forced into it would pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """What the agent may cost its host."""

    access: Literal["fixed", "mobile"] = "fixed"
    """What the host's line is, for the default of `monthly_bytes`."""
    monthly_bytes: int | None = field(default=None, metadata=bounds(1_000_000, 10**12))
    """Bytes a calendar month, both directions, headers included. None: 2,000,000,000 on a fixed
    line, 300,000,000 on a mobile one. A configuration that cannot fit is refused; a running agent
    counts, measures more lightly from 80 % and only beats from 100 %."""
    event_share: float = field(default=0.3, metadata=bounds(0.0, 0.9))
    """Part of the budget that everyday measuring leaves for event windows."""

    @property
    def month_bytes(self) -> int:
        """Bytes a month, the default filled in."""
        default = 2_000_000_000 if self.access == "fixed" else 300_000_000
        return default if self.monthly_bytes is None else self.monthly_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """An event, such as an election: what is measured then is measured six times as often.

    That holds for pages, handshakes, connects and names, at most once a minute each; and the
    budget's share for events may be spent.
    """

    begins: str
    """When: RFC 3339 in UTC, such as 2022-11-19T00:00:00.000Z."""
    ends: str
    """Until when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolSettings:
    """The queue that holds reports until the collector has signed for them."""

    max_bytes: int = field(default=256 * 1024 * 1024, metadata=bounds(1024 * 1024, 10**11))
    """Bytes held at most; beyond, whole bulk reports go, oldest first, and a signed event says
    so. 256 MiB is more than a month of silence at the default cadence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file."""

    version: int = field(default=1, metadata=bounds(0, 2**53 - 1))
    """Version of this configuration, quoted in every report beside the file's hash; raise it
    with each change."""
    node: NodeSettings
    """Who this node is."""
    collector: CollectorSettings
    """Whose receipts count, and whether its asks are answered."""
    broker: tuple[BrokerSettings, ...]
    """`[[broker]]`, at least one."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """The host's own network."""
    resolver: tuple[ResolverSettings, ...] = ()
    """`[[resolver]]`, as many as wanted."""
    ladder: tuple[RungSettings, ...] = ()
    """`[[ladder]]`, one for each rung."""
    target: tuple[TargetSettings, ...] = ()
    """`[[target]]`, as many as wanted."""
    responder: ResponderSettings = field(default_factory=ResponderSettings)
    """Our own server."""
    name_pair: NamePairSettings = field(default_factory=NamePairSettings)
    """How names are compared."""
    trace: TraceSettings = field(default_factory=TraceSettings)
    """What traces may do."""
    lists: ListSettings = field(default_factory=ListSettings)
    """Targets that stand in files."""
    cadence: CadenceSettings = field(default_factory=CadenceSettings)
    """How often."""
    limits: LimitSettings = field(default_factory=LimitSettings)
    """What one measurement may take."""
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    """What the agent may cost."""
    window: tuple[WindowSettings, ...] = ()
    """`[[window]]`, one for each event."""
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    """The queue of reports."""
