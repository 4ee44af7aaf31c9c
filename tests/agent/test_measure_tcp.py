"""Connects: what the network says to a SYN, and what the policy forbids to ask."""

import socket

import pytest

from shyraq_agent.measure import tcp
from shyraq_agent.measure.target import parse_target
from support.authority import Authority
from support.edges import TableResolver, make_edges
from support.hostile_servers import full_backlog, stay_silent, tcp_server

pytestmark = pytest.mark.usefixtures("never_blocks")


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Connects trust nobody; the edges want one all the same."""
    return Authority()


async def connect_step(authority: Authority, target: str) -> str | None:
    """The failure of the one connect to a target."""
    (step,) = (await tcp.measure(parse_target(target), make_edges(authority))).steps
    assert step.name == "connect"
    return step.failure


async def test_an_open_port_answers(authority: Authority) -> None:
    """A connection is made and dropped; nothing is sent."""
    async with tcp_server(stay_silent) as port:
        assert await connect_step(authority, f"127.0.0.1:{port}") is None


async def test_a_closed_port_refuses(authority: Authority) -> None:
    """Nothing listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert await connect_step(authority, f"127.0.0.1:{port}") == "connection_refused"


async def test_a_dropped_syn_is_a_time_out(authority: Authority) -> None:
    """No answer at all."""
    async with full_backlog() as port:
        assert await connect_step(authority, f"127.0.0.1:{port}") == "generic_timeout_error"


@pytest.mark.parametrize(
    "address", ["192.168.1.1", "169.254.169.254", "[fd00::1]", "[::ffff:7f00:1]"]
)
async def test_a_forbidden_address_is_not_tried(authority: Authority, address: str) -> None:
    """The step says so and took no time."""
    assert await connect_step(authority, f"{address}:80") == "egress_forbidden"


async def test_at_most_two_addresses_of_each_family_are_tried(authority: Authority) -> None:
    """A name with many addresses does not cost many connections."""
    many = [f"127.0.0.{n}" for n in range(1, 9)] + ["::1", "junk", "not an address"]
    async with tcp_server(stay_silent) as port:
        edges = make_edges(authority, system_resolver=TableResolver({"many.example": many}))
        measurement = await tcp.measure(parse_target(f"many.example:{port}"), edges)
    tried = [step.data["address"] for step in measurement.steps if step.name == "connect"]
    assert tried == ["127.0.0.1", "127.0.0.2", "::1"]
    assert measurement.result == {"tried": 3, "connected": 1}


async def test_a_home_address_among_good_ones_is_refused_and_the_rest_tried(
    authority: Authority,
) -> None:
    """One private answer neither hides the others nor gets a packet."""
    table = TableResolver({"mixed.example": ["10.0.0.1", "127.0.0.1"]})
    async with tcp_server(stay_silent) as port:
        edges = make_edges(authority, system_resolver=table)
        measurement = await tcp.measure(parse_target(f"mixed.example:{port}"), edges)
    assert [(step.name, step.failure) for step in measurement.steps] == [
        ("lookup", None),
        ("connect", "egress_forbidden"),
        ("connect", None),
    ]
