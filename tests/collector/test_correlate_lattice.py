"""Groups of a country, and what it costs to look at many of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.correlate.lattice import NATION, GroupKey, Lattice
from support.simulator import lattice_fleet


@given(st.integers(1, 5), st.integers(1, 5), st.integers(3, 4))
def test_the_price_is_the_number_of_groups_of_a_kind(isps: int, regions: int, lines: int) -> None:
    """One nation costs nothing; networks, regions and cells cost the logarithm of their number."""
    lattice = Lattice()
    for placement in lattice_fleet(isps, regions, lines):
        lattice.join(placement.line)
    assert lattice.price(NATION) == 0.0
    assert lattice.price(GroupKey("isp0", None, None)) == pytest.approx(math.log(isps))
    assert lattice.price(GroupKey(None, "XX-00", None)) == pytest.approx(math.log(regions))
    cells = math.log(isps * regions)
    assert lattice.price(GroupKey("isp0", "XX-00", None)) == pytest.approx(cells)


def test_groups_too_small_to_be_looked_at_cost_nothing() -> None:
    """Cells of two lines are not observable; when lines leave, their group is no longer a look."""
    lattice = Lattice()
    joined = [lattice.join(placement.line) for placement in lattice_fleet(2, 3, 3)]
    assert lattice.price(GroupKey("isp0", "XX-00", None)) == pytest.approx(math.log(6))
    lattice.leave(joined[0])
    assert lattice.price(GroupKey("isp0", "XX-00", None)) == pytest.approx(math.log(5))
