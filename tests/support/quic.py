"""QUIC servers for tests: real handshakes, a strange version, one that hangs up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration

from support.authority import Issued
from support.hostile_servers import LOOPBACK, udp_server

VERSION_NEGOTIATION = b"\x80\x00\x00\x00\x00"
"""First bytes of a version negotiation packet (RFC 9000 section 17.2.1)."""
_STRANGE_VERSION = b"\x1a\x2a\x3a\x4a"


@asynccontextmanager
async def quic_server(
    leaf: Issued,
    *above: Issued,
    host: str = LOOPBACK,
    port: int = 0,
    alpn: Sequence[str] = ("h3",),
) -> AsyncIterator[int]:
    """A QUIC server that shakes hands and serves nothing.

    Args:
        leaf: What it shows.
        above: Intermediates after it.
        host: Address to listen on.
        port: UDP port; 0 for a free one.
        alpn: What it speaks.
    """
    configuration = QuicConfiguration(is_client=False, alpn_protocols=list(alpn))
    configuration.certificate = leaf.certificate
    configuration.certificate_chain = [each.certificate for each in above]
    configuration.private_key = leaf.key
    server = await serve(host, port, configuration=configuration)
    try:
        assert server._transport is not None
        yield server._transport.get_extra_info("sockname")[1]
    finally:
        server.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def other_version_server(*, host: str = LOOPBACK, port: int = 0) -> AsyncIterator[int]:
    """A server that speaks only a version that nobody knows."""

    def reply(initial: bytes) -> bytes:
        """Version negotiation: the two connection ids turned round, then the versions."""
        to_length = initial[5]
        to = initial[6 : 6 + to_length]
        rest = initial[6 + to_length :]
        sender = rest[1 : 1 + rest[0]]
        ids = bytes([len(sender)]) + sender + bytes([len(to)]) + to
        return VERSION_NEGOTIATION + ids + _STRANGE_VERSION

    async with udp_server(reply, host=host, port=port) as bound:
        yield bound
