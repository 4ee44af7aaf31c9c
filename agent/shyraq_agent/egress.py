"""Which addresses this program may send a packet to: public unicast, and nothing else.

Target lists, redirects and DNS answers come from outside; none of them may turn a node into a
probe of its host's own network. Every connect, every DNS server and every redirect is checked
here after the name is resolved, and the connection goes to the checked address itself, so that
a second lookup cannot answer differently (DNS rebinding).

The rules, first match wins:

1. Text that is not one plain IPv4 or IPv6 address is refused; so is any zone index.
2. The exact prefixes that the constructor admits are allowed. Only the entry points of the
   demo and of the tests give any; no configuration or environment variable reaches them.
3. An IPv4 address inside a prefix of the deny table is refused; every other one is public.
4. 64:ff9b::/96 (the well-known NAT64 prefix) is judged as the IPv4 address inside it.
5. An IPv6 address inside a prefix of the deny table, or outside 2000::/3, or with an ISATAP
   interface identifier (RFC 5214, an IPv4 address at its end) is refused.

`ipaddress.is_global` is not used: it is true for multicast and for 6to4 and NAT64 forms of
private addresses. The host's gateway is allowed only where the caller asks for the gateway by
name (`check_gateway`), never as a target. Names that can only be of the home (`is_home_name`)
are not even looked up: the question itself may be called out into its network, as multicast DNS is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why no packet may go to an address."""

    address: str
    """As it was given."""
    reason: str
    """A few words for people: the class of the address."""


def is_home_name(host: str) -> bool:
    """Whether a name belongs to a host or its network: one label, or a suffix never delegated.

    Args:
        host: In ASCII; an address is none.
    """
    bare = host.rstrip(".").lower()
    return ":" not in bare and ("." not in bare or bare.endswith(_HOME_SUFFIXES))


class AddressPolicy:
    """The one guard between what the outside names and what the node connects to."""

    def __init__(
        self, *, gateways: Iterable[str] = (), admitted: Iterable[Network | str] = ()
    ) -> None:
        """Set what is allowed beyond public unicast.

        Args:
            gateways: Addresses of the host's own routers, a zone index included where one is
                needed; they pass `check_gateway` only.
            admitted: Prefixes to allow although the table refuses them; for the entry points
                of the demo and of tests.

        Raises:
            ValueError: A gateway is not an address, or a prefix not a prefix.
        """
        self._gateways = frozenset(ip_address(each) for each in gateways)
        self._admitted = tuple(
            ip_network(each) if isinstance(each, str) else each for each in admitted
        )

    def check(self, address: str) -> Refusal | None:
        """None when a packet may go to this address, else why not.

        Args:
            address: One IP address as text, not a name.
        """
        try:
            parsed = ip_address(address)
        except ValueError:
            return Refusal(address=address, reason="not an IP address")
        if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
            return Refusal(address=address, reason="an address with a zone")
        if any(_holds(prefix, parsed) for prefix in self._admitted):
            return None
        reason = _why_not_public(parsed)
        return None if reason is None else Refusal(address=address, reason=reason)

    def check_gateway(self, address: str) -> Refusal | None:
        """As `check`, and the host's named gateways pass too."""
        try:
            if ip_address(address) in self._gateways:
                return None
        except ValueError:
            pass  # check says why
        return self.check(address)


def _why_not_public(address: Address) -> str | None:
    if isinstance(address, IPv6Address) and address in _NAT64:
        inner = _why_not_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        return None if inner is None else f"NAT64 form of {inner}"
    for prefix, reason in _DENIED[address.version]:
        if _holds(prefix, address):
            return reason
    if isinstance(address, IPv6Address) and address not in _IPV6_UNICAST:
        return "outside IPv6 global unicast"
    if isinstance(address, IPv6Address) and int(address) >> 32 & 0xFDFF_FFFF == _ISATAP:
        return "ISATAP"
    return None


def _holds(prefix: Network, address: Address) -> bool:
    return prefix.version == address.version and address in prefix


_HOME_SUFFIXES: Final = (".local", ".localhost", ".home.arpa", ".internal", ".onion")
"""RFC 6762, 6761, 8375, 7686, and the one that ICANN has set aside."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address; a mobile network without IPv4 needs it."""

_ISATAP: Final = 0x0000_5EFE
"""RFC 5214: before the IPv4 address, with or without the bit for a global one."""

_IPV6_UNICAST: Final = IPv6Network("2000::/3")
"""All that IANA has opened for global unicast."""

_DENIED_IPV4: Final = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112 sink"),
    ("192.52.193.0/24", "multicast tunnels"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "AS112 sink"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved or broadcast"),
)
"""IANA's special-purpose registry (RFC 6890 and successors), and multicast."""

_DENIED_IPV6: Final = (
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("::/96", "IPv4-compatible"),
    ("64:ff9b:1::/48", "local-use NAT64, which may reach private IPv4"),
    ("100::/64", "discard"),
    ("2001::/32", "Teredo"),
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112 sink"),
    ("3ffe::/16", "returned 6bone"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
"""The same for IPv6; every form that carries an IPv4 address except the NAT64 above."""

_DENIED: Final[dict[int, tuple[tuple[Network, str], ...]]] = {
    4: tuple((IPv4Network(prefix), reason) for prefix, reason in _DENIED_IPV4),
    6: tuple((IPv6Network(prefix), reason) for prefix, reason in _DENIED_IPV6),
}
