"""Reports read fast, and exactly as the wire reads them.

`decode_report` of the wire is the rule, and takes most of the time of an ingest. So:

1. The payload is first decoded in C, into shapes that allow no more than the wire does.
2. What was decoded is encoded again. Only if that gives the payload byte for byte is it taken:
   a doubled key, an unknown field, white space or a number spelled otherwise would be lost on the
   way, and so be seen. Our own agents write that one form.
3. Everything else is read by `decode_report`, which accepts it or words the complaint.

So nothing is accepted here that the wire refuses, and both give equal reports. No I/O, no clock.
"""

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from shyraq_wire.chain import Position, is_valid_start
from shyraq_wire.errors import MalformedPayload
from shyraq_wire.failure import is_failure
from shyraq_wire.fields import MAX_SAFE_INTEGER
from shyraq_wire.moments import parse_moment
from shyraq_wire.report import (
    MAX_EVENTS,
    MAX_MEASUREMENTS,
    MAX_STEPS,
    ClockSource,
    ClockState,
    ConfigRef,
    Event,
    EventKind,
    Json,
    Kind,
    Measurement,
    Report,
    Step,
)
from shyraq_wire.report_json import MAX_OFFSET_MS, decode_report
from shyraq_wire.topics import NodeId


def read_report(payload: bytes) -> Report:
    """As `decode_report`, mostly in a third of the time.

    Raises:
        MalformedPayload: As there.
    """
    report = read_one_form(payload)
    return decode_report(payload) if report is None else report


def read_one_form(payload: bytes) -> Report | None:
    """The report in a payload that is written as `encode_report` writes; None: the wire decides."""
    try:
        shape = _DECODER.decode(payload)
        return _report(shape) if _ENCODER.encode(shape) == payload else None
    except (msgspec.MsgspecError, MalformedPayload, ValueError, RecursionError):
        return None


_FREE_LEVELS: Final = 6
"""Nesting inside `data`, `result` and `vitals` that is read here; the wire allows more."""


def _bounded(levels: int) -> Any:  # noqa: ANN401  # a type
    """The type of any JSON value nested no deeper, with integers within 64 bits."""
    scalar: Any = bool | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | str | None
    if not levels:
        return scalar
    inner = _bounded(levels - 1)
    return scalar | list[inner] | dict[str, inner]  # type: ignore[valid-type]


if TYPE_CHECKING:
    _Object: TypeAlias = dict[str, Json]
else:
    _Object = dict[str, _bounded(_FREE_LEVELS)]
_Offset = Annotated[int, Meta(ge=-MAX_OFFSET_MS, le=MAX_OFFSET_MS)]
_Natural = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
_Duration = _Natural | Annotated[float, Meta(ge=0, le=MAX_SAFE_INTEGER)]
_Word = Annotated[str, Meta(max_length=32)]
_Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class _StepShape(Struct, frozen=True, gc=False):
    name: _Word
    started_offset_ms: _Offset
    duration_ms: _Duration
    failure: Annotated[str, Meta(max_length=512)] | None
    data: _Object


class _MeasurementShape(Struct, frozen=True, gc=False):
    probe: _Word
    target: Annotated[str, Meta(max_length=2048)]
    started_offset_ms: _Offset
    duration_ms: _Duration
    steps: Annotated[list[_StepShape], Meta(max_length=MAX_STEPS)]
    result: _Object


class _EventShape(Struct, frozen=True, gc=False):
    kind: EventKind
    offset_ms: _Offset
    data: _Object


class _ClockShape(Struct, frozen=True, gc=False):
    source: ClockSource
    error_ms: _Natural | None


class _ConfigShape(Struct, frozen=True, gc=False):
    version: _Natural
    sha256: _Hash


class _ReportShape(Struct, frozen=True, gc=False):
    """Fields in the order in which `encode_report` writes them."""

    node: Annotated[str, Meta(pattern=r"\A[a-z0-9-]{8,32}\Z")]
    epoch: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    seq: _Natural
    prev: _Hash
    boot_id: Annotated[str, Meta(max_length=64)]
    uptime_ms: _Natural
    at: _Word
    clock: _ClockShape
    software: Annotated[str, Meta(max_length=128)]
    config: _ConfigShape
    beacon: Annotated[str, Meta(max_length=1024)] | None
    kind: Kind
    measurements: Annotated[list[_MeasurementShape], Meta(max_length=MAX_MEASUREMENTS)]
    events: Annotated[list[_EventShape], Meta(max_length=MAX_EVENTS)]
    vitals: _Object | None
    private_sha256: _Hash | None


_DECODER: Final = msgspec.json.Decoder(_ReportShape)
_ENCODER: Final = msgspec.json.Encoder()


def _report(shape: _ReportShape) -> Report:
    """The report in a shape.

    Raises:
        MalformedPayload: One of the rules that the shape cannot hold is broken.
    """
    parse_moment(shape.at)
    if not is_valid_start(Position(seq=shape.seq, prev=shape.prev, sha256="")):
        raise MalformedPayload("prev")
    return Report(
        node=NodeId(shape.node),
        epoch=shape.epoch,
        seq=shape.seq,
        prev=shape.prev,
        boot_id=shape.boot_id,
        uptime_ms=shape.uptime_ms,
        at=shape.at,
        clock=ClockState(source=shape.clock.source, error_ms=shape.clock.error_ms),
        software=shape.software,
        config=ConfigRef(version=shape.config.version, sha256=shape.config.sha256),
        beacon=shape.beacon,
        kind=shape.kind,
        measurements=tuple([_measurement(each) for each in shape.measurements]),
        events=tuple(
            [Event(kind=e.kind, offset_ms=e.offset_ms, data=e.data) for e in shape.events]
        ),
        vitals=shape.vitals,
        private_sha256=shape.private_sha256,
    )


def _measurement(shape: _MeasurementShape) -> Measurement:
    return Measurement(
        probe=shape.probe,
        target=shape.target,
        started_offset_ms=shape.started_offset_ms,
        duration_ms=float(shape.duration_ms),
        steps=tuple([_step(each) for each in shape.steps]),
        result=shape.result,
    )


def _step(shape: _StepShape) -> Step:
    if shape.failure is not None and not is_failure(shape.failure):
        raise MalformedPayload("failure")
    return Step(
        name=shape.name,
        started_offset_ms=shape.started_offset_ms,
        duration_ms=float(shape.duration_ms),
        failure=shape.failure,
        data=shape.data,
    )
