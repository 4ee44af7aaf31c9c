"""Ceilings of what one measurement may cost, compiled in: a configuration can only lower them.

They protect the host's bill, the host's household and the sites that are measured; they are
not knobs. Time-outs are here as well, because a longer one holds sockets open longer.
"""

from dataclasses import dataclass, fields
from typing import Final

MAX_TARGETS: Final = 200
"""Targets in one cycle of a node."""

MIN_TARGET_PERIOD_S: Final = 60
"""Between two requests of one node to one target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one measurement may take; each default is the ceiling.

    Raises:
        ValueError: A value is above its ceiling, or below 1.
    """

    lookup_ms: int = 4_000
    """Until a DNS server's first answer (OONI Probe uses the same)."""
    late_answer_ms: int = 500
    """How long the UDP socket stays open after the first answer: a forged answer usually wins
    the race, and the true one arrives within this time."""
    connect_ms: int = 10_000
    """TCP connect."""
    handshake_ms: int = 10_000
    """TLS handshake, from ClientHello to the server's Finished."""
    request_ms: int = 10_000
    """From sending the request to the last byte that is read."""
    quic_ms: int = 5_000
    """One of the three tries of a QUIC handshake: its first datagram is sent three times."""
    hop_ms: int = 1_500
    """Until a router on the way says that it dropped a packet."""
    ladder_ms: int = 8_000
    """One rung: half for the connect and half for the ServerHello, or all of it for an echo."""
    transfer_ms: int = 60_000
    """One download that measures speed: 128 KiB at 17 kbit/s take so long, and one that does not
    end in time is recorded as far as it came."""
    body_bytes: int = 64 * 1024
    """Read of one page that came in clear text, where a forged one must be told from the real."""
    verified_body_bytes: int = 8 * 1024
    """Read of one page that came over a verified connection: nobody on the way can have changed
    it, so status, size as announced and title say all, and the host's budget is spared."""
    redirects: int = 10
    """Followed from one target."""
    addresses_per_family: int = 2
    """Of one name, tried in one measurement."""

    def __post_init__(self) -> None:
        """Refuse what is above a ceiling."""
        for each in fields(self):
            value, ceiling = getattr(self, each.name), each.default
            if not isinstance(ceiling, int) or not 1 <= value <= ceiling:
                raise ValueError(f"{each.name}: 1 to {ceiling} is allowed, not {value}")
