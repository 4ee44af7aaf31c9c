"""Signing: reports close in time and size, offsets are right, every frame opens and chains."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.errors import LocalError
from shyraq_agent.measure.step import RawMeasurement, RawStep
from shyraq_agent.sign import Basket, Contents, LifeEvent, Signer
from shyraq_agent.sign.basket import BULK_PERIOD_MS, MAX_CONTENT_BYTES, cut_to_size
from shyraq_agent.sign.keyfile import raw_public_key, read_key, write_new_key
from shyraq_agent.spool import Place
from shyraq_wire.chain import GENESIS
from shyraq_wire.envelope import MAX_FRAME_SIZE_BYTES, open_frame
from shyraq_wire.failure import Failure
from shyraq_wire.moments import parse_moment
from shyraq_wire.report import MAX_MEASUREMENTS, REPORT_TYPE, ClockState, ConfigRef, Json, Report
from shyraq_wire.report_json import decode_report
from shyraq_wire.topics import NodeId
from support.clock import STORY_START_MS, FakePace

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
NTP = ClockState(source="ntp", error_ms=20)


def finished(
    probe: str = "web", *, started_ms: int = 0, data_bytes: int = 10, steps: int = 1
) -> RawMeasurement:
    """A measurement as a probe leaves it."""
    return RawMeasurement(
        probe=probe,
        target="https://example.org/",
        started_uptime_ms=started_ms,
        duration_ms=12.5,
        steps=tuple(
            RawStep(
                name="connect",
                started_uptime_ms=started_ms + 1,
                duration_ms=3.25,
                failure=Failure("connection_reset"),
                data={"text": "x" * data_bytes},
            )
            for _ in range(steps)
        ),
        result={"ok": 1},
    )


def place(seq: int = 0, **changes: object) -> Place:
    """A place in the chain."""
    values: dict[str, object] = {
        "epoch": "ab" * 16,
        "seq": seq,
        "prev": GENESIS if seq == 0 else "cd" * 32,
        "dropped": (),
        "floor_ms": 0,
    }
    return Place(**(values | changes))  # type: ignore[arg-type]


def signer(pace: FakePace, clock: ClockState = NTP) -> Signer:
    """A signer for a node of the tests."""
    return Signer(
        node=NodeId("kz-test-0001"),
        private_key=KEY,
        boot_id="boot-1",
        software="shyraq-agent/0",
        config=ConfigRef(version=3, sha256="0" * 64),
        pace=pace,
        read_clock=lambda: clock,
    )


def opened(frame: bytes) -> Report:
    """The report in a frame signed by the test's key."""
    payload_type, payload = open_frame(frame, KEY.public_key().public_bytes_raw())
    assert payload_type == REPORT_TYPE
    return decode_report(payload)


def test_times_become_offsets_from_one_moment_of_sealing() -> None:
    """At and uptime are read once; a measurement 5 s old has an offset of -5,000 ms."""
    pace = FakePace(uptime_ms=100_000)
    event = LifeEvent(kind="started", at_uptime_ms=99_000)
    contents = Contents(kind="pulse", measurements=(finished(started_ms=95_000),), events=(event,))
    report = opened(signer(pace).seal(place(), contents))
    assert (report.uptime_ms, parse_moment(report.at)) == (100_000, STORY_START_MS)
    (measurement,) = report.measurements
    assert measurement.started_offset_ms == -5_000
    assert measurement.steps[0].started_offset_ms == -4_999
    assert measurement.steps[0].failure == "connection_reset"
    assert (measurement.duration_ms, measurement.result) == (12.5, {"ok": 1})
    assert report.events[0].offset_ms == -1_000
    assert report.clock == NTP


def test_a_wall_clock_before_a_moment_known_to_have_passed_is_raised_and_says_so() -> None:
    """A Pi that wakes in 1970 stamps the newest moment it can prove, with source floor."""
    pace = FakePace(now_ms=5_000)
    report = opened(signer(pace).seal(place(floor_ms=STORY_START_MS), Contents(kind="pulse")))
    assert parse_moment(report.at) == STORY_START_MS
    assert report.clock == ClockState(source="floor", error_ms=None)


def test_dropped_ranges_become_signed_events() -> None:
    """Each range the spool gave up is announced with its epoch and bounds."""
    frame = signer(FakePace()).seal(
        place(dropped=(("ab" * 16, 4, 6), ("cd" * 16, 9, 9))), Contents(kind="pulse")
    )
    events = opened(frame).events
    assert [event.kind for event in events] == ["dropped", "dropped"]
    assert dict(events[0].data) == {"epoch": "ab" * 16, "lo": 4, "hi": 6}


@given(
    sizes=st.lists(st.integers(0, 70_000), max_size=30),
    count=st.integers(0, 150),
    probes=st.lists(st.sampled_from(["ladder", "web"]), min_size=1, max_size=5),
)
def test_whatever_is_added_comes_out_once_and_no_frame_passes_the_limit(
    sizes: list[int], count: int, probes: list[str]
) -> None:
    """Every measurement leaves the basket exactly once, in frames that open."""
    pace, basket = FakePace(), Basket()
    for number in range(len(sizes) + count):
        size = sizes[number] if number < len(sizes) else 30
        basket.add(
            finished(probes[number % len(probes)], started_ms=number, data_bytes=size),
            pace.uptime_ms(),
        )
    contents = [
        basket.take_pulse(pace.uptime_ms()),
        *basket.take_bulk(pace.uptime_ms(), all_of_it=True),
    ]
    frames = [signer(pace).seal(place(), each) for each in contents]
    assert all(len(frame) <= MAX_FRAME_SIZE_BYTES for frame in frames)
    seen = [m for frame in frames for m in opened(frame).measurements]
    offsets = sorted(m.started_offset_ms + pace.uptime_ms() for m in seen)
    assert offsets == list(range(len(sizes) + count))
    assert all(len(each.measurements) <= MAX_MEASUREMENTS for each in contents)


def test_bulk_closes_a_minute_after_its_first_measurement() -> None:
    """The oldest measurement never waits longer than 60 s."""
    basket = Basket()
    basket.add(finished(), 1_000)
    basket.add(finished(), 50_000)
    assert basket.bulk_due_uptime_ms() == 1_000 + BULK_PERIOD_MS
    assert basket.take_bulk(60_999) == []
    (closed,) = basket.take_bulk(61_000)
    assert len(closed.measurements) == 2
    assert basket.bulk_due_uptime_ms() is None


def test_bulk_closes_at_sixty_measurements_at_once() -> None:
    """A full bulk is due immediately."""
    basket = Basket()
    for _ in range(MAX_MEASUREMENTS):
        basket.add(finished(), 5)
    assert basket.bulk_due_uptime_ms() == 0
    assert [len(each.measurements) for each in basket.take_bulk(5)] == [60]


def test_events_beyond_a_pulses_room_wait_for_the_next() -> None:
    """64 events a pulse, none lost below 1,024."""
    basket = Basket()
    for number in range(100):
        basket.note(LifeEvent(kind="network_changed", at_uptime_ms=number))
    first, second = basket.take_pulse(0), basket.take_pulse(0)
    assert [each.at_uptime_ms for each in (*first.events, *second.events)] == list(range(100))


def test_vitals_travel_once() -> None:
    """Host facts are in the next pulse only."""
    basket = Basket()
    basket.set_vitals({"load_1min": 0.5})
    assert basket.take_pulse(0).vitals == {"load_1min": 0.5}
    assert basket.take_pulse(0).vitals is None


def test_a_measurement_too_large_keeps_names_times_and_failures() -> None:
    """Above 48 KiB, or with more steps than the format has, data goes and the result says so."""
    cut, size_bytes = cut_to_size(finished(data_bytes=2000, steps=70))
    assert len(cut.steps) == 64
    assert {step.failure for step in cut.steps} == {"connection_reset"}
    assert {len(step.data) for step in cut.steps} == {0}
    assert cast("Mapping[str, int]", cut.result)["cut_from_bytes"] > MAX_CONTENT_BYTES
    assert size_bytes < MAX_CONTENT_BYTES


@pytest.mark.parametrize("value", [float("nan"), "\ud800", float("inf")])
def test_what_json_cannot_hold_is_cut_and_does_not_stop_the_node(value: Json) -> None:
    """A server's odd bytes cost the step its data, never the report."""
    odd = RawMeasurement(
        probe="web",
        target="x",
        started_uptime_ms=0,
        duration_ms=1,
        steps=(
            RawStep(name="a", started_uptime_ms=0, duration_ms=1, failure=None, data={"v": value}),
        ),
    )
    basket = Basket()
    basket.add(odd, 0)
    (contents,) = basket.take_bulk(0, all_of_it=True)
    report = opened(signer(FakePace()).seal(place(), contents))
    assert report.measurements[0].result == {"cut_from_bytes": 0}


def test_a_new_key_is_readable_by_its_owner_only_and_reads_back(tmp_path: Path) -> None:
    """The key file has mode 0600 and holds the key that was made."""
    path = tmp_path / "evidence.pem"
    key = write_new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert raw_public_key(read_key(path)) == raw_public_key(key)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """A second keygen on the same file is refused and leaves it alone."""
    path = tmp_path / "evidence.pem"
    write_new_key(path)
    before = path.read_bytes()
    with pytest.raises(LocalError, match="never overwritten"):
        write_new_key(path)
    assert path.read_bytes() == before
    with pytest.raises(LocalError, match="No such file"):
        write_new_key(tmp_path / "nowhere" / "key.pem")


def test_a_key_file_that_cannot_be_trusted_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Missing, open to others, not PEM, another kind of key: each has its own words."""
    path = tmp_path / "evidence.pem"
    with pytest.raises(LocalError, match="keygen"):
        read_key(path)
    write_new_key(path)
    path.chmod(0o640)
    with pytest.raises(LocalError, match="chmod 600"):
        read_key(path)
    other = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for text, words in ((b"hello", "not an unencrypted private key"), (other, "Ed25519")):
        path.chmod(0o600)
        path.write_bytes(text)
        with pytest.raises(LocalError, match=words):
            read_key(path)
