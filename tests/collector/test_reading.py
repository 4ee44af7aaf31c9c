"""Reading fast: whatever the bytes, the answer is the wire's own."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.reading import read_one_form, read_report
from shyraq_wire.codec import MAX_DEPTH, write_json
from shyraq_wire.errors import MalformedPayload
from shyraq_wire.report import MAX_EVENTS, MAX_MEASUREMENTS, MAX_STEPS, Report
from shyraq_wire.report_json import MAX_OFFSET_MS, decode_report, encode_report
from support.reports import example_report, reports
from support.vectors import read_vectors

EXAMPLE: dict[str, Any] = json.loads(encode_report(example_report()))

ODD: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    -0.0,
    0.5,
    1e300,
    2**53 - 1,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    MAX_OFFSET_MS,
    MAX_OFFSET_MS + 1,
    -MAX_OFFSET_MS - 1,
    "",
    *("é" * size for size in (32, 33, 64, 65, 128, 129, 512, 513, 1024, 1025, 2048, 2049)),
    "\x00",
    "node-one\n",
    "0" * 64,
    "0" * 64 + "\n",
    "F" * 64,
    "f" * 32,
    "2022-01-05T10:30:60.000Z",
    "2022-01-05T24:00:00.000Z",
    "2022-02-29T00:00:00.000Z",
    "1969-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999Z",
    "2022-01-05T10:30:00.000+00:00",
    "２022-01-05T10:30:00.000Z",
    "generic_timeout_error",
    "unknown_failure: x",
    "pulse",
    "ntp",
    "started",
    [],
    [{}],
    {},
    {"a": 1},
)
"""Values that stand on one side or the other of some rule."""

ABSENT = object()

STRICT_JSON = read_vectors("wire/strict-json.json")["vectors"]


def outcome(read: Any, payload: bytes) -> Report | None:  # noqa: ANN401  # two functions
    """The report, or None for a refusal; any other exception fails the test."""
    try:
        result = read(payload)
    except MalformedPayload:
        return None
    assert isinstance(result, Report)
    return result


def agree(payload: bytes) -> None:
    """Both readers say the same."""
    assert outcome(read_report, payload) == outcome(decode_report, payload)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path into a JSON value."""
    inner: Any = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


def changed(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """The example with one value in another's place, or gone."""
    result = deepcopy(EXAMPLE)
    inner: Any = result
    for key in path[:-1]:
        inner = inner[key]
    if value is ABSENT:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return result


@given(reports())
def test_a_report_of_our_own_is_read_at_once_and_as_the_wire_reads_it(report: Report) -> None:
    """What `encode_report` wrote and keeps to plain numbers needs no second reading."""
    payload = encode_report(report)
    assert read_report(payload) == report
    assert read_one_form(payload) in (report, None)


def test_an_ordinary_report_is_in_the_one_form() -> None:
    """The example, with measurements, events and vitals, takes the short way."""
    assert read_one_form(encode_report(example_report())) == example_report()


@pytest.mark.parametrize("path", list(places(EXAMPLE)), ids=str)
def test_a_value_changed_anywhere_is_taken_or_refused_as_the_wire_does(
    path: tuple[Any, ...],
) -> None:
    """Each field with each odd value, and without it."""
    for value in (*ODD, ABSENT):
        agree(json.dumps(changed(path, value), separators=(",", ":"), ensure_ascii=False).encode())


@pytest.mark.parametrize("vector", STRICT_JSON, ids=lambda vector: vector["name"])
@pytest.mark.parametrize("name", ["software", "vitals", "later_field"])
def test_odd_json_inside_a_report_is_taken_or_refused_as_the_wire_does(
    name: str, vector: dict[str, Any]
) -> None:
    """Numbers, strings and nesting that the strict reader was made for."""
    rest = {key: value for key, value in EXAMPLE.items() if key != name}
    inner = bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()
    agree(write_json(rest)[:-1] + b',"' + name.encode() + b'":' + inner + b"}")


@pytest.mark.parametrize("depth", range(1, MAX_DEPTH + 3))
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_bounded_as_on_the_wire(depth: int, opening: str) -> None:
    """Every depth of free data, below, at and beyond both limits."""
    closing = "]" if opening == "[" else "}"
    inner = '{"a":' + opening * depth + "1" + closing * depth + "}"
    text = encode_report(example_report()).decode()
    head, tail = text.split('"vitals":', 1)
    agree((head + '"vitals":' + inner + ',"private_sha256":null}').encode())
    assert tail


def test_a_doubled_key_is_seen_at_every_level() -> None:
    """The second of two equal keys never silently wins."""
    text = encode_report(example_report()).decode()
    for key in ("seq", "probe", "name", "source", "version", "offset_ms"):
        start = text.index(f'"{key}":')
        end = min(text.index(sign, start) for sign in ",}" if sign in text[start:])
        doubled = text[:end] + "," + text[start:end] + text[end:]
        assert read_one_form(doubled.encode()) is None
        with pytest.raises(MalformedPayload):
            read_report(doubled.encode())


@pytest.mark.parametrize(
    ("name", "limit"),
    [("measurements", MAX_MEASUREMENTS), ("events", MAX_EVENTS), ("steps", MAX_STEPS)],
)
def test_lists_are_as_long_as_on_the_wire(name: str, limit: int) -> None:
    """At the limit and one beyond."""
    for size in (limit, limit + 1):
        source = deepcopy(EXAMPLE)
        holder = source["measurements"][0] if name == "steps" else source
        holder[name] = [holder[name][0]] * size
        agree(write_json(source))


@given(st.data())
def test_altered_bytes_are_taken_or_refused_as_the_wire_does(data: st.DataObject) -> None:
    """A byte put in, taken out or changed anywhere."""
    payload = bytearray(encode_report(example_report()))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        match data.draw(st.sampled_from(["change", "insert", "remove"])):
            case "change":
                payload[at] = data.draw(st.sampled_from(b'0123456789-+.eE"\\,:{}[] ntf\xff\x00'))
            case "insert":
                payload.insert(at, data.draw(st.sampled_from(b'0123456789-+.eE"\\,:{}[] ntf\xff')))
            case _:
                del payload[at]
    agree(bytes(payload))
