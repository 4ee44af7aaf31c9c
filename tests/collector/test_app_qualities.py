"""Samples of speed, as reports hold them."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.app.qualities import MIN_TRANSFER_BYTES, samples
from shyraq_collector.facts.reports import VerifiedReport
from shyraq_wire.chain import Position
from shyraq_wire.report import REPORT_TYPE, Json, Measurement, Step
from support.clock import STORY_START_MS
from support.signing import SigningNode

NODE = SigningNode()


def step(
    name: str, duration_ms: float, *, failure: str | None = None, data: Mapping[str, Json]
) -> Step:
    """One step of a probe."""
    return Step(
        name=name, started_offset_ms=-500, duration_ms=duration_ms, failure=failure, data=data
    )


def said(probe: str, *steps: Step, target: str = "") -> list[tuple[str, str, float, float]]:
    """The samples of a report with one measurement: metric, target, value, seconds ago."""
    measured = Measurement(
        probe=probe, target=target, started_offset_ms=-600, duration_ms=100, steps=steps
    )
    report = VerifiedReport(
        node=NODE.id,
        key=NODE.key_id,
        payload_type=REPORT_TYPE,
        frame=b"",
        epoch=NODE.epoch,
        position=Position(seq=0, sha256="", prev=""),
        report=NODE.report(measurements=(measured,)),
        received_ms=STORY_START_MS + 1000,
        dated_ms=STORY_START_MS,
    )
    return [
        (each.metric, each.target, each.value, STORY_START_MS / 1000 - each.at)
        for each in samples(report)
    ]


def hello(tier: str, took_ms: float, failure: str | None = None) -> Step:
    """A ServerHello at a rung."""
    return step("hello", took_ms, failure=failure, data={"tier": tier})


def test_a_full_ladder_times_each_tier() -> None:
    """The median of what answered; the collector's echo is a round trip."""
    climbed = (
        hello("abroad", 100.0),
        hello("abroad", 300.0),
        hello("abroad", 120.0),
        hello("abroad", 9000.0, failure="timed_out"),
        hello("domestic", 20.0),
        step("connect", 5.0, data={"tier": "abroad"}),
        step("echo", 40.0, data={"tier": "collector"}),
    )
    assert said("ladder", *climbed) == [
        ("handshake_ms", "path:abroad", 120.0, 0.5),
        ("handshake_ms", "path:domestic", 20.0, 0.5),
        ("rtt_ms", "path:collector", 40.0, 0.5),
    ]


def test_a_light_beat_times_nothing() -> None:
    """What is usual is learned from full ladders alone."""
    assert said("ladder", step("echo", 40.0, data={"tier": "collector"})) == []


def test_a_rate_has_its_control_on_the_same_line() -> None:
    """Bits a second, of the site and of our responder."""
    at_site: dict[str, Json] = {"at": "target", "size_bytes": 100_000}
    at_ours: dict[str, Json] = {"at": "responder", "size_bytes": 50_000}
    measured = (step("transfer", 800.0, data=at_ours), step("transfer", 400.0, data=at_site))
    assert said("rate", *measured, target="https://a.example/") == [
        ("rate_bps", "path:responder", 500_000.0, 0.5),
        ("rate_bps", "https://a.example/", 2_000_000.0, 0.5),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        step("transfer", 400.0, failure="connection_reset", data={"size_bytes": 100_000}),
        step("transfer", 400.0, data={"size_bytes": MIN_TRANSFER_BYTES - 1}),
        step("transfer", 0.0, data={"size_bytes": 100_000}),
        step("transfer", 400.0, data={}),
        step("handshake", 400.0, data={"size_bytes": 100_000}),
    ],
)
def test_what_tells_little_is_no_sample(broken: Step) -> None:
    """Broken off, too short, timeless."""
    assert said("rate", broken, target="https://a.example/") == []


values = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.integers())


@given(name=st.sampled_from(("hello", "echo", "transfer")), value=values, took_ms=st.floats(0, 1e6))
def test_any_step_can_be_read(name: str, value: Json, took_ms: float) -> None:
    """What a node may sign cannot raise here, and nothing is ever zero or less."""
    data = {"tier": value, "at": value, "size_bytes": value}
    steps = (step(name, took_ms, data=data), hello("abroad", took_ms))
    for probe in ("ladder", "rate", "web"):
        assert all(sample[2] > 0 for sample in said(probe, *steps))
