"""The configuration file, checked whole, and what the rooms of the collector take from it.

All mistakes are reported at once. Relative paths count from the file's own directory. Files that
are named are opened only by whoever needs them.
"""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from shyraq_collector.config.reader import read_table
from shyraq_collector.config.settings import HttpTable, Settings
from shyraq_collector.consume.connection import BrokerSettings
from shyraq_collector.consume.rates import Limits
from shyraq_collector.consume.tls import Tls
from shyraq_collector.errors import ConfigError
from shyraq_collector.judge.policy import Policy, TargetPolicy

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorConfig:
    """Everything the collector is told from outside."""

    ledger_file: Path
    """The SQLite file; its directory is made when absent."""
    key_file: Path
    """The key that signs receipts."""
    heartbeat_s: int
    """Of the agents, and the distance of ticks."""
    broker: BrokerSettings
    """The collector's own connection."""
    canary: BrokerSettings
    """The canary's connection to the same broker."""
    http: HttpTable
    """What is served, and where."""
    limits: Limits
    """What one node may send."""
    inbox_messages: int
    """Messages that may wait."""
    inbox_size_bytes: int
    """Their payloads together."""
    policy: Policy
    """How targets are judged."""


def load_config(path: Path) -> CollectorConfig:
    """The configuration in a file.

    Raises:
        ConfigError: It cannot be read, is not TOML, or has mistakes; all of them are listed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> CollectorConfig:
    """The configuration in a text.

    Args:
        text: TOML.
        path: What to call it in mistakes; relative paths count from its directory.

    Raises:
        ConfigError: It is not TOML, or has mistakes; all of them are listed.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    mistakes: list[str] = []
    settings = read_table(table, Settings, mistakes)
    if settings is not None:
        mistakes += _between_keys(settings)
    if settings is None or mistakes:
        listed = "".join(f"\n  - {mistake}" for mistake in mistakes)
        raise ConfigError(f"{path}: {len(mistakes)} mistake(s){listed}")
    return _config(settings, path.parent)


def _between_keys(settings: Settings) -> list[str]:
    """What must hold between keys."""
    broker, canary = settings.broker, settings.canary
    rules = (
        (not broker.tls or broker.ca_file, "broker.ca_file: needed with tls"),
        (
            (broker.certificate_file is None) == (broker.key_file is None),
            "broker.certificate_file and broker.key_file: both or neither",
        ),
        (
            (canary.certificate_file is None) == (canary.key_file is None),
            "canary.certificate_file and canary.key_file: both or neither",
        ),
        (
            broker.certificate_file is None or canary.certificate_file,
            "canary.certificate_file: needed where broker.certificate_file is set",
        ),
        (
            broker.tls or not (broker.ca_file or broker.certificate_file),
            "broker.tls: true is due where certificates are named",
        ),
        (broker.client_id != canary.client_id, "canary.client_id: not the broker.client_id"),
        (
            len({target.name for target in settings.target}) == len(settings.target),
            "target: each name once",
        ),
    )
    return [mistake for holds, mistake in rules if not holds]


def _config(settings: Settings, base: Path) -> CollectorConfig:
    collector, canary, limits = settings.collector, settings.canary, settings.limits
    ledger_file = collector.ledger_file or collector.data_directory / "ledger.db"
    return CollectorConfig(
        ledger_file=base / ledger_file,
        key_file=base / collector.key_file,
        heartbeat_s=collector.heartbeat_s,
        broker=_broker(
            settings,
            settings.broker.client_id,
            _tls(settings, base, settings.broker.certificate_file, settings.broker.key_file),
        ),
        canary=_broker(
            settings,
            canary.client_id,
            _tls(settings, base, canary.certificate_file, canary.key_file),
        ),
        http=replace(
            settings.http,
            countries_directory=None
            if settings.http.countries_directory is None
            else base / settings.http.countries_directory,
        ),
        limits=Limits(
            messages_per_s=limits.messages_per_s,
            burst_messages=limits.burst_messages,
            stored_bytes_per_day=limits.stored_mib_per_day * _MIB,
        ),
        inbox_messages=limits.inbox_messages,
        inbox_size_bytes=limits.inbox_mib * _MIB,
        policy=Policy(
            targets=MappingProxyType(
                {
                    target.name: TargetPolicy(
                        cadence_ms=target.cadence_s * 1000,
                        domestic=target.domestic,
                        neutral=target.neutral,
                    )
                    for target in settings.target
                }
            )
        ),
    )


def _broker(settings: Settings, client_id: str, tls: Tls | None) -> BrokerSettings:
    broker = settings.broker
    return BrokerSettings(
        host=broker.host,
        port=broker.port,
        protocol=broker.protocol,
        client_id=client_id,
        tls=tls,
        session_expiry_s=broker.session_expiry_s,
        keepalive_s=broker.keepalive_s,
        connect_timeout_ms=round(broker.connect_timeout_s * 1000),
        answer_timeout_ms=round(broker.answer_timeout_s * 1000),
        backoff_cap_ms=round(broker.backoff_cap_s * 1000),
    )


def _tls(
    settings: Settings, base: Path, certificate_file: Path | None, key_file: Path | None
) -> Tls | None:
    if not settings.broker.tls or settings.broker.ca_file is None:
        return None
    return Tls(
        ca_file=base / settings.broker.ca_file,
        certificate_file=None if certificate_file is None else base / certificate_file,
        key_file=None if key_file is None else base / key_file,
    )
