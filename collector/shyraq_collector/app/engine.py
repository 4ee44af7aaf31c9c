"""The engine as this collector's configuration wants it; for the running one and for commands."""

from collections.abc import Iterable
from typing import Final

from shyraq_collector.config import CollectorConfig
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.incidents.engine import Engine

_HOLD_AT_LEAST_S: Final = 60.0
"""A hold is never shorter than this, plus two and a half heartbeats."""


def make_engine(config: CollectorConfig, placements: Iterable[Placement]) -> Engine:
    """An engine with an empty memory.

    Args:
        config: For heartbeat and broker.
        placements: The registry now.
    """
    return Engine(pace=pace_of(config), placements=placements, cadence_s=config.heartbeat_s)


def pace_of(config: CollectorConfig) -> Pace:
    """Every threshold of time, and how far ticks are apart.

    A healthy node may need the broker's time-out and its longest pause to come back after a fault
    of ours; so much is added to every hold.
    """
    broker = config.broker
    back_s = (broker.answer_timeout_ms + broker.backoff_cap_ms) / 1000
    return Pace(time_scale=60 / config.heartbeat_s, hold_extra_s=max(_HOLD_AT_LEAST_S, back_s))
