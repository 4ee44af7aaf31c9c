"""A real MQTT broker for tests: mosquitto where it is installed, or nats-server from its wheel.

    with running_broker(tmp_path) as broker:
        ... broker.host, broker.port, broker.protocol ...
        broker.kill(); broker.start()          # SIGKILL, and again on the same port
        with broker.frozen(): ...              # accepts packets, answers nothing

It listens on a free loopback port and keeps its files in the directory it is given. The only
process touched is the one started here; it ends with the context, whatever happens.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

BrokerKind = Literal["mosquitto", "nats"]

_READY_S = 20.0
_FIRST_PORT, _EPHEMERAL_PORT = 20_000, 32_768
"""Linux gives outgoing connections ports from 32768 on."""

_STOP_S = 5.0


class Broker:
    """One broker process on one port; it may be stopped and started again."""

    def __init__(
        self, directory: Path, *, kind: BrokerKind, persistent: bool, extra: str, anonymous: bool
    ) -> None:
        """Write the configuration; parameters as for `running_broker`."""
        self.host = "127.0.0.1"
        self.port = free_port()
        self.kind: BrokerKind = kind
        self.protocol: Literal["5", "3.1.1"] = "5" if kind == "mosquitto" else "3.1.1"
        self.log = directory / "broker.log"
        self._directory = directory
        self._state = directory / "broker-state"
        self._persistent = persistent
        self._process: subprocess.Popen[bytes] | None = None
        self._config = directory / f"{kind}.conf"
        if kind == "mosquitto":
            self._config.write_text(self._mosquitto(extra, anonymous=anonymous))
        else:
            self._config.write_text(self._nats(extra))

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "the broker does not run"
        return self._process.pid

    def start(self) -> None:
        """Start on the same port; returns when it accepts connections."""
        assert self._process is None, "the broker runs already"
        if not self._persistent:
            shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(exist_ok=True)
        program = find_program("mosquitto" if self.kind == "mosquitto" else "nats-server")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self._config)], stdout=log, stderr=log, cwd=self._state
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """End it in order; it says goodbye to its clients."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing saved."""
        self._end(signal.SIGKILL)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, the process stands still: packets are accepted and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _wait_until_ready(self) -> None:
        process = self._process
        assert process is not None
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
                return
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"{self.kind} does not start:\n{self.log.read_text()[-2000:]}")

    def _mosquitto(self, extra: str, *, anonymous: bool) -> str:
        lines = [
            "per_listener_settings false",
            f"listener {self.port} {self.host}",
            f"allow_anonymous {str(anonymous).lower()}",
            "set_tcp_nodelay true",
            "max_queued_messages 100000",
            f"persistence {str(self._persistent).lower()}",
            f"persistence_location {self._state}/",
            "log_dest stderr",
            "user root" if os.getuid() == 0 else "",
            extra,
        ]
        return "\n".join(lines) + "\n"

    def _nats(self, extra: str) -> str:
        return (
            f'server_name: test\nlisten: "127.0.0.1:{free_port()}"\n'
            f'jetstream {{ store_dir: "{self._state}" }}\n'
            f'mqtt {{ listen: "{self.host}:{self.port}" }}\n{extra}\n'
        )


@contextlib.contextmanager
def running_broker(
    directory: Path,
    *,
    kind: BrokerKind | None = None,
    persistent: bool = False,
    extra: str = "",
    anonymous: bool = True,
) -> Iterator[Broker]:
    """A broker that runs inside the context.

    Args:
        directory: For configuration, log and state; the test's own.
        kind: None: mosquitto where it is installed, else nats.
        persistent: Whether what it holds survives `stop` and `start`. False: it forgets all.
        extra: More lines of its configuration; the first listener is the plain one.
        anonymous: mosquitto only: whether anyone may connect.
    """
    if kind is None:
        kind = "mosquitto" if has_program("mosquitto") else "nats"
    broker = Broker(directory, kind=kind, persistent=persistent, extra=extra, anonymous=anonymous)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now, and that no outgoing connection is given.

    A broker that is away for a while would lose one of the ephemeral range to anybody's connection.
    """
    while True:
        port = _FIRST_PORT + secrets.randbelow(_EPHEMERAL_PORT - _FIRST_PORT)
        with contextlib.suppress(OSError), socket.socket() as asking:
            asking.bind(("127.0.0.1", port))
            return port


def has_program(name: str) -> bool:
    """Whether this machine has it."""
    return _which(name) is not None


def find_program(name: str) -> str:
    """Its path: on PATH, where Debian keeps services, or beside this Python."""
    path = _which(name)
    assert path is not None, f"{name} is missing; `make system` and `make setup` bring it"
    return path


def _which(name: str) -> str | None:
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which(name, path=os.pathsep.join([*places, str(Path(sys.executable).parent)]))
