"""Lookups: one name asked of one resolver, by the system, over UDP or over TCP.

Over UDP the socket stays open after the first answer (`Limits.late_answer_ms`): forging a
first answer is the commonest DNS attack, the true one still comes, and only a socket of our own
sees both. The first answer with our query id decides the step; every datagram is noted:

    answers      addresses of the first answer with our query id
    rcode        of that answer
    answered_ms  when it came, since the question
    datagrams    the first eight that came, and the deciding one: at_ms, size_bytes, id_matches,
                 rcode, answers
    truncated    the answer says that it does not fit (TC)

dnspython reads and writes the format; the sockets are ours. The socket is connected, so the
kernel drops what does not bear the server's address, and ICMP errors arrive as failures.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from dns import _features

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.connect import Stream, connect
from shyraq_agent.measure.edges import Edges, Resolver, SystemResolver
from shyraq_agent.measure.step import Notes
from shyraq_wire.report import Json

# paho loads dnspython's resolver, and that would load aioquic: three megabytes that only the
# probe `quic` needs.
_features.force("doq", enabled=False)

QueryType = Literal["A", "AAAA"]

_MAX_ANSWERS = 16
_MAX_NOTED = 8
_MAX_DATAGRAMS = 256
"""Read of one question: a flood of forged ids must not push the answer out."""
_MAX_MESSAGE_BYTES = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question to a DNS server."""

    name: str
    """In ASCII."""
    query_type: QueryType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A DNS message that came back, as far as it can be read."""

    id_matches: bool
    rcode: str | None
    """None: the bytes are no answer to this question."""
    answers: tuple[str, ...]
    """Addresses of the family that was asked for."""
    truncated: bool
    """The answer did not fit."""


async def look_up_by_system(name: str, resolver: SystemResolver, notes: Notes) -> Sequence[str]:
    """The addresses that this host's own resolver gives.

    Raises:
        OSError: socket.gaierror, with the resolver's reason.
        StepFailed: There is none.
    """
    found = tuple(await resolver.addresses(name))[:_MAX_ANSWERS]
    notes["answers"] = found
    if not found:
        raise StepFailed("dns_no_answer")
    return found


async def look_up_over_udp(
    question: Question,
    resolver: Resolver,
    edges: Edges,
    notes: Notes,
    *,
    late_answer_ms: float | None = None,
) -> Sequence[str]:
    """The addresses in the first answer over UDP; the socket then waits for a second one.

    Args:
        question: Name and type.
        resolver: An address that the policy has let pass.
        edges: Randomness, stopwatch and limits.
        notes: Get the fields above.
        late_answer_ms: How long to wait for a second answer; None: as the limits say.

    Raises:
        OSError: An ICMP error, or no answer in time (TimeoutError).
        StepFailed: The answer says no, or is no answer.
    """
    query_id = edges.rng.getrandbits(16)
    began_ms = edges.stopwatch.elapsed_ms()
    seen: list[Json] = []
    notes["datagrams"] = seen
    decided: Reply | None = None
    until_ms = began_ms + edges.limits.lookup_ms
    extra_ms = edges.limits.late_answer_ms if late_answer_ms is None else late_answer_ms
    with socket.socket(_FAMILIES[":" in resolver.address], socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        udp.connect((resolver.address, resolver.port))
        message = _encode(question, query_id)
        await asyncio.get_running_loop().sock_sendall(udp, message)
        edges.meter.datagram(len(message), resolver.address)
        for _ in range(_MAX_DATAGRAMS):
            try:
                data = await _receive(udp, until_ms - edges.stopwatch.elapsed_ms())
            except OSError:
                if decided is None:
                    raise
                break  # an ICMP error after the answer takes nothing back
            if data is None:
                break
            edges.meter.datagram(len(data), resolver.address)
            now_ms = edges.stopwatch.elapsed_ms()
            reply = decode_reply(data, question, query_id)
            decides = decided is None and reply.id_matches
            if decides or len(seen) < _MAX_NOTED:
                seen.append(_datagram(reply, round(now_ms - began_ms, 3), len(data)))
            if decides:
                decided = reply
                notes["answered_ms"] = round(now_ms - began_ms, 3)
                until_ms = now_ms + extra_ms
    if decided is None:
        raise StepFailed("dns_reply_with_wrong_query_id") if seen else TimeoutError
    return _conclude(decided, notes)


async def look_up_over_tcp(
    question: Question, resolver: Resolver, edges: Edges, notes: Notes
) -> Sequence[str]:
    """The addresses in the answer over TCP (RFC 7766).

    Raises:
        OSError: The connection failed.
        StepFailed: The answer says no, or is no answer.
    """
    query_id = edges.rng.getrandbits(16)
    message = _encode(question, query_id)
    stream = await connect(resolver.address, resolver.port, edges.meter)
    try:
        await stream.write(struct.pack("!H", len(message)) + message)
        (length,) = struct.unpack("!H", await _read_exactly(stream, 2))
        data = await _read_exactly(stream, length)
    finally:
        stream.close()
    return _conclude(decode_reply(data, question, query_id), notes)


async def _read_exactly(stream: Stream, size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes:
        more = await stream.read(size_bytes - len(data))
        if not more:
            raise StepFailed("eof_error")
        data += more
    return data


async def _receive(udp: socket.socket, wait_ms: float) -> bytes | None:
    """The next datagram; None when none came in time."""
    try:
        async with asyncio.timeout(max(0.0, wait_ms) / 1000):
            return await asyncio.get_running_loop().sock_recv(udp, _MAX_MESSAGE_BYTES)
    except TimeoutError:
        return None


def _encode(question: Question, query_id: int) -> bytes:
    message = dns.message.make_query(question.name, question.query_type, id=query_id)
    return message.to_wire()


def decode_reply(data: bytes, question: Question, query_id: int) -> Reply:
    """What a datagram or message says to a question; never raises, whatever it holds.

    Args:
        data: As it came.
        question: As it was asked.
        query_id: The id it was asked under.
    """
    if len(data) < 12 or struct.unpack_from("!H", data)[0] != query_id:
        return Reply(id_matches=False, rcode=None, answers=(), truncated=False)
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
        asked = dns.message.make_query(question.name, question.query_type, id=query_id)
        rcode = dns.rcode.to_text(message.rcode()) if asked.is_response(message) else None
        wanted = dns.rdatatype.from_text(question.query_type)
        found = [
            str(record.address)
            for rrset in message.answer
            if (rrset.rdclass, rrset.rdtype) == (dns.rdataclass.IN, wanted)
            for record in rrset
        ]
    except (dns.exception.DNSException, ValueError):
        return Reply(id_matches=True, rcode=None, answers=(), truncated=False)
    return Reply(
        id_matches=True,
        rcode=rcode,
        answers=tuple(found[:_MAX_ANSWERS]),
        truncated=bool(message.flags & dns.flags.TC),
    )


def _datagram(reply: Reply, at_ms: float, size_bytes: int) -> Json:
    return {
        "at_ms": at_ms,
        "size_bytes": size_bytes,
        "id_matches": reply.id_matches,
        "rcode": reply.rcode,
        "answers": reply.answers,
    }


def _conclude(reply: Reply, notes: Notes) -> Sequence[str]:
    notes["rcode"] = reply.rcode
    notes["answers"] = reply.answers
    if reply.truncated:
        notes["truncated"] = True
    if not reply.id_matches:
        raise StepFailed("dns_reply_with_wrong_query_id")
    if reply.rcode is None:
        raise StepFailed("dns_server_misbehaving")
    if reply.rcode != "NOERROR":
        raise StepFailed(_RCODES.get(reply.rcode, "dns_server_misbehaving"))
    if not reply.answers:
        raise StepFailed("dns_no_answer")
    return reply.answers


_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)

_RCODES: Final = {
    "NXDOMAIN": "dns_nxdomain_error",
    "SERVFAIL": "dns_servfail_error",
    "REFUSED": "dns_refused_error",
}
"""RFC 1035 section 4.1.1."""
