"""A story: a country, its networks and sites, what is done to them, and what must be found.

Plain values; `story_toml` reads them. Times count in heartbeats from the start of the story,
so one file serves a compressed demo and a lab in real time. A fault acts on cells (ISP ×
region): those its `where` names. Faults may overlap; a cell is whole again when the last one
on it has ended.

    kind             what is done                                            needs
    cut              nothing passes, neither new nor old connections         -
    border-cut       the same, only for what lies abroad                     -
    drop             new connections get no answer                           site
    refuse           new connections are refused                             site
    reset            a reset after the client's first bytes                  site
    hang             silence after the client's first bytes                  site
    slow             each answer of the server comes delay_ms late           site, delay_ms
    page             another server answers: a forged page                   site
    certificate      another server answers: a forged certificate            site
    dns-lie          the resolver gives a false address                      site
    dns-nxdomain     the resolver denies the name                            site
    dns-silence      the resolver does not answer for the name               site
    broker-restart   the broker stops and starts again with nothing kept     -
"""

from dataclasses import dataclass, field
from typing import Final, Literal

Access = Literal["fixed", "mobile"]
Place = Literal["domestic", "abroad"]
Role = Literal["official", "ordinary", "far", "neutral", "target"]
FaultKind = Literal[
    "cut",
    "border-cut",
    "drop",
    "refuse",
    "reset",
    "hang",
    "slow",
    "page",
    "certificate",
    "dns-lie",
    "dns-nxdomain",
    "dns-silence",
    "broker-restart",
]

CUTS: Final = frozenset[FaultKind]({"cut", "border-cut"})
SITE_FAULTS: Final = frozenset[FaultKind](
    {"drop", "refuse", "reset", "hang", "slow", "page", "certificate"}
)
DNS_FAULTS: Final = frozenset[FaultKind]({"dns-lie", "dns-nxdomain", "dns-silence"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One provider in the country."""

    isp: str
    """Slug."""
    name: str
    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region, present in every network."""

    code: str
    """ISO 3166-2."""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abroad:
    """One network outside the country; it holds one control node."""

    isp: str
    name: str
    country: str
    """ISO 3166-1 alpha-2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One web site that the nodes measure or climb to."""

    name: str
    place: Place
    role: Role
    """`official`, `ordinary` and `far` are rungs of the ladder; `neutral` and `target` are measured
    as pages, the former as what nobody would block."""
    rtt_ms: int
    """How far it is from anywhere in the country, in real milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which cells a fault acts on; None means all."""

    isps: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    access: Access | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing done to the country, from one heartbeat to another."""

    id: str
    says: str
    """One sentence for the terminal when it begins."""
    over: str | None
    """One sentence for when it ends; None: nothing is told."""
    kind: FaultKind
    where: Where
    site: str | None
    begins_heartbeats: float
    ends_heartbeats: float
    delay_ms: int | None = None
    """Of `slow` alone; real milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must be published once, between two moments of the story."""

    after: str
    """A fault's id with `begins` or `ends`: `mobile-cut begins`."""
    within_heartbeats: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedStage(Expected):
    """An entry in an incident's timeline, with the scope that it must state."""

    states: frozenset[str]
    """Any of these words will do, e.g. confirmed."""
    level: str | None = None
    isps: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    access: frozenset[str] | None = None
    exempt: frozenset[str] | None = None
    sites: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedIncident:
    """One incident with its stages, in order."""

    name: str
    kind: str
    stages: tuple[ExpectedStage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedVerdict(Expected):
    """A verdict on one site in some networks, and in no others."""

    site: str
    isps: frozenset[str]
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All of it. Whatever incident is published beyond `incidents` is an invention."""

    id: str
    title: str
    starts_at_ms: int
    heartbeat_s: int
    length_heartbeats: float
    compression: int
    """How many story seconds pass in a real one; the lab may override it."""
    country: str
    """ISO 3166-1 alpha-2."""
    nodes_per_cell: int
    networks: tuple[Network, ...]
    regions: tuple[Region, ...]
    abroad: tuple[Abroad, ...]
    sites: tuple[Site, ...]
    faults: tuple[Fault, ...]
    incidents: tuple[ExpectedIncident, ...] = field(default=())
    verdicts: tuple[ExpectedVerdict, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One ISP in one region."""

    isp: str
    region: str
    access: Access


def cells(story: Story) -> tuple[Cell, ...]:
    """Every cell of the country, by network and then by region."""
    return tuple(
        Cell(isp=network.isp, region=region.code, access=network.access)
        for network in story.networks
        for region in story.regions
    )


def covers(where: Where, cell: Cell) -> bool:
    """Whether a fault with this `where` acts on the cell."""
    return (
        (where.isps is None or cell.isp in where.isps)
        and (where.regions is None or cell.region in where.regions)
        and (where.access is None or cell.access == where.access)
    )


def moment_of(story: Story, edge: str) -> float:
    """The heartbeat of a fault's edge, such as `mobile-cut begins`.

    Raises:
        KeyError: No fault has that id, or the edge is neither `begins` nor `ends`.
    """
    fault_id, _, end = edge.rpartition(" ")
    for fault in story.faults:
        if fault.id == fault_id and end in {"begins", "ends"}:
            return fault.begins_heartbeats if end == "begins" else fault.ends_heartbeats
    raise KeyError(edge)
