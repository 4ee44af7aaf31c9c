"""The settings of what is measured, how often and how far: tables of the configuration file.

`settings` says how they are read and documented; these stand apart because they follow the probes.
Ranges stand beside the default, in `bounds`; ceilings of `measure.limits` can only be lowered.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shyraq_agent.measure.edges import ResolverRole
from shyraq_agent.measure.limits import MIN_TARGET_PERIOD_S, Limits
from shyraq_agent.measure.responder import BODY_BYTES, MAX_ROUNDS, NEUTRAL_NAME, WASHOUT_MS
from shyraq_agent.measure.target import Proof
from shyraq_wire.report import Tier

DAY_S = 86_400


def bounds(lo: float, hi: float) -> dict[str, Any]:
    """Metadata of a numeric key: the least and the greatest value allowed."""
    return {"bounds": (lo, hi)}


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
    """Which probes to use. Empty: the one that the way of writing stands for. `name_pair`
    compares the host's name with a neutral one, `rate` the speed of a page of 64 KiB or more."""


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
    difference, and after ten such in a row two suffice."""


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
