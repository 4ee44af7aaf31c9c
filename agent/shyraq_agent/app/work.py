"""Keeping the schedule: the beat, the ladder, the probes, the vitals.

    pulse          each heartbeat: whatever the basket holds for it is sealed, and bulk that
                   is closed by then; a slow probe never delays it
    ladder.light   a few seconds before each pulse, so that the pulse carries it
    ladder.full    every five minutes, and at once when a light beat differs from what was
                   seen before
    trace …        also when what is reached changes, where the host consented, at most every
                   quarter of an hour
    vitals         the host's own state; too low a voltage is an event of its own
    <probe> <target>   each on its own grid

At most 8 probes run at once; name pairs stand apart, because they wait for one another's washout.
One that is still running when it is due again is not started twice. An exception in a probe is a
bug: it is logged with its trace and counted in `status`, and the beat goes on, because a node that
stops beating looks like an outage.

How much is measured follows from the month's account, looked at before each pulse (`jobs`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Final, NoReturn, cast

from shyraq_agent.app.jobs import Jobs
from shyraq_agent.app.spending import Spending
from shyraq_agent.budget import Level
from shyraq_agent.config.plan import PlannedProbe
from shyraq_agent.measure import Probe
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.ladder import LadderProbe
from shyraq_agent.measure.limits import MIN_TARGET_PERIOD_S
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import Ladder
from shyraq_agent.schedule import Schedule
from shyraq_agent.sign import Basket, Contents, LifeEvent
from shyraq_wire.report import EventKind, Json

AT_ONCE: Final = 8
"""Probes that run at the same time."""

STEP_MS: Final = 1_000
"""A wall clock that has moved this much against the boot clock was stepped."""

EDGE_TRACE_SPACING_MS: Final = 15 * 60_000
"""Between two rounds of traces that a change hastened; a line may flap each minute."""

_LOGGER = logging.getLogger(__name__)

Reach = Mapping[tuple[str, str], bool]
"""Whether a (tier, family) was alive."""


class Work:
    """What the agent does again and again."""

    def __init__(
        self,
        *,
        plan: Sequence[PlannedProbe],
        probes: Mapping[str, Probe],
        ladder: Ladder,
        edges: Edges,
        heartbeat_ms: int,
        ladder_period_ms: int,
        vitals_period_ms: int,
        read_vitals: Callable[[], Mapping[str, Json]],
        seal: Callable[[Contents], None],
        spending: Spending,
        seed: str,
        traces_at_edges: bool = False,
    ) -> None:
        """Lay out the schedule; nothing runs yet.

        Args:
            plan: Every probe on every target.
            probes: The probes by name.
            ladder: The rungs.
            edges: What probes may touch.
            heartbeat_ms: Period of the pulse.
            ladder_period_ms: Period of the full ladder.
            vitals_period_ms: Period of the vitals.
            read_vitals: Called in a thread.
            seal: Takes contents that are ready.
            spending: The month's account.
            seed: Spreads phases and jitter; the node's id, so that they stay after a restart.
            traces_at_edges: Whether a change hastens the traces.
        """
        self._plan = {f"{each.probe} {each.target.text}": each for each in plan}
        self._probes = probes
        self._ladder = LadderProbe(ladder, edges)
        self._edges = edges
        self._pace = edges.pace
        self._read_vitals = read_vitals
        self._seal = seal
        self._spending = spending
        self._jobs = Jobs(
            plan=self._plan,
            ladder=ladder,
            heartbeat_ms=heartbeat_ms,
            ladder_period_ms=ladder_period_ms,
            vitals_period_ms=vitals_period_ms,
            seed=seed,
        )
        self._basket = Basket()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._running: set[str] = set()
        self._reach: Reach = {}
        self._under_voltage = False
        self._traces_at_edges = traces_at_edges
        self._traced_uptime_ms: int | None = None
        self._clock_offset_ms = self._pace.now_ms() - self._pace.uptime_ms()
        self._wake = asyncio.Event()
        self.bugs = 0
        """Exceptions in probes since the start."""
        self._measuring: tuple[Level, bool] = ("full", False)
        self._schedule = Schedule(
            self._jobs.at(*self._measuring),
            seed=seed,
            start_ms=self._pace.uptime_ms(),
            spacing_ms=MIN_TARGET_PERIOD_S * 1000,
        )

    @property
    def level(self) -> Level:
        """How much is measured now."""
        return self._measuring[0]

    def note(self, event: LifeEvent) -> None:
        """A fact of the node's own life, for the next pulse."""
        self._basket.note(event)

    async def measure_beside(
        self, host: str, run: Callable[[Edges], Awaitable[RawMeasurement]], *, by_uptime_ms: int
    ) -> str | None:
        """Measure once beside the schedule, and within its ceilings.

        Args:
            host: Whose turn is waited for: a minute after its last.
            run: The measurement, on edges that count its bytes as `asked`.
            by_uptime_ms: Boot clock; later it is not begun.

        Returns:
            None: measured. `late`: the turn did not come in time. `over-budget`: of the month's
            bytes only the beat's are left.
        """
        while (wait_ms := self._schedule.claim(host, self._pace.uptime_ms())) > 0:
            if self._pace.uptime_ms() + wait_ms > by_uptime_ms:
                return "late"
            await self._pace.sleep_ms(wait_ms)
        async with self._slots:
            if self._pace.uptime_ms() > by_uptime_ms:
                return "late"  # it waited elsewhere: through a pause, or for other probes
            if self.level == "beat":
                return "over-budget"
            try:
                edges = replace(self._edges, meter=self._spending.tally("asked"))
                self._add(await run(edges))
            except Exception:
                self.bugs += 1
                _LOGGER.exception("bug in a measurement that was asked for")
        self._wake.set()
        return None

    def finish(self, *, saying: LifeEvent | None = None) -> None:
        """Seal everything that is still in the basket, as at the end of the program.

        Args:
            saying: The last word of the last pulse.
        """
        uptime_ms = self._pace.uptime_ms()
        pulse = self._take_pulse(uptime_ms, saying)
        for contents in self._basket.take_bulk(uptime_ms, all_of_it=True):
            self._seal(contents)
        self._seal(pulse)  # the last to be heard: whoever is heard after a farewell is back

    async def run(self) -> NoReturn:
        """Keep the schedule for ever; ends by cancellation, which stops what is running."""
        self._watch_spending(self._pace.uptime_ms())
        async with asyncio.TaskGroup() as tasks:
            while True:
                uptime_ms = self._pace.uptime_ms()
                for job in self._schedule.take_due(uptime_ms):
                    if job.key == "pulse":
                        self._seal(self._take_pulse(uptime_ms))
                    elif job.key not in self._running:
                        self._running.add(job.key)
                        tasks.create_task(self._run_job(job.key))
                for contents in self._basket.take_bulk(uptime_ms):
                    self._seal(contents)
                await self._until_next()

    async def _until_next(self) -> None:
        """Until the next job, the next bulk, or a job that was hastened or finished."""
        self._wake.clear()
        dues = (self._schedule.next_due_ms(), self._basket.bulk_due_uptime_ms())
        due_ms = min(each for each in dues if each is not None)
        sleep = asyncio.ensure_future(self._pace.sleep_ms(due_ms - self._pace.uptime_ms()))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((sleep, wake), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()

    async def _run_job(self, key: str) -> None:
        planned = self._plan.get(key)
        # A name pair waits for minutes, alone in its own turn: it must not hold up a beat.
        waits = planned is not None and planned.probe == "name_pair"
        try:
            async with nullcontext() if waits else self._slots:
                await self._job(key)()
        except Exception:
            self.bugs += 1
            _LOGGER.exception("bug in %s", key.split(" ", maxsplit=1)[0])
        finally:
            self._running.discard(key)
            self._wake.set()

    def _job(self, key: str) -> Callable[[], Awaitable[None]]:
        match key:
            case "ladder.light":
                return self._climb_light
            case "ladder.full":
                return self._climb_fully
            case "vitals":
                return self._take_vitals
            case _:
                return lambda: self._measure(self._plan[key])

    async def _measure(self, planned: PlannedProbe) -> None:
        edges = replace(self._edges, meter=self._spending.tally(planned.probe))
        self._add(await self._probes[planned.probe](planned.target, edges))

    async def _climb_light(self) -> None:
        if "ladder.full" in self._running:
            return  # it says more
        seen = await self._ladder.climb(light=True, meter=self._spending.tally("ladder.light"))
        self._add(seen)
        reach = reach_of(seen)
        if self._heed(reach) and self.level != "beat":
            self._schedule.hasten("ladder.full", self._pace.uptime_ms())
        self._reach = {**self._reach, **reach}

    async def _climb_fully(self) -> None:
        seen = await self._ladder.climb(meter=self._spending.tally("ladder.full"))
        self._add(seen)
        reach = reach_of(seen)
        self._heed(reach)
        self._reach = reach

    def _heed(self, reach: Reach) -> bool:
        """Whether what is reached differs from what was; a changed link is a fact of its own."""
        changed = [each for each, alive in reach.items() if self._reach.get(each, alive) != alive]
        if changed and self.level != "beat":
            self._trace_edge()
        if any(tier == "link" for tier, _ in changed):
            families = sorted(of for (tier, of), alive in reach.items() if tier == "link" and alive)
            self._note("network_changed", {"families": families})
        return bool(changed)

    def _trace_edge(self) -> None:
        uptime_ms, last_ms = self._pace.uptime_ms(), self._traced_uptime_ms
        too_soon = last_ms is not None and uptime_ms - last_ms < EDGE_TRACE_SPACING_MS
        if not self._traces_at_edges or too_soon:
            return
        self._traced_uptime_ms = uptime_ms
        for key, planned in self._plan.items():
            if planned.probe == "trace":
                self._schedule.hasten(key, uptime_ms)

    async def _take_vitals(self) -> None:
        vitals = await asyncio.to_thread(self._read_vitals)
        is_low = vitals.get("under_voltage_now") is True
        if is_low and not self._under_voltage:
            self._note("under_voltage", {})
        self._under_voltage = is_low
        self._basket.set_vitals(vitals)

    def _add(self, seen: RawMeasurement) -> None:
        self._basket.add(seen, self._pace.uptime_ms())

    def _take_pulse(self, uptime_ms: int, saying: LifeEvent | None = None) -> Contents:
        self._watch_clock(uptime_ms)
        self._watch_spending(uptime_ms)
        if saying is not None:
            self.note(saying)
        return self._basket.take_pulse(uptime_ms)

    def _watch_clock(self, uptime_ms: int) -> None:
        offset_ms = self._pace.now_ms() - uptime_ms
        step_ms = offset_ms - self._clock_offset_ms
        if abs(step_ms) >= STEP_MS:
            self._note("clock_stepped", {"step_ms": step_ms})
        self._clock_offset_ms = offset_ms

    def _watch_spending(self, uptime_ms: int) -> None:
        look = self._spending.look()
        if look.reached is not None:
            self._note("budget_reached", look.reached)
        if self._measuring != (look.level, look.is_window):
            self._measuring = (look.level, look.is_window)
            self._schedule.exchange(self._jobs.at(*self._measuring), uptime_ms)

    def _note(self, kind: EventKind, data: Mapping[str, Json]) -> None:
        self.note(LifeEvent(kind=kind, at_uptime_ms=self._pace.uptime_ms(), data=data))


def reach_of(seen: RawMeasurement) -> Reach:
    """Which tiers of a ladder were alive, by family."""
    tiers = cast("Mapping[str, Mapping[str, Mapping[str, int]]]", seen.result["tiers"])
    return {
        (tier, family): count["ok"] > 0
        for tier, families in tiers.items()
        for family, count in families.items()
    }
