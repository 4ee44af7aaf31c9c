"""What the correlator says of a country: incidents and their append-only timelines.

An `Entry` is one line of a timeline: never edited, dated twice (`at`, the event; `published_at`,
when an online system could have said it). A correction is a new entry. An `Incident` is the sum of
its entries so far, kept for convenience: it can be rebuilt from them.

Words: kind is what sort of thing happened, cause is who or what did it as far as is proven, state
is where the incident stands in its life (table in `shyraq_collector.incidents.lifecycle`).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shyraq_collector.facts.fleet import Access, Instant

Kind: TypeAlias = Literal["outage", "throttling", "blocking", "collector-fault"]
"""A cut of any cause is an outage."""

Cause: TypeAlias = Literal[
    "isp",
    "power",
    "network",
    "cut-off",
    "border",
    "national",
    "domestic-only",
    "white-list",
    "selective",
    "own-fault",
    "unknown",
]
"""What is proven of the cause.

isp: one network fell while others in the same places stayed. power: spools stop at onset. network:
spools go on, so the equipment had power. cut-off: nothing reaches the collector, canaries abroad
are fine; more is not proven. border, national, domestic-only, white-list: decided by back-filled
ladders, a second rendezvous or an outside source. selective: one target. own-fault: ours.
"""

State: TypeAlias = Literal[
    "suspected",
    "confirmed",
    "ongoing",
    "partial_restore",
    "restored",
    "reopened",
    "closed",
    "dismissed",
]

Level: TypeAlias = Literal["nation", "isp", "region", "cell"]

Grade: TypeAlias = Literal["A", "B", "C"]
"""A: three lines of one network, or three sites on two networks. B: two sites. C: one line."""

TestName: TypeAlias = Literal["edge", "level", "ladder", "target", "health"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How far an incident is proven to reach; an empty tuple does not limit that dimension.

    Attributes:
        country: ISO code.
        level: nation, isp (everywhere it is seen), region (all networks), cell (some networks in
            some regions).
        isps: Networks named, sorted; each one alone passed the test.
        regions: Regions named, sorted.
        access: Access types named.
        exempt_isps: Networks that stayed up inside the scope.
        targets: For throttling and blocking: the targets concerned.
    """

    country: str
    level: Level
    isps: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    access: tuple[Access, ...] = ()
    exempt_isps: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An instant known only between two others: after `earliest`, before `latest`."""

    earliest: Instant
    latest: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The figures behind one entry.

    Attributes:
        test: Which test gave the score.
        score: In nats; suspected at 10, confirmed at 13.
        lines: Lines in scope that were eligible just before onset.
        down: Of them, silent or known unreachable now.
        sites: Different sites among the silent ones.
    """

    test: TestName
    score: float
    lines: int
    down: int
    sites: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a timeline; stored, never edited.

    Attributes:
        incident: Id of the incident: hash of kind, first group and suspected_at; where words tell
            it, and no silence, of the moment of the first word.
        number: 0, 1, 2, … within the incident; (incident, number) is unique.
        at: When it happened, on the event's side, in POSIX seconds.
        published_at: When an online system could have said it.
        state: Where the incident stands after this entry.
        kind: What sort of incident.
        cause: As far as proven at `published_at`.
        grade: Strength of the evidence.
        scope: As proven at `published_at`.
        onset: When it began.
        confidence: 0 to 1.
        evidence: The figures.
        note: One plain sentence saying why this entry was written.
    """

    incident: str
    number: int
    at: Instant
    published_at: Instant
    state: State
    kind: Kind
    cause: Cause
    grade: Grade
    scope: Scope
    onset: Interval
    confidence: float
    evidence: Evidence
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Everything said of one incident so far.

    Attributes:
        id: 16 hexadecimal characters.
        kind: What sort.
        cause: As last said.
        grade: As last said.
        scope: The widest scope that was proven.
        state: As last said.
        onset: As last said.
        suspected_at: First entry.
        confirmed_at: None while it is, or was only, a suspicion.
        restored_at: Last restoration known; None while it goes on.
        lines_observed: Eligible lines in scope just before onset.
        lines_down_peak: Most of them down at once.
        confidence: 0 to 1.
        history: All entries, oldest first.
    """

    id: str
    kind: Kind
    cause: Cause
    grade: Grade
    scope: Scope
    state: State
    onset: Interval
    suspected_at: Instant
    confirmed_at: Instant | None
    restored_at: Instant | None
    lines_observed: int
    lines_down_peak: int
    confidence: float
    history: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """One group now, for status pages.

    Attributes:
        country: Of the group.
        isp: None: all networks.
        region: None: all regions.
        access: None: both kinds.
        lines: Eligible lines.
        down: Of them, silent or unreachable.
        sites: Different sites among the eligible lines; under three nothing is published, so
            that no page tells of one host.
        observable: False under three eligible lines: say "not observable", never "ok".
        incident: Id of the open incident that covers the group, if any.
        since: When the lines that are down now fell; None while none is down.
    """

    country: str
    isp: str | None
    region: str | None
    access: Access | None
    lines: int
    down: int
    sites: int
    observable: bool
    incident: str | None
    since: Interval | None = None
