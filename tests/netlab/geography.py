"""The test country on paper: its places, cables, addresses and routes; values only.

    abroad    world ── control1, control2 (two networks), broker
    border    gateway ── every provider, and the long line beside each cable
    at home   exchange ── gateway, home, resolver, every provider
    provider  isp1 … isp4, each with two nodes: node11, node12, node21, …

A provider sends what is foreign through the gateway and the rest through the exchange, so the
country holds together when the border is cut. Prefixes are of documentation and benchmarking
only, and the gateway has no default route: nothing leads out.
"""

from dataclasses import dataclass
from typing import Final

ADMITTED: Final = (
    "192.0.2.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
)
"""What the lab's own entry points admit, and no one else does."""

ISPS: Final = ("isp1", "isp2", "isp3", "isp4")
CONTROLS: Final = ("control1", "control2")

FOREIGN: Final = ("192.0.2.0/24", "203.0.113.0/24", "2001:db8:a::/48", "2001:db8:30::/44")
DOMESTIC: Final = ("198.51.100.0/24", "198.18.0.0/16", "2001:db8:d::/48", "2001:db8:10::/44")

NAME_SERVER: Final = ("198.51.100.53", "2001:db8:d:53::53")
"""One address at home and abroad, as anycast does it: each side has its own view of the names."""

NO_RESOLVER: Final = "192.0.2.99"
"""A host abroad that runs no resolver."""

ECHO: Final = ("192.0.2.7", "2001:db8:a::7")
ECHO_PORT: Final = 7007
BROKER: Final = ("203.0.113.66", "2001:db8:3f:1::2")


@dataclass(frozen=True, slots=True)
class Cable:
    """Two devices joined; each end has its place, its device, and its addresses with prefix."""

    here: str
    here_device: str
    here_addresses: tuple[str, ...]
    there: str
    there_device: str
    there_addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A place where an agent runs."""

    name: str
    isp: str
    addresses: tuple[str, str]


def number_of(isp: str) -> int:
    """1 for isp1."""
    return int(isp.removeprefix("isp"))


def nodes_of(isp: str) -> tuple[Node, Node]:
    """The two nodes of a provider."""
    n = number_of(isp)
    first, second = (
        Node(f"node{n}{k}", isp, (f"198.18.{n}.{4 * k + 2}", f"2001:db8:1{n}:{k}::2"))
        for k in (1, 2)
    )
    return first, second


PLACES: Final = (
    "gateway",
    "exchange",
    "home",
    "resolver",
    "world",
    "broker",
    "longline",
    *CONTROLS,
    *ISPS,
    *(node.name for isp in ISPS for node in nodes_of(isp)),
)
"""One namespace each."""


def cables() -> list[Cable]:
    """All of them."""
    border = ("world", "border", "198.19.200.2/30"), ("gateway", "world", "198.19.200.1/30")
    mail = ("world", "broker", "203.0.113.65/30"), ("broker", "uplink", "203.0.113.66/30")
    laid = [
        _cable(*border, "200"),
        _cable(*mail, "3f:1"),
        _to_exchange("gateway", 1),
        _to_exchange("home", 10),
        _to_exchange("resolver", 53),
    ]
    for k, control in enumerate(CONTROLS, 1):
        here = ("world", control, f"203.0.113.{4 * k + 1}/30")
        there = (control, "uplink", f"203.0.113.{4 * k + 2}/30")
        laid.append(_cable(here, there, f"3{k}:1"))
    for isp in ISPS:
        n = number_of(isp)
        abroad = ("gateway", isp, f"198.19.{n}.1/30"), (isp, "wan", f"198.19.{n}.2/30")
        laid += [_cable(*abroad, f"2{n}"), _to_exchange(isp, 100 + n)]
        for k, node in enumerate(nodes_of(isp), 1):
            inner = (isp, f"lan{k}", f"198.18.{n}.{4 * k + 1}/30")
            outer = (node.name, "uplink", f"198.18.{n}.{4 * k + 2}/30")
            laid.append(_cable(inner, outer, f"1{n}:{k}"))
        # The long line: what one end of it hears, the lab carries to the other by hand.
        far = f"198.19.{50 + n}"
        laid.append(
            Cable(isp, "far", (f"{far}.2/30", f"2001:db8:5{n}::2/64"), "longline", f"in{n}", ())
        )
        laid.append(
            Cable(
                "gateway",
                f"far{n}",
                (f"{far}.1/30", f"2001:db8:5{n}::1/64"),
                "longline",
                f"out{n}",
                (),
            )
        )
    return laid


def routes() -> dict[str, list[str]]:
    """By place, what follows `ip` to lay its routes."""
    exchange = _exchange_address
    laid: dict[str, list[str]] = {place: [] for place in PLACES}
    for isp in ISPS:
        n = number_of(isp)
        laid["gateway"] += _via(
            (f"198.18.{n}.0/24", f"2001:db8:1{n}::/48"), f"198.19.{n}.2", f"2001:db8:2{n}::2"
        )
        for other in ISPS:
            if other != isp:
                m = number_of(other)
                laid[isp] += _via((f"198.18.{m}.0/24", f"2001:db8:1{m}::/48"), *exchange(100 + m))
        for place in ("home", "resolver"):
            laid[place] += _via((f"198.18.{n}.0/24", f"2001:db8:1{n}::/48"), *exchange(100 + n))
        for k, node in enumerate(nodes_of(isp), 1):
            laid[node.name] += _via(
                ("default",) * 2, f"198.18.{n}.{4 * k + 1}", f"2001:db8:1{n}:{k}::1"
            )
    for place in ("gateway", *ISPS):
        laid[place] += _via(("198.51.100.0/24", "2001:db8:d::/48"), *exchange(10))
        laid[place] += _via((f"{NAME_SERVER[0]}/32", f"{NAME_SERVER[1]}/128"), *exchange(53))
    for isp in ISPS:
        laid[isp] += default_routes(isp)
    for place in ("home", "resolver"):
        laid[place] += _via(("default",) * 2, *exchange(1))
    laid["gateway"] += _via(("192.0.2.0/24", "2001:db8:a::/48"), "198.19.200.2", "2001:db8:200::2")
    laid["gateway"] += _via(
        ("203.0.113.0/24", "2001:db8:30::/44"), "198.19.200.2", "2001:db8:200::2"
    )
    laid["world"] += _via(("default",) * 2, "198.19.200.1", "2001:db8:200::1")
    for k, control in enumerate(CONTROLS, 1):
        laid[control] += _via(("default",) * 2, f"203.0.113.{4 * k + 1}", f"2001:db8:3{k}:1::1")
    laid["broker"] += _via(("default",) * 2, "203.0.113.65", "2001:db8:3f:1::1")
    return laid


def default_routes(isp: str) -> list[str]:
    """A provider's way abroad."""
    n = number_of(isp)
    return _via(("default",) * 2, f"198.19.{n}.1", f"2001:db8:2{n}::1")


def wan_addresses(isp: str) -> tuple[str, str]:
    """Of a provider's cable to the gateway, with prefix."""
    n = number_of(isp)
    return f"198.19.{n}.2/30", f"2001:db8:2{n}::2/64"


def long_way(isp: str, *, out: bool) -> list[str]:
    """Routes through the long line: a provider's default, or the gateway's way back to it."""
    n = number_of(isp)
    if out:
        return _via(("default",) * 2, f"198.19.{50 + n}.1", f"2001:db8:5{n}::1")
    return _via(
        (f"198.18.{n}.0/24", f"2001:db8:1{n}::/48"), f"198.19.{50 + n}.2", f"2001:db8:5{n}::2"
    )


def short_way_back(isp: str) -> list[str]:
    """The gateway's ordinary routes to a provider's customers."""
    n = number_of(isp)
    return _via((f"198.18.{n}.0/24", f"2001:db8:1{n}::/48"), f"198.19.{n}.2", f"2001:db8:2{n}::2")


End = tuple[str, str, str]
"""Place, device, IPv4 address with prefix."""


def _cable(here: End, there: End, net: str) -> Cable:
    """A cable with IPv4 as given, and ::1 and ::2 of one IPv6 network; the odd end is ::1."""
    prefix = f"2001:db8:{net}::"
    is_first = int(here[2].partition("/")[0].rpartition(".")[2]) % 2 == 1
    ours, theirs = ("1", "2") if is_first else ("2", "1")
    return Cable(
        here[0],
        here[1],
        (here[2], f"{prefix}{ours}/64"),
        there[0],
        there[1],
        (there[2], f"{prefix}{theirs}/64"),
    )


def _to_exchange(place: str, last: int) -> Cable:
    ipv4, ipv6 = _exchange_address(last)
    return Cable(place, "ix", (f"{ipv4}/24", f"{ipv6}/64"), "exchange", place, ())


def _exchange_address(last: int) -> tuple[str, str]:
    return f"198.19.100.{last}", f"2001:db8:100::{last}"


def _via(prefixes: tuple[str, ...], ipv4: str, ipv6: str) -> list[str]:
    return [
        f"route replace {prefixes[0]} via {ipv4}",
        f"route replace {prefixes[1]} via {ipv6}",
    ]
