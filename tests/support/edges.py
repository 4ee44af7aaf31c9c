"""Edges for probes under test: real sockets on loopback, clocks of the test's choice.

`TableResolver` stands where the host's own resolver does: names and addresses from a table.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from shyraq_agent.clock import RealPace, RealStopwatch
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure.certificates import Trust
from shyraq_agent.measure.edges import Edges, Links
from shyraq_agent.measure.limits import Limits
from support.authority import Authority

LOOPBACK_PREFIXES = ("127.0.0.0/8", "::1/128")

SHORT_LIMITS = Limits(
    lookup_ms=600,
    late_answer_ms=150,
    connect_ms=600,
    handshake_ms=600,
    request_ms=600,
    ladder_ms=600,
)


class TableResolver:
    """A host's resolver that knows the names of a table; a name with no address is NODATA."""

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        """Keep the table; the test may change it later."""
        self._table = table

    async def addresses(self, name: str) -> Sequence[str]:
        """The addresses of a name.

        Raises:
            socket.gaierror: The name is not in the table.
        """
        if name not in self._table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._table[name]


def both_families() -> Links:
    """A host with a link that carries IPv4 and IPv6."""
    return Links(families=frozenset({"ipv4", "ipv6"}))


def make_edges(authority: Authority, **changes: object) -> Edges:
    """Edges that admit loopback, trust one authority and wait a short while only.

    Args:
        authority: The only one trusted.
        changes: Fields of `Edges` to set otherwise.
    """
    edges = Edges(
        pace=RealPace(),
        stopwatch=RealStopwatch(),
        policy=AddressPolicy(admitted=LOOPBACK_PREFIXES),
        trust=Trust([authority.issued.certificate]),
        rng=Random(7),  # noqa: S311  # query ids and nonces of a test
        system_resolver=None,
        limits=SHORT_LIMITS,
        links=both_families,
    )
    return replace(edges, **changes)  # type: ignore[arg-type]
