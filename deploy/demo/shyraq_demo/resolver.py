"""The resolver of one network, over UDP and TCP, and what the story may make it do.

    Truth     the network's own address of each site; NXDOMAIN for names that nobody has
    Lie       a false address for one name
    Deny      NXDOMAIN for one name
    Ignore    no answer for one name
    silent    no answer at all: the network is cut

Answers live one second, as a resolver that wants to change its mind would give them.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from shyraq_demo.datagrams import Datagrams
from shyraq_demo.door import Endpoint
from shyraq_demo.errors import WorldError

_TTL_S: Final = 1
_TCP_IDLE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Lie:
    """A false address."""

    address: str


@dataclass(frozen=True, slots=True)
class Deny:
    """NXDOMAIN for a name that exists."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """No answer."""


Trick = Lie | Deny | Ignore


class Resolver:
    """One listening resolver with the records of its network."""

    def __init__(self, *, at: Endpoint, records: Mapping[str, str]) -> None:
        """Know the records; nothing is opened yet.

        Args:
            at: Where the network's nodes ask.
            records: IPv4 address by name, both in lower case.
        """
        self.at: Final = at
        self.records: Final = dict(records)
        self._tricks: dict[str, Trick] = {}
        self._silent = False
        self._datagrams = Datagrams(at=at, answer=self.answer)
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to answer.

        Raises:
            WorldError: The address is taken.
        """
        self._datagrams.open()
        try:
            self._server = await asyncio.start_server(self._serve_tcp, *self.at)
        except OSError as error:
            raise WorldError(f"cannot answer at {self.at[0]}:{self.at[1]}: {error}") from error

    async def close(self) -> None:
        """Stop answering."""
        self._datagrams.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def treat(self, *, silent: bool, tricks: Mapping[str, Trick]) -> None:
        """From the next query on: whether to be silent, and a trick by name."""
        self._silent = silent
        self._tricks = dict(tricks)

    def answer(self, query: bytes) -> bytes | None:
        """The answer to a query as this network gives it now; None for silence."""
        if self._silent:
            return None
        try:
            message = dns.message.from_wire(query)
            (question,) = message.question
        except (dns.exception.DNSException, ValueError):
            return None
        name = question.name.to_text(omit_final_dot=True).lower()
        response = dns.message.make_response(message, recursion_available=True)
        address = self.records.get(name)
        match self._tricks.get(name):
            case None:
                pass
            case Lie(address=false):
                address = false
            case Deny():
                address = None
            case Ignore():
                return None
            case other:
                assert_never(other)
        if address is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(question.name, _TTL_S, "IN", "A", address))
        return response.to_wire()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_TCP_IDLE_S):
                size = int.from_bytes(await reader.readexactly(2), "big")
                response = self.answer(await reader.readexactly(size))
                if response is not None:
                    writer.write(len(response).to_bytes(2, "big") + response)
                    await writer.drain()
        writer.close()
