"""Addresses in question, who is asked to try them, and where a target was surely met; values."""

from collections.abc import Mapping
from dataclasses import dataclass

from shyraq_wire.topics import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """When one control network last tried an address."""

    last_ms: int
    """Asked or not, milliseconds since 1970 UTC."""
    own_ms: int | None
    """By its own schedule, because its own resolver gives the address; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An address at which a sensor failed lately: what would a control meet there?"""

    target: str
    address: str
    cadence_ms: int
    """Of the target: a control's word counts only within it."""
    failed_ms: int
    """When a sensor last failed there."""
    tries: Mapping[str, Tried]
    """By control network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A certificate for the target's name was verified at this address."""

    target: str
    address: str
    at_ms: int
    """When last, milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One control is to try addresses of one target."""

    node: NodeId
    target: str
    addresses: tuple[str, ...]
