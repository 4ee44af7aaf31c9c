"""Which network an address lies in, by a table that the operator keeps; no service is asked.

The table is CSV with the columns `prefix,asn`. The longest prefix wins. What is told is never
finer than a /24 (IPv4) or a /48 (IPv6), whatever the table holds; without a table it is just that
prefix.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, Literal

from shyraq_collector.errors import InputError

_FINEST: Final = {4: 24, 6: 48}
_BITS: Final = {4: 32, 6: 128}
_AS_NUMBERS: Final = range(2**32)
"""RFC 6793."""

_COLUMNS: Final = ["prefix", "asn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a visitor appears from."""

    family: Literal["ipv4", "ipv6"]
    prefix: str
    asn: int | None
    """None: the table does not know."""


class Networks:
    """The table in memory."""

    def __init__(self, rows: Iterable[tuple[IPv4Network | IPv6Network, int]] = ()) -> None:
        """Keep prefixes with their AS numbers; of two equal prefixes the later one counts."""
        self._by_length: dict[tuple[int, int], dict[int, int]] = {}
        for prefix, asn in rows:
            kept = self._by_length.setdefault((prefix.version, prefix.prefixlen), {})
            kept[int(prefix.network_address)] = asn
        self._lengths = sorted(self._by_length, reverse=True)

    def place(self, address: str) -> Place:
        """Where an address lies.

        Args:
            address: An IP address; a zone index is passed over.
        """
        parsed = ip_address(address.partition("%")[0])
        version, bits = parsed.version, _BITS[parsed.version]
        length, asn = _FINEST[version], None
        for each, candidate in self._lengths:
            low = bits - candidate
            found = int(parsed) >> low << low
            if each == version and found in self._by_length[each, candidate]:
                asn = self._by_length[each, candidate][found]
                length = min(length, candidate)
                break
        start = int(parsed) >> bits - length << bits - length
        if version == 4:
            return Place(family="ipv4", prefix=str(IPv4Network((start, length))), asn=asn)
        return Place(family="ipv6", prefix=str(IPv6Network((start, length))), asn=asn)


def read_networks(path: Path) -> Networks:
    """The table in a file.

    Raises:
        InputError: It cannot be read, or a line is not what it should be.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            if next(lines, None) != _COLUMNS:
                raise InputError(path=str(path), line=1, problem="the columns prefix,asn are due")
            return Networks([_row(path, lines.line_num, cells) for cells in lines])
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path=str(path), line=1, problem=f"cannot be read: {error}") from error


def _row(path: Path, line: int, cells: list[str]) -> tuple[IPv4Network | IPv6Network, int]:
    try:
        prefix, number = cells
        return ip_network(prefix), _AS_NUMBERS.index(int(number))
    except ValueError as error:
        due = "a prefix and an AS number are due, as in 198.51.100.0/24,64500"
        raise InputError(path=str(path), line=line, problem=f"{due} ({error})") from error
