"""The collector's own responder on loopback, for tests of either wing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from shyraq_collector.clock import RealStopwatch, Stopwatch
from shyraq_collector.responder.plan import Arm, Ceilings, Echo, Plan, Transport
from shyraq_collector.responder.service import Responder
from support.authority import Authority, Issued

NAME = "responder.example"
CEILINGS = Ceilings(
    connections=64, connections_per_source=32, bytes_per_minute=10**9, sources=1_000
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One that serves."""

    responder: Responder
    plan: Plan

    @property
    def ports(self) -> tuple[int, ...]:
        """Of the arms, in order."""
        return tuple(arm.port for arm in self.plan.arms)


def write_pair(folder: Path, issued: Issued) -> tuple[Path, Path]:
    """Certificate and key as files."""
    certificate, key = folder / "responder.crt", folder / "responder.key"
    certificate.write_bytes(issued.pem)
    key.touch(mode=0o600)
    key.write_bytes(issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key


@asynccontextmanager
async def responder(
    authority: Authority,
    folder: Path,
    *,
    addresses: tuple[str, str, str] = ("127.0.0.1", "127.0.0.2", "127.0.0.3"),
    body_bytes: int = 100_000,
    ceilings: Ceilings = CEILINGS,
    networks_file: Path | None = None,
    stopwatch: Stopwatch | None = None,
    names: tuple[str, ...] = (NAME,),
    new_salt: Callable[[], bytes] | None = None,
) -> AsyncIterator[Running]:
    """A responder with three arms and an echo over each transport, on free ports.

    Args:
        authority: Signs its certificate.
        folder: For certificate and key.
        addresses: Of the neutral, the target and the rate arm.
        body_bytes: Of a download.
        ceilings: Wide open by default.
        networks_file: The table, if any.
        stopwatch: None: the host's own.
        names: In its certificate.
        new_salt: None: random.
    """
    certificate, key = write_pair(folder, authority.leaf(*names))
    uses = ("neutral", "target", "rate")
    plan = Plan(
        certificate_file=certificate,
        key_file=key,
        arms=tuple(
            Arm(use=use, address=address, port=_free_port("tcp"))  # type: ignore[arg-type]
            for use, address in zip(uses, addresses, strict=True)
        ),
        echoes=(
            Echo(address="127.0.0.1", port=_free_port("udp"), transport="udp"),
            Echo(address="127.0.0.1", port=_free_port("tcp"), transport="tcp"),
        ),
        body_bytes=body_bytes,
        networks_file=networks_file,
        ceilings=ceilings,
    )
    salts = {} if new_salt is None else {"new_salt": new_salt}
    serving = Responder(plan, stopwatch=stopwatch or RealStopwatch(), **salts)
    ready = asyncio.Event()
    running = asyncio.create_task(serving.run(ready.set))
    opened = asyncio.create_task(ready.wait())
    await asyncio.wait((running, opened), return_when=asyncio.FIRST_COMPLETED)
    opened.cancel()
    try:
        if running.done():
            await running
        yield Running(responder=serving, plan=plan)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def _free_port(transport: Transport) -> int:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
