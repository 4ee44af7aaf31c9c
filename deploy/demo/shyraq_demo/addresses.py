"""The country's address plan on 127.0.0.0/8; nothing in it can be reached from outside.

A run takes one /16 for itself, found free by binding: 127.R.0.0/16. In it

    127.R.0.0/24      the world beyond the cells: the broker, the origin servers, the impostor
    127.R.C.0/24      network C: a cell of the country (1 and up) or a network abroad (200 and up)

and within each network, at the same place everywhere:

    .1 gateway    .2 broker    .3 responder    .4 impostor    .5 the collector's page
    .9 nobody     .53 resolver .100 and up sites

A node in network C reaches a site at C's own address for it: a door of that network, which
passes the bytes on to the origin server or does what the story says. So every network has its
own path to everything, and a fault on one is felt by nobody else.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from shyraq_demo.errors import WorldError

BROKER_PORT: Final = 18830
TLS_PORT: Final = 8443
HTTP_PORT: Final = 8080
DNS_PORT: Final = 5353
ECHO_PORT: Final = 7007
PAGE_PORT: Final = 8022
_LOCK_PORT: Final = 7999
_FIRST_ABROAD: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The addresses of one run."""

    run: int
    """Second octet."""

    @property
    def prefix(self) -> str:
        """All of this run, as the address policy admits it."""
        return f"127.{self.run}.0.0/16"

    def broker(self, network: int = 0) -> str:
        """The broker as seen from a network; 0 is where it stands."""
        return self._at(network, 2)

    def page(self) -> str:
        """The collector's page, when it is not to be at 127.0.0.1."""
        return self._at(0, 5)

    def gateway(self, network: int) -> str:
        """The router of a home in a network."""
        return self._at(network, 1)

    def responder(self, network: int) -> str:
        """The collector's echo as seen from a network."""
        return self._at(network, 3)

    def impostor(self) -> str:
        """The censor's own server."""
        return self._at(0, 4)

    def nobody(self, network: int) -> str:
        """An address at which nothing listens."""
        return self._at(network, 9)

    def resolver(self, network: int) -> str:
        """The resolver of a network."""
        return self._at(network, 53)

    def site(self, index: int, network: int = 0) -> str:
        """A site as seen from a network; 0 is its origin."""
        return self._at(network, 100 + index)

    def _at(self, network: int, host: int) -> str:
        return f"127.{self.run}.{network}.{host}"


def network_of_cell(index: int) -> int:
    """The third octet of the country's cell with this index."""
    return 1 + index


def network_abroad(index: int) -> int:
    """The third octet of the foreign network with this index."""
    return _FIRST_ABROAD + index


@contextmanager
def claim() -> Iterator[Plan]:
    """A plan that no other run on this machine has, for as long as the context lasts.

    Raises:
        WorldError: Every plan is taken.
    """
    for run in range(70, 250):
        plan = Plan(run=run)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as lock:
            try:
                lock.bind((plan.broker(), _LOCK_PORT))
                lock.listen(1)
                socket.create_server((plan.broker(), BROKER_PORT)).close()
            except OSError:
                continue
            yield plan
            return
    raise WorldError("no free loopback network from 127.70.0.0/16 to 127.249.0.0/16")
