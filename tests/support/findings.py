"""Findings for tests: one plain example of each, as a tick of the collector commits them."""

from dataclasses import replace

from shyraq_collector.facts.incidents import (
    Entry,
    Evidence,
    GroupStatus,
    Incident,
    Interval,
    Scope,
    State,
)
from shyraq_collector.facts.verdicts import Slowdown, Verdict
from shyraq_collector.store.findings import Findings, View, save
from shyraq_collector.store.schema import transaction
from support.clock import STORY_START_MS
from support.signing import SigningNode
from support.stored import StoredLedger

NOW_MS = STORY_START_MS
NOW = NOW_MS / 1000


def entry(number: int, state: State, *, incident: str = "i" * 16, at: float = NOW) -> Entry:
    """One line of a timeline, with every field filled."""
    return Entry(
        incident=incident,
        number=number,
        at=at - 90.5,
        published_at=at,
        state=state,
        kind="outage",
        cause="isp",
        grade="A",
        scope=Scope(
            country="KZ", level="isp", isps=("isp-a",), access=("mobile",), exempt_isps=("isp-b",)
        ),
        onset=Interval(earliest=at - 120, latest=at - 60),
        confidence=0.93,
        evidence=Evidence(test="edge", score=17.25, lines=9, down=8, sites=8),
        note="8 of 9 lines are silent",
    )


def incident(*history: Entry) -> Incident:
    """The sum of some entries."""
    first, last = history[0], history[-1]
    return Incident(
        id=first.incident,
        kind="outage",
        cause=last.cause,
        grade="A",
        scope=last.scope,
        state=last.state,
        onset=last.onset,
        suspected_at=first.published_at,
        confirmed_at=None,
        restored_at=None,
        lines_observed=9,
        lines_down_peak=8,
        confidence=0.9,
        history=history,
    )


def verdict(node: SigningNode, *, at_ms: int = NOW_MS, target: str = "https://a/") -> Verdict:
    """A verdict, with every field filled."""
    return Verdict(
        node=node.id,
        isp="isp-a",
        region="KZ-75",
        access="fixed",
        target=target,
        at_ms=at_ms,
        state="throttled",
        layer=None,
        doubt=None,
        rule="tls.slowed",
        confidence=0.9,
        reason="slow",
        slowdown=Slowdown(ratio=4.0, low=3.0, high=5.0, p_value=0.001, pairs=12),
        controls=(node.id,),
    )


def view(at_ms: int) -> View:
    """A view of one group."""
    group = GroupStatus(
        country="KZ",
        isp="isp-a",
        region=None,
        access=None,
        lines=9,
        down=8,
        sites=8,
        observable=True,
        incident="i" * 16,
    )
    return View(
        at_ms=at_ms,
        groups=(group,),
        hold="hold",
        started_ms=NOW_MS,
        broker_connected=True,
        canary_round_trip_ms=1.5,
        judged_to_ms=at_ms - 100,
        turned_away=0,
        nodes=9,
    )


def findings(
    at_ms: int = NOW_MS, *, entries: tuple[Entry, ...] = (), **changes: object
) -> Findings:
    """One tick's."""
    made = Findings(
        at_ms=at_ms,
        cursor=7,
        snapshot=b"memory",
        entries=entries,
        incidents=(incident(*entries),) if entries else (),
        verdicts=(),
        view=view(at_ms),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def commit(ledger: StoredLedger, *ticks: Findings) -> None:
    """Each in a transaction of its own."""
    for tick in ticks:
        with transaction(ledger.connection):
            save(ledger.connection, tick)
