"""What a stored report tells the engine of its node.

A live report is an arrival at the moment its socket was read; its own clock has no say. Back-fill
is never an arrival. A back-filled pulse says one thing of the past: whether the node reached the
collector when it climbed its ladder. So a spool that went on through a cut shows that the node had
power; one that reached nobody shows since when.

Announced absences come from live reports only: who has announced a pause hours ago and is heard
now is not absent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from shyraq_collector.facts.fleet import Instant, NodeId
from shyraq_collector.facts.signals import Absence, AbsenceReason
from shyraq_collector.store.ingest import Kept
from shyraq_wire.report import EventKind, Json, Report

_ABSENCES: Final[Mapping[EventKind, AbsenceReason]] = MappingProxyType(
    {
        "paused": "pause",
        "stopped": "upgrade",
        "budget_reached": "budget",
    }
)
"""Events that announce silence; it ends when the node is heard again."""

_FAR_TIERS: Final = ("collector", "abroad", "near_abroad")
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


def tell(engine: Listener, kept: Kept) -> None:
    """Give the engine what one stored report says."""
    node, received_s = kept.report.node, kept.report.received_ms / 1000
    if not engine.knows(node):
        return
    report = kept.report.report
    if kept.live:
        engine.heard(node, received_s)
        if report is not None and report.events:
            reason = _ABSENCES.get(report.events[-1].kind)
            if reason is not None:
                engine.absent(Absence(node=node, begin=received_s, end=None, reason=reason))
        return
    reached = None if report is None else reached_us(report)
    if reached is not None:
        engine.word(node, kept.report.dated_ms / 1000, received_s, up=reached)


def reached_us(report: Report) -> bool | None:
    """Whether the node's ladder reached the collector, or at least abroad; None: it says nothing.

    The first of `_FAR_TIERS` that was tried decides, over both address families.
    """
    for measurement in report.measurements:
        tiers = measurement.result.get("tiers")
        if measurement.probe != "ladder" or not isinstance(tiers, Mapping):
            continue
        for tier in _FAR_TIERS:
            counts = tiers.get(tier)
            if isinstance(counts, Mapping) and _sum(counts, "of") > 0:
                return _sum(counts, "ok") > 0
    return None


def _sum(families: Mapping[str, Json], name: str) -> int:
    total = 0
    for counts in families.values():
        value = counts.get(name) if isinstance(counts, Mapping) else None
        total += value if isinstance(value, int) else 0
    return total
