"""A transparent proxy in a provider: looks at the name in the first bytes, then meddles or passes.

Kernel rules redirect a port here. A connection whose ClientHello or Host header bears a listed
name is answered by the proxy itself: with a forged certificate (port 443) or a page (port 80).
Every other connection is spliced to where it was going, byte for byte.

    forced certificate   TLS is ended here with a certificate of the forger; the real page follows
    block page           a 403 in place of the page
    portal               every name gets a redirect into the local network
"""

import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from netlab.country import Country

Meddle = Callable[[socket.socket], None]
"""What to do with a connection that bears a listed name."""

_SO_ORIGINAL_DST: Final = 80
"""Of both families; at level SOL_IP and SOL_IPV6 (linux/netfilter_ipv4.h, netfilter_ipv6)."""
_PEEK_BYTES: Final = 4096
_PATIENCE_S: Final = 10.0


@contextmanager
def intercepting(
    country: Country, isp: str, port: int, *, name: str | None, meddle: Meddle
) -> Iterator[None]:
    """Connections from a provider's customers to a port pass through the proxy.

    Args:
        country: As built.
        isp: Where the proxy stands.
        port: 80 or 443.
        name: Whose connections are meddled with; None: everybody's.
        meddle: Gets the socket, with nothing read from it yet.
    """
    proxy = _Proxy(name, meddle)
    with country.inside(isp):
        listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    own_port = listener.getsockname()[1]
    thread = threading.Thread(target=proxy.serve, args=(country, isp, listener), daemon=True)
    thread.start()
    rules = [
        f"-t nat PREROUTING -i {lan} -p tcp --dport {port} -j REDIRECT --to-ports {own_port}"
        for lan in ("lan1", "lan2")
    ]
    try:
        with country.rules(isp, *rules):
            yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def forced_certificate(context: ssl.SSLContext, answer: bytes) -> Meddle:
    """End TLS here with another's certificate.

    Args:
        context: Shows it.
        answer: The page, as the real site would give it.
    """

    def meddle(stream: socket.socket) -> None:
        with context.wrap_socket(stream, server_side=True) as tls:
            if tls.recv(_PEEK_BYTES):
                tls.sendall(answer)
                tls.unwrap()

    return meddle


def page_instead(answer: bytes) -> Meddle:
    """Answer a request in the clear with another page."""

    def meddle(stream: socket.socket) -> None:
        stream.recv(_PEEK_BYTES)
        stream.sendall(answer)

    return meddle


class _Proxy:
    def __init__(self, name: str | None, meddle: Meddle) -> None:
        self._name = None if name is None else name.encode()
        self._meddle = meddle

    def serve(self, country: Country, isp: str, listener: socket.socket) -> None:
        with country.inside(isp), suppress(OSError):
            while True:
                stream, _ = listener.accept()
                threading.Thread(target=self._handle, args=(stream,), daemon=True).start()

    def _handle(self, stream: socket.socket) -> None:
        with stream, suppress(OSError):
            stream.settimeout(_PATIENCE_S)
            first = stream.recv(_PEEK_BYTES, socket.MSG_PEEK)
            if self._name is None or self._name in first.lower():
                self._meddle(stream)
                return
            with socket.create_connection(_was_going_to(stream), _PATIENCE_S) as upstream:
                _splice(stream, upstream)


def _was_going_to(stream: socket.socket) -> tuple[str, int]:
    local = stream.getsockname()[0]
    if local.startswith("::ffff:"):
        raw = stream.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
        port, packed = struct.unpack_from("!2xH4s", raw)
        return socket.inet_ntop(socket.AF_INET, packed), port
    raw = stream.getsockopt(socket.IPPROTO_IPV6, _SO_ORIGINAL_DST, 28)
    port, packed = struct.unpack_from("!2xH4x16s", raw)
    return socket.inet_ntop(socket.AF_INET6, packed), port


def _splice(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select(_PATIENCE_S):
                source, sink = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                data = source.recv(65_536)
                if not data:
                    return
                sink.sendall(data)
