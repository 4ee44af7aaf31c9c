"""What is due again and again, and how often, at each level of spending. Pure.

full     as configured
light    probes and the full ladder four times as seldom
beat     pulse, light ladder and vitals only
event window    pages, handshakes, connects and names six times as often, at either of the first
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, assert_never

from shyraq_agent.budget import Level
from shyraq_agent.config.plan import PlannedProbe
from shyraq_agent.measure.ladder import light_rungs
from shyraq_agent.measure.limits import MIN_TARGET_PERIOD_S
from shyraq_agent.measure.messengers import endpoints_of
from shyraq_agent.measure.target import Ladder, Rung
from shyraq_agent.schedule import Job, random_phase_ms
from shyraq_wire.report import Tier

_PULSE_JITTER: Final = 0.02
_PROBE_JITTER: Final = 0.1
_LIGHT_LEAD_MS: Final = 10_000
"""Longer than a rung may take, so that the light ladder is done when the pulse is sealed."""
_OWN_TIERS: Final[frozenset[Tier]] = frozenset({"link", "gateway", "resolver", "collector"})
"""Not third parties: the ceiling on requests does not protect these."""
_LIGHTER: Final = 4
_WINDOW_SPEED: Final = 6
_WINDOW_PROBES: Final = frozenset({"dns", "tcp", "tls", "web"})


class Jobs:
    """The jobs of one node."""

    def __init__(
        self,
        *,
        plan: Mapping[str, PlannedProbe],
        ladder: Ladder,
        heartbeat_ms: int,
        ladder_period_ms: int,
        vitals_period_ms: int,
        seed: str,
    ) -> None:
        """Note what is configured.

        Args:
            plan: Every probe on every target, by the key of its job.
            ladder: The rungs.
            heartbeat_ms: Period of the pulse.
            ladder_period_ms: Period of the full ladder.
            vitals_period_ms: Period of the vitals.
            seed: As of the schedule; the light ladder leads the pulse.
        """
        self._plan = plan
        phase_ms = random_phase_ms(seed, "pulse", heartbeat_ms)
        lead_ms = min(_LIGHT_LEAD_MS, heartbeat_ms // 3)
        self._beat = (
            Job(key="pulse", period_ms=heartbeat_ms, jitter=_PULSE_JITTER, phase_ms=phase_ms),
            Job(
                key="ladder.light",
                period_ms=heartbeat_ms,
                phase_ms=(phase_ms - lead_ms) % heartbeat_ms,
                targets=_third_parties(light_rungs(ladder.rungs)),
            ),
            Job(key="vitals", period_ms=vitals_period_ms, phase_ms=0),
        )
        self._full_ladder = Job(
            key="ladder.full", period_ms=ladder_period_ms, targets=_third_parties(ladder.rungs)
        )

    def at(self, level: Level, is_window: bool) -> tuple[Job, ...]:
        """What is due at a level, inside an event window or not."""
        match level:
            case "full":
                slower = 1
            case "light":
                slower = _LIGHTER
            case "beat":
                return self._beat
            case _:
                assert_never(level)
        ladder = replace(self._full_ladder, period_ms=self._full_ladder.period_ms * slower)
        probes = (
            _probe_job(key, each, slower=slower, is_window=is_window)
            for key, each in self._plan.items()
        )
        return (*self._beat, ladder, *probes)


def _probe_job(key: str, planned: PlannedProbe, *, slower: int, is_window: bool) -> Job:
    faster = _WINDOW_SPEED if is_window and planned.probe in _WINDOW_PROBES else 1
    period_s = max(MIN_TARGET_PERIOD_S, planned.period_s * slower // faster)
    return Job(
        key=key,
        period_ms=period_s * 1000,
        jitter=_PROBE_JITTER,
        targets=_hosts_of(planned),
    )


def _hosts_of(planned: PlannedProbe) -> frozenset[str]:
    """Every host that a probe touches."""
    return frozenset(each.host for each in endpoints_of(planned.target)) or frozenset(
        {planned.target.host}
    )


def _third_parties(rungs: Sequence[Rung]) -> frozenset[str]:
    return frozenset(rung.host for rung in rungs if rung.tier not in _OWN_TIERS)
