"""Reports as JSON: an exact inverse, and complaints that name the field."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.chain import GENESIS, Position
from shyraq_wire.codec import read_json, write_json
from shyraq_wire.envelope import MAX_FRAME_SIZE_BYTES, open_frame, seal
from shyraq_wire.errors import LocalError, MalformedPayload
from shyraq_wire.fields import MAX_SAFE_INTEGER
from shyraq_wire.report import (
    MAX_EVENTS,
    MAX_MEASUREMENTS,
    MAX_STEPS,
    REPORT_TYPE,
    ClockState,
    Event,
    Measurement,
    Report,
)
from shyraq_wire.report_json import (
    decode_measurement,
    decode_position,
    decode_report,
    encode_measurement,
    encode_report,
)
from support.reports import example_measurement, example_report, measurements, reports
from support.vectors import read_vectors

GOLDEN = read_vectors("wire/golden-frames.json")


@given(reports())
def test_an_encoded_report_decodes_to_itself(report: Report) -> None:
    """decode_report(encode_report(r)) == r."""
    assert decode_report(encode_report(report)) == report


@given(reports())
def test_equal_reports_have_equal_bytes(report: Report) -> None:
    """What is decoded encodes to the very bytes it came from."""
    payload = encode_report(report)
    assert encode_report(decode_report(payload)) == payload


@given(measurements())
def test_an_encoded_measurement_decodes_to_itself(measurement: Measurement) -> None:
    """The same inverse for one measurement alone."""
    written = read_json(write_json(encode_measurement(measurement)))
    assert decode_measurement(written) == measurement


@given(reports())
def test_the_place_in_the_chain_reads_alone(report: Report) -> None:
    """decode_position finds seq and prev, whatever else a later version changes."""
    source = read_json(encode_report(report))
    place = Position(seq=report.seq, prev=report.prev, sha256="")
    assert decode_position(source) == place
    assert decode_position({"seq": source["seq"], "prev": source["prev"], "new": []}) == place


@given(reports(), st.data())
def test_unknown_fields_are_passed_over(report: Report, data: st.DataObject) -> None:
    """A field from a later version, at any level, changes nothing that this version reads."""
    source = json.loads(encode_report(report))
    places = [source, source["clock"], source["config"], *source["measurements"], *source["events"]]
    data.draw(st.sampled_from(places))["field_of_a_later_version"] = {"any": ["thing"]}
    assert decode_report(write_json(source)) == report


@given(st.binary(max_size=200))
def test_arbitrary_payloads_are_malformed(data: bytes) -> None:
    """Nothing but MalformedPayload leaves."""
    with pytest.raises(MalformedPayload):
        decode_report(data)


_ODD: list[object] = [None, True, -1, 0, 2**53, 1.5, "", "x" * 3_000, [], [None], [[]], {}]
VALUES = st.sampled_from([*_ODD, {"a": {"b": []}}])


@given(st.data())
def test_a_report_with_any_value_anywhere_reads_or_is_malformed(data: st.DataObject) -> None:
    """Type confusion in any one place never raises anything else."""
    source = json.loads(encode_report(example_report()))
    place: Any = source
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else [0]))
        deeper = place[key]
        if not (isinstance(deeper, dict | list) and deeper and data.draw(st.booleans())):
            break
        place = deeper
    place[key] = data.draw(VALUES)
    with suppress(MalformedPayload):
        assert isinstance(decode_report(write_json(source)), Report)


MISTAKES: list[tuple[str, object, str]] = [
    ("node", "UPPER-CASE", "node: "),
    ("node", None, "node: "),
    ("epoch", "0" * 31, "epoch: "),
    ("seq", -1, "seq: "),
    ("seq", 2**53, "seq: "),
    ("seq", 0.0, "seq: "),
    ("prev", "z" * 64, "prev: "),
    ("prev", "a" * 64, "prev: "),
    ("boot_id", "b" * 65, "boot_id: "),
    ("uptime_ms", "1", "uptime_ms: "),
    ("at", "yesterday", "at: "),
    ("clock", [], "clock: "),
    ("clock", {}, "clock.source: "),
    ("clock", {"source": "sundial"}, "clock.source: "),
    ("clock", {"source": "ntp", "error_ms": -1}, "clock.error_ms: "),
    ("software", 5, "software: "),
    ("config", {"version": 1}, "config.sha256: "),
    ("beacon", "b" * 1_025, "beacon: "),
    ("kind", "pulses", "kind: "),
    ("measurements", {}, "measurements: "),
    ("measurements", [5], "measurements[0]: "),
    ("measurements", [{}], "measurements[0].probe: "),
    ("events", [{"kind": "started", "offset_ms": 1.5}], "events[0].offset_ms: "),
    ("events", [{"kind": "exploded", "offset_ms": 0}], "events[0].kind: "),
    ("vitals", [], "vitals: "),
    ("private_sha256", "short", "private_sha256: "),
]


@pytest.mark.parametrize(("field", "value", "path"), MISTAKES)
def test_a_complaint_names_the_field_by_its_path(field: str, value: object, path: str) -> None:
    """Path, colon, what is due; the value itself is never quoted."""
    source = json.loads(encode_report(example_report())) | {field: value}
    with pytest.raises(MalformedPayload) as caught:
        decode_report(write_json(source))
    assert str(caught.value).startswith(path)


def test_a_complaint_about_a_step_names_measurement_and_step() -> None:
    """Indices lead to the place."""
    source = json.loads(encode_report(example_report()))
    source["measurements"][0]["steps"][1]["failure"] = "bad luck"
    with pytest.raises(MalformedPayload, match=r"\Ameasurements\[0\]\.steps\[1\]\.failure: "):
        decode_report(write_json(source))


def test_the_first_report_and_no_other_names_no_predecessor() -> None:
    """64 zeros are due at seq 0 and nowhere else."""
    for seq, prev in ((0, "a" * 64), (1, GENESIS)):
        with pytest.raises(MalformedPayload, match="prev: "):
            decode_report(_changed(seq=seq, prev=prev))
    assert decode_report(_changed(seq=1, prev="a" * 64)).seq == 1


def _changed(**fields: object) -> bytes:
    return write_json(json.loads(encode_report(example_report())) | fields)


def test_lists_hold_as_much_as_the_limits_say_and_no_more() -> None:
    """60 measurements, 64 steps, 256 events."""
    measurement = replace(example_measurement(), steps=())
    step = example_measurement().steps[0]
    event = Event(kind="resumed", offset_ms=0)
    full = example_report(
        measurements=(measurement,) * (MAX_MEASUREMENTS - 1)
        + (replace(measurement, steps=(step,) * MAX_STEPS),),
        events=(event,) * MAX_EVENTS,
    )
    assert decode_report(encode_report(full)) == full
    for changes in (
        {"measurements": (measurement,) * (MAX_MEASUREMENTS + 1)},
        {"measurements": (replace(measurement, steps=(step,) * (MAX_STEPS + 1)),)},
        {"events": (event,) * (MAX_EVENTS + 1)},
    ):
        with pytest.raises(LocalError):
            encode_report(example_report(**changes))


UNREADABLE: list[dict[str, object]] = [
    {"node": "UPPER-CASE"},
    {"seq": MAX_SAFE_INTEGER + 1, "prev": "a" * 64},
    {"seq": 1},
    {"at": "2022-01-05"},
    {"clock": ClockState(source="ntp", error_ms=-5)},
    {"software": "\ud800"},
    {"vitals": {"load": float("nan")}},
    {"vitals": {"bytes": 2**64}},
    {"vitals": json.loads('{"a":' * 16 + "1" + "}" * 16)},
    {"private_sha256": "none"},
    {"measurements": (replace(example_measurement(), duration_ms=-1.0),)},
    {"measurements": (replace(example_measurement(), duration_ms=float("inf")),)},
    {"measurements": (replace(example_measurement(), target="x" * 3_000),)},
    {"events": (Event(kind="dropped", offset_ms=2**40),)},
]


@pytest.mark.parametrize("changes", UNREADABLE, ids=" ".join)
def test_what_nobody_could_read_is_never_signed(changes: dict[str, object]) -> None:
    """Our side refuses as LocalError what the other side would refuse."""
    with pytest.raises(LocalError):
        encode_report(example_report(**changes))


def test_the_golden_report_still_reads() -> None:
    """A frame signed by an earlier build decodes and encodes to the same bytes."""
    (golden,) = (each for each in GOLDEN["frames"] if each["name"] == "a report")
    payload_type, payload = open_frame(
        bytes.fromhex(golden["frame"]), bytes.fromhex(GOLDEN["public_key"])
    )
    assert payload_type == REPORT_TYPE
    report = decode_report(payload)
    assert report.measurements[0].steps[1].failure == "connection_reset"
    assert encode_report(report) == payload


def test_an_ordinary_full_report_fits_a_frame() -> None:
    """Sixty measurements of two steps stay within the frame limit."""
    report = example_report(measurements=(example_measurement(),) * MAX_MEASUREMENTS)
    frame = seal(encode_report(report), REPORT_TYPE, Ed25519PrivateKey.generate())
    assert len(frame) < MAX_FRAME_SIZE_BYTES
