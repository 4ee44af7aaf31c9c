"""What a stored report tells the engine of its node.

A live report is an arrival at the moment its socket was read; its own clock has no say. Back-fill
is never an arrival. A back-filled pulse says one thing of the past: whether the node reached the
collector when it climbed its ladder. So a spool that went on through a cut shows that the node had
power; one that reached nobody shows since when.

A back-filled full ladder is also boiled down to what the node could reach: everywhere, only the
country, only a white list, nowhere. That is evidence for the cause of a silence; a live one is
not, for who is heard reaches everything again and would outshout what the silence was.

A verdict is a word on one target. Whether it is evidence, and of what, is the engine's business.

Announced absences come from live reports only: who has announced a pause hours ago and is heard
now is not absent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias, get_args

from shyraq_collector.facts.fleet import Instant, NodeId
from shyraq_collector.facts.signals import (
    Absence,
    AbsenceReason,
    LadderWord,
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
        "budget_reached": "budget",
    }
)
"""Events that announce silence; it ends when the node is heard again."""

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

    def verdict(self, word: TargetWord) -> None:
        """A verdict on a target."""
        ...


def tell(engine: Listener, kept: Kept) -> None:
    """Give the engine what one stored report says."""
    node, received_s = kept.report.node, kept.report.received_ms / 1000
    if not engine.knows(node):
        return
    report = kept.report.report
    if kept.live:
        engine.heard(node, received_s)
    if report is None:
        return
    tiers, at_s = _climbed(report), kept.report.dated_ms / 1000
    reach = reach_of(tiers)
    if reach is not None and not kept.live:
        engine.ladder(LadderWord(node=node, at=at_s, known_at=received_s, reach=reach))
    reason = _ABSENCES.get(report.events[-1].kind) if report.events else None
    if kept.live and reason is not None:
        engine.absent(Absence(node=node, begin=received_s, end=None, reason=reason))
    reached = has_reached_us(tiers)
    if not kept.live and reached is not None:
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


def _climbed(report: Report) -> Climbed:
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
