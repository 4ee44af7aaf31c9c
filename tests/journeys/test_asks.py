"""A lie in DNS that leads nowhere, from first failure to verdict: real agents, broker, collector.

A sensor's resolver gives a dead address; the site is alive at another, which is what the resolvers
of two controls abroad give. As long as the controls do not answer asks, nobody can say whether the
address is a lie, or a part of the site that has died: the verdict is unknown. Once they do, the
collector asks them over the broker, they try that very address, and the verdict is "blocked (dns)".
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import aiomqtt
import pytest

from shyraq_agent.config import load_config
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.sign.keyfile import raw_public_key, write_new_key
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.store import queries
from shyraq_collector.store.history import frames
from shyraq_wire.ask import decode_ask
from shyraq_wire.codec import unpack
from shyraq_wire.envelope import open_frame
from shyraq_wire.report import ClockState, Measurement
from shyraq_wire.topics import every_node, parse_node_topic
from support.agents import make_agent
from support.authority import Authority, server_context
from support.broker import Broker, running_broker
from support.collectors import House
from support.edges import LOOPBACK_PREFIXES, TableResolver
from support.hostile_servers import stay_silent, tcp_server
from support.pace import FastPace

SITE = "courier.example.org"
RIGHT, DEAD = "127.10.0.10", "127.66.0.66"
"""Far from one another, as addresses go; nothing listens at the second."""

SENSOR, CONTROLS = "sensor-0001", ("control-aa01", "control-bb01")
CADENCE_S = 300
FACTOR = 150
PATIENCE_S = 60.0

_AGENT = """
[node]
id = "{node}"
state_directory = "{directory}/state"
key_file = "{directory}/evidence.pem"
[collector]
receipt_keys = ["{receipt_key}"]
answers_asks = {answers}
[[broker]]
host = "127.0.0.1"
port = {broker_port}
tls = false
[network]
trust_bundle = "{bundle}"
system_resolver = false
[lists]
shipped = false
[cadence]
tls_s = {cadence_s}
[[target]]
target = "{target}"
"""


class Country:
    """One collector's house, one sensor, two controls, and a site."""

    def __init__(self, directory: Path, broker: Broker, authority: Authority, port: int) -> None:
        """Register everybody; nothing runs yet."""
        self.directory, self.broker, self.pace = directory, broker, FastPace(FACTOR)
        self.target = f"{SITE}:{port}"
        self.bundle = authority.write_bundle(directory / "bundle.pem")
        (directory / "house").mkdir()
        self.house = House(
            directory / "house",
            broker_port=broker.port,
            settings=f'[[target]]\nname = "{self.target}"\ncadence_s = {CADENCE_S}\n',
        )
        for node in (SENSOR, *CONTROLS):
            (directory / node).mkdir()
            key = write_new_key(directory / node / "evidence.pem")
            with self.house.registry() as registry:
                registry.add(
                    placement=_placement(node), public_key=raw_public_key(key), valid_from_ms=0
                )

    @contextlib.asynccontextmanager
    async def agent(self, node: str, *, answers: bool = False) -> AsyncIterator[None]:
        """One node's agent runs inside the context."""
        directory = self.directory / node
        path = directory / "agent.toml"
        path.write_text(
            _AGENT.format(
                node=node,
                directory=directory,
                receipt_key=self.house.receipt_key.hex(),
                answers=str(answers).lower(),
                broker_port=self.broker.port,
                bundle=self.bundle,
                cadence_s=CADENCE_S,
                target=self.target,
            )
        )
        agent = make_agent(
            load_config(path),
            self.pace,
            policy=AddressPolicy(admitted=LOOPBACK_PREFIXES),
            read_clock=lambda: ClockState(source="ntp", error_ms=5),
            system_resolver=TableResolver({SITE: [DEAD if node == SENSOR else RIGHT]}),
        )
        task = asyncio.create_task(agent.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def controls(self, *, answers: bool) -> AsyncIterator[None]:
        """Both controls run inside the context."""
        async with contextlib.AsyncExitStack() as stack:
            for node in CONTROLS:
                await stack.enter_async_context(self.agent(node, answers=answers))
            yield

    def verdicts(self) -> list[Verdict]:
        """On the sensor's measurements, in order."""
        with self.house.reader() as connection:
            found = list(queries.verdicts(connection, since_ms=0))
        return [each for each in found if each.node == SENSOR]

    def answers(self) -> list[tuple[str, Measurement]]:
        """Every asked measurement in the ledger, with who made it."""
        with self.house.reader() as connection, self.house.registry() as registry:
            stored = list(frames(connection, registry.key_ring()))
        return [
            (each.report.node, measurement)
            for each in stored
            if each.report.report is not None
            for measurement in each.report.report.measurements
            if "asked" in measurement.result
        ]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for what the running programs do."""
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(is_so):  # noqa: ASYNC110  # it stands in a file
                await asyncio.sleep(0.1)

    def has_said(self, rule: str, *, times: int = 1) -> Callable[[], bool]:
        """Whether the judge has said this of the sensor so often."""
        return lambda: sum(each.rule == rule for each in self.verdicts()) >= times


def _placement(node: str) -> Placement:
    if node == SENSOR:
        return House.placement(node, number=0)
    return Placement(
        node=node,
        isp=f"hoster-{node[8]}",
        region=None,
        country="DE",
        access=None,
        site=node,
        role="control",
    )


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Whom the agents trust."""
    return Authority()


@contextlib.asynccontextmanager
async def country(directory: Path, authority: Authority) -> AsyncIterator[Country]:
    """A broker and the site run inside the context."""
    tls = server_context(authority.leaf(SITE))
    with running_broker(directory, kind="mosquitto") as broker:
        async with tcp_server(stay_silent, tls=tls, host=RIGHT) as port:
            yield Country(directory, broker, authority, port)


@contextlib.asynccontextmanager
async def overheard(broker: Broker) -> AsyncIterator[list[tuple[str, bytes]]]:
    """What passes on all control topics."""
    heard: list[tuple[str, bytes]] = []

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            heard.append((str(message.topic), message.payload))

    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe(every_node("control"), qos=1)
        task = asyncio.create_task(listen(client))
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.timeout(240)
async def test_asked_controls_turn_unknown_into_blocked(
    tmp_path: Path, authority: Authority
) -> None:
    """Also over a restart of the collector, which reads again what was asked and answered."""
    async with (
        country(tmp_path, authority) as here,
        overheard(here.broker) as heard,
        here.agent(SENSOR),
    ):
        async with here.house.running(pace=here.pace):
            async with here.controls(answers=False):
                await here.until(here.has_said("control.untried", times=2))
            assert {each.state for each in here.verdicts()} == {"unknown"}
            assert here.answers() == []
            async with here.controls(answers=True):
                await here.until(here.has_said("dns.wrong-address"))
        before = sum(each.state == "blocked" for each in here.verdicts())
        async with here.house.running(pace=here.pace), here.controls(answers=True):
            await here.until(here.has_said("dns.wrong-address", times=before + 2))

    said = here.verdicts()
    assert {each.state for each in said} == {"unknown", "blocked"}
    blocked = [each for each in said if each.state == "blocked"]
    assert {(each.layer, each.rule) for each in blocked} == {("dns", "dns.wrong-address")}
    assert CONTROLS in {each.controls for each in blocked}
    _check_answers(here.answers(), here.target)
    _check_asks(heard, here.house.receipt_key, here.target)


def _check_answers(answers: list[tuple[str, Measurement]], target: str) -> None:
    """Both networks tried the dead address, each by one connect, none of them twice for one ask."""
    assert {node for node, _ in answers} == set(CONTROLS)
    for _, measurement in answers:
        assert (measurement.probe, measurement.target) == ("tls", target)
        (step,) = measurement.steps
        assert (step.name, step.data["address"]) == ("connect", DEAD)
        assert step.failure == "connection_refused"
    numbers = [(node, measurement.result["asked"]) for node, measurement in answers]
    assert len(set(numbers)) == len(numbers)


def _check_asks(heard: list[tuple[str, bytes]], receipt_key: bytes, target: str) -> None:
    """All signed by the collector, for controls only, rising in number, about one address."""
    numbers: Mapping[str, list[int]] = {node: [] for node in CONTROLS}
    for topic, payload in heard:
        node, channel = parse_node_topic(topic)
        _, body = open_frame(unpack(payload), receipt_key)
        ask = decode_ask(body)
        assert (channel, ask.node, ask.target) == ("control", node, target)
        assert ask.addresses == (DEAD,)
        numbers[node].append(ask.number)
    for found in numbers.values():
        assert found
        assert found == sorted(set(found))
