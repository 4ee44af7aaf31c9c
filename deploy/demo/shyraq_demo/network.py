"""One network as its nodes see it: a resolver, an echo, and a door to everything else.

`obey` switches everything to its orders and returns when canaries have proved each change. The
country's cells and the networks abroad are built alike; only the story treats them
differently.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, assert_never

import dns.message
import dns.rcode
import dns.rdatatype

from shyraq_demo.addresses import (
    BROKER_PORT,
    DNS_PORT,
    ECHO_PORT,
    HTTP_PORT,
    TLS_PORT,
    Plan,
)
from shyraq_demo.canary import (
    PATIENCE_S,
    SILENCE_S,
    Question,
    ask_broker,
    ask_datagram,
    ask_site,
    prove,
)
from shyraq_demo.datagrams import Datagrams
from shyraq_demo.door import Cut, Door, Endpoint, Pass, Treatment
from shyraq_demo.errors import EffectError
from shyraq_demo.resolver import Deny, Ignore, Lie, Resolver, Trick
from shyraq_demo.standing import Standing
from shyraq_demo.story import Site
from shyraq_demo.treatment import Orders
from shyraq_wire import echo

_WHOLE: Final = Orders(abroad=Pass(), tls={}, http={}, silent=False, tricks={})
_NONCE: Final = b"canary of the demo world"


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
        self.echo_at: Final[Endpoint] = (plan.responder(number), ECHO_PORT)
        self.broker: Final = Door(
            at=(plan.broker(number), BROKER_PORT), onward=(plan.broker(), BROKER_PORT)
        )
        self.tls: Final = _site_doors(plan, number, sites, TLS_PORT)
        self.http: Final = _site_doors(plan, number, sites, HTTP_PORT)
        self._echo = Datagrams(at=self.echo_at, answer=self._answer_echo)
        self._names = [site.name for site in sites]
        self._questions = self._all_questions()
        self._orders = _WHOLE
        self._standing: Standing | None = None

    async def open(self) -> None:
        """Open everything, whole.

        Raises:
            WorldError: An address is taken.
        """
        await self.resolver.open()
        self._echo.open()
        for door in self._questions:
            door.open()

    async def close(self) -> None:
        """Close everything."""
        self.forget()
        await self.resolver.close()
        self._echo.close()
        await asyncio.gather(*(door.close() for door in self._questions))

    async def obey(self, orders: Orders) -> None:
        """Switch to these orders and prove every change.

        Raises:
            EffectError: A canary met something other than what was ordered.
        """
        if orders == self._orders:
            return
        self._orders = orders
        due = self._due(orders)
        changed = [door for door in due if door.treatment != due[door]]
        falls = self.broker in changed and isinstance(orders.abroad, Cut)
        if falls:
            self._standing = Standing(self.broker.at, f"demo-standing-{self.number}")
            await self._standing.open()
        self.resolver.treat(silent=orders.silent, tricks=orders.tricks)
        await asyncio.gather(*(door.treat(due[door]) for door in changed))
        await asyncio.gather(
            *(prove(door.at, due[door], self._questions[door]) for door in changed),
            *(self._prove_name(name, orders) for name in self._names),
            self._prove_echo(orders),
        )
        if falls and self._standing is not None:
            await self._standing.prove_silence()
        elif self.broker in changed and self._standing is not None:
            await self._standing.prove_return()
            self._standing = None

    def forget(self) -> None:
        """Drop the connection that stands through a cut, because the broker itself goes."""
        if self._standing is not None:
            self._standing.close()
            self._standing = None

    def _answer_echo(self, question: bytes) -> bytes | None:
        return None if isinstance(self._orders.abroad, Cut) else echo.answer(question)

    async def _prove_echo(self, orders: Orders) -> None:
        is_cut = isinstance(orders.abroad, Cut)
        patience_s = SILENCE_S if is_cut else PATIENCE_S
        came = await ask_datagram(self.echo_at, echo.ask(_NONCE), patience_s)
        if (came is None) != is_cut:
            raise EffectError(f"the echo at {self.echo_at[0]} does not do as ordered")

    async def _prove_name(self, name: str, orders: Orders) -> None:
        expected = "silence" if orders.silent else _word(orders.tricks.get(name))
        query = dns.message.make_query(name, dns.rdatatype.A).to_wire()
        patience_s = SILENCE_S if expected == "silence" else PATIENCE_S
        came = await ask_datagram(self.resolver.at, query, patience_s)
        if (met := _word_of(came, self.resolver.records[name])) != expected:
            raise EffectError(
                f"resolver {self.resolver.at[0]} on {name}: {expected} was due, "
                f"the canary met {met}"
            )

    def _due(self, orders: Orders) -> dict[Door, Treatment]:
        due = {self.broker: orders.abroad}
        due.update((door, orders.tls[name]) for name, door in self.tls.items())
        due.update((door, orders.http[name]) for name, door in self.http.items())
        return due

    def _all_questions(self) -> dict[Door, Question]:
        questions = {self.broker: ask_broker(f"demo-canary-{self.number}")}
        questions.update((door, ask_site(n, tls=True)) for n, door in self.tls.items())
        questions.update((door, ask_site(n, tls=False)) for n, door in self.http.items())
        return questions


def _site_doors(plan: Plan, number: int, sites: Sequence[Site], port: int) -> dict[str, Door]:
    return {
        site.name: Door(
            at=(plan.site(i, number), port), onward=(plan.site(i), port), rtt_ms=site.rtt_ms
        )
        for i, site in enumerate(sites)
    }


def _word(trick: Trick | None) -> str:
    match trick:
        case None:
            return "truth"
        case Lie():
            return "lie"
        case Deny():
            return "denial"
        case Ignore():
            return "silence"
        case _:
            assert_never(trick)


def _word_of(answer: bytes | None, truth: str) -> str:
    if answer is None:
        return "silence"
    message = dns.message.from_wire(answer)
    if message.rcode() == dns.rcode.NXDOMAIN:
        return "denial"
    return "truth" if message.answer[0].to_text().endswith(f" {truth}") else "lie"
