"""Whose addresses are whose: same network, loopback, never public, IPv6.

Two answers agree when they share an address or a network. A network is an AS number written
in the measurement by the probe or by the test helper. Files from before test helpers wrote
them (September 2022) leave the control's addresses without a number; for those only, two
public addresses count as one network when the table of large shared hosts below says so, or
when they share the first 16 bits (IPv4) or 32 bits (IPv6).
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

_NEVER_PUBLIC: Final[tuple[_Network, ...]] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/96",
            "::ffff:0:0/96",
            "100::/64",
            "2001::/32",
            "2001:10::/28",
            "2001:db8::/32",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
    )
)
"""Addresses that no public name can truly have (RFC 6890 and its kin)."""

_SHARED_HOSTS: Final[Mapping[int, str]] = {
    13335: (
        "103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 104.16.0.0/12 108.162.192.0/18"
        " 141.101.64.0/18 162.158.0.0/15 172.64.0.0/13 173.245.48.0/20 188.114.96.0/20"
        " 190.93.240.0/20 197.234.240.0/22 198.41.128.0/17 2400:cb00::/32 2606:4700::/32"
        " 2803:f800::/32 2a06:98c0::/29"
    ),
    15169: (
        "64.233.160.0/19 66.249.64.0/19 74.125.0.0/16 108.177.0.0/17 142.250.0.0/15"
        " 172.217.0.0/16 172.253.0.0/16 173.194.0.0/16 209.85.128.0/17 216.58.192.0/19"
        " 216.239.32.0/19 2404:6800::/32 2607:f8b0::/32 2800:3f0::/32 2a00:1450::/32"
    ),
    16509: (
        "13.32.0.0/15 13.35.0.0/16 13.224.0.0/14 13.248.0.0/15 18.64.0.0/14 18.154.0.0/15"
        " 18.160.0.0/13 18.172.0.0/15 18.238.0.0/15 18.244.0.0/15 52.84.0.0/15 52.222.128.0/17"
        " 54.182.0.0/16 54.192.0.0/16 54.230.0.0/16 65.8.0.0/15 99.84.0.0/16 99.86.0.0/16"
        " 108.138.0.0/15 108.156.0.0/14 143.204.0.0/16 2600:9000::/28"
    ),
    32934: (
        "31.13.24.0/21 31.13.64.0/18 157.240.0.0/16 179.60.192.0/22 185.60.216.0/22 2a03:2880::/32"
    ),
    54113: "146.75.0.0/16 151.101.0.0/16 199.232.0.0/16 2a04:4e42::/32",
}
"""Prefixes of networks that answer from many addresses, by AS number."""

_SHARED_PREFIXES: Final[tuple[tuple[_Network, int], ...]] = tuple(
    (ip_network(text), number) for number, row in _SHARED_HOSTS.items() for text in row.split()
)


def canonical(text: str) -> str:
    """An address in its shortest spelling; anything else unchanged."""
    address = _parse(text)
    return text if address is None else str(address)


def canonical_endpoint(text: str) -> str:
    """address:port with the address in its shortest spelling; anything else unchanged."""
    host, _, port = text.rpartition(":")
    address = _parse(host.removeprefix("[").removesuffix("]"))
    if address is None:
        return text
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address."""
    return _parse(text) is not None


def is_ipv6(text: str) -> bool:
    """Whether a text is an IPv6 address."""
    return isinstance(_parse(text), IPv6Address)


def is_bogon(text: str) -> bool:
    """Whether an address can never be public; False for what is no address."""
    address = _parse(text)
    return address is not None and any(address in network for network in _NEVER_PUBLIC)


def only_loopback(addresses: Iterable[str]) -> bool:
    """Whether there are addresses and all of them are this host's own."""
    parsed = [address for address in map(_parse, addresses) if address is not None]
    return bool(parsed) and all(address.is_loopback for address in parsed)


def are_neighbours(address: str, others: Iterable[str]) -> bool:
    """Whether an address shares its /24 (IPv4) or /48 (IPv6) with one of the others."""
    ours = _block(address)
    return ours is not None and any(_block(other) == ours for other in others)


def agree(
    probe: Iterable[str], control: Iterable[str], networks: Mapping[str, frozenset[int]]
) -> bool:
    """Whether two answers share an address or a network.

    Args:
        probe: Addresses the probe got.
        control: Addresses the control got.
        networks: AS numbers by address, as written in the measurement.
    """
    ours = frozenset(probe)
    return len(strangers(ours, control, networks)) < len(ours)


def strangers(
    probe: Iterable[str], control: Iterable[str], networks: Mapping[str, frozenset[int]]
) -> frozenset[str]:
    """The probe's addresses that are neither the control's nor in one of its networks.

    Arguments as for `agree`.
    """
    theirs = frozenset(control)
    numbers = {number for address in theirs for number in _numbers(address, networks)}
    prefixes = {_prefix(address) for address in theirs if not networks.get(address)} - {None}
    return frozenset(
        address
        for address in frozenset(probe) - theirs
        if numbers.isdisjoint(_numbers(address, networks)) and _prefix(address) not in prefixes
    )


def _numbers(address: str, networks: Mapping[str, frozenset[int]]) -> frozenset[int]:
    return networks.get(address) or _guessed(address)


def _prefix(text: str) -> bytes | None:
    address = _parse(text)
    if address is None or is_bogon(text):
        return None
    return address.packed[: 2 if address.version == 4 else 4]


def _block(text: str) -> bytes | None:
    address = _parse(text)
    if address is None:
        return None
    return address.packed[: 3 if address.version == 4 else 6]


@lru_cache(maxsize=4096)
def _guessed(text: str) -> frozenset[int]:
    address = _parse(text)
    if address is None:
        return frozenset()
    return frozenset(number for prefix, number in _SHARED_PREFIXES if address in prefix)


def _parse(text: str) -> _Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
