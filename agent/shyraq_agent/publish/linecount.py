"""What one connection to a broker costs, from the lookup of its name to its last packet.

paho says when its socket is open and when it is about to be closed; in between the kernel counts.
Of a connection that never opened, a half-open TLS socket is counted if there is one; else nobody
answered, and it is an estimate.
"""

import ssl
from ipaddress import ip_address
from typing import Any, Final

import aiomqtt
import paho.mqtt.client as paho

from shyraq_agent.meter import Tally

_UNANSWERED_BYTES: Final = 180
"""Three SYNs, as in the usual five seconds."""


class LineCount:
    """The count of one attempt, and of the connection if it succeeds."""

    def __init__(self, tally: Tally, client: aiomqtt.Client) -> None:
        """Stand between paho and aiomqtt where sockets come and go.

        Args:
            tally: Where the bytes count.
            client: New.
        """
        self._tally = tally
        self._client = client
        self._has_opened = False
        inner = client._client  # noqa: SLF001  # see `connection`
        inner.on_socket_open = self._opened
        inner.on_socket_close = self._closing

    def begin(self, host: str) -> None:
        """The attempt begins; a name must be looked up first."""
        try:
            ip_address(host)
        except ValueError:
            self._tally.lookup(host)

    def give_up(self, half_open: ssl.SSLSocket | None) -> None:
        """The attempt has failed; closes the socket that paho left behind.

        Args:
            half_open: Whose handshake did not come to its end; None: there is none.
        """
        if self._has_opened:
            return
        if half_open is None or half_open.fileno() < 0:
            self._tally.add(_UNANSWERED_BYTES)
            return
        self._tally.watch(half_open)
        self._tally.settle(half_open)
        half_open.close()

    def _opened(self, client: paho.Client, userdata: object, sock: Any) -> None:  # noqa: ANN401
        """paho: the socket is connected, its TLS handshake done."""
        self._has_opened = True
        self._tally.watch(sock)
        self._client._on_socket_open(client, userdata, sock)  # noqa: SLF001

    def _closing(self, client: paho.Client, userdata: object, sock: Any) -> None:  # noqa: ANN401
        """paho: the socket is about to be closed."""
        self._tally.settle(sock)
        self._client._on_socket_close(client, userdata, sock)  # noqa: SLF001
