"""A whole month in seconds: the real schedule and the real account, costs of real probes.

What one probe and one pulse cost is measured first, on real sockets of loopback. Then the clock is
turned by hand for a month, each run costing what was measured, give or take a fifth.
"""

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import pytest

from shyraq_agent.app.spending import Spending
from shyraq_agent.app.work import Work
from shyraq_agent.budget import Terms, Window
from shyraq_agent.config.plan import PlannedProbe
from shyraq_agent.config.traffic import BYTES_OF
from shyraq_agent.measure import PROBES
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import Ladder, Target, parse_target
from shyraq_agent.meter import Tally
from shyraq_agent.sign import Contents, LifeEvent
from shyraq_wire.moments import parse_moment
from support.authority import Authority, server_context
from support.clock import FakePace, settle
from support.edges import TableResolver, make_edges
from support.hostile_servers import stay_silent, tcp_server

BEGIN_MS = parse_moment("2022-01-01T00:00:00.000Z")
NEXT_MS = parse_moment("2022-02-01T00:00:00.000Z")
DAY_MS = 86_400_000
MONTH_MS = NEXT_MS - BEGIN_MS
HEARTBEAT_MS = 1_800_000
PERIOD_S = 3_600
TARGETS = tuple(parse_target(f"site-{n}.example:443") for n in range(6))
PULSE_BYTES = BYTES_OF["pulse"]
"""Measured with real agents and brokers: `test_app` holds the meter against it."""
BEAT_BYTES = MONTH_MS // HEARTBEAT_MS * PULSE_BYTES
RUNS = MONTH_MS // (PERIOD_S * 1000) * len(TARGETS)
OVERSHOOT = 1.02
AUTHORITY = Authority()


@pytest.fixture(scope="module")
def cost() -> int:
    """Bytes of one real handshake with one address, by the real meter."""

    async def measure() -> int:
        leaf = AUTHORITY.leaf("site-0.example")
        context: ssl.SSLContext = server_context(leaf)
        async with tcp_server(stay_silent, tls=context) as port:
            tally = Tally()
            table = TableResolver({"site-0.example": ["127.0.0.1"]})
            edges = make_edges(AUTHORITY, system_resolver=table, meter=tally)
            done = await PROBES["tls"](parse_target(f"site-0.example:{port}"), edges)
            assert done.result["verified"] == 1
            return tally.used_bytes

    return asyncio.run(measure())


@dataclass
class Month:
    """A node that measures the targets, and what it did."""

    terms: Terms
    cost: int
    pace: FakePace = field(default_factory=lambda: FakePace(now_ms=BEGIN_MS))
    spending: Spending = field(init=False)
    rng: Random = field(default_factory=lambda: Random(7))  # noqa: S311  # costs of a test
    runs: Counter[str] = field(default_factory=Counter)
    runs_by_day: Counter[int] = field(default_factory=Counter)
    events: list[LifeEvent] = field(default_factory=list)
    spent: int = 0
    remembered: str | None = None

    def __post_init__(self) -> None:
        """Switch on."""
        self.start()

    def start(self) -> None:
        """The program starts, with what the last committed pulse remembers."""
        self.spending = Spending(
            self.terms,
            remembered=self.remembered,
            known_ms=self.pace.now_ms,
            is_trusted=lambda: True,
        )

    async def probe(self, target: Target, edges: Edges) -> RawMeasurement:
        """Stands for a real probe: costs what one costs."""
        size = round(self.cost * self.rng.uniform(0.8, 1.2))
        edges.meter.add(size)
        self.spent += size
        self.runs["tls"] += 1
        self.runs_by_day[(self.pace.now_ms() - BEGIN_MS) // DAY_MS] += 1
        return Record("tls", target.text, edges).finish({"tried": 1, "verified": 1})

    def seal(self, contents: Contents) -> None:
        """Stands for spool and broker: a pulse is committed and sent, and costs what one costs."""
        self.runs[contents.kind] += 1
        if contents.kind == "pulse":
            self.events += contents.events
            self.remembered = self.spending.remember()
            self.spending.tally("pulse").add(PULSE_BYTES)
            self.spent += PULSE_BYTES

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work runs inside the context and is cut off at its end."""
        work = Work(
            plan=[PlannedProbe(probe="tls", target=each, period_s=PERIOD_S) for each in TARGETS],
            probes={"tls": self.probe},
            ladder=Ladder(rungs=()),
            edges=make_edges(AUTHORITY, pace=self.pace),
            heartbeat_ms=HEARTBEAT_MS,
            ladder_period_ms=MONTH_MS * 2,
            vitals_period_ms=MONTH_MS * 2,
            read_vitals=dict,
            seal=self.seal,
            spending=self.spending,
            seed="kz-test-0001",
        )
        task = asyncio.create_task(work.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def pass_until(self, end_ms: int, *, power_cuts: int = 0) -> None:
        """Let time pass, with so many power cuts spread over it."""
        stretch_ms = (end_ms - self.pace.now_ms()) / (power_cuts + 1)
        for _ in range(power_cuts + 1):
            async with self.running():
                await self.pace.run_for(stretch_ms)
                await settle()
            self.start()

    def said(self) -> list[object]:
        """The levels announced, in order."""
        return [each.data["level"] for each in self.events if each.kind == "budget_reached"]


def terms(monthly_bytes: float, *windows: Window) -> Terms:
    """A budget with the usual share for events."""
    return Terms(
        monthly_bytes=int(monthly_bytes), event_share=0.3, beat_bytes=BEAT_BYTES, windows=windows
    )


async def test_a_month_that_fits_is_measured_in_full(cost: int) -> None:
    """As many runs as planned, nothing announced, and the account is what was spent."""
    month = Month(terms=terms((BEAT_BYTES + RUNS * cost) / 0.7 * 1.3), cost=cost)
    await month.pass_until(NEXT_MS - 1)
    assert month.runs["tls"] == pytest.approx(RUNS, rel=0.01)
    assert month.said() == []
    assert month.spending.tell()["level"] == "full"
    assert month.spending.tell()["used_bytes"] == pytest.approx(month.spent, rel=0.01)


async def test_three_times_too_much_stays_within_the_budget_and_never_falls_silent(
    cost: int,
) -> None:
    """Lighter at 80 %, only beats at 100 %, 2 % over at most, through twenty power cuts."""
    monthly = (BEAT_BYTES + RUNS * cost / 3) / 0.7
    month = Month(terms=terms(monthly), cost=cost)
    await month.pass_until(NEXT_MS - 1, power_cuts=20)
    everyday = monthly * 0.7
    assert everyday * 0.95 < month.spent <= everyday * OVERSHOOT
    assert month.spent <= monthly
    assert month.said() == ["light", "beat"]
    assert month.runs["pulse"] >= MONTH_MS // HEARTBEAT_MS - 25
    assert month.runs_by_day[0] >= 0.9 * len(TARGETS) * 24
    assert month.runs_by_day[30] == 0
    before = month.runs["tls"]
    await month.pass_until(NEXT_MS + DAY_MS)
    assert month.runs["tls"] - before >= 0.9 * len(TARGETS) * 24
    assert month.spending.tell()["month"] == "2022-02"


async def test_an_event_late_in_the_month_finds_its_share(cost: int) -> None:
    """After two weeks of only beating, half a day of election is measured six times as often."""
    window = Window(begins_ms=BEGIN_MS + 20 * DAY_MS, ends_ms=BEGIN_MS + 20 * DAY_MS + DAY_MS // 2)
    monthly = (BEAT_BYTES + RUNS * cost / 4) / 0.7
    month = Month(terms=terms(monthly, window), cost=cost)
    await month.pass_until(NEXT_MS - 1, power_cuts=5)
    usual = len(TARGETS) * 24
    assert month.runs_by_day[0] == pytest.approx(usual, rel=0.1)
    assert month.runs_by_day[19] == 0
    assert month.runs_by_day[20] == pytest.approx(6 * usual / 2, rel=0.1)
    assert month.runs_by_day[21] == 0
    assert month.spent <= monthly * OVERSHOOT
