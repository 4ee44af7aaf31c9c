"""Reading a configuration file: everything that is wrong with it is said at once.

1. The file is TOML; unknown keys are refused, with the nearest name.
2. Every value has its type and lies in its range.
3. The rules between keys hold.
4. The files that are named can be used, and secrets are readable by their owner only.
5. The target lists can be read, and are within the ceiling.
6. The expected traffic fits into the budget.

A later step is taken only if the earlier ones that it builds on found nothing.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shyraq_agent.config.plan import PlannedProbe, plan_probes
from shyraq_agent.config.reader import read_table
from shyraq_agent.config.rules import broken_files, broken_rules
from shyraq_agent.config.settings import Settings
from shyraq_agent.config.traffic import Traffic, expected_traffic
from shyraq_agent.errors import ConfigError
from shyraq_wire.report import ConfigRef


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """A configuration that was found good."""

    settings: Settings
    ref: ConfigRef
    """Version and hash, as every report quotes them."""
    plan: tuple[PlannedProbe, ...]
    """Every probe on every target."""
    traffic: Traffic
    """What it will cost."""


def load_config(path: Path) -> AgentConfig:
    """The configuration in a file.

    Raises:
        ConfigError: With every mistake found.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(str(path), [f"the file: {error.strerror}"]) from error
    return parse_config(text, name=str(path))


def parse_config(text: bytes, *, name: str) -> AgentConfig:
    """The configuration in the bytes of a file.

    Args:
        text: TOML in UTF-8.
        name: Of the file, for the message.

    Raises:
        ConfigError: With every mistake found.
    """
    mistakes: list[str] = []
    settings = read_table(_table(text, name), Settings, mistakes)
    if settings is not None:
        mistakes += [*broken_rules(settings), *broken_files(settings)]
    if settings is None or mistakes:
        raise ConfigError(name, mistakes)
    plan = plan_probes(settings, mistakes)
    traffic = expected_traffic(settings, plan)
    if not traffic.fits:
        mistakes.append(
            f"budget.monthly_bytes: {traffic.month_bytes:,} bytes a month are expected "
            f"({traffic.dearest}), {traffic.allowed_bytes:,} allowed beside the share for event "
            "windows: raise it, measure fewer targets, or lengthen [cadence]"
        )
    if mistakes:
        raise ConfigError(name, mistakes)
    sha256 = hashlib.sha256(text).hexdigest()
    return AgentConfig(
        settings=settings,
        ref=ConfigRef(version=settings.version, sha256=sha256),
        plan=plan,
        traffic=traffic,
    )


def _table(text: bytes, name: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text.decode("utf-8"))
    except ValueError as error:
        raise ConfigError(name, [f"not TOML: {error}"]) from error
