"""What the responder serves, and where; values only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Use = Literal["neutral", "target", "rate"]
"""What an arm is for. All serve the same; the agents are told which address is which."""

Transport = Literal["udp", "tcp"]

BODY_BYTES: Final = 128 * 1024
"""Of a download, its head left out: what agents read by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One listener that serves downloads over TLS."""

    use: Use
    address: str
    """One IP address."""
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """One listener that sends our nonce back."""

    address: str
    """One IP address."""
    port: int
    transport: Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What all visitors, and each of them, may take."""

    connections: int
    """Open at the same time; further ones are closed at once."""
    connections_per_source: int
    """The same for one source."""
    bytes_per_minute: int
    """Sent to one source in a minute."""
    sources: int
    """Told apart in one minute; further ones are turned away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole responder."""

    certificate_file: Path
    """The chain, PEM, leaf first."""
    key_file: Path
    arms: tuple[Arm, ...]
    echoes: tuple[Echo, ...]
    body_bytes: int
    networks_file: Path | None
    """None: a visitor is told its prefix only."""
    ceilings: Ceilings
