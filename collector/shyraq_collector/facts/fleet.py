"""Who the nodes are, and what counts as one piece of evidence.

A `Placement` is what the registry knows of a node: country, region, ISP, access, site, role. Two
nodes behind one router fall together and prove nothing together, so the correlator never counts
nodes: it counts lines. A `LineKey` is (country, region, site, ISP, access); all sensors with the
same key are one line, and a node with two uplinks belongs to two lines.

Not here: how a placement changes over time (the registry keeps validity dates), any state.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Instant: TypeAlias = float
"""POSIX seconds, UTC. The correlator never reads a clock: every instant is given to it."""

NodeId: TypeAlias = str
"""Opaque id given at registration, never reused."""

Role: TypeAlias = Literal["sensor", "control", "canary"]
"""sensor: judged. control: same agent abroad. canary: on the collector's own host."""

Access: TypeAlias = Literal["fixed", "mobile"]


class LineKey(NamedTuple):
    """The unit of evidence: one way out of one site; a tuple, so keys sort and hash."""

    country: str
    region: str | None
    site: str
    isp: str | None
    access: Access | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a node stands, as the registry has it now.

    Attributes:
        node: The node's id.
        isp: Slug of the country's data file; None where a panel does not know it.
        region: Dated ISO 3166-2 code, or None.
        country: ISO 3166-1 alpha-2 code; may be empty for a canary.
        access: fixed, mobile, or None where unknown.
        site: Opaque id of the place; nodes of one site share power and router.
        role: Only sensors are evidence of an outage; controls and canaries watch the collector.
    """

    node: NodeId
    isp: str | None
    region: str | None
    country: str
    access: Access | None
    site: str
    role: Role = "sensor"

    @property
    def line(self) -> LineKey:
        """The line this node speaks for."""
        return LineKey(self.country, self.region, self.site, self.isp, self.access)
