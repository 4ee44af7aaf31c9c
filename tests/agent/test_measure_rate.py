"""How fast bytes come: from our responder, and from a page."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.measure import rate
from shyraq_agent.measure.limits import Limits
from shyraq_agent.measure.responder import Arm, Pairing, Responder
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import parse_target
from shyraq_agent.measure.transfer import MAX_SAMPLES, thin
from support.authority import Authority, server_context
from support.edges import SHORT_LIMITS, TableResolver, make_edges
from support.hostile_servers import Behaviour, page, site, stay_silent, tcp_server
from support.responder import NAME, responder

HOST = "orda.example"
LONG = page(b"x" * 200_000)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The only authority that the agent trusts."""
    return Authority()


async def measure(
    authority: Authority,
    folder: Path,
    behaviour: Behaviour,
    *,
    limits: Limits = SHORT_LIMITS,
    scheme: str = "https",
    with_responder: bool = True,
) -> RawMeasurement:
    """Download from a responder and from a target."""
    tls = server_context(authority.leaf(HOST)) if scheme == "https" else None
    async with (
        responder(authority, folder) as served,
        tcp_server(behaviour, tls=tls) as port,
    ):
        neutral, target, arm = (
            Arm(address=each.address, port=each.port) for each in served.plan.arms
        )
        ours = Responder(name=NAME, neutral=neutral, target=target, rate=arm)
        edges = make_edges(
            authority,
            system_resolver=TableResolver({HOST: ["127.0.0.1"]}),
            responder=ours if with_responder else None,
            limits=limits,
        )
        return await rate.measure(parse_target(f"{scheme}://{HOST}:{port}/"), edges)


def outline(measurement: RawMeasurement) -> list[tuple[object, str, str | None]]:
    """The steps by place, name and failure."""
    return [(step.data.get("at"), step.name, step.failure) for step in measurement.steps]


SECURE = ("connect", "handshake", "verify", "transfer")


async def test_both_are_read_to_the_same_number_of_bytes(
    authority: Authority, tmp_path: Path
) -> None:
    """Our responder first, then the page; 64 KiB of each, as pairs of time and bytes."""
    seen = await measure(authority, tmp_path, site({"/": LONG}))
    assert outline(seen) == [
        *(("responder", step, None) for step in SECURE),
        ("target", "lookup", None),
        *(("target", step, None) for step in SECURE),
    ]
    sizes = [step.data["size_bytes"] for step in seen.steps if step.name == "transfer"]
    assert all(isinstance(size, int) and 65_536 <= size < 65_536 + 16_384 for size in sizes)
    assert seen.result == {"answered": 2}


async def test_a_server_is_asked_for_no_more_than_is_read(
    authority: Authority, tmp_path: Path
) -> None:
    """By a range, which it may disregard."""
    heads: list[bytes] = []
    await measure(authority, tmp_path, site({"/": LONG}, heads))
    assert b"range: bytes=0-65535" in heads[0].lower()


def test_who_comes_first_changes_from_run_to_run() -> None:
    """For each target apart."""
    pairing = Pairing()
    assert [pairing.target_first("a") for _ in range(4)] == [False, True, False, True]
    assert pairing.target_first("b") is False


async def test_a_page_in_the_clear_needs_no_handshake(authority: Authority, tmp_path: Path) -> None:
    """And without a responder only the target is asked."""
    seen = await measure(
        authority, tmp_path, site({"/": LONG}), scheme="http", with_responder=False
    )
    assert outline(seen) == [
        ("target", "lookup", None),
        ("target", "connect", None),
        ("target", "transfer", None),
    ]


async def test_a_transfer_that_runs_out_of_time_still_tells_its_speed(
    authority: Authority, tmp_path: Path
) -> None:
    """A slow page is an observation, not a failure to observe."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()
            await asyncio.sleep(0.02)

    seen = await measure(authority, tmp_path, drip, limits=Limits(transfer_ms=400))
    last = seen.steps[-1]
    assert (last.name, last.failure) == ("transfer", "generic_timeout_error")
    assert isinstance(last.data["size_bytes"], int)
    assert 1_000 < last.data["size_bytes"] < 40_000
    assert last.data["status"] == 200
    assert seen.result == {"answered": 1}


async def test_a_server_that_says_nothing_is_told_as_such(
    authority: Authority, tmp_path: Path
) -> None:
    """No byte, no samples."""
    seen = await measure(authority, tmp_path, stay_silent, limits=Limits(transfer_ms=200))
    assert seen.steps[-1].failure == "generic_timeout_error"
    assert seen.steps[-1].data["size_bytes"] == 0
    assert "samples" not in seen.steps[-1].data


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(1, 20_000)), min_size=1, max_size=200))
def test_thinning_keeps_the_order_the_end_and_the_pace(steps: list[tuple[float, int]]) -> None:
    """Never more than sixteen samples, all of them true, the last one the whole."""
    arrivals, ms, size = list[tuple[float, int]](), 0.0, 0
    for wait_ms, more in steps:
        ms, size = ms + wait_ms, size + more
        arrivals.append((ms, size))
    kept = thin(arrivals)
    assert len(kept) <= MAX_SAMPLES
    assert set(kept) <= set(arrivals)
    assert kept == sorted(kept, key=lambda each: each[1])
    assert kept[-1] == arrivals[-1]
