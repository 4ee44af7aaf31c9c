"""What has happened and is not yet in a report: collected, cut to size, closed in time.

The ladder goes into the next pulse, everything else into bulk, which closes after 60 s, at 60
measurements or at 48 KiB, whichever is first. A measurement that cannot travel whole, because
it is larger than that or because a server's bytes made text that no report can hold, loses
the data of its steps and says so; names, times and failures stay. So whatever is in the basket
can be sealed, and one odd answer from a server never holds up the chain.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shyraq_agent.sign.sealing import to_wire
from shyraq_agent.sign.shapes import Contents, Finished, FinishedStep, LifeEvent
from shyraq_wire.codec import read_json, write_json
from shyraq_wire.errors import WireError
from shyraq_wire.report import MAX_MEASUREMENTS, MAX_STEPS, NOTHING, Json
from shyraq_wire.report_json import decode_measurement, encode_measurement

BULK_PERIOD_MS: Final = 60_000
"""How long the oldest measurement in an open bulk waits at most."""

MAX_CONTENT_BYTES: Final = 48 * 1024
"""JSON of the measurements in one report: leaves room below the frame limit for the rest."""

MAX_PENDING_EVENTS: Final = 64
"""Events in one pulse; older ones wait for the next, and beyond 1,024 waiting the oldest go."""

PULSE_PROBES: Final = frozenset({"ladder"})
"""Probes whose measurements travel in pulses."""

_MAX_WAITING_EVENTS: Final = 1024
_LONG_AGO_MS: Final = 10**10
"""About four months: no offset gets longer."""


class Basket:
    """What has happened and is not yet in a report."""

    def __init__(self) -> None:
        """Begin empty."""
        self._ladder: list[tuple[Finished, int]] = []
        self._open: list[tuple[Finished, int]] = []
        self._opened_uptime_ms = 0
        self._closed: list[Contents] = []
        self._events: list[LifeEvent] = []
        self._vitals: Mapping[str, Json] | None = None

    def add(self, finished: Finished, uptime_ms: int) -> None:
        """A measurement has finished.

        Args:
            finished: Cut to size if it could not travel whole.
            uptime_ms: Boot clock now.
        """
        finished, size_bytes = cut_to_size(finished)
        if finished.probe in PULSE_PROBES:
            self._ladder.append((finished, size_bytes))
        else:
            self._add_bulk(finished, size_bytes, uptime_ms)

    def note(self, event: LifeEvent) -> None:
        """Something has happened to the node itself."""
        self._events.append(event)
        del self._events[:-_MAX_WAITING_EVENTS]

    def set_vitals(self, vitals: Mapping[str, Json]) -> None:
        """Host facts for the next pulse; newer ones replace those not yet sent."""
        self._vitals = vitals

    def take_pulse(self, uptime_ms: int) -> Contents:
        """The pulse that is due now; what it does not hold goes into bulk or the next pulse."""
        taken: list[Finished] = []
        room = MAX_CONTENT_BYTES
        for finished, size_bytes in reversed(self._ladder):
            if size_bytes <= room and len(taken) < MAX_MEASUREMENTS:
                taken.append(finished)
                room -= size_bytes
            else:
                self._add_bulk(finished, size_bytes, uptime_ms)
        events = tuple(self._events[:MAX_PENDING_EVENTS])
        contents = Contents(
            kind="pulse",
            measurements=tuple(reversed(taken)),
            events=events,
            vitals=self._vitals,
        )
        self._ladder, self._vitals = [], None
        del self._events[: len(events)]
        return contents

    def take_bulk(self, uptime_ms: int, *, all_of_it: bool = False) -> list[Contents]:
        """The bulk reports that are closed by now.

        Args:
            uptime_ms: Boot clock now.
            all_of_it: Close the open one too, as at the end of the program.
        """
        if self._open and (all_of_it or uptime_ms >= self._opened_uptime_ms + BULK_PERIOD_MS):
            self._close()
        closed, self._closed = self._closed, []
        return closed

    def bulk_due_uptime_ms(self) -> int | None:
        """When the next bulk closes by time; None: none is open."""
        if self._closed:
            return 0
        return self._opened_uptime_ms + BULK_PERIOD_MS if self._open else None

    def _add_bulk(self, finished: Finished, size_bytes: int, uptime_ms: int) -> None:
        held_bytes = sum(size for _, size in self._open)
        if held_bytes + size_bytes > MAX_CONTENT_BYTES or len(self._open) >= MAX_MEASUREMENTS:
            self._close()
        if not self._open:
            self._opened_uptime_ms = uptime_ms
        self._open.append((finished, size_bytes))
        if len(self._open) >= MAX_MEASUREMENTS:
            self._close()

    def _close(self) -> None:
        measurements = tuple(finished for finished, _ in self._open)
        self._closed.append(Contents(kind="bulk", measurements=measurements))
        self._open = []


@dataclass(frozen=True, slots=True, kw_only=True)
class _CutStep:
    name: str
    started_uptime_ms: int
    duration_ms: float
    failure: str | None
    data: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    probe: str
    target: str
    started_uptime_ms: int
    duration_ms: float
    steps: Sequence[FinishedStep]
    result: Mapping[str, Json]


def cut_to_size(finished: Finished) -> tuple[Finished, int]:
    """A measurement that fits into a report, and the bytes of its JSON.

    One that cannot travel whole keeps names, times and failures of its first 64 steps, and has
    `{"cut_from_bytes": …}` for a result; 0 when it was nothing that a report can hold.

    Raises:
        ValueError: Not even that can travel: a bug of the probe.
    """
    text = _written(finished)
    if _can_travel(text):
        return finished, _size_bytes(text)
    cut = _Cut(
        probe=finished.probe,
        target=finished.target,
        started_uptime_ms=finished.started_uptime_ms,
        duration_ms=finished.duration_ms,
        steps=_without_data(finished.steps[:MAX_STEPS]),
        result={"cut_from_bytes": len(text)},
    )
    text = _written(cut)
    if not _can_travel(text):
        raise ValueError(f"a measurement of {finished.probe} that no report can hold")
    return cut, _size_bytes(text)


def _without_data(steps: Iterable[FinishedStep]) -> tuple[FinishedStep, ...]:
    return tuple(
        _CutStep(
            name=step.name,
            started_uptime_ms=step.started_uptime_ms,
            duration_ms=step.duration_ms,
            failure=step.failure,
        )
        for step in steps
    )


def _written(finished: Finished) -> bytes:
    """Its JSON with offsets as long as they get; empty: it cannot be written at all."""
    try:
        return write_json(encode_measurement(to_wire(finished, _LONG_AGO_MS)))
    except WireError:
        return b""


def _can_travel(text: bytes) -> bool:
    """Whether it fits, and a collector could read it."""
    if not 0 < len(text) < MAX_CONTENT_BYTES:
        return False
    try:
        decode_measurement(read_json(text))
    except WireError:
        return False
    return True


def _size_bytes(text: bytes) -> int:
    """With the comma between two."""
    return len(text) + 1
