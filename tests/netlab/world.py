"""The world outside: real servers in a namespace of their own.

Started as a program with a folder; writes its authority there as `bundle.pem`, prints `ready`, and
serves until its input ends.

    orda.example        a site on both families, http redirecting to https
    silent.example      no answer after ClientHello
    reset.example       RST after ClientHello
    forged.example      a certificate of another authority
    big.example         a long page behind a long chain, on both families, in clear too, and QUIC
    redirect.example    /<n> leads to the n-th forbidden address
    forbidden<n>.example, twice<n>.example
                        resolve to the n-th forbidden address; the latter to a good one at first
"""

import asyncio
import os
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import dns.message

from netlab.addresses import (
    ABROAD,
    BIG,
    DEAD,
    ECHO_PORT,
    FORGED,
    NAME_SERVER,
    REDIRECTOR,
    RESETTING,
    SITE,
)
from netlab.arms import standing_responder
from support.authority import Authority, server_context
from support.hostile_addresses import FORBIDDEN_ADDRESSES
from support.hostile_servers import (
    Datagrams,
    dns_answer,
    dns_server,
    page,
    redirect,
    reset,
    site,
    stay_silent,
    tcp_server,
    udp_server,
)
from support.quic import quic_server

ZONE = {
    "orda.example": SITE,
    "silent.example": (DEAD,),
    "reset.example": (RESETTING,),
    "forged.example": (FORGED,),
    "redirect.example": (REDIRECTOR,),
    "big.example": BIG,
    **{f"forbidden{n}.example": (each,) for n, each in enumerate(FORBIDDEN_ADDRESSES)},
}

_PAGE = page(b"<html><head><title>Orda</title></head></html>", headers={"Server": "lab"})


class NameServer:
    """Answers from the zone; a `twice` name is good once and forbidden ever after."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self._asked: Counter[tuple[str, int]] = Counter()

    def reply(self, query: bytes) -> Datagrams:
        """The datagrams for a query."""
        question = dns.message.from_wire(query).question[0]
        name = question.name.to_text(omit_final_dot=True)
        if name.startswith("twice"):
            self._asked[name, int(question.rdtype)] += 1
            is_first = self._asked[name, int(question.rdtype)] == 1
            addresses = SITE if is_first else ZONE[name.replace("twice", "forbidden")]
            return [(0, dns_answer(query, *addresses))]
        if name not in ZONE:
            return [(0, dns_answer(query, rcode="NXDOMAIN"))]
        return [(0, dns_answer(query, *ZONE[name]))]


async def serve(folder: Path) -> None:
    """Serve until standard input ends."""
    authority, forger = Authority(), Authority("Forger")
    good = server_context(authority.leaf("orda.example", *ZONE))
    forged = server_context(forger.leaf("forged.example"), forger.issued)
    middle = Authority("Middle", above=authority, rsa_bits=2048)
    names = [f"name-{n:02}.big.example" for n in range(40)]  # as long as with its log signatures
    long_leaf = middle.leaf("big.example", BIG[0], *names, rsa_bits=2048)
    long = server_context(long_leaf, middle.issued, authority.issued)
    to_https = site({"/": redirect("https://orda.example/", status="301 Moved Permanently")})
    to_lan = site({f"/{n}": redirect(url_of(each)) for n, each in enumerate(FORBIDDEN_ADDRESSES)})
    async with AsyncExitStack() as stack:
        for host in SITE:
            secure = tcp_server(site({"/": _PAGE}), tls=good, host=host, port=443)
            await stack.enter_async_context(secure)
            await stack.enter_async_context(tcp_server(to_https, host=host, port=80))
        for host in BIG:
            quic = quic_server(long_leaf, middle.issued, authority.issued, host=host, port=443)
            await stack.enter_async_context(quic)
            big = site({"/": page(os.urandom(300_000))})
            await stack.enter_async_context(tcp_server(big, tls=long, host=host, port=443))
            await stack.enter_async_context(tcp_server(big, host=host, port=80))
        for server in (
            tcp_server(stay_silent, host=DEAD, port=443),
            tcp_server(reset, host=RESETTING, port=443),
            tcp_server(stay_silent, tls=forged, host=FORGED, port=443),
            tcp_server(to_lan, host=REDIRECTOR, port=80),
            udp_server(host=ABROAD, port=ECHO_PORT),
            dns_server(NameServer().reply, host=NAME_SERVER, port=53),
        ):
            await stack.enter_async_context(server)
        await stack.enter_async_context(standing_responder(authority))
        authority.write_bundle(folder / "bundle.pem")
        print("ready", flush=True)  # noqa: T201  # the lab waits for this line
        await asyncio.to_thread(sys.stdin.read)


def url_of(address: str) -> str:
    """A URL that names an address itself."""
    return f"http://{place_of(address).removesuffix(':443')}/"


def place_of(address: str) -> str:
    """An address with a port."""
    return f"[{address}]:443" if ":" in address else f"{address}:443"


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
