"""Typed reading: every complaint names its field by path, and never quotes a value."""

import re
from collections.abc import Callable

import pytest

from shyraq_wire.errors import MalformedPayload
from shyraq_wire.fields import (
    EPOCH,
    HASH,
    MAX_SAFE_INTEGER,
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
    read_texts,
    read_word,
)

SECRET = "value-that-must-not-be-quoted"  # noqa: S105  # a marker, no password


def _text(source: Object) -> object:
    return read_text(source, "f", limit=8)


def _optional(source: Object) -> object:
    return read_optional_text(source, "f", limit=8)


def _hash(source: Object) -> object:
    return read_match(source, "f", HASH)


def _word(source: Object) -> object:
    return read_word(source, "f", frozenset({"one", "two"}))


def _integer(source: Object) -> object:
    return read_integer(source, "f", lo=-3)


def _duration(source: Object) -> object:
    return read_duration_ms(source, "f")


def _object(source: Object) -> object:
    return read_object(source, "f")


def _moment(source: Object) -> object:
    return read_moment(source, "f")


def _list(source: Object) -> object:
    return read_list(source, "f", _inner, limit=2)


def _texts(source: Object) -> object:
    return read_texts(source, "f", EPOCH, limit=2)


def _part(source: Object) -> object:
    return read_part(source, "f", _inner)


def _inner(source: Object) -> int:
    return read_integer(source, "g")


GOOD: list[tuple[Callable[[Object], object], object, object]] = [
    (_text, "", ""),
    (_text, "12345678", "12345678"),
    (_text, "қазақша!", "қазақша!"),
    (_optional, None, None),
    (_optional, "text", "text"),
    (_hash, "0a" * 32, "0a" * 32),
    (_word, "two", "two"),
    (_integer, -3, -3),
    (_integer, MAX_SAFE_INTEGER, MAX_SAFE_INTEGER),
    (_duration, 0, 0.0),
    (_duration, 1.5, 1.5),
    (_duration, MAX_SAFE_INTEGER, float(MAX_SAFE_INTEGER)),
    (_object, {"a": 1}, {"a": 1}),
    (_moment, "2022-01-05T10:30:00.000Z", "2022-01-05T10:30:00.000Z"),
    (_list, [], ()),
    (_list, [{"g": 1}, {"g": 2}], (1, 2)),
    (_part, {"g": 1}, 1),
    (_texts, ["0a" * 16], ("0a" * 16,)),
    (_texts, ["0a" * 16, "0b" * 16], ("0a" * 16, "0b" * 16)),
]


@pytest.mark.parametrize(("read", "value", "result"), GOOD)
def test_a_good_value_is_read(
    read: Callable[[Object], object], value: object, result: object
) -> None:
    """Bounds are included."""
    assert read({"f": value}) == result


BAD: list[tuple[Callable[[Object], object], tuple[object, ...]]] = [
    (_text, (None, 5, True, [], {}, SECRET)),
    (_optional, (5, False, [], SECRET)),
    (_hash, (None, 5, "", SECRET, "0A" * 32, "0a" * 31, "0a" * 32 + "\n")),
    (_word, (None, 1, "", "One", SECRET, ["one"], {"one": 1})),
    (_integer, (None, 1.0, True, "1", -4, MAX_SAFE_INTEGER + 1, [])),
    (_duration, (None, True, "1", -1, -0.5, 2.0**60, 2**62)),
    (_object, (None, [], "", 0, SECRET)),
    (_moment, (None, 0, "", SECRET, "2022-02-30T10:30:00.000Z", "x" * 70_000)),
    (_list, (None, {}, "", SECRET, [{"g": 1}] * 3)),
    (_part, (None, [], SECRET)),
    (_texts, (None, {}, "0a" * 16, [], ["0a" * 16] * 3)),
]


@pytest.mark.parametrize(
    ("read", "value"), [(read, value) for read, values in BAD for value in values]
)
def test_a_bad_value_is_refused_by_name_and_not_quoted(
    read: Callable[[Object], object], value: object
) -> None:
    """The complaint starts with the field and holds nothing of what the peer wrote."""
    with pytest.raises(MalformedPayload, match=r"\Af: ") as caught:
        read({"f": value})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 5, [], SECRET, "0a" * 16 + "\n"])
def test_a_wrong_text_in_a_list_is_refused_by_its_place(wrong: object) -> None:
    """Which one it is, never what it says."""
    with pytest.raises(MalformedPayload, match=r"\Af\[1\]: ") as caught:
        _texts({"f": ["0a" * 16, wrong]})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("read", [_text, _texts, _hash, _word, _integer, _duration, _moment])
def test_a_missing_field_is_refused(read: Callable[[Object], object]) -> None:
    """What is due must be there."""
    with pytest.raises(MalformedPayload, match=r"\Af: "):
        read({})


def test_missing_objects_and_lists_are_empty() -> None:
    """An absent container holds nothing; an absent optional text is None."""
    assert read_object({}, "f") == {}
    assert read_list({}, "f", _inner, limit=2) == ()
    assert read_optional_text({}, "f") is None
    with pytest.raises(MalformedPayload, match=r"\Af\.g: "):
        read_part({}, "f", _inner)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ([{"g": 1}, {"g": "x"}], "f[1].g: "),
        ([{"g": 1}, {}], "f[1].g: "),
        ([5], "f[0]: "),
        ([{"g": 1}, None], "f[1]: "),
    ],
)
def test_a_complaint_inside_a_list_names_the_place(values: list[object], path: str) -> None:
    """Index and inner field make one path."""
    with pytest.raises(MalformedPayload, match=re.escape(path)):
        read_list({"f": values}, "f", _inner, limit=2)


def test_hashes_and_epochs_are_lower_case_hexadecimal() -> None:
    """64 and 32 digits."""
    assert HASH.fullmatch("f" * 64)
    assert EPOCH.fullmatch("0" * 32)
    assert not EPOCH.fullmatch("F" * 32)
