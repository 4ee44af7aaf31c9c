"""How the broker proves itself to us, and we to it: TLS 1.3, files read in a thread."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shyraq_collector.errors import LocalError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the broker proves itself to us, and we to it."""

    ca_file: Path
    certificate_file: Path | None
    """The collector's client certificate; None: the broker asks for none."""
    key_file: Path | None


class RememberingContext(ssl.SSLContext):
    """Knows the socket it wrapped last, so that it can be closed when the handshake fails."""

    latest: ssl.SSLSocket | None = None

    def wrap_socket(  # type: ignore[explicit-override]  # typing.override needs Python 3.12
        self,
        *args: Any,  # noqa: ANN401  # handed through
        **options: Any,  # noqa: ANN401
    ) -> ssl.SSLSocket:
        """As the context's own, remembered."""
        self.latest = super().wrap_socket(*args, **options)
        return self.latest


def tls_context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.3 with our own certificate; reads files, so it belongs in a thread.

    Raises:
        LocalError: A file is missing or does not hold what it should.
    """
    try:
        context = RememberingContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=tls.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if tls.certificate_file is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
    except OSError as error:  # ssl.SSLError is one
        raise LocalError(f"broker: TLS files: {error}") from error
    return context
