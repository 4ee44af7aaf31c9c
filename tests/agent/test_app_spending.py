"""The account of a running node: counted, remembered, said once, turned with the month."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shyraq_agent.app import Agent
from shyraq_agent.app.spending import Spending
from shyraq_agent.budget import Terms, Window
from shyraq_agent.config import load_config
from shyraq_wire.moments import parse_moment
from support.agents import make_agent, write_config
from support.broker import running_broker
from support.clock import FakePace, until
from support.ledger import Ledger, collecting

JANUARY = parse_moment("2022-01-10T00:00:00.000Z")
FEBRUARY = parse_moment("2022-02-10T00:00:00.000Z")
TERMS = Terms(monthly_bytes=1_000_000, event_share=0.3, beat_bytes=0)


class Known:
    """The latest moment known to have passed, set by the test."""

    def __init__(self, now_ms: int) -> None:
        """Begin there."""
        self.now_ms = now_ms


def account(
    known: Known, *, remembered: str | None = None, terms: Terms = TERMS, trusted: bool = True
) -> Spending:
    """Spending by a moment that the test sets."""
    return Spending(
        terms,
        remembered=remembered,
        known_ms=lambda: known.now_ms,
        is_trusted=lambda: trusted,
    )


def test_it_goes_on_after_a_restart() -> None:
    """What was remembered counts, by kind, and is not said again."""
    known = Known(JANUARY)
    first = account(known)
    first.tally("web").add(600_000)
    first.tally("pulse").add(10_000)
    assert first.look().level == "light"
    second = account(known, remembered=first.remember())
    look = second.look()
    assert (look.level, look.reached) == ("light", None)
    assert second.tell()["by_kind"] == {"pulse": 10_000, "web": 600_000}


def test_each_level_is_said_once_with_the_figures() -> None:
    """At 80 % and at 100 %, whatever happens in between."""
    spending = account(Known(JANUARY))
    said = []
    for size in (500_000, 80_000, 10_000, 200_000, 5_000):
        spending.tally("web").add(size)
        said.append(spending.look().reached)
    assert said[0] is said[2] is said[4] is None
    assert said[1] == {
        "level": "light",
        "month": "2022-01",
        "used_bytes": 580_000,
        "monthly_bytes": 1_000_000,
    }
    assert said[3] is not None
    assert said[3]["level"] == "beat"


def test_a_new_month_begins_at_nothing_and_says_everything_anew() -> None:
    """Counters of open connections go on; the month's count does not inherit them."""
    known = Known(JANUARY)
    spending = account(known)
    spending.tally("web").add(900_000)
    assert spending.look().level == "beat"
    known.now_ms = FEBRUARY
    assert spending.look().level == "full"
    spending.tally("web").add(1_000)
    told = spending.tell()
    assert (told["month"], told["used_bytes"]) == ("2022-02", 1_000)
    again = account(known, remembered=spending.remember())
    again.tally("web").add(700_000)
    assert again.look().reached is not None


def test_what_an_event_costs_is_kept_apart() -> None:
    """Spent in the window, from the kept share; everyday measuring goes on where it was."""
    window = Window(begins_ms=JANUARY, ends_ms=JANUARY + 1_000)
    terms = Terms(monthly_bytes=1_000_000, event_share=0.3, beat_bytes=0, windows=(window,))
    known = Known(JANUARY - 1)
    spending = account(known, terms=terms)
    spending.tally("web").add(500_000)
    assert spending.look().level == "full"
    known.now_ms = JANUARY
    assert spending.look().is_window
    spending.tally("web").add(250_000)
    spending.tally("pulse").add(50_000)
    assert spending.look().level == "full"
    known.now_ms = window.ends_ms
    look = spending.look()
    assert (look.is_window, look.level) == (False, "full")
    assert spending.tell()["measured_bytes"] == 500_000


@pytest.mark.parametrize("text", ["", "{", "[]", '{"month": 1}', '{"month": "2022-01"}'])
def test_a_memory_that_cannot_be_read_is_none(text: str) -> None:
    """The node starts, and counts from nothing."""
    assert account(Known(JANUARY), remembered=text).tell()["used_bytes"] == 0


def test_what_is_remembered_is_small() -> None:
    """A dozen kinds fit into one page of the spool."""
    spending = account(Known(JANUARY))
    for kind in ("pulse", "bulk", "ladder.light", "ladder.full", *map(str, range(12))):
        spending.tally(kind).add(10**9)
    assert len(spending.remember()) < 700
    assert json.loads(spending.remember())["month"] == "2022-01"


async def test_a_node_without_budget_says_so_and_beats_on(tmp_path: Path) -> None:
    """A real agent whose month is used up: one signed event, pulses, and no measurement."""
    ledger, node, more = Ledger(), "kz-test-0001", '[[target]]\ntarget = "127.0.0.1:9"\n'
    with running_broker(tmp_path) as broker:
        cadence = "[cadence]\ntls_s = 60\n[spool]\nmax_bytes = 1048576\n"
        path = write_config(tmp_path / "n", ledger, [broker], more=more + cadence)
        pace = FakePace()

        async def minutes(count: int) -> None:
            before = len(ledger.reports(node))
            await until(
                lambda: len(ledger.reports(node)) >= before + count,
                moving=lambda: pass_by(pace),
            )

        config = await asyncio.to_thread(load_config, path)
        async with collecting(ledger, broker):
            async with cut_off_at_the_end(make_agent(config, pace)):
                await minutes(6)
            assert any(report.kind == "bulk" for report in ledger.reports(node))
            use_up(config.settings.node.state_directory)
            before = len(ledger.reports(node))
            async with cut_off_at_the_end(make_agent(config, pace)):
                await minutes(12)
    after = ledger.reports(node)[before:]
    assert {report.kind for report in after} == {"pulse"}
    said = [event for report in after for event in report.events if event.kind == "budget_reached"]
    assert [event.data["level"] for event in said] == ["beat"]
    assert said[0].data["month"] == "2022-01"


async def pass_by(pace: FakePace) -> None:
    """Two seconds of the node's time, and a moment for sockets and disk."""
    await pace.run_for(2_000)
    await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def cut_off_at_the_end(agent: Agent) -> AsyncIterator[None]:
    """The agent runs inside the context; its end is a power cut."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(agent.run())
        try:
            yield
        finally:
            task.cancel()


def use_up(state: Path) -> None:
    """As if the node had measured for 1.9 GB this month."""
    with contextlib.closing(sqlite3.connect(state / "spool.db")) as spool:
        ((remembered,),) = spool.execute("SELECT value FROM fact WHERE name = 'month'").fetchall()
        account = json.loads(remembered)
        account["counts"]["web"] = 1_900_000_000
        spool.execute("UPDATE fact SET value = ? WHERE name = 'month'", (json.dumps(account),))
        spool.commit()
