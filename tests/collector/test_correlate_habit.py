"""Few gaps are trusted little, irregular ones less, a steady beat at once."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.correlate.habit import expected, overrun
from shyraq_collector.correlate.line import Line, pool
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import LineKey, Placement
from shyraq_collector.incidents.engine import Engine
from support.simulator import canaries

KEY = LineKey("XX", "R0", "s0", "isp0", None)
PACE = Pace()

reaches, spreads, counts = st.floats(0.1, 60.0), st.floats(1.0, 1e4), st.integers(4, 64)


@given(reaches, spreads, counts)
def test_an_overrun_is_a_probability_that_falls_with_the_reach(
    reach: float, spread: float, count: int
) -> None:
    """Between 0 and 1, and never likelier for a longer gap."""
    assert 0.0 <= overrun(2.0 * reach, spread, count) <= overrun(reach, spread, count) <= 1.0


@given(st.floats(0.1, 20.0), st.integers(4, 64))
def test_a_poisson_stream_has_the_known_law(gap: float, count: int) -> None:
    """Gaps as a Poisson stream spreads them on average: the next one is Lomax."""
    middle = expected(count, count // 2)
    spread = expected(count, count - 2) / expected(count, 1)
    assert overrun(gap / middle, spread, count) == pytest.approx((1.0 + gap / count) ** -count)


def test_a_steady_beat_is_trusted_at_once() -> None:
    """Eight heartbeats with a little jitter leave no doubt about the leash."""
    line = Line(key=KEY)
    line.recent = [60.0, 59.5, 60.8, 60.1, 59.9, 60.3, 60.0, 59.2]
    line.learn()
    assert line.overruns == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("count", [8, 32])
@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0])
def test_the_doubt_is_as_large_as_the_gaps_that_overrun(count: int, shape: float) -> None:
    """Over many irregular lines, forecast overruns are at least half and at most triple."""
    rng = random.Random(count)  # noqa: S311 - repeatable noise
    forecast = happened = 0.0
    for _ in range(1500):
        line = Line(key=KEY)
        line.recent = [rng.gammavariate(shape, 700.0 / shape) for _ in range(count)]
        line.learn()
        forecast += line.overruns[0]
        happened += sum(rng.gammavariate(shape, 700.0 / shape) > line.leash_s for _ in range(20))
    happened /= 20
    assert 0.5 * happened <= forecast <= 3.0 * happened


def test_an_irregular_line_just_met_is_worth_less_than_a_regular_one() -> None:
    """The same silence of both, hours after the first word."""
    gaps = [1.0, 0.1, 2.2, 0.4, 0.7, 1.6, 0.3, 0.9]
    irregular, regular = Line(key=KEY), Line(key=KEY)
    irregular.recent, regular.recent = [700.0 * gap for gap in gaps], [700.0] * 8
    chances = []
    for line in (irregular, regular):
        line.learn()
        line.missing_since = 10_000.0
        chances.append(line.innocent(10_060.0, 1400.0, pool((), PACE), PACE))
    assert chances[0] > 3.0 * chances[1]


@pytest.mark.parametrize("seed", range(3))
def test_the_first_hours_of_irregular_lines_raise_no_suspicion(seed: int) -> None:
    """A fleet heard a few times an hour, met for the first time: nothing is said of chance."""
    rng = random.Random(f"first hours {seed}")  # noqa: S311 - repeatable noise
    fleet = [
        Placement(
            node=f"n-{isp}-{region}-{number}",
            isp=f"isp{isp}",
            region=f"XX-{region}",
            country="XX",
            access=None,
            site=f"s-{isp}-{region}-{number}",
        )
        for isp in range(3)
        for region in range(5)
        for number in range(4)
    ]
    engine = Engine(pace=PACE, placements=[*fleet, *canaries()])
    begin, hours = 1_640_995_200.0, 9.0
    words = []
    for placement in [*fleet, *canaries()]:
        a_second = rng.uniform(4.0, 10.0) / 3600.0 if placement.role == "sensor" else 1.0 / 60.0
        at = begin + rng.expovariate(a_second)
        while at < begin + hours * 3600.0:
            words.append((at, placement.node))
            at += rng.expovariate(a_second) if placement.role == "sensor" else 60.0
    said, tick = [], begin
    for at, node in sorted(words):
        while tick <= at:
            said += engine.tick(tick)
            tick += PACE.heartbeat_s
        engine.heard(node, at)
    assert said == []
