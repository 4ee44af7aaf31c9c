"""The published schemas say what the codec does: neither looser nor stricter, and explained."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib.resources import files
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.ask import ASK_TYPE, Ask, decode_ask, encode_ask
from shyraq_wire.codec import write_json
from shyraq_wire.errors import MalformedPayload
from shyraq_wire.failure import FAILURES
from shyraq_wire.fields import MAX_SAFE_INTEGER
from shyraq_wire.keys import KeyId
from shyraq_wire.receipt import (
    RECEIPT_TYPE,
    EpochReceipt,
    Interval,
    Receipt,
    Refusal,
    decode_receipt,
    encode_receipt,
)
from shyraq_wire.report import (
    REPORT_TYPE,
    ClockSource,
    ClockState,
    ConfigRef,
    Event,
    EventKind,
    Kind,
    Measurement,
    Report,
    Step,
    Tier,
)
from shyraq_wire.report_json import decode_report, encode_report
from support.reports import EXAMPLE_NODE, asks, example_report, receipts, reports


def _schema(name: str) -> dict[str, Any]:
    text = (files("shyraq_wire") / "schema" / name).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


REPORT = _schema("report-v1.json")
RECEIPT = _schema("receipt-v1.json")
ASK = _schema("ask-v1.json")
REPORT_VALIDATOR = jsonschema.Draft202012Validator(REPORT)
RECEIPT_VALIDATOR = jsonschema.Draft202012Validator(RECEIPT)
ASK_VALIDATOR = jsonschema.Draft202012Validator(ASK)


@pytest.mark.parametrize("schema", [REPORT, RECEIPT, ASK], ids=lambda schema: schema["title"])
def test_the_schema_is_a_schema(schema: dict[str, Any]) -> None:
    """JSON Schema's own rules hold for it."""
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_schemas_name_the_payload_types() -> None:
    """A reader finds the schema by the type in the frame."""
    assert REPORT_TYPE in REPORT["description"]
    assert RECEIPT_TYPE in RECEIPT["description"]
    assert ASK_TYPE in ASK["description"]


@given(reports())
def test_every_encoded_report_is_valid(report: Report) -> None:
    """Whatever a node can sign, the schema allows."""
    REPORT_VALIDATOR.validate(json.loads(encode_report(report)))


@given(receipts())
def test_every_encoded_receipt_is_valid(receipt: Receipt) -> None:
    """Whatever a collector can sign, the schema allows."""
    RECEIPT_VALIDATOR.validate(json.loads(encode_receipt(receipt)))


@given(asks())
def test_every_encoded_ask_is_valid(ask: Ask) -> None:
    """The same for asks."""
    ASK_VALIDATOR.validate(json.loads(encode_ask(ask)))


ODD_VALUES: list[object] = [
    None,
    True,
    -1,
    0,
    0.5,
    2**53 - 1,
    2**53,
    "",
    "0" * 64,
    "f" * 64,
    "F" * 64,
    "f" * 64 + "\n",
    "f" * 32,
    "x" * 33,
    "x" * 65,
    "x" * 129,
    "x" * 513,
    "x" * 1_025,
    "x" * 2_049,
    "unknown_failure: ",
    "connection_reset",
    "ntp",
    "bulk",
    "2022-01-05T10:30:00.000Z",
    "1969-12-31T23:59:59.999Z",
    [],
    [None],
    [{}],
    [{}] * 300,
    {},
    {"source": "ntp"},
]


@given(st.data())
def test_schema_and_codec_agree_on_reports_with_one_odd_value(data: st.DataObject) -> None:
    """In any place, any odd or missing value is refused by both or taken by both."""
    source = json.loads(
        encode_report(example_report(seq=1, prev="a" * 64, private_sha256="b" * 64))
    )
    _spoil(source, data)
    wrong_start = (source.get("seq") == 0) != (source.get("prev") == "0" * 64)
    if not wrong_start:  # the rule that no schema can tell stands in its description
        assert _decodes(decode_report, source) == REPORT_VALIDATOR.is_valid(source)


@given(st.data())
def test_schema_and_codec_agree_on_receipts_with_one_odd_value(data: st.DataObject) -> None:
    """The same for receipts."""
    source = json.loads(encode_receipt(_example_receipt()))
    _spoil(source, data)
    assert _decodes(decode_receipt, source) == RECEIPT_VALIDATOR.is_valid(source)


@given(st.data())
def test_schema_and_codec_agree_on_asks_with_one_odd_value(data: st.DataObject) -> None:
    """The same for asks, but for how long they hold, which no schema can tell."""
    source = json.loads(encode_ask(_example_ask()))
    _spoil(source, data)
    holds = source.get("at") == _example_ask().at and source.get("until") == _example_ask().until
    if holds or not ASK_VALIDATOR.is_valid(source):
        assert _decodes(decode_ask, source) == ASK_VALIDATOR.is_valid(source)


def _example_ask() -> Ask:
    return Ask(
        node=EXAMPLE_NODE,
        key=KeyId("c" * 64),
        number=7,
        at="2022-01-05T10:30:00.000Z",
        until="2022-01-05T10:35:00.000Z",
        target="https://example.kz/",
        addresses=("192.0.2.1",),
    )


def _example_receipt() -> Receipt:
    """One interval as wide as can be, so that any integer keeps lo at or below hi."""
    widest = Interval(lo=0, hi=MAX_SAFE_INTEGER, sha256="a" * 64)
    return Receipt(
        node=EXAMPLE_NODE,
        ledger="f" * 32,
        key=KeyId("c" * 64),
        at="2022-01-05T10:30:00.000Z",
        epochs=(EpochReceipt(epoch="e" * 32, intervals=(widest,)),),
        refused=(Refusal(epoch="e" * 32, seq=1, sha256="b" * 64, reason="too-large"),),
    )


def _spoil(source: dict[str, Any], data: st.DataObject) -> None:
    """Set one drawn place, at any depth, to a drawn odd value, or take it out."""
    place: Any = source
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else [0]))
        deeper = place[key]
        if not (isinstance(deeper, dict | list) and deeper and data.draw(st.booleans())):
            break
        place = deeper
    if isinstance(place, dict) and data.draw(st.booleans()):
        del place[key]
    else:
        place[key] = data.draw(st.sampled_from(ODD_VALUES))


def _decodes(decode: Callable[[bytes], object], source: dict[str, Any]) -> bool:
    try:
        decode(write_json(source))
    except MalformedPayload:
        return False
    return True


def _objects(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every named property and definition, by its path."""
    for group in ("properties", "$defs"):
        for name, inner in schema.get(group, {}).items():
            yield name, inner
            yield from ((f"{name}.{path}", each) for path, each in _objects(inner))


@pytest.mark.parametrize("schema", [REPORT, RECEIPT, ASK], ids=lambda schema: schema["title"])
def test_every_field_is_described_with_its_unit(schema: dict[str, Any]) -> None:
    """A sentence for each; where the name ends in a unit, the sentence says it in words."""
    units = {"_ms": "illisecond"}
    for path, inner in _objects(schema):
        assert re.fullmatch(r"\S.*\.", inner["description"]), path
        for ending, word in units.items():
            assert not path.endswith(ending) or word in inner["description"], path


@pytest.mark.parametrize(
    ("described", "written"),
    [
        (REPORT, Report),
        (REPORT["properties"]["clock"], ClockState),
        (REPORT["properties"]["config"], ConfigRef),
        (REPORT["$defs"]["measurement"], Measurement),
        (REPORT["$defs"]["step"], Step),
        (REPORT["$defs"]["event"], Event),
        (RECEIPT, Receipt),
        (RECEIPT["$defs"]["epoch_receipt"], EpochReceipt),
        (RECEIPT["$defs"]["interval"], Interval),
        (RECEIPT["$defs"]["refusal"], Refusal),
        (ASK, Ask),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_schema_and_types_have_the_same_fields(described: dict[str, Any], written: type) -> None:
    """In the same order, so that one reads beside the other."""
    assert list(described["properties"]) == [each.name for each in fields(written)]


def test_schema_and_types_have_the_same_words() -> None:
    """Kinds, clock sources, events, failures and rungs of the ladder."""
    properties, definitions = REPORT["properties"], REPORT["$defs"]
    assert properties["kind"]["enum"] == list(get_args(Kind))
    assert properties["clock"]["properties"]["source"]["enum"] == list(get_args(ClockSource))
    assert definitions["event"]["properties"]["kind"]["enum"] == list(get_args(EventKind))
    *_, words = definitions["step"]["properties"]["failure"]["anyOf"]
    assert words["enum"] == list(FAILURES)
    described = definitions["measurement"]["properties"]["result"]["description"]
    assert ", ".join(get_args(Tier)) in described
