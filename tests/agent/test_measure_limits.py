"""Ceilings: they can be lowered and never raised."""

from dataclasses import fields

import pytest

from shyraq_agent.measure.limits import Limits


@pytest.mark.parametrize("name", [each.name for each in fields(Limits)])
def test_every_limit_can_be_lowered_and_not_raised(name: str) -> None:
    """The default is the ceiling; one more is refused, as is nothing at all."""
    ceiling = getattr(Limits(), name)
    assert getattr(Limits(**{name: 1}), name) == 1
    for value in (ceiling + 1, 0, -1):
        with pytest.raises(ValueError, match=f"{name}: 1 to {ceiling} is allowed, not {value}"):
            Limits(**{name: value})


def test_a_page_costs_at_most_64_kib() -> None:
    """The ceiling that hosts are promised."""
    assert Limits().body_bytes == 65_536
