"""How fast things went, as a report tells it: samples for the engine's quality test.

1. A full ladder gives one handshake time for each tier that answered with a ServerHello, the median
   over its rungs, and the round trip of the collector's echo. The light beat of every minute gives
   none: what is usual is learned from one ladder in ten minutes just as well.
2. A `rate` measurement gives a rate for the site and one for our responder, which is its control on
   the same line. A transfer that broke off, or was too short to tell anything, gives none.

What failed has no duration worth keeping: that it failed is told elsewhere.
"""

from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Final

from shyraq_collector.facts.reports import VerifiedReport
from shyraq_collector.facts.signals import PATH, Metric, QualitySample
from shyraq_wire.report import Json, Measurement, Step

FULL_TIERS: Final = frozenset({"official_domestic", "domestic", "near_abroad", "abroad"})
"""One of these was tried: it was no light beat."""

MIN_TRANSFER_BYTES: Final = 16 * 1024
"""A shorter transfer is over before its speed is known."""

_TIMED: Final[dict[str, Metric]] = {"hello": "handshake_ms", "echo": "rtt_ms"}


def samples(report: VerifiedReport) -> Iterator[QualitySample]:
    """Every sample of a report, in the order in which they were measured."""
    for measurement in report.report.measurements if report.report is not None else ():
        offset_ms = measurement.started_offset_ms + measurement.duration_ms
        at_s = (report.dated_ms + min(0.0, offset_ms)) / 1000
        for metric, target, value in _measured(measurement):
            if value > 0:
                yield QualitySample(
                    node=report.node, at=at_s, metric=metric, value=value, target=target
                )


def _measured(measurement: Measurement) -> Iterator[tuple[Metric, str, float]]:
    if measurement.probe == "ladder":
        yield from _ladder(measurement)
    elif measurement.probe == "rate":
        yield from _rates(measurement)


def _ladder(measurement: Measurement) -> Iterator[tuple[Metric, str, float]]:
    times: defaultdict[tuple[Metric, str], list[float]] = defaultdict(list)
    tried = {_text(step.data.get("tier")) for step in measurement.steps}
    for step in measurement.steps if tried & FULL_TIERS else ():
        metric = _TIMED.get(step.name)
        if metric is not None and step.failure is None:
            times[metric, PATH + _text(step.data.get("tier"))].append(step.duration_ms)
    for (metric, target), taken in times.items():
        yield metric, target, median(taken)


def _rates(measurement: Measurement) -> Iterator[tuple[Metric, str, float]]:
    for step in measurement.steps:
        size = step.data.get("size_bytes")
        if _is_transfer(step) and isinstance(size, int) and size >= MIN_TRANSFER_BYTES:
            is_control = step.data.get("at") == "responder"
            target = f"{PATH}responder" if is_control else measurement.target
            yield "rate_bps", target, 8000 * size / step.duration_ms


def _is_transfer(step: Step) -> bool:
    return step.name == "transfer" and step.failure is None and step.duration_ms >= 1


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
