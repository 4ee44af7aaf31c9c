"""The whole country on loopback: servers, networks, and the faults of a story put on them.

`begin` opens everything; `turn` brings every network to what the story's faults mean at a
moment and returns when canaries have proved it.
"""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from shyraq_demo.addresses import (
    HTTP_PORT,
    TLS_PORT,
    Plan,
    network_abroad,
    network_of_cell,
)
from shyraq_demo.authority import Authority, found
from shyraq_demo.fleet import bundle_of
from shyraq_demo.network import Network
from shyraq_demo.origin import Server, forged_page
from shyraq_demo.story import Cell, Story, cells
from shyraq_demo.treatment import Impostor, Orders, faults_on, orders

IMPOSTOR_ROOT: Final = "Forced National Trust Network"


class Country:
    """Everything on the wire but the broker, the nodes and the collector."""

    def __init__(self, story: Story, plan: Plan, directory: Path) -> None:
        """Lay the country out; nothing is opened yet.

        Args:
            story: What stands where.
            plan: The run's addresses.
            directory: Of this run; certificates and keys are written here.
        """
        self._story = story
        self.bundle: Final = bundle_of(directory)
        directory = self.bundle.parent
        directory.mkdir()
        authority = found("Shyraq demo root")
        self.bundle.write_bytes(authority.pem())
        self._servers = _servers(story, plan, authority, directory)
        self.networks: Final[Mapping[Network, Cell | None]] = _networks(story, plan)
        self._impostor = Impostor(
            tls=(plan.impostor(), TLS_PORT), http=(plan.impostor(), HTTP_PORT), lie=plan.nobody(0)
        )

    async def begin(self) -> None:
        """Open everything, whole.

        Raises:
            WorldError: An address is taken.
        """
        for server in self._servers:
            await server.open()
        for network in self.networks:
            await network.open()

    async def close(self) -> None:
        """Close everything."""
        for network in self.networks:
            await network.close()
        for server in self._servers:
            await server.close()

    async def turn(self, heartbeats: float) -> None:
        """Bring every network to this moment of the story.

        Raises:
            EffectError: A canary did not meet what the story says.
        """
        due = {network: self._orders(cell, heartbeats) for network, cell in self.networks.items()}
        await asyncio.gather(*(network.obey(order) for network, order in due.items()))

    def forget_standing(self) -> None:
        """Drop the canaries that stand through a cut, because the broker itself goes."""
        for network in self.networks:
            network.forget()

    def _orders(self, cell: Cell | None, heartbeats: float) -> Orders:
        return orders(self._story.sites, faults_on(self._story, cell, heartbeats), self._impostor)


def _servers(story: Story, plan: Plan, authority: Authority, directory: Path) -> tuple[Server, ...]:
    def pair(address: str, status: str, page: str, context: ssl.SSLContext) -> tuple[Server, ...]:
        return tuple(
            Server(at=(address, port), status=status, page=page, context=tls)
            for port, tls in ((TLS_PORT, context), (HTTP_PORT, None))
        )

    names = [site.name for site in story.sites]
    impostor = found(IMPOSTOR_ROOT).serve(names, directory)
    servers = pair(plan.impostor(), "403 Forbidden", forged_page(names), impostor)
    for index, site in enumerate(story.sites):
        context = authority.serve([site.name], directory)
        servers += pair(plan.site(index), "200 OK", f"<h1>{site.name}</h1>", context)
    return servers


def _networks(story: Story, plan: Plan) -> dict[Network, Cell | None]:
    networks: dict[Network, Cell | None] = {}
    for index, cell in enumerate(cells(story)):
        number = network_of_cell(index)
        networks[Network(plan=plan, number=number, sites=story.sites)] = cell
    for index in range(len(story.abroad)):
        number = network_abroad(index)
        networks[Network(plan=plan, number=number, sites=story.sites)] = None
    return networks
