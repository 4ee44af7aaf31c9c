"""Every time threshold of the correlator, as one frozen value.

All of them derive from one heartbeat and one scale, so that a compressed demo and a recorded event
are judged by the same rules. Not here: anything learned (see `line`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast time runs for the correlator.

    Attributes:
        time_scale: Divides every threshold: 30 means that a minute passes in two seconds.
        hold_extra_s: Time a healthy node may need to come back after the collector or its broker
            did, in seconds of the scaled axis: CONNACK time-out + back-off cap. Added to 2.5
            heartbeats to make a hold.
    """

    time_scale: float = 1.0
    hold_extra_s: float = 60.0

    @property
    def heartbeat_s(self) -> float:
        """One heartbeat."""
        return 60.0 / self.time_scale

    @property
    def tick_s(self) -> float:
        """Distance between ticks: half a heartbeat.

        A leash ends at any instant, and what it proves waits for the next tick. Ticks a whole
        heartbeat apart add half of one to every alarm on average, and decide nothing better: the
        same lines are past the same leashes.
        """
        return 30.0 / self.time_scale

    @property
    def minute_s(self) -> float:
        """One scaled minute, in seconds."""
        return 60.0 / self.time_scale

    @property
    def hour_s(self) -> float:
        """One scaled hour, in seconds."""
        return 3600.0 / self.time_scale

    @property
    def day_s(self) -> float:
        """One scaled day, in seconds."""
        return 86400.0 / self.time_scale

    @property
    def hold_s(self) -> float:
        """How long silence proves nothing after a fault of our own."""
        return self.hold_extra_s + 2.5 * self.heartbeat_s
