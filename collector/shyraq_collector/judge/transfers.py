"""What the probes `name_pair` and `rate` saw, as pairs that can be compared.

responder   a transfer from our server under the target's name, beside one under a neutral name
address     the target's first answer to its own name, beside that to a neutral name
page        a transfer of the target's page, beside one from our server

1. A transfer's time is that of its tail, per KiB: the first third is left out, because a policer
   lets a burst through and TCP begins slowly. A transfer that ran out of time counts as far as it
   came.
2. A failure counts only from the ClientHello on: before it no name was said. Neither does another
   status than success, nor a close without a word: so our own server turns away whom it has no
   room for.
3. A pair whose neutral side was not met compares nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from shyraq_collector.judge.fields import as_number, as_text
from shyraq_collector.judge.sightings import OWN_FAILURES
from shyraq_wire.report import Measurement, Step

Kind = Literal["responder", "address", "page"]

COMPARING: Final = frozenset({"name_pair", "rate"})
"""Probes whose measurements are pairs."""

MIN_BYTES: Final = 24 * 1024
"""A shorter transfer is all burst."""

_BURST_SHARE: Final = 1 / 3
_LEAST_MS: Final = 0.001
_GOOD_STATUS: Final = frozenset({None, 200, 206})
"""None: nothing came."""
_NOT_OF_THE_NAME: Final = OWN_FAILURES | {"eof_error"}
_ANSWERED: Final = frozenset({None, "ssl_failed_handshake"})
"""An alert is an answer too: the server knows no such name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One side of a pair."""

    failure: str | None
    """Why there is no time; None: there is one, or no name was said."""
    step: str = ""
    """Where it failed."""
    took_ms: float | None = None
    """Of an answer; of a KiB in the tail of a transfer. None: not met."""
    rate_bps: float | None = None
    """In the tail of a transfer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two that differ in one thing."""

    kind: Kind
    neutral: Flow
    target: Flow


def pairs_of(measurement: Measurement) -> list[Pair]:
    """The pairs of one measurement, oldest first; empty for other probes."""
    match measurement.probe:
        case "name_pair":
            return list(_name_pairs(measurement.steps))
        case "rate":
            sides = {at: _flow(_of(measurement.steps, at=at)) for at in ("responder", "target")}
            return [Pair(kind="page", neutral=sides["responder"], target=sides["target"])]
        case _:
            return []


def _name_pairs(steps: Sequence[Step]) -> Iterator[Pair]:
    kinds: tuple[tuple[str, Kind], ...] = (("responder", "responder"), ("target", "address"))
    for number in sorted({as_number(step.data.get("round")) or 0 for step in steps} - {0}):
        for at, kind in kinds:
            neutral = _of(steps, at=at, arm="neutral", number=number)
            target = _of(steps, at=at, arm="target", number=number)
            if neutral:
                yield Pair(kind=kind, neutral=_flow(neutral), target=_flow(target))


def _of(
    steps: Sequence[Step], *, at: str, arm: str | None = None, number: int | None = None
) -> list[Step]:
    return [
        step
        for step in steps
        if as_text(step.data.get("at")) == at
        and (arm is None or as_text(step.data.get("arm")) == arm)
        and (number is None or as_number(step.data.get("round")) == number)
    ]


def _flow(steps: Sequence[Step]) -> Flow:
    """What one side came to: its last step that says anything of the name."""
    said = [step for step in steps if step.name not in ("lookup", "connect")]
    if not said or said[-1].failure in _NOT_OF_THE_NAME:
        return Flow(failure=None)
    last = said[-1]
    if last.name == "transfer" and as_number(last.data.get("status")) not in _GOOD_STATUS:
        return Flow(failure=None)
    if last.name == "transfer":
        ms_per_kib = _tail(last)
        if ms_per_kib is not None:
            return Flow(failure=None, took_ms=ms_per_kib, rate_bps=8 * 1024 * 1000 / ms_per_kib)
        # A short page is no failure: it just says nothing.
        return Flow(failure=last.failure, step=last.name)
    if last.name == "hello":
        is_neutral = last.data.get("arm") == "neutral"
        if last.failure is None or (is_neutral and last.failure in _ANSWERED):
            return Flow(failure=None, took_ms=max(last.duration_ms, _LEAST_MS))
    return Flow(failure=last.failure, step=last.name)


def _tail(transfer: Step) -> float | None:
    """Milliseconds of a KiB behind the burst; None: too little came."""
    samples = [
        (float(ms), size)
        for ms, size in _samples(transfer.data.get("samples"))
        if ms >= 0 and size > 0
    ]
    if not samples or samples[-1][1] < MIN_BYTES:
        return None
    end_ms, size = samples[-1]
    behind = [each for each in samples if each[1] >= size * _BURST_SHARE]
    begin_ms, begin = behind[0]
    if size <= begin or end_ms < begin_ms:
        return None
    return max(end_ms - begin_ms, _LEAST_MS) / ((size - begin) / 1024)


def _samples(value: object) -> Iterator[tuple[float, int]]:
    if isinstance(value, list | tuple):
        for each in value:
            match each:
                case [int() | float() as ms, int() as size] if not isinstance(ms, bool):
                    yield ms, size
                case _:
                    pass
