"""Judging stored reports again, by today's rules, and what differs from what was said then.

1. Reports are taken from `WARM_MS` before the moment asked for, in the order of commits, so that
   the judge remembers what it remembered then.
2. Each node stands where it stood when the report arrived.
3. A verdict is the same if it is on the same measurement and says the same, by the same rule.

Nothing is changed in the ledger: what was said stays said.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from shyraq_collector.app.desk import WARM_MS
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.reports import VerifiedReport
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.policy import Policy
from shyraq_collector.registry import Node, Registry
from shyraq_collector.store import queries
from shyraq_collector.store.findings import met
from shyraq_collector.store.history import frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was judged again, and what came out otherwise."""

    same: int
    differences: tuple[tuple[Verdict | None, Verdict | None], ...]
    """(then, now); None: there was, or is, no verdict on that measurement."""


def rejudge(connection: sqlite3.Connection, policy: Policy, since_ms: int) -> Comparison:
    """Judge everything that was measured since a moment, and compare.

    Args:
        connection: A reader's.
        policy: Today's.
        since_ms: From here on.
    """
    now = {_key(each): each for each in _verdicts(connection, policy, since_ms)}
    then = {_key(each): each for each in queries.verdicts(connection, since_ms=since_ms)}
    differences = [
        (then.get(key), now.get(key))
        for key in sorted(then.keys() | now.keys())
        if _word(then.get(key)) != _word(now.get(key))
    ]
    return Comparison(
        same=len(then.keys() | now.keys()) - len(differences), differences=tuple(differences)
    )


def _verdicts(connection: sqlite3.Connection, policy: Policy, since_ms: int) -> Iterator[Verdict]:
    registry = Registry(connection)
    nodes = {node.id: node for node in registry.nodes()}
    judge, newest_ms = Judge(policy), 0
    judge.learn(met(connection))
    for kept in frames(connection, registry.key_ring(), since_ms=since_ms - WARM_MS):
        newest_ms = max(newest_ms, kept.report.received_ms)
        placement = _placement(nodes[kept.report.node], kept.report)
        if placement is not None:
            yield from _since(judge.observe_report(placement, kept.report), since_ms)
    yield from _since(judge.advance(newest_ms), since_ms)


def _since(verdicts: list[Verdict], since_ms: int) -> Iterator[Verdict]:
    return (verdict for verdict in verdicts if verdict.at_ms >= since_ms)


def _placement(node: Node, report: VerifiedReport) -> Placement | None:
    held = (
        each.placement
        for each in node.assignments
        if each.valid_from_ms <= report.received_ms
        and (each.valid_to_ms is None or report.received_ms < each.valid_to_ms)
    )
    return next(held, None)


def _key(verdict: Verdict) -> tuple[int, str, str]:
    return verdict.at_ms, verdict.node, verdict.target


def _word(verdict: Verdict | None) -> tuple[str, str] | None:
    return None if verdict is None else (verdict.state, verdict.rule)
