"""Every setting of the agent: one frozen dataclass per TOML table, a docstring per key.

The docstrings are the reference: docs/reference/agent-configuration.md is printed from them.
Ranges stand beside the default, in `bounds`; ceilings of `measure.limits` can only be lowered.
Nothing is opened or built here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shyraq_agent.measure.edges import ResolverRole
from shyraq_agent.measure.limits import MIN_TARGET_PERIOD_S, Limits
from shyraq_agent.measure.responder import BODY_BYTES, MAX_ROUNDS, NEUTRAL_NAME, WASHOUT_MS
from shyraq_agent.measure.target import Proof
from shyraq_wire.ask import MAX_ASKS_PER_HOUR
from shyraq_wire.report import Tier

DAY_S = 86_400


def bounds(lo: float, hi: float) -> dict[str, Any]:
    """Metadata of a numeric key: the least and the greatest value allowed."""
    return {"bounds": (lo, hi)}


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
class ResolverSettings:
    """A DNS server that is asked directly, beside the host's own resolver."""

    role: ResolverRole
    """`isp`: what the network hands out. `foreign`: a resolver abroad. `silent`: an address
    that runs no resolver, so that any answer was injected on the way."""
    address: str
    """One IP address."""
    port: int = field(default=53, metadata=bounds(1, 65_535))
    """UDP port; 53 is DNS."""


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
class RungSettings:
    """One endpoint of the ladder, which tells how far the node reaches."""

    tier: Tier
    """Which distance it stands for; `link` needs no rung."""
    host: str
    """An IP address, so that the ladder stands when no resolver answers; or a name."""
    port: int = field(default=443, metadata=bounds(0, 65_535))
    """TCP or UDP port; 0 with `ping` means ICMP."""
    proof: Proof = "tls"
    """What shows life: `tls` a ServerHello, `echo` our own nonce, `dns` an answer, `ping` for
    the gateway. A bare TCP connect answers even under a white list and proves nothing."""
    server_name: str | None = None
    """Name in the ClientHello. None: `host`, or no name when that is an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """One thing to measure."""

    target: str
    """A URL (probe web), host:port (probe tls), tcp://host:port (probe tcp, for what speaks no
    TLS), a bare name (probe dns), quic://host:port (probe quic, HTTP/3 beside TLS),
    trace://host:port (probe trace, the routers on the way) or messenger:service (probe
    messengers)."""
    category: str = ""
    """Category code of the Citizen Lab lists, such as NEWS; "" for none."""
    probes: tuple[Literal["dns", "name_pair", "rate", "tcp", "tls", "web"], ...] = ()
    """Which probes to use. Empty: the one that the way of writing stands for. `name_pair` is for
    host:port or a name, `rate` for the URL of a page of 64 KiB or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderSettings:
    """Our own server abroad, beside which speeds are compared; its operator hands these out."""

    name: str | None = None
    """The name in its certificate. None: there is none; the probe `rate` then cannot be used, and
    `name_pair` compares at the targets only."""
    neutral_address: str | None = None
    """IP address where neutral names are said. Needed with `name`."""
    neutral_port: int = field(default=443, metadata=bounds(1, 65_535))
    """Its TCP port."""
    target_address: str | None = None
    """IP address where the targets' names are said: another one, because a block can linger on
    an address. Needed with `name`."""
    target_port: int = field(default=443, metadata=bounds(1, 65_535))
    """Its TCP port; the same as `neutral_port`, so that only the name differs."""
    rate_address: str | None = None
    """IP address for downloads under its own name. Needed with `name`."""
    rate_port: int = field(default=443, metadata=bounds(1, 65_535))
    """Its TCP port."""
    body_bytes: int = field(default=BODY_BYTES, metadata=bounds(100_000, 1_000_000))
    """Bytes read on each arm of a name pair, as many as the responder serves. Policers let a
    burst through, so fewer than 100,000 show nothing."""
    send_names: bool = False
    """Whether names that may be blocked are said to this server, which whoever watches the line
    can see. In a home only after the host has been told and has agreed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePairSettings:
    """How a name is compared with a neutral one (probe `name_pair`)."""

    neutral_name: str = NEUTRAL_NAME
    """A name that nobody blocks."""
    washout_s: int = field(default=WASHOUT_MS // 1000, metadata=bounds(60, DAY_S))
    """Seconds between two rounds, of whichever target. 300, because blocks linger for minutes."""
    rounds: int = field(default=MAX_ROUNDS, metadata=bounds(1, MAX_ROUNDS))
    """Rounds in one measurement at most; a further one is tried only while the name makes a
    difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """What traces may do beyond finding routers, once the host was told of it and has agreed."""

    hello: bool = False
    """Whether ClientHellos with a target's name are sent part of the way, to find the hop that
    answers for a censor. Whoever watches the line sees the name a few dozen times in a minute, in
    a pattern that no browser makes."""
    at_edges: bool = False
    """Whether routes are also traced at once when the ladder changes, at most every quarter of
    an hour. Then a watcher sees this node react in the very minute of a cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettings:
    """Targets that stand in files."""

    shipped: bool = True
    """Whether the short list installed with the agent is measured."""
    files: tuple[Path, ...] = ()
    """Lists in CSV with the Citizen Lab's columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceSettings:
    """How often each probe runs on each of its targets."""

    ladder_s: int = field(default=300, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between full ladders; one more runs at once when the light beat changes. 300: a
    full ladder each minute would cost five times as much."""
    web_s: int = field(default=1800, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between two fetches of one URL. 300 suits an event window."""
    tls_s: int = field(default=1800, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between two handshakes with one endpoint."""
    tcp_s: int = field(default=1800, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between two connects to one endpoint."""
    name_pair_s: int = field(default=1800, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between two comparisons of one name with a neutral one."""
    rate_s: int = field(default=3600, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between two downloads that measure one target's speed."""
    dns_s: int = field(default=900, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between two questions for one name."""
    messengers_s: int = field(default=900, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between two rounds over a messenger's endpoints."""
    quic_s: int = field(default=3600, metadata=bounds(MIN_TARGET_PERIOD_S, DAY_S))
    """Seconds between two HTTP/3 handshakes with one host."""
    trace_s: int = field(default=21_600, metadata=bounds(900, DAY_S))
    """Seconds between two traces of one route; see `[trace]` for those at an edge."""
    vitals_s: int = field(default=300, metadata=bounds(60, DAY_S))
    """Seconds between two readings of the host's own state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """What one measurement may take. Each default is the ceiling: values can only be lowered."""

    lookup_ms: int = field(default=Limits().lookup_ms, metadata=bounds(1, Limits().lookup_ms))
    """Milliseconds until a DNS server's first answer."""
    late_answer_ms: int = field(
        default=Limits().late_answer_ms, metadata=bounds(1, Limits().late_answer_ms)
    )
    """Milliseconds for which a second, late answer is awaited."""
    connect_ms: int = field(default=Limits().connect_ms, metadata=bounds(1, Limits().connect_ms))
    """Milliseconds for a TCP connection."""
    handshake_ms: int = field(
        default=Limits().handshake_ms, metadata=bounds(1, Limits().handshake_ms)
    )
    """Milliseconds for a TLS handshake."""
    request_ms: int = field(default=Limits().request_ms, metadata=bounds(1, Limits().request_ms))
    """Milliseconds for an HTTP request and its answer."""
    quic_ms: int = field(default=Limits().quic_ms, metadata=bounds(1, Limits().quic_ms))
    """Milliseconds for one of three tries of a QUIC handshake."""
    hop_ms: int = field(default=Limits().hop_ms, metadata=bounds(1, Limits().hop_ms))
    """Milliseconds until a router on a traced route answers."""
    ladder_ms: int = field(default=Limits().ladder_ms, metadata=bounds(1, Limits().ladder_ms))
    """Milliseconds for one rung of the ladder."""
    transfer_ms: int = field(default=Limits().transfer_ms, metadata=bounds(1, Limits().transfer_ms))
    """Milliseconds for one download that measures speed; what came until then counts."""
    body_bytes: int = field(default=Limits().body_bytes, metadata=bounds(1, Limits().body_bytes))
    """Bytes read of a page that came in clear text, where a forged one must be recognised."""
    verified_body_bytes: int = field(
        default=Limits().verified_body_bytes, metadata=bounds(1, Limits().verified_body_bytes)
    )
    """Bytes read of a page that came over a verified connection, which nobody has changed."""
    redirects: int = field(default=Limits().redirects, metadata=bounds(1, Limits().redirects))
    """Redirects followed from one URL."""
    addresses_per_family: int = field(
        default=Limits().addresses_per_family, metadata=bounds(1, Limits().addresses_per_family)
    )
    """Addresses of one name tried in one measurement, of each family."""


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
