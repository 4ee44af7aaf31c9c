"""What the engine is told, besides plain arrivals: absences, ladders, target words, quality.

Every value carries `at`, when it was true on the node's side; where it may be told long after, it
carries `known_at` too, when the collector could first have known it. The engine is told nothing
before it could be known.

Not here: live arrivals and up/down words. They come by the million and are plain method calls
(`Engine.heard`, `Engine.word`), not objects.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from shyraq_collector.facts.fleet import Instant, NodeId

AbsenceReason: TypeAlias = Literal["pause", "upgrade", "budget", "retired"]
"""Why a node said it would be quiet; such a line leaves every denominator."""

Reach: TypeAlias = Literal["domestic", "white_list", "nowhere", "everywhere", "not_us"]
"""What a node could reach, boiled down from one full ladder.

domestic: domestic tiers alive, abroad dead. white_list: official sites alive, ordinary domestic
ones and abroad dead. nowhere: no tier beyond the gateway alive. everywhere: abroad alive too.
not_us: no full ladder, only the word that it had power and did not reach us.
"""

TargetState: TypeAlias = Literal["ok", "blocked", "throttled", "down", "unknown"]

Metric: TypeAlias = Literal["rate_bps", "handshake_ms", "rtt_ms"]
"""rate_bps is bad when it falls, the other two when they rise."""

PATH: Final = "path:"
"""Before a target that is a way and no site: a tier of the ladder, our own responder."""

OutsideWord: TypeAlias = Literal["national", "border", "isp", "power", "none"]
"""What a second rendezvous or an outside source says of an incident; none: it sees no outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A node announced that it will be quiet in [begin, end).

    Attributes:
        node: Who.
        begin: From when, in POSIX seconds.
        end: Until when; None means until the node is heard again.
        reason: Why.
    """

    node: NodeId
    begin: Instant
    end: Instant | None
    reason: AbsenceReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderWord:
    """What one node could reach at one moment, live or back-filled.

    Attributes:
        node: Who.
        at: When the ladder was climbed, in POSIX seconds.
        known_at: When the collector had it.
        reach: Which tiers answered.
    """

    node: NodeId
    at: Instant
    known_at: Instant
    reach: Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWord:
    """One verdict on one target, as the judge gave it.

    Attributes:
        node: Whose measurement it was.
        target: Name of the target.
        at: When the measurement finished, in POSIX seconds.
        state: The verdict's word. down (the control fails too) and unknown are never evidence.
        rule: Id of the rule that gave it.
    """

    node: NodeId
    target: str
    at: Instant
    state: TargetState
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySample:
    """One throughput, handshake time or round-trip time of a living node.

    Attributes:
        node: Whose.
        at: When, in POSIX seconds.
        metric: Which, with its unit in the name.
        value: In the unit of the metric, above zero.
        target: Measured against what; the paired control has its own samples under its name.
    """

    node: NodeId
    at: Instant
    metric: Metric
    value: float
    target: str
