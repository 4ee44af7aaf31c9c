"""One network as its nodes see it: a resolver, and a door to everything else.

`obey` switches everything to its orders and returns when canaries have proved each change. A
network without orders is whole. The country's cells and the networks abroad are all built
alike; only the story treats them differently.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from shyraq_demo.addresses import (
    BROKER_PORT,
    DNS_PORT,
    ECHO_PORT,
    HTTP_PORT,
    TLS_PORT,
    Plan,
)
from shyraq_demo.canary import (
    Question,
    Standing,
    ask_broker,
    ask_responder,
    ask_site,
    prove,
)
from shyraq_demo.door import Cut, Door, Treatment
from shyraq_demo.origin import Echo
from shyraq_demo.resolver import Resolver
from shyraq_demo.story import Site
from shyraq_demo.treatment import Orders


class Network:
    """The doors and the resolver of one network."""

    def __init__(self, *, plan: Plan, number: int, sites: Sequence[Site]) -> None:
        """Lay it out; nothing is opened yet.

        Args:
            plan: The run's addresses.
            number: Third octet of the network's addresses.
            sites: All sites, in the order of the plan.
        """
        self.number: Final = number
        self.resolver: Final = Resolver(
            at=(plan.resolver(number), DNS_PORT),
            records={site.name: plan.site(i, number) for i, site in enumerate(sites)},
        )
        self.echo: Final = Echo(at=(plan.responder(number), ECHO_PORT))
        self.broker: Final = Door(
            at=(plan.broker(number), BROKER_PORT), onward=(plan.broker(), BROKER_PORT)
        )
        self.responder: Final = Door(
            at=(plan.responder(number), ECHO_PORT), onward=(plan.responder(), ECHO_PORT)
        )
        self.tls: Final = _site_doors(plan, number, sites, TLS_PORT)
        self.http: Final = _site_doors(plan, number, sites, HTTP_PORT)
        self._standing: Standing | None = None
        self._questions = self._all_questions()

    async def open(self) -> None:
        """Open everything, whole.

        Raises:
            WorldError: An address is taken.
        """
        await self.resolver.open()
        await self.echo.open(tcp=False)
        for door in self._doors():
            door.open()

    async def close(self) -> None:
        """Close everything."""
        self.forget()
        self.echo_silent(silent=False)
        await self.resolver.close()
        await self.echo.close()
        await asyncio.gather(*(door.close() for door in self._doors()))

    async def obey(self, orders: Orders) -> None:
        """Switch to these orders and prove every change.

        Raises:
            EffectError: A canary met something other than what was ordered.
        """
        due = self._due(orders)
        changed = [door for door in self._doors() if door.treatment != due[door]]
        falls = self.broker in changed and isinstance(due[self.broker], Cut)
        if falls:
            self._standing = Standing(self.broker.at, f"demo-standing-{self.number}")
            await self._standing.open()
        self.resolver.treat(silent=orders.silent, tricks=orders.tricks)
        self.echo_silent(silent=isinstance(orders.abroad, Cut))
        await asyncio.gather(*(door.treat(due[door]) for door in changed))
        await asyncio.gather(*(prove(d.at, due[d], self._questions[d]) for d in changed))
        if self._standing is not None:
            if falls:
                await self._standing.prove_silence()
            elif self.broker in changed:
                await self._standing.prove_return()
                self._standing = None

    def forget(self) -> None:
        """Drop the connection that stands through a cut, because the broker itself goes."""
        if self._standing is not None:
            self._standing.close()
            self._standing = None

    def echo_silent(self, *, silent: bool) -> None:
        """Whether the responder's UDP side answers."""
        self.echo.silent = silent

    def _doors(self) -> list[Door]:
        return [self.broker, self.responder, *self.tls.values(), *self.http.values()]

    def _due(self, orders: Orders) -> dict[Door, Treatment]:
        due = {self.broker: orders.abroad, self.responder: orders.abroad}
        due.update((door, orders.tls[name]) for name, door in self.tls.items())
        due.update((door, orders.http[name]) for name, door in self.http.items())
        return due

    def _all_questions(self) -> dict[Door, Question]:
        questions = {
            self.broker: ask_broker(f"demo-canary-{self.number}"),
            self.responder: ask_responder(),
        }
        questions.update((door, ask_site(n, tls=True)) for n, door in self.tls.items())
        questions.update((door, ask_site(n, tls=False)) for n, door in self.http.items())
        return questions


def _site_doors(plan: Plan, number: int, sites: Sequence[Site], port: int) -> dict[str, Door]:
    return {
        site.name: Door(at=(plan.site(i, number), port), onward=(plan.site(i), port))
        for i, site in enumerate(sites)
    }
