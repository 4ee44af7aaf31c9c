"""The responder's own configuration file, checked whole: every mistake at once.

It is a file of its own, because the responder stands on another host, at several addresses, and
needs neither the ledger nor the broker. Relative paths count from the file's own directory.
"""

import tomllib
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from shyraq_collector.config.reader import read_table
from shyraq_collector.config.settings import bounds
from shyraq_collector.errors import ConfigError
from shyraq_collector.responder.plan import (
    BODY_BYTES,
    Arm,
    Ceilings,
    Echo,
    Plan,
    Transport,
    Use,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderTable:
    """What is served."""

    certificate_file: Path
    """Certificate chain, PEM, leaf first; from an authority that the agents trust, in production
    a public one. It is shown for every name. SIGHUP reads it again."""
    key_file: Path
    """Its private key, PEM, readable by its owner only."""
    body_bytes: int = field(default=BODY_BYTES, metadata=bounds(100_000, 1_000_000))
    """Bytes of a download. At least what agents read: their `responder.body_bytes`."""
    networks_file: Path | None = None
    """CSV with the columns prefix,asn, longest prefix wins; tells visitors their network. None:
    they are told their /24 or /48 only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTable:
    """One listener for downloads over TLS."""

    use: Use
    """What agents use it for. All arms serve the same; a neutral and a target arm need addresses
    of their own, because a block can linger on an address."""
    address: str
    """IP address to listen on."""
    port: int = field(default=443, metadata=bounds(1, 65_535))
    """TCP port; the same for neutral and target, so that only the name differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoTable:
    """One listener that sends the agents' nonce back."""

    address: str
    """IP address to listen on."""
    port: int = field(metadata=bounds(1, 65_535))
    """Port; several tables show which ports still get through in a cut."""
    transport: Transport = "udp"
    """UDP for the ladder; TCP to tell which ports get through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingsTable:
    """What all visitors, and each of them, may take. A source is one IPv4 address or IPv6 /56."""

    connections: int = field(default=256, metadata=bounds(1, 10_000))
    """Open at the same time; each holds at most one download in memory."""
    connections_per_source: int = field(default=32, metadata=bounds(1, 1_000))
    """Open at the same time from one source. Mobile networks put hundreds of lines behind one."""
    bytes_per_minute: int = field(default=20_000_000, metadata=bounds(300_000, 10**10))
    """Sent to one source in a minute; a name pair takes 280,000."""
    sources: int = field(default=65_536, metadata=bounds(16, 1_000_000))
    """Told apart in one minute, by a hash under a salt that lives as long; about 150 bytes each.
    Further ones are turned away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderSettings:
    """The whole file."""

    responder: ResponderTable
    arm: tuple[ArmTable, ...] = ()
    echo: tuple[EchoTable, ...] = ()
    limits: CeilingsTable = field(default_factory=CeilingsTable)


def load_responder(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        ConfigError: It cannot be read, is not TOML, or has mistakes; all of them are listed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    mistakes: list[str] = []
    settings = read_table(table, ResponderSettings, mistakes)
    if settings is not None:
        mistakes += [*_broken_addresses(settings), *_broken_files(settings, path.parent)]
    if settings is None or mistakes:
        listed = "".join(f"\n  - {mistake}" for mistake in mistakes)
        raise ConfigError(f"{path}: {len(mistakes)} mistake(s){listed}")
    return _plan(settings, path.parent)


def _broken_addresses(settings: ResponderSettings) -> list[str]:
    mistakes = []
    if not settings.arm and not settings.echo:
        mistakes.append("arm, echo: at least one [[arm]] or [[echo]] table is due")
    taken: set[tuple[str, int, str]] = set()
    placed: list[tuple[str, ArmTable | EchoTable, Transport]] = [
        *((f"arm[{n}]", each, "tcp") for n, each in enumerate(settings.arm)),
        *((f"echo[{n}]", each, each.transport) for n, each in enumerate(settings.echo)),
    ]
    for path, each, transport in placed:
        try:
            ip_address(each.address)
        except ValueError:
            mistakes.append(f"{path}.address: an IP address is due")
        if (each.address, each.port, transport) in taken:
            mistakes.append(f"{path}: another listener has this address and port")
        taken.add((each.address, each.port, transport))
    neutral = {each.address for each in settings.arm if each.use == "neutral"}
    for n, arm in enumerate(settings.arm):
        if arm.use == "target" and arm.address in neutral:
            mistakes.append(f"arm[{n}].address: a neutral arm has it; another address is due")
    if bool(neutral) != any(each.use == "target" for each in settings.arm):
        mistakes.append("arm: neutral and target go together")
    return mistakes


def _broken_files(settings: ResponderSettings, base: Path) -> list[str]:
    responder = settings.responder
    named = {"certificate_file": responder.certificate_file, "key_file": responder.key_file}
    if responder.networks_file is not None:
        named["networks_file"] = responder.networks_file
    missing = [
        f"responder.{key}: {base / path}: there is no such file"
        for key, path in named.items()
        if not (base / path).is_file()
    ]
    key_file = base / responder.key_file
    if key_file.is_file() and key_file.stat().st_mode & 0o077:
        missing.append(f"responder.key_file: others may read this key; chmod 600 {key_file}")
    return missing


def _plan(settings: ResponderSettings, base: Path) -> Plan:
    responder, limits = settings.responder, settings.limits
    return Plan(
        certificate_file=base / responder.certificate_file,
        key_file=base / responder.key_file,
        arms=tuple(
            Arm(use=each.use, address=each.address, port=each.port) for each in settings.arm
        ),
        echoes=tuple(
            Echo(address=each.address, port=each.port, transport=each.transport)
            for each in settings.echo
        ),
        body_bytes=responder.body_bytes,
        networks_file=None if responder.networks_file is None else base / responder.networks_file,
        ceilings=Ceilings(
            connections=limits.connections,
            connections_per_source=limits.connections_per_source,
            bytes_per_minute=limits.bytes_per_minute,
            sources=limits.sources,
        ),
    )
