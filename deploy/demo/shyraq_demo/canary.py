"""Proof that a switch took effect: a client of our own tries, and must meet what was ordered.

ordered            what the canary must meet
Pass               an answer
Cut, Drop          no connection, only silence
Refuse             a refusal
Reset              a connection, then a reset
Hang               a connection, then silence
Slow               an answer, not before the delay
Divert             the impostor's answer
"""

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from shyraq_demo.door import Cut, Divert, Drop, Endpoint, Hang, Pass, Refuse, Reset, Slow, Treatment
from shyraq_demo.errors import EffectError

PATIENCE_S: Final = 15.0
"""How long an answer may take on a busy machine before it counts as none."""
SILENCE_S: Final = 0.3
"""How long nothing must come before it counts as silence."""
_SLACK_MS: Final = 5.0
_CHUNK_BYTES: Final = 16 * 1024

Outcome = Literal["unconnected", "refused", "reset", "unanswered", "answered", "diverted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a canary says through a door, and by what it knows the right server's answer."""

    says: bytes
    mark: bytes
    """In every answer of the right server, and in no other's."""
    tls_name: str | None = None
    """Speak TLS under this name."""


def ask_broker(client_id: str) -> Question:
    """An MQTT 3.1.1 CONNECT with a clean session (section 3.1); CONNACK is the answer."""
    name = client_id.encode()
    rest = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
    return Question(says=bytes((0x10, len(rest))) + rest, mark=b"\x20\x02\x00\x00")


def ask_site(name: str, *, tls: bool) -> Question:
    """A request for a site's page."""
    return Question(
        says=f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode(),
        mark=f"<h1>{name}</h1>".encode(),
        tls_name=name if tls else None,
    )


async def prove(at: Endpoint, treatment: Treatment, question: Question) -> None:
    """Return if a canary at this door meets what the treatment means.

    Raises:
        EffectError: It meets something else.
    """
    expected = _expected(treatment)
    patience_s = SILENCE_S if expected in {"unconnected", "unanswered"} else PATIENCE_S
    started = time.monotonic()
    found = await attempt(at, question, patience_s)
    took_ms = (time.monotonic() - started) * 1000
    if found != expected:
        raise EffectError(
            f"{at[0]}:{at[1]} under {treatment}: {expected} was due, the canary met {found}"
        )
    if isinstance(treatment, Slow) and took_ms + _SLACK_MS < treatment.delay_ms:
        raise EffectError(f"{at[0]}:{at[1]} under {treatment}: answered after {took_ms:.0f} ms")


async def attempt(at: Endpoint, question: Question, patience_s: float) -> Outcome:
    """What a client meets at a door."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            async with asyncio.timeout(patience_s):
                await loop.sock_connect(client, at)
        except TimeoutError:
            return "unconnected"
        except ConnectionRefusedError:
            return "refused"
        try:
            async with asyncio.timeout(patience_s):
                return await _converse(client.dup(), question)
        except TimeoutError:
            return "unanswered"
        except (ConnectionError, ssl.SSLError):
            return "reset"


async def _converse(client: socket.socket, question: Question) -> Outcome:
    client.setblocking(False)
    context = None
    if question.tls_name is not None:
        # The canary looks at who answers by the page, so it takes any certificate.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        sock=client, ssl=context, server_hostname=question.tls_name
    )
    try:
        writer.write(question.says)
        answer = b""
        while question.mark not in answer:
            chunk = await reader.read(_CHUNK_BYTES)
            if not chunk:
                return "diverted" if answer else "reset"
            answer += chunk
        return "answered"
    finally:
        writer.transport.abort()


async def ask_datagram(at: Endpoint, says: bytes, patience_s: float) -> bytes | None:
    """The answer to one datagram, or None for silence."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(at)
        try:
            async with asyncio.timeout(patience_s):
                await loop.sock_sendall(client, says)
                return await loop.sock_recv(client, _CHUNK_BYTES)
        except (TimeoutError, ConnectionRefusedError):
            return None


def _expected(treatment: Treatment) -> Outcome:
    match treatment:
        case Pass() | Slow():
            return "answered"
        case Cut() | Drop():
            return "unconnected"
        case Refuse():
            return "refused"
        case Reset():
            return "reset"
        case Hang():
            return "unanswered"
        case Divert():
            return "diverted"
        case _:
            assert_never(treatment)
