"""The country with its people: namespaces built, sites and name servers up, both families ready."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from netlab import canary
from netlab.country import Country, only
from netlab.geography import (
    BROKER,
    CONTROLS,
    ECHO,
    ECHO_PORT,
    ISPS,
    NAME_SERVER,
    NO_RESOLVER,
    nodes_of,
)
from netlab.sandbox import prepare
from netlab.serving import serving
from netlab.sites import Authorities, addresses_in, servers
from netlab.truth import Truth
from support.hostile_servers import stay_silent, tcp_server

_READY_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that a mechanism or a measurement needs."""

    country: Country
    authorities: Authorities
    trusted: ssl.SSLContext
    """Trusts the country's honest authority; for canaries."""
    bundle: Path
    truth: Truth = field(default_factory=Truth)
    skew_ms: dict[str, int] = field(default_factory=dict)
    """By provider: how far the wall clocks of its nodes are off."""


@contextmanager
def open_stage(folder: Path, *, standing: Mapping[str, bool] | None = None) -> Iterator[Stage]:
    """Build it all; call once, in a fresh sandbox.

    Args:
        folder: For the authority's bundle and the resolver's file.
        standing: `{"broker": False}` leaves the broker's port to a real one.
    """
    prepare(name_server=NAME_SERVER[0], folder=folder)
    country, authorities = Country(), Authorities()
    country.build()
    bundle = authorities.trusted.write_bundle(folder / "bundle.pem")
    with ExitStack() as stack:
        for place in ("world", "home", "resolver"):
            country.hold(place, *addresses_in(place))
            stack.enter_context(serving(country, place, servers(place, authorities)))
        if (standing or {}).get("broker", True):
            doors = [tcp_server(stay_silent, host=host, port=8883) for host in BROKER]
            stack.enter_context(serving(country, "broker", doors))
        # Where no resolver runs there is silence; a refusal would outrun any injector.
        no_answer = f"INPUT -p udp -d {NO_RESOLVER} --dport 53 -j DROP"
        stack.enter_context(country.rules("world", no_answer, families=only(4)))
        _wait_for_both_families(country)
        yield Stage(
            country=country,
            authorities=authorities,
            trusted=ssl.create_default_context(cafile=bundle),
            bundle=bundle,
        )


def _wait_for_both_families(country: Country) -> None:
    """The first packet over IPv6 may take a second: neighbours are met here."""
    places = [*CONTROLS, *(node.name for isp in ISPS for node in nodes_of(isp))]
    mute: list[str] = []

    def meet(place: str) -> None:
        deadline = time.monotonic() + _READY_S
        with country.inside(place):
            for host in ECHO:
                while canary.echo(host, ECHO_PORT) != "ok":
                    if time.monotonic() > deadline:
                        mute.append(f"{place} to {host}")
                        return

    threads = [threading.Thread(target=meet, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if mute:
        raise RuntimeError(f"no path: {', '.join(mute)}")
