"""A name beside a neutral one: at the collector's own responder, and at a real address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from shyraq_agent.measure import name_pair
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.responder import MAX_ROUNDS, Arm, Pairing, Responder
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import parse_target
from shyraq_collector.responder.plan import Ceilings
from shyraq_wire.report import MAX_STEPS
from support.authority import Authority, server_context
from support.clock import FakePace, settle
from support.edges import TableResolver, make_edges
from support.hostile_servers import Behaviour, stay_silent, tcp_server
from support.responder import CEILINGS, NAME, responder

HOST = "orda.example"
BODY_BYTES = 100_000
SERVER_HELLO = bytes([0x16, 3, 3, 0, 4, 2, 0, 0, 0])
"""The record in which one begins."""
UNRECOGNIZED_NAME = bytes([0x15, 3, 3, 0, 2, 2, 112])
"""A fatal alert."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The only authority that the agent trusts."""
    return Authority()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A responder and a target that are up."""

    edges: Edges
    port: int

    async def measure(self, **changes: object) -> RawMeasurement:
        """One measurement, with other edges."""
        edges = replace(self.edges, **changes)  # type: ignore[arg-type]
        return await name_pair.measure(parse_target(f"{HOST}:{self.port}"), edges)


@asynccontextmanager
async def place(
    authority: Authority,
    folder: Path,
    behaviour: Behaviour = stay_silent,
    *,
    agreed: bool = True,
    ceilings: Ceilings = CEILINGS,
) -> AsyncIterator[Place]:
    """A whole responder, and a target whose names all have one certificate."""
    tls = server_context(authority.leaf(HOST)) if behaviour is stay_silent else None
    async with (
        responder(authority, folder, body_bytes=BODY_BYTES, ceilings=ceilings) as served,
        tcp_server(behaviour, tls=tls) as port,
    ):
        neutral, target, rate = (
            Arm(address=arm.address, port=arm.port) for arm in served.plan.arms
        )
        ours = Responder(
            name=NAME,
            neutral=neutral,
            target=target,
            rate=rate,
            body_bytes=BODY_BYTES,
            may_send_names=agreed,
        )
        edges = make_edges(
            authority,
            system_resolver=TableResolver({HOST: ["127.0.0.1"]}),
            responder=ours,
            pairing=Pairing(washout_ms=0, rounds=1),  # a loaded machine may make a difference
        )
        yield Place(edges=edges, port=port)


def outline(measurement: RawMeasurement) -> list[tuple[object, ...]]:
    """The steps by place, arm, name and failure."""
    return [
        (step.data.get("at"), step.data.get("arm"), step.name, step.failure)
        for step in measurement.steps
    ]


ARM_STEPS = ("connect", "handshake", "verify", "transfer")
WHOLE_ROUND = [
    (None, None, "lookup", None),
    *(("responder", "neutral", step, None) for step in ARM_STEPS),
    *(("responder", "target", step, None) for step in ARM_STEPS),
    *(
        ("target", arm, step, None)
        for arm in ("neutral", "target")
        for step in ("connect", "hello")
    ),
]


async def test_a_round_is_neutral_first_and_only_the_name_differs(
    authority: Authority, tmp_path: Path
) -> None:
    """Twelve steps; each arm at an address of its own; the responder's own certificate is good."""
    async with place(authority, tmp_path) as here:
        seen = await here.measure()
    assert outline(seen) == WHOLE_ROUND
    assert seen.result == {"rounds": 1, "answered": 2}
    handshakes = [step.data for step in seen.steps if step.name == "handshake"]
    assert [each["server_name"] for each in handshakes] == ["example.com", HOST]
    assert len({each["address"] for each in handshakes}) == 2
    transfers = [step.data for step in seen.steps if step.name == "transfer"]
    for each in transfers:
        assert each["status"] == 200
        samples = each["samples"]
        assert isinstance(samples, list)
        assert 1 <= len(samples) <= 16
        assert samples[-1][1] == each["size_bytes"]
        assert samples[-1][1] >= BODY_BYTES
    assert MAX_ROUNDS * 12 + 1 <= MAX_STEPS


async def test_without_the_hosts_consent_no_name_is_said_to_us(
    authority: Authority, tmp_path: Path
) -> None:
    """Then names are compared at the target only; and so without any responder."""
    async with place(authority, tmp_path, agreed=False) as here:
        assert outline(await here.measure()) == [WHOLE_ROUND[0], *WHOLE_ROUND[9:]]
        assert outline(await here.measure(responder=None)) == [WHOLE_ROUND[0], *WHOLE_ROUND[9:]]


def _silent_for(name: str) -> Behaviour:
    """Answers every ClientHello but those with a name, which meet silence."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(4096)
        if name.encode() not in hello:
            writer.write(SERVER_HELLO)
            await writer.drain()
        await reader.read()

    return behaviour


async def test_a_round_that_differs_is_repeated_after_the_washout(
    authority: Authority, tmp_path: Path
) -> None:
    """Five rounds at most, one washout between each two, on the pace."""
    pace = FakePace()
    async with place(authority, tmp_path, _silent_for(HOST)) as here:
        pairing = Pairing(washout_ms=300_000)
        limits = replace(here.edges.limits, handshake_ms=120)
        running = asyncio.create_task(
            here.measure(pairing=pairing, pace=pace, responder=None, limits=limits)
        )
        began_ms = pace.uptime_ms()
        while not running.done():
            await asyncio.sleep(0.01)
            pace.advance(10_000)
        seen = await running
    hellos = [each for each in seen.steps if each.name == "hello"]
    assert [each.failure for each in hellos] == [None, "generic_timeout_error"] * 5
    assert seen.result == {"rounds": 5, "answered": 0}
    starts = [each.started_uptime_ms for each in hellos if each.data["arm"] == "neutral"]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert starts[0] - began_ms < 300_000
    assert all(gap >= 300_000 for gap in gaps)


async def test_a_server_that_knows_no_such_name_has_answered(
    authority: Authority, tmp_path: Path
) -> None:
    """An alert to the neutral name is an answer, and the target's name is said next."""

    async def strict(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(4096)
        alert, server_hello = (
            bytes([0x15, 3, 3, 0, 2, 2, 112]),
            bytes([0x16, 3, 3, 0, 4, 2, 0, 0, 0]),
        )
        writer.write(server_hello if HOST.encode() in hello else alert)
        await writer.drain()

    async with place(authority, tmp_path, strict, agreed=False) as here:
        seen = await here.measure()
    hellos = [(step.data["arm"], step.failure) for step in seen.steps if step.name == "hello"]
    assert hellos == [("neutral", "ssl_failed_handshake"), ("target", None)]
    assert seen.result == {"rounds": 1, "answered": 1}


async def test_addresses_change_places_every_other_round(
    authority: Authority, tmp_path: Path
) -> None:
    """Where one of the addresses is what suffers, the neutral name suffers there as well."""
    async with place(authority, tmp_path) as here, tcp_server(stay_silent) as dead:
        ours = here.edges.responder
        assert ours is not None
        broken = replace(ours, target=Arm(address="127.0.0.1", port=dead))
        limits = replace(here.edges.limits, handshake_ms=200)
        pairing = Pairing(washout_ms=0)
        seen = await here.measure(responder=broken, limits=limits, pairing=pairing)
    failed = [(step.data["round"], step.data["arm"]) for step in seen.steps if step.failure]
    assert failed == [(1, "target"), (2, "neutral")]
    assert seen.result["rounds"] == 2
    second = [step.data["arm"] for step in seen.steps if step.data.get("round") == 2]
    assert second[0] == "target"


async def test_where_the_neutral_name_fails_the_other_is_not_said(
    authority: Authority, tmp_path: Path
) -> None:
    """Nothing could be compared with it."""
    async with place(authority, tmp_path, _silent_for("example.com")) as here:
        seen = await here.measure(limits=replace(here.edges.limits, handshake_ms=120))
    assert outline(seen)[-1] == ("target", "neutral", "hello", "generic_timeout_error")
    assert seen.result == {"rounds": 1, "answered": 1}


async def test_another_certificate_under_the_name_alone_is_seen(
    authority: Authority, tmp_path: Path
) -> None:
    """The responder's certificate is verified under every name: an interceptor has another."""
    async with place(authority, tmp_path) as here:
        forged = server_context(Authority("Forger").leaf(HOST))
        async with tcp_server(stay_silent, tls=forged) as port:
            ours = here.edges.responder
            assert ours is not None
            meddled = replace(ours, target=Arm(address="127.0.0.1", port=port))
            seen = await here.measure(responder=meddled, pairing=Pairing(rounds=1))
    assert ("responder", "target", "verify", "ssl_unknown_authority") in outline(seen)
    assert ("responder", "neutral", "verify", None) in outline(seen)


async def test_a_body_that_ends_early_fails_the_transfer(
    authority: Authority, tmp_path: Path
) -> None:
    """And what came is still told."""
    async with place(authority, tmp_path) as here:
        ours = here.edges.responder
        assert ours is not None
        seen = await here.measure(responder=replace(ours, body_bytes=200_000))
    (transfer,) = (step for step in seen.steps if step.name == "transfer")
    assert transfer.failure == "eof_error"
    assert isinstance(transfer.data["size_bytes"], int)
    assert transfer.data["size_bytes"] >= BODY_BYTES


async def test_a_responder_that_is_spent_says_so(authority: Authority, tmp_path: Path) -> None:
    """A refusal is told apart from a connection that somebody cut."""
    one = Ceilings(connections=8, connections_per_source=8, bytes_per_minute=150_000, sources=8)
    async with place(authority, tmp_path, ceilings=one) as here:
        seen = await here.measure(pairing=Pairing(rounds=1))
    transfers = [step for step in seen.steps if step.name == "transfer"]
    assert [each.failure for each in transfers] == [None, "http_unexpected_status_code"]
    assert transfers[1].data["status"] == 429


async def test_forbidden_arms_are_never_touched(authority: Authority, tmp_path: Path) -> None:
    """The address policy holds for the responder as for everything."""
    async with place(authority, tmp_path) as here:
        lan = Arm(address="192.168.1.1", port=443)
        ours = Responder(name=NAME, neutral=lan, target=lan, rate=lan, may_send_names=True)
        seen = await here.measure(responder=ours)
    assert ("responder", "neutral", "connect", "egress_forbidden") in outline(seen)


def test_what_goes_on_differing_is_watched_at_less_cost() -> None:
    """Two rounds after ten in a row; all of them again once nothing differed."""
    pairing = Pairing()
    seen = []
    for rounds in (5, 5, 2, 1, 5):
        seen.append(pairing.rounds("a"))
        pairing.note("a", rounds)
    assert seen == [5, 5, 2, 2, 5]
    assert pairing.rounds("b") == MAX_ROUNDS


async def test_turns_come_one_at_a_time_and_wash_out() -> None:
    """Whichever target asks, the next round waits for the washout of the last."""
    pace, pairing = FakePace(), Pairing(washout_ms=300_000)
    order: list[tuple[str, int]] = []

    async def take(name: str) -> None:
        async with pairing.turn(pace):
            order.append((name, pace.uptime_ms()))

    began_ms = pace.uptime_ms()
    tasks = [asyncio.create_task(take(name)) for name in "abc"]
    for _ in range(3):
        await settle()
        pace.advance(300_000)
    await asyncio.gather(*tasks)
    assert order == [(name, began_ms + 300_000 * n) for n, name in enumerate("abc")]
