"""The journey's time: thirty times faster than real time, from one anchor for all its programs."""

from typing import Final

from shyraq_demo.pace import StoryPace

FACTOR: Final = 30
HEARTBEAT_S: Final = 60
BEAT_S: Final = HEARTBEAT_S / FACTOR
"""A heartbeat in real seconds."""
BEGINS_AT_MS: Final = 1_641_304_800_000
"""2022-01-04T14:00:00Z."""


def journey_pace(anchor_monotonic_ns: int) -> StoryPace:
    """The pace of every program of one journey.

    Args:
        anchor_monotonic_ns: When it begins, on the machine's monotonic clock.
    """
    return StoryPace(
        anchor_monotonic_ns=anchor_monotonic_ns, starts_at_ms=BEGINS_AT_MS, factor=FACTOR
    )
