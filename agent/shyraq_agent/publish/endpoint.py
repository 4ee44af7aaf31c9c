"""Where a broker is and how it is spoken to: plain values."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Protocol = Literal["5", "3.1.1"]
Transport = Literal["tcp", "websocket"]

_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: Python's ssl has no name for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the broker and this node prove themselves."""

    ca_file: Path
    """The broker's issuer, PEM; no other is trusted."""
    cert_file: Path | None
    """This node's certificate, PEM; None: the broker asks for none."""
    key_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One way to the broker."""

    host: str
    port: int
    protocol: Protocol
    transport: Transport
    tls: Tls | None
    connect_timeout_ms: int
    """Real time for TCP and TLS together, each."""
    answer_timeout_ms: int
    """Real time until the broker's CONNACK, SUBACK."""

    @property
    def name(self) -> str:
        """For logs and status."""
        return f"{self.host}:{self.port}"


class OneUseContext(ssl.SSLContext):
    """The TLS context of one connection; it remembers the socket whose handshake failed.

    paho drops such a socket unclosed, for the garbage collector to find.
    """

    _opened: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:  # type: ignore[explicit-override]  # noqa: ANN401  # as ssl's own; `override` comes with Python 3.12
        """As ssl's own, and remember what was opened."""
        self._opened = super().wrap_socket(*args, **kwargs)
        return self._opened

    @property
    def opened(self) -> ssl.SSLSocket | None:
        """The socket; None: none was opened yet."""
        return self._opened


def tls_context(tls: Tls) -> OneUseContext:
    """The context for a connection. Reads files: call it in a thread.

    Certificate dates are not checked here: a Pi without a clock chip wakes in 1970, and must
    reach the broker to learn the time. `connection` checks them against what it does know.

    Raises:
        OSError: A file cannot be read, or is no certificate or key (`ssl.SSLError`).
    """
    context = OneUseContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate and its name
    context.load_verify_locations(cafile=str(tls.ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
    if tls.cert_file is not None:
        context.load_cert_chain(str(tls.cert_file), tls.key_file and str(tls.key_file))
    return context
