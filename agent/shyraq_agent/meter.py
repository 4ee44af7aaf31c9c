"""Counting what this program puts on the line, where it touches the line.

TCP      the kernel's own count of a socket (TCP_INFO, tcp(7)): bytes and segments both ways,
         retransmissions, SYNs that nobody answered; with each segment's headers. `watch` a socket
         once it is made, `settle` it just before it is closed; in between it counts as it goes.
         A second descriptor is held meanwhile, because who reads a reset closes the first one.
datagram payload and headers, one call for each that is sent or received.
lookup   the host's own resolver is another program: an estimate.

Counted is the IP packet, as a provider bills it: 20 or 40 bytes of IP header, 20 of TCP and 12 of
its time stamps, 8 of UDP or ICMP; no link header. What comes in after a socket was closed is not
seen, beyond the packets that closing takes. Nothing here limits anything.
"""

import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

_IP_HEADER: Final = {socket.AF_INET: 20, socket.AF_INET6: 40}
_TCP_HEADER: Final = 20
_TIME_STAMPS: Final = 12
_UDP_HEADER: Final = 8
_SYN_OPTIONS: Final = 20
"""Of Linux: segment size, selective acknowledgement, time stamps, window scale."""

_CLOSING_SEGMENTS: Final = {1: 3, 8: 2}
"""By TCP state: established takes FIN, FIN and ACK; close-wait our FIN and its ACK."""

_INFO_BYTES: Final = 256
_HAS_TIME_STAMPS: Final = 0x01

_RESOLVER_QUESTION: Final = 46
"""IPv4, UDP and DNS headers, type and class; the name comes to it."""
_RESOLVER_ANSWER: Final = 106
"""The same, and on the average a few records."""


class HasDescriptor(Protocol):
    """A socket, or whatever wraps one."""

    def fileno(self) -> int:
        """Of the socket; -1 once it is closed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What the kernel counted of one connection."""

    so_far: int
    closing: int
    """What closing it now would add."""


class Tally:
    """The bytes of one kind of traffic."""

    def __init__(self, used_bytes: int = 0) -> None:
        """Begin at a count.

        Args:
            used_bytes: From before.
        """
        self._settled_bytes = used_bytes
        self._watched: dict[int, socket.socket] = {}

    @property
    def used_bytes(self) -> int:
        """Until now, open connections included."""
        return self._settled_bytes + sum(_read(each).so_far for each in self._watched.values())

    def add(self, size_bytes: int) -> None:
        """Count bytes that no socket here shows; fewer than none moves them elsewhere."""
        self._settled_bytes += size_bytes

    def datagram(self, payload_bytes: int, address: str) -> None:
        """Count one UDP or ICMP packet, sent or received.

        Args:
            payload_bytes: Behind the UDP header, or the 8 bytes of ICMP's.
            address: The other side's, for the family.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.add(payload_bytes + _IP_HEADER[family] + _UDP_HEADER)

    def lookup(self, name: str) -> None:
        """Count one lookup of both families by the host's own resolver: an estimate."""
        self.add(2 * (_RESOLVER_QUESTION + _RESOLVER_ANSWER + 2 * len(name)))

    def watch(self, sock: HasDescriptor) -> None:
        """Count a TCP socket from its first SYN on, until `settle`."""
        self._watched[id(sock)] = socket.socket(fileno=os.dup(sock.fileno()))

    def settle(self, sock: HasDescriptor) -> None:
        """Count a socket for the last time, with what closing it takes; twice does no harm."""
        same = self._watched.pop(id(sock), None)
        if same is not None:
            with same:
                reading = _read(same)
            self.add(reading.so_far + reading.closing)


class Meter:
    """What a whole program uses, by kind of traffic."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        """Begin anew, or go on.

        Args:
            counts: Bytes by kind from before.
        """
        self._tallies = {kind: Tally(count) for kind, count in (counts or {}).items()}

    def tally(self, kind: str) -> Tally:
        """Where to count one kind of traffic."""
        return self._tallies.setdefault(kind, Tally())

    def counts(self) -> dict[str, int]:
        """Bytes by kind until now."""
        return {kind: tally.used_bytes for kind, tally in self._tallies.items()}


def _read(sock: socket.socket) -> _Reading:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    state, options = info[0], info[5]
    received, segments_out, segments_in = struct.unpack_from("=QII", info, 128)
    (sent,) = struct.unpack_from("=Q", info, 200)
    header = _IP_HEADER[sock.family] + _TCP_HEADER
    if options & _HAS_TIME_STAMPS:
        header += _TIME_STAMPS
        syns = 2 * (_SYN_OPTIONS - _TIME_STAMPS)
    else:
        syns = _SYN_OPTIONS * (1 if segments_in else segments_out)
    so_far = sent + received + (segments_out + segments_in) * header + syns
    return _Reading(so_far=so_far, closing=_CLOSING_SEGMENTS.get(state, 0) * header)
