"""The edges of a measurement: everything that a probe touches and does not own.

All of it is passed in by whoever starts the probes, so that several agents may share one
process, a test may stand in for the network, and nothing here is global. The real edges of
this host are `ThreadedResolver` and `read_links`.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from random import Random
from types import MappingProxyType
from typing import Final, Literal, Protocol

import psutil

from shyraq_agent.clock import Pace, Stopwatch
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure.certificates import Trust
from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.limits import Limits
from shyraq_agent.measure.responder import Pairing, Responder
from shyraq_agent.meter import Tally

Family = Literal["ipv4", "ipv6"]

ResolverRole = Literal["isp", "foreign", "silent"]
"""`isp`: what the host's network hands out. `foreign`: a resolver abroad. `silent`: an address
that runs no resolver, so that any answer from it was injected on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """A DNS server that is asked directly."""

    role: ResolverRole
    address: str
    """One IP address."""
    port: int = 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Which families the host's own interfaces carry, loopback left out."""

    families: frozenset[Family]
    """With an address of global or private scope on an interface that is up."""


class SystemResolver(Protocol):
    """How this host itself resolves names; what its household's browsers would see."""

    async def addresses(self, name: str) -> Sequence[str]:
        """The addresses of a name, both families.

        Raises:
            socket.gaierror: The resolver says why there is none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What a probe may touch."""

    pace: Pace
    stopwatch: Stopwatch
    policy: AddressPolicy
    trust: Trust
    rng: Random
    """For query ids, nonces and choices."""
    system_resolver: SystemResolver | None
    """None: names are asked of `resolvers` only."""
    resolvers: tuple[Resolver, ...] = ()
    given: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By host: the addresses to try in place of a lookup, because an ask of the collector names
    them. The policy is asked about each all the same."""
    limits: Limits = field(default_factory=Limits)
    may_trace_hello: bool = False
    """Whether the host consented to ClientHellos that go only part of the way (probe `trace`)."""
    links: Callable[[], Links] = field(default_factory=lambda: read_links)
    """Called in a thread."""
    meter: Tally = field(default_factory=Tally)
    """Where the bytes of a measurement count: each socket and datagram of a probe is told it."""
    responder: Responder | None = None
    """Our own server; None: this node knows of none."""
    pairing: Pairing = field(default_factory=Pairing)
    """How name pairs are tried; shared by all targets."""


_MAX_OUTSTANDING: Final = 16


class ThreadedResolver:
    """getaddrinfo in threads of its own.

    A lookup cannot be cancelled: when nothing answers, its thread stays for as long as the C
    library goes on trying. So each has its own daemon thread, which neither fills the event
    loop's executor nor holds up the end of the program, and at most 16 are out at once.
    """

    def __init__(self, look_up: Callable[[str], Sequence[str]] | None = None) -> None:
        """Nothing is started.

        Args:
            look_up: Blocks until it knows; None: getaddrinfo of the C library.
        """
        self._look_up = _getaddrinfo if look_up is None else look_up
        self._outstanding = 0

    async def addresses(self, name: str) -> Sequence[str]:
        """The addresses of a name, both families, in the C library's order.

        Raises:
            socket.gaierror: The resolver says why there is none.
            StepFailed: Too many lookups have not come back.
        """
        if self._outstanding >= _MAX_OUTSTANDING:
            raise StepFailed("dns_temporary_failure")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(found: Sequence[str] | Exception) -> None:
            """Back on the loop: hand the answer over, if anybody still waits."""
            self._outstanding -= 1
            if future.done():
                return
            if isinstance(found, Exception):
                future.set_exception(found)
            else:
                future.set_result(found)

        def look_up() -> None:
            """In the thread: it cannot be cancelled, only left behind."""
            found: Sequence[str] | Exception
            try:
                found = self._look_up(name)
            except Exception as error:  # noqa: BLE001  # raised again where it is awaited
                found = error
            with suppress(RuntimeError):  # the program ended meanwhile and closed the loop
                loop.call_soon_threadsafe(settle, found)

        self._outstanding += 1
        threading.Thread(target=look_up, name="getaddrinfo", daemon=True).start()
        return await future


def read_links() -> Links:
    """The families on interfaces that are up; reads the kernel's tables, so call it in a thread."""
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    families: set[Family] = set()
    for name, addresses in psutil.net_if_addrs().items():
        if name not in up:
            continue
        for each in addresses:
            family = _FAMILIES.get(each.family)
            if family is not None and _is_usable(each.address):
                families.add(family)
    return Links(families=frozenset(families))


def family_of(address: str) -> Family:
    """The family of an IP address."""
    return "ipv4" if ip_address(address).version == 4 else "ipv6"


def _getaddrinfo(name: str) -> tuple[str, ...]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def _is_usable(address: str) -> bool:
    parsed = ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local)


_FAMILIES: Final[dict[int, Family]] = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
