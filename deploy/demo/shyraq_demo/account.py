"""What was done and what was said: the two records that a check compares.

`Deed` is the lab's ground truth: a fault's edge, at the moment when canaries had proved it.
`Said` is one entry of a published timeline, `Judged` one published verdict; both are read from
the collector's public answers by `listening`. All moments are story time, milliseconds since
1970.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One edge of one fault."""

    edge: str
    """The fault's id with `begins` or `ends`."""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One line of an incident's timeline."""

    incident: str
    number: int
    published_at_ms: int
    kind: str
    state: str
    level: str
    isps: frozenset[str]
    regions: frozenset[str]
    access: frozenset[str]
    exempt: frozenset[str]
    sites: frozenset[str]
    """Names of what is blocked or slowed; empty for a cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One verdict on one site, of one measurement of one node."""

    node: str
    isp: str
    site: str
    verdict: str
    at_ms: int
    """Of the measurement."""
