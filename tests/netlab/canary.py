"""Canaries: small blocking requests that say in one word what a path does to them.

    ok            it worked
    refused reset timeout unreachable eof
                  what the socket said
    forged        TLS worked, and the certificate is not of the trusted authority
    status 403    another page than 200
    10.0.0.1      DNS: the addresses given, with + between; two answers with | between

They stand apart from the agent's own probes: what proves a mechanism must not be what is tested
with it. Each runs in the place where the calling thread stands.
"""

import errno
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

import dns.message
import dns.rcode

from netlab.sites import BIG_BYTES, BIG_PATH
from shyraq_wire.echo import ask as ask_echo
from shyraq_wire.echo import is_answer

TIMEOUT_S: Final = 0.6
_PATIENT_S: Final = 20.0
_FLIGHT: Final = 100
"""Echoes under way at once."""


def tcp(address: str, port: int, *, timeout_s: float = TIMEOUT_S) -> str:
    """Connect."""
    return _word(lambda: socket.create_connection((address, port), timeout_s).close())


def hello(address: str, name: str, trusted: ssl.SSLContext, *, port: int = 443) -> str:
    """Connect and shake hands with a name."""

    def shake() -> None:
        with (
            socket.create_connection((address, port), TIMEOUT_S) as stream,
            trusted.wrap_socket(stream, server_hostname=name),
        ):
            pass

    return _word(shake)


def hello_ms(address: str, name: str, trusted: ssl.SSLContext) -> float:
    """How long a handshake takes."""
    with socket.create_connection((address, 443), _PATIENT_S) as stream:
        began = time.monotonic()
        with trusted.wrap_socket(stream, server_hostname=name):
            return (time.monotonic() - began) * 1000


def http(address: str, name: str) -> str:
    """One request in the clear."""
    status: list[str] = []

    def request() -> None:
        with socket.create_connection((address, 80), TIMEOUT_S) as stream:
            stream.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            head = stream.recv(4096)
            if not head:
                raise EOFError
            first = head.split(b"\r\n")[0].decode("latin-1").split(" ")[1]
            status.append("block page" if b"restricted" in head else f"status {first}")

    word = _word(request)
    return word if word != "ok" or status[0] == "status 200" else status[0]


def echo(address: str, port: int) -> str:
    """A nonce there and back over UDP."""

    def exchange() -> None:
        with _udp(address, port) as udp:
            nonce = secrets.token_bytes(24)
            udp.send(ask_echo(nonce))
            if not is_answer(udp.recv(100), nonce):
                raise ValueError("another's nonce")

    return _word(exchange)


def round_trip_ms(address: str, port: int) -> float:
    """How long an echo takes; the median of five."""
    times = []
    for _ in range(5):
        began = time.monotonic()
        if echo(address, port) != "ok":
            return float("inf")
        times.append((time.monotonic() - began) * 1000)
    return sorted(times)[2]


def lost_percent(address: str, port: int, *, of: int = 400) -> float:
    """How many echoes of so many do not come back."""
    with _udp(address, port) as udp:
        udp.settimeout(0.3)
        got = 0
        for _ in range(of // _FLIGHT):
            for _ in range(_FLIGHT):
                udp.send(ask_echo(secrets.token_bytes(24)))
            try:
                for _ in range(_FLIGHT):
                    udp.recv(100)
                    got += 1
            except TimeoutError:
                continue
    return 100 * (1 - got / of)


def ask(resolver: str, name: str, *, listen_s: float = 0.12) -> str:
    """Every answer to one question over UDP."""
    answers: list[str] = []

    def question() -> None:
        query = dns.message.make_query(name, "A")
        with _udp(resolver, 53) as udp:
            udp.send(query.to_wire())
            try:
                while True:
                    answers.append(_addresses(udp.recv(4096)))
                    udp.settimeout(listen_s)
            except TimeoutError:
                if not answers:
                    raise

    word = _word(question)
    return "|".join(answers) if word == "ok" else word


def rate_kbit_s(
    address: str,
    name: str,
    trusted: ssl.SSLContext,
    *,
    path: str = BIG_PATH,
    size_bytes: int = BIG_BYTES,
    skip: int = 10_000,
) -> float:
    """Speed of a download under a name, the first bytes left out: policers let a burst through."""
    with (
        socket.create_connection((address, 443), _PATIENT_S) as stream,
        trusted.wrap_socket(stream, server_hostname=name) as tls,
    ):
        tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        total, began, counted_from = 0, 0.0, 0
        while total < size_bytes and (data := tls.recv(16_384)):
            total += len(data)
            if not began and total >= skip:
                began, counted_from = time.monotonic(), total
        return (total - counted_from) * 8 / 1000 / max(time.monotonic() - began, 1e-6)


def _addresses(data: bytes) -> str:
    message = dns.message.from_wire(data)
    found = sorted(str(record) for rrset in message.answer for record in rrset)
    return "+".join(found) or dns.rcode.to_text(message.rcode())


def _udp(address: str, port: int) -> socket.socket:
    udp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(TIMEOUT_S)
    udp.connect((address, port))
    return udp


def _word(action: Callable[[], None]) -> str:
    try:
        action()
    except (OSError, EOFError) as error:
        for kind, word in _WORDS:
            if isinstance(error, kind):
                return word
        unreachable = isinstance(error, OSError) and error.errno in _UNREACHABLE
        return "unreachable" if unreachable else f"error {error}"
    return "ok"


_WORDS: Final = (
    (ssl.SSLCertVerificationError, "forged"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionResetError, "reset"),
    (EOFError, "eof"),
    (ssl.SSLEOFError, "eof"),
)
"""First match wins."""

_UNREACHABLE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES)
"""ICMP of a router; the last for IPv6 administratively prohibited."""
