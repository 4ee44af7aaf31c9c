"""Reports as JSON: the bytes that are signed, and the way back.

`decode_report(encode_report(r)) == r`. Errors name the field by its path, such as
`measurements[3].steps[0].failure`, never its value. Fields this version does not know are
passed over here; they stay in the signed bytes.
"""

from collections.abc import Mapping
from typing import Final, cast, get_args

from shyraq_wire.chain import Position, is_valid_start
from shyraq_wire.codec import read_json, write_json
from shyraq_wire.errors import LocalError, MalformedPayload
from shyraq_wire.failure import is_failure
from shyraq_wire.fields import (
    EPOCH,
    HASH,
    Object,
    read_duration_ms,
    read_integer,
    read_list,
    read_match,
    read_moment,
    read_object,
    read_optional_text,
    read_part,
    read_text,
    read_word,
)
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
from shyraq_wire.topics import NODE_ID, NodeId

MAX_OFFSET_MS: Final = 366 * 86_400_000
"""A year: no measurement inside a report is further from its sealing."""


def encode_report(report: Report) -> bytes:
    """The JSON bytes to sign; `decode_report` is the inverse.

    Raises:
        LocalError: `decode_report` would refuse the result: it may not travel.
    """
    payload = write_json(
        {
            "node": report.node,
            "epoch": report.epoch,
            "seq": report.seq,
            "prev": report.prev,
            "boot_id": report.boot_id,
            "uptime_ms": report.uptime_ms,
            "at": report.at,
            "clock": {"source": report.clock.source, "error_ms": report.clock.error_ms},
            "software": report.software,
            "config": {"version": report.config.version, "sha256": report.config.sha256},
            "beacon": report.beacon,
            "kind": report.kind,
            "measurements": [encode_measurement(each) for each in report.measurements],
            "events": [_event_object(each) for each in report.events],
            "vitals": None if report.vitals is None else dict(report.vitals),
            "private_sha256": report.private_sha256,
        }
    )
    try:
        decode_report(payload)
    except MalformedPayload as error:
        raise LocalError(f"a report that no collector could read: {error}") from error
    return payload


def encode_measurement(measurement: Measurement) -> dict[str, object]:
    """One measurement as the object that stands in a report."""
    return {
        "probe": measurement.probe,
        "target": measurement.target,
        "started_offset_ms": measurement.started_offset_ms,
        "duration_ms": measurement.duration_ms,
        "steps": [
            {
                "name": step.name,
                "started_offset_ms": step.started_offset_ms,
                "duration_ms": step.duration_ms,
                "failure": step.failure,
                "data": dict(step.data),
            }
            for step in measurement.steps
        ],
        "result": dict(measurement.result),
    }


def decode_report(payload: bytes) -> Report:
    """The report in a payload of type `REPORT_TYPE`.

    Raises:
        MalformedPayload: Not strict JSON, or a field is missing or wrong; the text names it.
    """
    source = read_json(payload)
    position = decode_position(source)
    absent = source.get("vitals") is None
    return Report(
        node=NodeId(read_match(source, "node", NODE_ID)),
        epoch=read_match(source, "epoch", EPOCH),
        seq=position.seq,
        prev=position.prev,
        boot_id=read_text(source, "boot_id", limit=64),
        uptime_ms=read_integer(source, "uptime_ms"),
        at=read_moment(source, "at"),
        clock=read_part(source, "clock", _read_clock),
        software=read_text(source, "software", limit=128),
        config=read_part(source, "config", _read_config),
        beacon=read_optional_text(source, "beacon", limit=1024),
        kind=cast("Kind", read_word(source, "kind", _KINDS)),
        measurements=read_list(source, "measurements", decode_measurement, limit=MAX_MEASUREMENTS),
        events=read_list(source, "events", _read_event, limit=MAX_EVENTS),
        vitals=None if absent else _json(read_object(source, "vitals")),
        private_sha256=_optional_hash(source, "private_sha256"),
    )


def decode_position(source: Object) -> Position:
    """Only the place in the chain, with `sha256` empty: all that a later version must keep.

    Raises:
        MalformedPayload: `seq` or `prev` is missing or wrong.
    """
    position = Position(
        seq=read_integer(source, "seq"), prev=read_match(source, "prev", HASH), sha256=""
    )
    if not is_valid_start(position):
        raise MalformedPayload("prev: 64 zeros are due at seq 0, and nowhere else")
    return position


def decode_measurement(source: Object) -> Measurement:
    """One measurement from the object that `encode_measurement` gives.

    Raises:
        MalformedPayload: A field is missing or wrong.
    """
    return Measurement(
        probe=read_text(source, "probe", limit=32),
        target=read_text(source, "target", limit=2048),
        started_offset_ms=_read_offset_ms(source, "started_offset_ms"),
        duration_ms=read_duration_ms(source, "duration_ms"),
        steps=read_list(source, "steps", _read_step, limit=MAX_STEPS),
        result=_json(read_object(source, "result")),
    )


def _read_clock(source: Object) -> ClockState:
    return ClockState(
        source=cast("ClockSource", read_word(source, "source", _CLOCK_SOURCES)),
        error_ms=_optional_integer(source, "error_ms"),
    )


def _read_config(source: Object) -> ConfigRef:
    return ConfigRef(
        version=read_integer(source, "version"), sha256=read_match(source, "sha256", HASH)
    )


def _read_step(source: Object) -> Step:
    failure = read_optional_text(source, "failure", limit=512)
    if failure is not None and not is_failure(failure):
        raise MalformedPayload("failure: null or a word of the vocabulary is due")
    return Step(
        name=read_text(source, "name", limit=32),
        started_offset_ms=_read_offset_ms(source, "started_offset_ms"),
        duration_ms=read_duration_ms(source, "duration_ms"),
        failure=failure,
        data=_json(read_object(source, "data")),
    )


def _read_event(source: Object) -> Event:
    return Event(
        kind=cast("EventKind", read_word(source, "kind", _EVENT_KINDS)),
        offset_ms=_read_offset_ms(source, "offset_ms"),
        data=_json(read_object(source, "data")),
    )


def _event_object(event: Event) -> dict[str, object]:
    return {"kind": event.kind, "offset_ms": event.offset_ms, "data": dict(event.data)}


def _read_offset_ms(source: Object, name: str) -> int:
    return read_integer(source, name, lo=-MAX_OFFSET_MS, hi=MAX_OFFSET_MS)


def _optional_integer(source: Object, name: str) -> int | None:
    return None if source.get(name) is None else read_integer(source, name)


def _optional_hash(source: Object, name: str) -> str | None:
    return None if source.get(name) is None else read_match(source, name, HASH)


def _json(value: Object) -> Mapping[str, Json]:
    """What `read_json` read is JSON; the type says so from here on."""
    return cast("Mapping[str, Json]", value)


_CLOCK_SOURCES = frozenset(get_args(ClockSource))
_KINDS = frozenset(get_args(Kind))
_EVENT_KINDS = frozenset(get_args(EventKind))
