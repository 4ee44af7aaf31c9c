"""HTTP/3 handshakes: QUIC over a UDP socket of our own, driven by hand.

aioquic speaks QUIC (RFC 9000) and opens no socket: datagrams and time go in and out here, so that
every datagram goes to the one address that the policy let pass, whatever address the server
prefers (RFC 9000 section 9.6), and an ICMP error arrives as a failure. The connection is closed
as soon as the handshake is done: no stream is opened and no request is made. The certificate
is judged over TCP, beside it. Noted:

    alpn            what was agreed
    first_byte_ms   when the first datagram came, since the first Initial
    reason          the other side's words, or aioquic's, for a failure

Importing this module costs three megabytes and, on a small board, two seconds: it is done in a
thread, and only where the probe runs.
"""

import asyncio
import socket
import ssl
from typing import Final

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.step import Notes

_ALPN: Final = "h3"
_FIRST_RTT_S: Final = 0.333
"""Until a round trip is known (RFC 9002 section 6.2.2): an Initial is sent again after 1 s."""
_WINDOW_BYTES: Final = 64 * 1024
_DATAGRAM_BYTES: Final = 65_535
_CRYPTO_ERRORS: Final = range(0x100, 0x200)
_CONNECTION_REFUSED: Final = 0x2
"""Transport error codes (RFC 9000 section 20.1)."""
_NO_VERSION: Final = "Could not find a common protocol version"
"""aioquic's words; the code beside them stands for much else."""
_MAX_REASON_LENGTH: Final = 128


async def shake_hands_over_quic(
    address: str, port: int, server_name: str, edges: Edges, notes: Notes
) -> None:
    """One QUIC handshake with ALPN h3, then the connection is closed.

    Args:
        address: One IP address that the policy has let pass.
        port: UDP port.
        server_name: Name for the ClientHello, or an address, which is not sent.
        edges: The stopwatch, which times retransmissions, and the meter.
        notes: Get the fields above.

    Raises:
        OSError: An ICMP error.
        StepFailed: The other side closed, or speaks no common version.
    """
    quic = QuicConnection(
        configuration=QuicConfiguration(
            alpn_protocols=[_ALPN],
            initial_rtt=_FIRST_RTT_S,
            max_data=_WINDOW_BYTES,
            max_stream_data=_WINDOW_BYTES,
            server_name=server_name,
            verify_mode=ssl.CERT_NONE,
        )
    )
    with socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM
    ) as udp:
        udp.setblocking(False)
        udp.connect((address, port))
        await _Flight(quic, udp, edges, notes).shake()


class _Flight:
    """One connection attempt."""

    def __init__(
        self, quic: QuicConnection, udp: socket.socket, edges: Edges, notes: Notes
    ) -> None:
        self._quic, self._udp, self._notes = quic, udp, notes
        self._peer = udp.getpeername()
        self._stopwatch, self._meter = edges.stopwatch, edges.meter
        self._began_ms = edges.stopwatch.elapsed_ms()

    async def shake(self) -> None:
        self._quic.connect(self._peer, self._now_s())
        await self._send()
        while not self._is_done():
            await self._wait()
            await self._send()
        self._quic.close()
        await self._send()

    async def _wait(self) -> None:
        """For a datagram, or for the moment at which something is sent again."""
        due_s = self._quic.get_timer()
        wait_s = None if due_s is None else max(0.0, due_s - self._now_s())
        try:
            async with asyncio.timeout(wait_s):
                data = await asyncio.get_running_loop().sock_recv(self._udp, _DATAGRAM_BYTES)
        except TimeoutError:
            self._quic.handle_timer(self._now_s())
            return
        self._notes.setdefault(
            "first_byte_ms", round(self._stopwatch.elapsed_ms() - self._began_ms, 3)
        )
        self._meter.datagram(len(data), self._peer[0])
        self._quic.receive_datagram(data, self._peer, self._now_s())

    async def _send(self) -> None:
        for data, peer in self._quic.datagrams_to_send(self._now_s()):
            if peer == self._peer:  # a preferred address has passed no policy
                await asyncio.get_running_loop().sock_sendall(self._udp, data)
                self._meter.datagram(len(data), peer[0])

    def _is_done(self) -> bool:
        # aioquic tells of a close only after its draining time; the word itself is there at once.
        closing = getattr(self._quic, "_close_event", None)
        while (event := self._quic.next_event() or closing) is not None:
            if isinstance(event, HandshakeCompleted):
                self._notes["alpn"] = event.alpn_protocol
                return True
            if isinstance(event, ConnectionTerminated):
                self._notes["reason"] = event.reason_phrase[:_MAX_REASON_LENGTH]
                raise StepFailed(_failure_of(event))
        return False

    def _now_s(self) -> float:
        return self._stopwatch.elapsed_ms() / 1000


def _failure_of(event: ConnectionTerminated) -> str:
    if event.reason_phrase == _NO_VERSION:
        return "quic_incompatible_version"
    if event.error_code in _CRYPTO_ERRORS:
        return "ssl_failed_handshake"
    if event.error_code == _CONNECTION_REFUSED:
        return "connection_refused"
    return "eof_error"
