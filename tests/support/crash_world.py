"""The world of the crash trial: a broker that forgets, a collector and agents, each a process.

Everything listens on loopback, at a fast pace. A `Victim` is one process that may be killed from
outside or told to kill itself at a named point; the world starts it again.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shyraq_agent.sign.keyfile import raw_public_key, write_new_key
from support.broker import Broker, running_broker
from support.collectors import House

FACTOR: Final = 120
"""A heartbeat of ten seconds passes in a twelfth of one."""

HEARTBEAT_S: Final = 10
_DRAIN_HEARTBEAT_S: Final = 3_600
_TESTS: Final = Path(__file__).resolve().parent.parent

AGENT_POINTS: Final = (
    "append.begun",
    "append.sealed",
    "append.inserted",
    "append.committed",
    "receipt.applied",
    "forget.committed",
    "publish.sent",
    "publish.receipted",
)
RARE_POINTS: Final = frozenset({"forget.committed"})
"""Passed at most once in a connection: only when the first receipts came before the next report."""

COLLECTOR_POINTS: Final = (
    "ingest-begun",
    "ingest-before-commit",
    "ingest-committed",
    "receipt-published",
    "job-before-commit",
    "job-committed",
)


class UnaskedDeath(Exception):  # noqa: N818  # it is the finding of a trial
    """A process ended although nobody killed it: a bug of the program."""


@dataclass(kw_only=True)
class Victim:
    """One process that is killed and started again."""

    name: str
    command: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def sign(self) -> Path:
        """The file by which the process says that it is at work."""
        return self.log.with_suffix(".ready")

    def is_at_work(self) -> bool:
        """Whether it has begun to store."""
        return self.sign.exists()

    def start(self, point: str | None = None) -> None:
        """Start it.

        Args:
            point: `NAME:COUNT`, where it is to kill itself; None: nowhere.
        """
        self.sign.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, str(self.sign), *([] if point is None else [point])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(_TESTS), *sys.path])},
            )

    def is_dead(self) -> bool:
        """Whether it was killed, by itself or from outside.

        Raises:
            UnaskedDeath: It ended in any other way.
        """
        assert self.process is not None
        code = self.process.poll()
        if code in (None, -signal.SIGKILL):
            return code is not None
        words = self.log.read_text(errors="replace")[-3_000:]
        raise UnaskedDeath(f"{self.name} ended with code {code}:\n{words}")

    def kill(self) -> None:
        """SIGKILL; on return it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True, kw_only=True)
class Node:
    """One agent's place on the disk."""

    id: str
    directory: Path
    public_key: bytes

    @property
    def spool(self) -> Path:
        """Its spool's database."""
        return self.directory / "state" / "spool.db"


@dataclass(kw_only=True)
class World:
    """Everything that runs, and where it keeps what it knows."""

    broker: Broker
    house: House
    nodes: tuple[Node, ...]
    collector: Victim
    agents: tuple[Victim, ...]
    anchor_ns: int
    lost_brokers: int = field(default=0)

    @property
    def victims(self) -> tuple[Victim, ...]:
        """Collector and agents."""
        return (self.collector, *self.agents)

    def kill_broker(self) -> None:
        """SIGKILL the broker and start one that remembers nothing."""
        self.broker.kill()
        self.broker.start()
        self.lost_brokers += 1

    def calm_down(self) -> None:
        """Kill everything once more, and start what only delivers: the agents hardly measure."""
        for victim in self.victims:
            victim.kill()
        self.kill_broker()
        for node, agent in zip(self.nodes, self.agents, strict=True):
            _write_agent_toml(self, node, heartbeat_s=_DRAIN_HEARTBEAT_S)
            agent.start()
        self.collector.start()


@contextlib.contextmanager
def running_world(directory: Path, *, agents: int) -> Iterator[World]:
    """A world whose broker runs; collector and agents are not started yet.

    Args:
        directory: Empty; everything goes there.
        agents: How many.
    """
    with running_broker(directory) as broker:
        (directory / "collector").mkdir()
        house = House(
            directory / "collector",
            broker_port=broker.port,
            heartbeat_s=HEARTBEAT_S,
            broker_settings="backoff_cap_s = 20\nanswer_timeout_s = 5",
        )
        anchor_ns = time.monotonic_ns()
        nodes = tuple(_make_node(house, directory, number) for number in range(agents))
        world = World(
            broker=broker,
            house=house,
            nodes=nodes,
            collector=_victim("collector", house.configuration, anchor_ns),
            agents=tuple(
                _victim("agent", node.directory / "agent.toml", anchor_ns) for node in nodes
            ),
            anchor_ns=anchor_ns,
        )
        for node in nodes:
            _write_agent_toml(world, node, heartbeat_s=HEARTBEAT_S)
        try:
            yield world
        finally:
            for victim in world.victims:
                victim.kill()


def _make_node(house: House, directory: Path, number: int) -> Node:
    home = directory / f"agent-{number}"
    home.mkdir()
    public_key = raw_public_key(write_new_key(home / "node.pem"))
    node = Node(id=f"crash-node-{number}", directory=home, public_key=public_key)
    house.register(node.id, public_key, number=number)
    return node


def _victim(role: str, configuration: Path, anchor_ns: int) -> Victim:
    command = (sys.executable, "-m", "support.crash_child", role, str(configuration))
    return Victim(
        name=f"{role} of {configuration.parent.name}",
        command=(*command, str(anchor_ns), str(FACTOR)),
        log=configuration.with_suffix(".log"),
    )


def _write_agent_toml(world: World, node: Node, *, heartbeat_s: int) -> None:
    targets = "".join(f'[[target]]\ntarget = "name-{n}.example"\n' for n in range(5))
    (node.directory / "agent.toml").write_text(
        f"""
[node]
id = "{node.id}"
state_directory = "{node.directory / "state"}"
key_file = "{node.directory / "node.pem"}"
heartbeat_s = {heartbeat_s}
[collector]
receipt_keys = ["{world.house.receipt_key.hex()}"]
[[broker]]
host = "127.0.0.1"
port = {world.broker.port}
tls = false
[network]
system_resolver = false
[lists]
shipped = false
[cadence]
dns_s = 60
[budget]
monthly_bytes = 1000000000000
{targets}"""
    )
