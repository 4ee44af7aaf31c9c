"""What an entry of the registry is, and what makes one acceptable; no database here."""

import re
from dataclasses import dataclass
from typing import get_args

from shyraq_collector.errors import ConfigError
from shyraq_collector.facts.fleet import Access, Placement, Role
from shyraq_collector.verify import RegisteredKey
from shyraq_wire.errors import LocalError as WireLocalError
from shyraq_wire.topics import NodeId, check_node_id

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_REGION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A placement and when it holds."""

    placement: Placement
    valid_from_ms: int
    valid_to_ms: int | None
    """The moment it ends; None: it holds now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Everything the registry knows of one node."""

    id: NodeId
    registered_ms: int
    note: str
    keys: tuple[RegisteredKey, ...]
    assignments: tuple[Assignment, ...]
    """Oldest first."""

    @property
    def current(self) -> Assignment:
        """The newest placement."""
        return self.assignments[-1]


def check_placement(placement: Placement) -> None:
    """Return only if a placement is well formed: a slip of the keyboard would be a new group.

    Raises:
        ConfigError: Every field that is wrong, and what would be right.
    """
    try:
        check_node_id(placement.node)
    except WireLocalError as error:
        raise ConfigError(f"node id: {error}") from error
    rules = (
        (_COUNTRY.fullmatch(placement.country), "country: two capital letters (ISO 3166-1)"),
        (_REGION.fullmatch(placement.region or "XX-0"), "region: ISO 3166-2 such as KZ-75"),
        (_SLUG.fullmatch(placement.isp or "none"), "isp: a slug of a-z, 0-9, - and _"),
        (_SLUG.fullmatch(placement.site), "site: an opaque id of a-z, 0-9, - and _"),
        (placement.access in (*get_args(Access), None), "access: fixed, mobile or nothing"),
        (placement.role in get_args(Role), "role: sensor, control or canary"),
        (
            placement.role != "sensor" or (placement.isp and placement.region),
            "isp and region: a sensor needs both",
        ),
    )
    problems = [problem for holds, problem in rules if not holds]
    if problems:
        raise ConfigError(f"node {placement.node}: due is {'; '.join(problems)}")
