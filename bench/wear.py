"""What the spool writes to its card in a day at the default cadence, receipts coming in at once.

Four hours of it: a pulse and a bulk report a minute, of the sizes that agents make, with the facts
that are remembered beside them. Counted by the kernel (write_bytes of /proc/self/io): pages that
were handed to the disk, without the file system's own journal.
"""

import asyncio
import secrets
import tempfile
from pathlib import Path

from bench.load import EXAMPLE_NODE, START_MS
from bench.table import Row, say

from shyraq_agent.spool import Place, Spool, Stored
from shyraq_wire.keys import KeyId
from shyraq_wire.moments import format_moment
from shyraq_wire.receipt import EpochReceipt, Interval, Receipt
from shyraq_wire.report import Kind

_MINUTES = 240
_MINUTES_A_DAY = 1_440
_GOAL_MB = 50
_PULSE_BYTES = 1_100
"""Packed: a light ladder, sometimes vitals."""
_BULK_BYTES = 2_200
"""Packed: two or three measurements."""
_KEY = KeyId("k" * 64)


def rows() -> list[Row]:
    """Megabytes a day."""
    say("what the spool writes in a day …")
    with tempfile.TemporaryDirectory(prefix="shyraq-bench-") as name:
        before = _written_bytes()
        asyncio.run(_hours(Path(name)))
        written = _written_bytes() - before
    megabytes = written / 1e6 * _MINUTES_A_DAY / _MINUTES
    return [
        Row(
            what="spool writes to the card",
            ours=megabytes,
            unit="MB a day",
            goal=f"≤ {_GOAL_MB} MB",
            met=0 < megabytes <= _GOAL_MB,
        )
    ]


async def _hours(directory: Path) -> None:
    spool = await Spool.open(directory, key_id=_KEY, max_bytes=2**28, new_epoch=lambda: "e" * 32)
    try:
        for minute in range(_MINUTES):
            counts = dict.fromkeys(("pulse", "bulk", "web", "dns"), 10**8 + minute)
            pulse = await _append(spool, "pulse", _PULSE_BYTES, {"month": str(counts)})
            await spool.apply(_receipt(pulse))
            bulk = await _append(spool, "bulk", _BULK_BYTES, {})
            await spool.apply(_receipt(bulk))
    finally:
        await spool.close()


async def _append(spool: Spool, kind: Kind, size_bytes: int, facts: dict[str, str]) -> Stored:
    def seal(_place: Place) -> bytes:
        return secrets.token_bytes(size_bytes)

    return await spool.append(kind, seal, facts)


def _receipt(stored: Stored) -> Receipt:
    covered = Interval(lo=0, hi=stored.seq, sha256=stored.sha256)
    return Receipt(
        node=EXAMPLE_NODE,
        ledger="a" * 32,
        key=_KEY,
        at=format_moment(START_MS + stored.seq * 30_000),
        epochs=(EpochReceipt(epoch="e" * 32, intervals=(covered,)),),
        refused=(),
    )


def _written_bytes() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    (found,) = (line.partition(":")[2] for line in lines if line.startswith("write_bytes:"))
    return int(found)
