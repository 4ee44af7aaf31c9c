"""Traces: what a path becomes in the record; real routers stand in the lab."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure import trace
from shyraq_agent.measure.hops import Heard
from shyraq_agent.measure.limits import Limits
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import parse_target
from shyraq_agent.measure.trace import Counts, _counts, _is_over, _told, _until_end
from shyraq_agent.meter import Tally
from support.authority import Authority
from support.edges import TableResolver, make_edges
from support.hostile_servers import close, reset, tcp_server

HOST = "orda.example"
OWN6 = "2a00:1450:4010:c05::2"
QUICKLY = Limits(lookup_ms=300, late_answer_ms=30, hop_ms=300, handshake_ms=300)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The only authority that the agent trusts."""
    return Authority()


async def measure(authority: Authority, port: int, **changes: object) -> RawMeasurement:
    """Trace the name HOST at a loopback port."""
    edges = make_edges(
        authority,
        system_resolver=TableResolver({HOST: ["127.0.0.1", "::1"]}),
        limits=QUICKLY,
        **changes,
    )
    return await trace.measure(parse_target(f"trace://{HOST}:{port}"), edges)


@pytest.mark.usefixtures("never_blocks")
async def test_the_end_answers_over_udp_and_over_tcp(authority: Authority) -> None:
    """Port unreachable, and a connection; both families, no capability, every byte counted."""
    meter = Tally()
    async with tcp_server(close) as port:
        measurement = await measure(authority, port, meter=meter)
    names = [(step.name, step.failure) for step in measurement.steps]
    assert names == [
        ("lookup", None),
        ("udp_path", None),
        ("tcp_path", None),
        ("udp_path", None),
        ("tcp_path", None),
    ]
    end = {"last_router": None, "end": 1, "answer": "end"}
    assert measurement.result == {
        "tried": 2,
        "traced": 2,
        "paths": {family: {"udp_path": end, "tcp_path": end} for family in ("ipv4", "ipv6")},
    }
    assert measurement.steps[1].data["hops"] == [[1, "private", "end", pytest.approx(50, abs=50)]]
    assert meter.used_bytes > 500


@pytest.mark.usefixtures("never_blocks")
async def test_a_client_hello_goes_part_of_the_way_only_by_consent(authority: Authority) -> None:
    """Off: no such step. On: the neutral name first, then the target's; a reset is heard."""
    async with tcp_server(reset) as port:
        without = await measure(authority, port)
        asked = await measure(authority, port, may_trace_hello=True)
    assert not any(step.name.startswith("hello") for step in without.steps)
    assert [step.name for step in asked.steps[1:5]] == [
        "udp_path",
        "tcp_path",
        "hello_neutral",
        "hello_target",
    ]
    paths = asked.result["paths"]
    assert paths["ipv4"]["hello_target"] == {  # type: ignore[index,call-overload]
        "last_router": None,
        "end": 1,
        "answer": "reset",
    }


async def test_no_packet_goes_to_a_forbidden_address(authority: Authority) -> None:
    """Refused before the first hop."""
    edges = make_edges(authority, policy=AddressPolicy(), limits=QUICKLY)
    measurement = await trace.measure(parse_target("trace://10.0.0.1:443"), edges)
    assert [(step.name, step.failure) for step in measurement.steps] == [
        ("udp_path", "egress_forbidden")
    ]
    assert measurement.result["traced"] == 0


@pytest.mark.parametrize(
    ("router", "ttl", "own", "told"),
    [
        ("8.8.8.8", 1, "192.168.1.5", "private"),
        ("192.168.0.1", 2, "192.168.1.5", "private"),
        ("100.64.3.1", 3, "192.168.1.5", "private"),
        ("fe80::1", 2, OWN6, "private"),
        ("2a00:1450:4010:ffff::1", 2, OWN6, "private"),
        ("2a00:1450:4011::1", 2, OWN6, "2a00:1450:4011::1"),
        ("8.8.4.4", 2, "192.168.1.5", "8.8.4.4"),
        (None, 2, "192.168.1.5", None),
    ],
)
def test_nothing_of_the_hosts_own_network_is_recorded(
    authority: Authority, router: str | None, ttl: int, own: str, told: str | None
) -> None:
    """The first router, private space, and whatever shares the household's prefix."""
    edges = make_edges(authority, policy=AddressPolicy())
    assert _told(router, ttl, own, edges) == told


ANSWERS = ("router", "silence", "end", "reset")
PATHS = st.lists(st.sampled_from(ANSWERS), max_size=30).map(
    lambda words: [
        (ttl, None, word, None if word == "silence" else 1.0) for ttl, word in enumerate(words, 1)
    ]
)


@given(lines=PATHS)
def test_a_path_ends_at_its_first_answer_that_is_no_routers(
    lines: list[tuple[int, str | None, str, float | None]],
) -> None:
    """Nothing beyond the end is kept, the counts agree, and silence never ends the list."""
    kept = _until_end(lines)
    assert kept == lines[: len(kept)]
    assert all(answer in ("router", "silence") for _, _, answer, _ in kept[:-1])
    assert not kept or kept[-1][2] != "silence"
    counts = _counts(kept)
    if counts.end is not None:
        assert counts.end == len(kept)
        assert _is_over(lines)
    routers = [ttl for ttl, _, answer, _ in kept if answer == "router"]
    assert counts.last_router == max(routers, default=None)


async def test_a_dead_route_is_given_up_after_eight_silent_distances(
    authority: Authority,
) -> None:
    """Not thirty times two time-outs."""

    async def silent(_hop: object) -> Heard:
        await asyncio.sleep(60)
        raise AssertionError

    edges = make_edges(authority, limits=Limits(hop_ms=5))
    record = Record("trace", "x", edges)
    way = trace._Way(record=record, address="127.0.0.1", edges=edges)
    counts = await way.walk("udp_path", 9, silent)
    assert counts == Counts(last_router=None, end=None, answer=None)
    assert record.finish().steps[0].data["hops"] == []
