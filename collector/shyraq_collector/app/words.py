"""What a stored report tells the engine of its node.

A live report is an arrival at the moment its socket was read; its own clock has no say. Back-fill
is never an arrival. A back-filled pulse says one thing of the past: whether the node reached the
collector when it climbed its ladder. So a spool that went on through a cut shows that the node had
power; one that reached nobody shows since when.

A full ladder is also boiled down to what the node could reach: everywhere, only the country, only
a white list, nowhere. A back-filled one is evidence for the cause of a silence. A live one is not,
for who is heard reaches everything again and would outshout what the silence was; it is told apart,
as a word on what a line reaches that is not silent at all.

How fast things went is told of live reports only (see `qualities`): the past has had its day.

A verdict is a word on one target. Whether it is evidence, and of what, is the engine's business.

Announced absences come from live reports only: who has announced a pause hours ago and is heard
now is not absent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias, get_args

from shyraq_collector.app.qualities import samples
from shyraq_collector.facts.fleet import Instant, NodeId
from shyraq_collector.facts.reports import VerifiedReport
from shyraq_collector.facts.signals import (
    Absence,
    AbsenceReason,
    LadderWord,
    QualitySample,
    Reach,
    TargetWord,
)
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.store.ingest import Kept
from shyraq_wire.report import EventKind, Json, Report, Tier

_ABSENCES: Final[Mapping[EventKind, AbsenceReason]] = MappingProxyType(
    {
        "paused": "pause",
        "stopped": "upgrade",
    }
)
"""Events that announce silence; it ends when the node is heard again. Not `budget_reached`: a node
without budget still beats."""

_ABROAD: Final[tuple[Tier, ...]] = ("near_abroad", "abroad")
_BEYOND_THE_GATEWAY: Final[tuple[Tier, ...]] = ("resolver", "official_domestic", "domestic")

_FAR_TIERS: Final[tuple[Tier, ...]] = ("collector", "abroad", "near_abroad")
"""Rungs that tell of the way to us, the most telling first."""


class Listener(Protocol):
    """The engine's ears."""

    def knows(self, node: NodeId) -> bool:
        """Whether the node has been placed."""
        ...

    def heard(self, node: NodeId, at: Instant, known_at: Instant | None = None) -> None:
        """A live report."""
        ...

    def word(self, node: NodeId, at: Instant, known_at: Instant, *, up: bool) -> None:
        """A back-filled word."""
        ...

    def absent(self, absence: Absence) -> None:
        """An announced absence."""
        ...

    def ladder(self, word: LadderWord) -> None:
        """What the node could reach."""
        ...

    def climbed(self, word: LadderWord) -> None:
        """What a node could reach that is heard."""
        ...

    def quality(self, sample: QualitySample) -> None:
        """How fast something went."""
        ...

    def verdict(self, word: TargetWord) -> None:
        """A verdict on a target."""
        ...


def tell(engine: Listener, kept: Kept) -> None:
    """Give the engine what one stored report says."""
    if not engine.knows(kept.report.node):
        return
    if kept.live:
        _tell_live(engine, kept.report)
    elif kept.report.report is not None:
        _tell_late(engine, kept.report, kept.report.report)


def _tell_live(engine: Listener, arrived: VerifiedReport) -> None:
    node, received_s = arrived.node, arrived.received_ms / 1000
    reach = reach_of(climbed(arrived.report)) if arrived.report is not None else None
    if reach is not None:
        at_s = arrived.dated_ms / 1000
        engine.climbed(LadderWord(node=node, at=at_s, known_at=received_s, reach=reach))
    engine.heard(node, received_s)
    events = arrived.report.events if arrived.report is not None else ()
    reason = _ABSENCES.get(events[-1].kind) if events else None
    if reason is not None:
        engine.absent(Absence(node=node, begin=received_s, end=None, reason=reason))
    for sample in samples(arrived):
        engine.quality(sample)


def _tell_late(engine: Listener, arrived: VerifiedReport, report: Report) -> None:
    node, received_s, at_s = arrived.node, arrived.received_ms / 1000, arrived.dated_ms / 1000
    tiers = climbed(report)
    reach, reached = reach_of(tiers), has_reached_us(tiers)
    if reach is not None:
        engine.ladder(LadderWord(node=node, at=at_s, known_at=received_s, reach=reach))
    if reached is not None:
        engine.word(node, at_s, received_s, up=reached)


def tell_verdict(engine: Listener, verdict: Verdict) -> None:
    """Give the engine what the judge says of one measurement."""
    if engine.knows(verdict.node):
        engine.verdict(
            TargetWord(
                node=verdict.node,
                target=verdict.target,
                at=verdict.at_ms / 1000,
                state=verdict.state,
                rule=verdict.rule,
            )
        )


Climbed: TypeAlias = Mapping[Tier, bool]
"""Which rungs of a ladder were tried, and whether anything on them answered."""


def has_reached_us(tiers: Climbed) -> bool | None:
    """Whether the node reached the collector, or at least abroad; None: it did not try.

    The first of `_FAR_TIERS` that was tried decides.
    """
    return next((tiers[tier] for tier in _FAR_TIERS if tier in tiers), None)


def reach_of(tiers: Climbed) -> Reach | None:
    """What the node could reach; None: too few rungs were tried to say."""
    abroad = [tiers[tier] for tier in _ABROAD if tier in tiers]
    if not abroad:
        return None
    if any(abroad):
        return "everywhere"
    if tiers.get("domestic"):
        return "domestic"
    if tiers.get("official_domestic") and "domestic" in tiers:
        return "white_list"
    near = [tiers[tier] for tier in _BEYOND_THE_GATEWAY if tier in tiers]
    return "nowhere" if near and not any(near) else None


def climbed(report: Report) -> Climbed:
    """The newest ladder in a report, over both address families; empty: there is none."""
    for measurement in reversed(report.measurements):
        tiers = measurement.result.get("tiers")
        if measurement.probe == "ladder" and isinstance(tiers, Mapping):
            return {
                tier: _sum(counts, "ok") > 0
                for tier in get_args(Tier)
                if isinstance(counts := tiers.get(tier), Mapping) and _sum(counts, "of") > 0
            }
    return {}


def _sum(families: Mapping[str, Json], name: str) -> int:
    total = 0
    for counts in families.values():
        value = counts.get(name) if isinstance(counts, Mapping) else None
        total += value if isinstance(value, int) else 0
    return total
