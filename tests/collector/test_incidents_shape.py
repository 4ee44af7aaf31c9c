"""The fingerprint of a memory: what changes it, and what does not."""

from dataclasses import make_dataclass
from typing import Any, Literal

import pytest

from shyraq_collector.incidents.shape import fingerprint


def shape(*fields: tuple[str, Any], name: str = "Memory") -> str:
    """The fingerprint of a dataclass with these fields."""
    return fingerprint((make_dataclass(name, fields),), {"apart": ("a", "b")})


BEFORE = shape(("score", float), ("lines", list[int]), ("state", Literal["up", "down"]))


@pytest.mark.parametrize(
    "fields",
    [
        (("score", float), ("lines", list[int])),
        (("nats", float), ("lines", list[int]), ("state", Literal["up", "down"])),
        (("score", int), ("lines", list[int]), ("state", Literal["up", "down"])),
        (("score", float), ("lines", list[str]), ("state", Literal["up", "down"])),
        (("score", float), ("lines", list[int] | None), ("state", Literal["up", "down"])),
        (("score", float), ("lines", list[int]), ("state", Literal["up"]), ("more", bool)),
    ],
)
def test_every_other_field_is_another_memory(fields: tuple[tuple[str, Any], ...]) -> None:
    """Names, types, and types inside types."""
    assert shape(*fields) != BEFORE


def test_a_new_word_and_a_second_look_change_nothing() -> None:
    """A state more is no field more; the same fields give the same text."""
    again = shape(("score", float), ("lines", list[int]), ("state", Literal["up", "down", "new"]))
    assert again == BEFORE


def test_fields_of_what_is_inside_count_too() -> None:
    """A memory is as deep as its values; one that holds itself ends."""
    inner = make_dataclass("Inner", [("x", int)])
    other = make_dataclass("Inner", [("y", int)])
    assert shape(("inner", list[inner])) != shape(("inner", list[other]))  # type: ignore[valid-type]
    assert fingerprint((), {"apart": ("a",)}) != fingerprint((), {"apart": ("b",)})
