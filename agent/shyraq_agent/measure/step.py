"""Steps: one observable action each, timed, and failing at most once.

A probe opens a `Record`, asks it to `attempt` one action after another, and finishes it. An
attempt gives the action's value, or None after a failure; which step failed is the step's own
name. Actions write what they saw into their notes as they go, so that a handshake that broke
half-way still tells how many bytes came and when.

    started_uptime_ms   the pace's boot clock: when, in the node's life
    duration_ms         the stopwatch: how long, always real time

Errors that no network can cause pass through: they are bugs. At `MAX_STEPS` a record takes no
further step, and data beyond what can travel is cut (`trim`); the result says so: `steps_left_out`,
`fields_left_out`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, TypeVar

from shyraq_agent.clock import Pace, Stopwatch
from shyraq_agent.measure.classify import NETWORK_ERRORS, StepFailed, failure_of
from shyraq_agent.measure.trim import trim
from shyraq_wire.failure import Failure
from shyraq_wire.report import MAX_STEPS, NOTHING, Json

T = TypeVar("T")

Notes: TypeAlias = dict[str, Json]
"""What an action saw, field by field; becomes the step's data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawStep:
    """One observable action, before sealing."""

    name: str
    started_uptime_ms: int
    """Boot clock of the pace."""
    duration_ms: float
    failure: Failure | None
    """None: it worked."""
    data: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMeasurement:
    """One probe on one target at one time, before sealing."""

    probe: str
    target: str
    started_uptime_ms: int
    """Boot clock of the pace."""
    duration_ms: float
    steps: tuple[RawStep, ...]
    """In the order in which they started."""
    result: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    """Counts over the steps; never a verdict."""


class Clocks(Protocol):
    """The two clocks a record needs."""

    @property
    def pace(self) -> Pace:
        """When things happen."""
        ...

    @property
    def stopwatch(self) -> Stopwatch:
        """How long they take."""
        ...


class Record:
    """A measurement in the making."""

    def __init__(self, probe: str, target: str, clocks: Clocks) -> None:
        """Start the clock of the measurement.

        Args:
            probe: Name of the probe.
            target: As configured.
            clocks: Where both clocks are.
        """
        self._probe = probe
        self._target = target
        self._clocks = clocks
        self._started_uptime_ms = clocks.pace.uptime_ms()
        self._started_ms = clocks.stopwatch.elapsed_ms()
        self._steps: list[RawStep | None] = []
        self._left_out = 0
        self._has_evidence = False

    def keep_evidence(self) -> bool:
        """True once: only the first chain that does not verify is kept whole."""
        first = not self._has_evidence
        self._has_evidence = True
        return first

    @property
    def room(self) -> int:
        """How many more steps this record can take."""
        return MAX_STEPS - len(self._steps)

    def elapsed_ms(self) -> float:
        """Since the measurement began."""
        return round(self._clocks.stopwatch.elapsed_ms() - self._started_ms, 3)

    async def attempt(
        self,
        name: str,
        action: Callable[[Notes], Awaitable[T]],
        *,
        limit_ms: float,
        about: Mapping[str, Json] = NOTHING,
    ) -> T | None:
        """Do one action as a step.

        Args:
            name: The step's name.
            action: Gets the notes to write into; raises one of `NETWORK_ERRORS` to fail.
            limit_ms: After this the step failed with `generic_timeout_error`.
            about: What is known before it starts, such as address and port.

        Returns:
            The action's value; None when it failed or when the record is full.
        """
        if self.room <= 0:
            self._left_out += 1
            return None
        place = len(self._steps)
        self._steps.append(None)  # steps may overlap: the order is that of their starts
        notes: Notes = dict(about)
        uptime_ms = self._clocks.pace.uptime_ms()
        begun_ms = self._clocks.stopwatch.elapsed_ms()
        value: T | None = None
        outcome: Failure | None = Failure("interrupted")
        try:
            async with asyncio.timeout(limit_ms / 1000):
                value = await action(notes)
            outcome = None
        except NETWORK_ERRORS as error:
            outcome = failure_of(error)
        finally:
            self._steps[place] = RawStep(
                name=name,
                started_uptime_ms=uptime_ms,
                duration_ms=round(self._clocks.stopwatch.elapsed_ms() - begun_ms, 3),
                failure=outcome,
                data=notes,
            )
        return value

    def refuse(self, name: str, failure: str, about: Mapping[str, Json]) -> None:
        """Write down a step that was not taken, because a rule of ours forbids it.

        Args:
            name: The step's name.
            failure: A key of the vocabulary.
            about: What would have been done.
        """
        if self.room <= 0:
            self._left_out += 1
            return
        self._steps.append(
            RawStep(
                name=name,
                started_uptime_ms=self._clocks.pace.uptime_ms(),
                duration_ms=0.0,
                failure=StepFailed(failure).failure,
                data=dict(about),
            )
        )

    def finish(self, result: Mapping[str, Json] = NOTHING) -> RawMeasurement:
        """The measurement as it stands.

        Args:
            result: Counts over the steps.
        """
        steps = [step for step in self._steps if step is not None]
        kept, fields_left_out = trim([step.data for step in steps])
        if self._left_out:
            result = {**result, "steps_left_out": self._left_out}
        if fields_left_out:
            result = {**result, "fields_left_out": fields_left_out}
        return RawMeasurement(
            probe=self._probe,
            target=self._target,
            started_uptime_ms=self._started_uptime_ms,
            duration_ms=self.elapsed_ms(),
            steps=tuple(replace(step, data=data) for step, data in zip(steps, kept, strict=True)),
            result=result,
        )
