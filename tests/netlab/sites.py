"""Who serves what in the test country: sites, names, echo; real servers on the real ports.

A site that is down, slow or refusing is so for everybody: no mechanism is at work there. Two
name servers share one address and each has its own view: `home` for the country's nodes,
`abroad` for the controls.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final, Literal

import dns.message

from netlab.arms import ADDRESSES, standing_responder
from netlab.geography import DOMESTIC, ECHO, ECHO_PORT, NAME_SERVER
from support.authority import Authority, Issued, server_context
from support.hostile_servers import (
    Behaviour,
    Datagrams,
    dns_answer,
    dns_server,
    page,
    reset,
    site,
    stay_silent,
    tcp_server,
    udp_server,
)
from support.quic import quic_server

Serving = AbstractAsyncContextManager[object]
View = Literal["home", "abroad"]

ANSWER_DELAY_MS: Final = 40
"""Of both name servers: on a real path an injector wins the race, and so it must here."""

SLOW_MS: Final = 250
"""Before the slow site begins to shake hands, with anybody."""

BIG_PATH: Final = "/big"
BIG_BYTES: Final = 34_000

Manner = Literal[
    "good", "absent", "silent", "reset", "forged", "expired", "fresh", "refusing", "geo", "slow"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One name and how it behaves."""

    name: str
    addresses: tuple[str, ...]
    manner: Manner = "good"
    place: Literal["world", "home"] = "world"
    http3: bool = False
    """Whether QUIC is answered beside TCP."""
    elsewhere: tuple[str, ...] = ()
    """Of a CDN: what the home view gives instead; served from `home`."""


def _pair(last: str) -> tuple[str, str]:
    return f"192.0.2.{last}", f"2001:db8:a::{last}"


SITES: Final = (
    Site(name="news.example", addresses=_pair("10"), http3=True),
    Site(name="news6.example", addresses=("2001:db8:a::16",), http3=True),
    Site(name="neutral.example", addresses=_pair("20")),
    Site(name="neutral-b.example", addresses=_pair("21")),
    Site(name="cdn.example", addresses=_pair("30"), elsewhere=("198.51.100.30", "2001:db8:d::30")),
    Site(name="edge.example", addresses=_pair("31"), elsewhere=("198.51.100.31",)),
    Site(name="refused.example", addresses=_pair("40"), manner="absent"),
    Site(name="silent.example", addresses=_pair("41"), manner="silent"),
    Site(name="reset.example", addresses=_pair("42"), manner="reset"),
    Site(name="forged.example", addresses=_pair("43"), manner="forged"),
    Site(name="expired.example", addresses=_pair("44"), manner="expired"),
    Site(name="fresh.example", addresses=_pair("45"), manner="fresh"),
    Site(name="refusing.example", addresses=_pair("46"), manner="refusing"),
    Site(name="geo.example", addresses=_pair("47"), manner="geo"),
    Site(name="slow.example", addresses=_pair("48"), manner="slow"),
    Site(name="chat.example", addresses=_pair("50")),
    Site(name="b.chat.example", addresses=_pair("51")),
    Site(name="gov.example", addresses=("198.51.100.10", "2001:db8:d::10"), place="home"),
    Site(name="shop.example", addresses=("198.51.100.20", "2001:db8:d::20"), place="home"),
)

BLOCK_PAGE: Final = page(b"<title>Access restricted</title>" + b"By order. " * 60)
BLOCK_PAGE_HOST: Final = "203.0.113.160"
"""A lie in DNS may lead here: any name gets the block page, and a forged certificate."""
DEAD_HOST: Final = "203.0.113.170"
"""Nothing listens here."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """Whom the agents trust, and who forges."""

    trusted: Authority = field(default_factory=lambda: Authority("Lab Root"))
    forger: Authority = field(default_factory=lambda: Authority("Lab Security Certificate"))

    def forge(self, name: str) -> ssl.SSLContext:
        """What an interceptor shows for a name."""
        return server_context(self.forger.leaf(name), self.forger.issued)


def servers(place: str, authorities: Authorities) -> list[Serving]:
    """Every server that stands in a place."""
    standing: list[Serving] = []
    for each in SITES:
        if each.place == place:
            standing += _site(each, each.addresses, authorities)
        if each.elsewhere and place == "home":
            standing += _site(each, each.elsewhere, authorities)
    if place == "world":
        standing += [udp_server(host=host, port=ECHO_PORT) for host in ECHO]
        standing.append(standing_responder(authorities.trusted, *(each.name for each in SITES)))
        standing += [udp_server(host=host, port=443) for host in _pair("20")]
        blocked = authorities.forge("blocked.example")
        answers = _everywhere(BLOCK_PAGE)
        standing.append(tcp_server(answers, host=BLOCK_PAGE_HOST, port=80))
        standing.append(tcp_server(answers, tls=blocked, host=BLOCK_PAGE_HOST, port=443))
    if place in ("world", "resolver"):
        names = zone("abroad" if place == "world" else "home")
        standing += [
            dns_server(lambda query: answer(query, names), host=host, port=53)
            for host in NAME_SERVER
        ]
    return standing


def addresses_in(place: str) -> list[str]:
    """All addresses that a place must hold for its servers."""
    held = [a for each in SITES if each.place == place for a in each.addresses]
    if place == "home":
        held += [a for each in SITES for a in each.elsewhere]
    if place == "world":
        held += [*ECHO, *NAME_SERVER, "192.0.2.0/24", BLOCK_PAGE_HOST, DEAD_HOST, *ADDRESSES]
    if place == "resolver":
        held += NAME_SERVER
    return held


def zone(view: View) -> Mapping[str, tuple[str, ...]]:
    """Addresses by name."""
    return {
        each.name: each.elsewhere if each.elsewhere and view == "home" else each.addresses
        for each in SITES
    }


def answer(
    query: bytes, names: Mapping[str, tuple[str, ...]], *, delay_ms: float = ANSWER_DELAY_MS
) -> Datagrams:
    """What a name server says; a name that it does not know is NXDOMAIN."""
    name = dns.message.from_wire(query).question[0].name.to_text(omit_final_dot=True).lower()
    if name not in names:
        return [(delay_ms, dns_answer(query, rcode="NXDOMAIN"))]
    return [(delay_ms, dns_answer(query, *names[name]))]


def address_of(name: str, family: int = 4) -> str:
    """A site's own address of one family."""
    (found,) = (
        address
        for each in SITES
        if each.name == name
        for address in each.addresses
        if ip_address(address).version == family
    )
    return found


def _site(each: Site, addresses: tuple[str, ...], authorities: Authorities) -> list[Serving]:
    if each.manner == "absent":
        return []
    issued = _certificate(each, authorities)
    tls: ssl.SSLContext | None = server_context(issued)
    body = f"<title>{each.name}</title>".encode() + b"All the news of the day. " * 100
    whole = page(body, headers={"X-Paper": each.name})
    behaviour = site({"/": whole, BIG_PATH: page(b"x" * BIG_BYTES)})
    secure, plain = behaviour, behaviour
    match each.manner:
        case "silent":
            secure, plain, tls = stay_silent, stay_silent, None
        case "reset":
            secure, plain, tls = reset, reset, None
        case "refusing":
            secure = plain = _everywhere(page(b"No.", status="403 Forbidden"))
        case "geo":
            secure = plain = _turn_away_the_country(whole)
        case "slow":
            assert tls is not None
            secure, tls = _slowly(behaviour, tls), None
        case _:
            pass
    return [
        server
        for host in addresses
        for server in (
            tcp_server(secure, tls=tls, host=host, port=443),
            tcp_server(plain, host=host, port=80),
            *([quic_server(issued, host=host, port=443)] if each.http3 else ()),
        )
    ]


def _certificate(each: Site, authorities: Authorities) -> Issued:
    """As long as real chains are, some 4 kB: what throttles a name shows on such a flight."""
    names = (each.name, *(f"{n}.{'edition.' * 3}{each.name}" for n in range(60)))
    now, day = datetime.now(UTC), timedelta(days=1)  # noqa: TID251  # certificates need real dates
    match each.manner:
        case "forged":
            return authorities.forger.leaf(*names)
        case "expired":
            return authorities.trusted.leaf(*names, not_after=now - day)
        case "fresh":
            return authorities.trusted.leaf(*names, not_before=now - day, not_after=now + day)
        case _:
            return authorities.trusted.leaf(*names)


def _everywhere(whole: bytes) -> Behaviour:
    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(whole)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return behaviour


def _turn_away_the_country(whole: bytes) -> Behaviour:
    country = [ip_network(each) for each in DOMESTIC]
    serve, refuse = _everywhere(whole), _everywhere(page(b"No.", status="403 Forbidden"))

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitor = ip_address(writer.get_extra_info("peername")[0])
        at_home = any(visitor in prefix for prefix in country)
        await (refuse if at_home else serve)(reader, writer)

    return behaviour


def _slowly(behaviour: Behaviour, tls: ssl.SSLContext) -> Behaviour:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a socket's
        await asyncio.sleep(SLOW_MS / 1000)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        await writer.start_tls(tls)
        await behaviour(reader, writer)

    return slow
