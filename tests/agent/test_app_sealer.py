"""The queue before the spool: in order, through a failing disk, past what may not travel."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_agent.app.sealer import MAX_WAITING, RETRY_MS, Sealer
from shyraq_agent.sign import Contents, LifeEvent, Signer
from shyraq_agent.spool import Spool, Stored
from shyraq_wire.report import ClockState, ConfigRef
from shyraq_wire.topics import NodeId
from support.clock import FakePace, until


@dataclass
class Bench:
    """A sealer on a real spool."""

    sealer: Sealer
    spool: Spool
    pace: FakePace
    stored: list[tuple[Contents, Stored]]

    async def fill_disk(self) -> None:
        """From now on the file cannot grow."""
        await self.spool._run(self._limit, 1)

    async def free_disk(self) -> None:
        """It can again."""
        await self.spool._run(self._limit, 10**6)

    def _limit(self, pages: int) -> None:
        self.spool._rows._sql.execute(f"PRAGMA max_page_count = {pages}")


@contextlib.asynccontextmanager
async def bench(directory: Path) -> AsyncIterator[Bench]:
    """The sealer runs inside the context."""
    pace = FakePace()
    signer = Signer(
        node=NodeId("kz-test-0001"),
        private_key=Ed25519PrivateKey.generate(),
        boot_id="boot-1",
        software="shyraq-agent/0",
        config=ConfigRef(version=1, sha256="0" * 64),
        pace=pace,
        read_clock=lambda: ClockState(source="ntp", error_ms=1),
    )
    spool = await Spool.open(directory, key_id="k", max_bytes=10**8, new_epoch=lambda: "ab" * 16)
    stored: list[tuple[Contents, Stored]] = []
    sealer = Sealer(
        signer=signer, spool=spool, pace=pace, on_stored=lambda *both: stored.append(both)
    )
    task = asyncio.create_task(sealer.run())
    try:
        yield Bench(sealer=sealer, spool=spool, pace=pace, stored=stored)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await spool.close()


def pulse(number: int, *, size: int = 10) -> Contents:
    """Contents that can be told apart."""
    noise = b"".join(hashlib.sha256(b"%d %d" % (number, n)).digest() for n in range(size // 64))
    event = LifeEvent(kind="upgraded", at_uptime_ms=number, data={"text": noise.hex()})
    return Contents(kind="pulse", events=(event,))


async def test_contents_are_sealed_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    """Seq follows the queue."""
    async with bench(tmp_path) as here:
        wanted = [pulse(number) for number in range(10)]
        for each in wanted:
            here.sealer.put(each)
        await here.sealer.flushed()
        assert [contents for contents, _ in here.stored] == wanted
        assert [stored.seq for _, stored in here.stored] == list(range(10))


async def test_a_full_disk_is_logged_once_and_everything_follows_when_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Failing and recovery are one line each, and no report is lost between."""
    caplog.set_level(logging.WARNING)
    async with bench(tmp_path) as here:
        await here.fill_disk()
        for number in range(3):
            here.sealer.put(pulse(number, size=40_000))
        await until(lambda: here.sealer.failing is not None)
        await here.pace.run_for(3 * RETRY_MS)
        assert here.stored == []
        await here.free_disk()
        await until(lambda: len(here.stored) == 3, moving=lambda: here.pace.run_for(RETRY_MS))
        assert here.sealer.failing is None
    said = [record.getMessage() for record in caplog.records]
    assert len([each for each in said if each.startswith("spool failing")]) == 1
    assert len([each for each in said if each.startswith("spool works again")]) == 1


async def test_a_disk_that_stays_full_costs_the_oldest_bulk_first(tmp_path: Path) -> None:
    """Memory is bounded: 64 wait at most, and pulses outlive bulk."""
    async with bench(tmp_path) as here:
        await here.fill_disk()
        bulk = Contents(kind="bulk")
        here.sealer.put(pulse(0, size=40_000))
        here.sealer.put(bulk)
        await until(lambda: here.sealer.failing is not None)
        for number in range(1, MAX_WAITING + 3):
            here.sealer.put(pulse(number, size=40_000))
        await here.free_disk()
        await until(
            lambda: len(here.stored) == MAX_WAITING, moving=lambda: here.pace.run_for(RETRY_MS)
        )
        kept = [contents for contents, _ in here.stored]
        assert bulk not in kept
        assert [each.events[0].at_uptime_ms for each in kept][-1] == MAX_WAITING + 2


async def test_what_may_not_travel_is_given_up_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A report no collector could read is a bug: logged with its trace, and no seq is spent."""
    async with bench(tmp_path) as here:
        here.sealer.put(pulse(0))
        here.sealer.put(Contents(kind="pulse", vitals={"load_1min": float("nan")}))
        here.sealer.put(pulse(1))
        await here.sealer.flushed()
        assert [stored.seq for _, stored in here.stored] == [0, 1]
    assert "given up unsigned" in caplog.text
