"""What was committed is what is answered: findings, questions, history."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shyraq_collector.facts.asks import Met
from shyraq_collector.store import queries
from shyraq_collector.store.findings import (
    MET_KEPT_MS,
    VIEW_KEPT_MS,
    from_json,
    memory,
    met,
    to_json,
)
from shyraq_collector.store.history import frames
from support.clock import STORY_START_MS
from support.findings import commit, entry, findings, incident, verdict, view
from support.signing import SigningNode, measurement
from support.stored import StoredLedger, placement

NOW_MS = STORY_START_MS
NOW = NOW_MS / 1000


@pytest.fixture
def node() -> SigningNode:
    """A registered node."""
    return SigningNode()


@pytest.fixture
def ledger(tmp_path: Path, node: SigningNode) -> Iterator[StoredLedger]:
    """A ledger that knows the node."""
    with StoredLedger(tmp_path, node) as made:
        yield made


def test_values_of_facts_survive_the_ledger(node: SigningNode) -> None:
    """Entries, incidents, verdicts and views read back equal."""
    for value in (
        entry(0, "suspected"),
        incident(entry(0, "suspected"), entry(1, "confirmed")),
        verdict(node),
        view(NOW_MS),
    ):
        assert from_json(type(value), to_json(value)) == value


def test_one_tick_is_committed_whole(ledger: StoredLedger, node: SigningNode) -> None:
    """Snapshot and cursor beside what was said, and all of it answers."""
    said = (entry(0, "suspected"), entry(1, "confirmed"))
    commit(ledger, findings(entries=said, verdicts=(verdict(node),)))
    reader = ledger.connection
    kept = memory(reader)
    assert kept is not None
    assert (kept.cursor, kept.ticked_ms, kept.snapshot) == (7, NOW_MS, b"memory")
    assert queries.incident(reader, "i" * 16) == incident(*said)
    assert queries.incident(reader, "nothing") is None
    assert [each for _, each in queries.entries(reader, after=0, limit=10)] == list(said)
    assert queries.entries(reader, after=1, limit=10) == [(2, said[1])]
    assert list(queries.verdicts(reader, since_ms=NOW_MS)) == [verdict(node)]
    assert list(queries.verdicts(reader, since_ms=NOW_MS + 1)) == []
    assert queries.view(reader) == view(NOW_MS)
    assert queries.mark(reader) == (NOW_MS, 2)


def test_where_targets_were_met_is_kept_for_a_week(ledger: StoredLedger) -> None:
    """The newest moment of each address; an older file, which no run has opened, knows nothing."""
    site = "https://courier.example.org/"
    first = Met(target=site, address="192.0.2.10", at_ms=NOW_MS)
    later = replace(first, at_ms=NOW_MS + 5)
    other = replace(first, address="2001:db8::10")
    commit(ledger, findings(met=(first, other)), findings(NOW_MS + 9, met=(later, first)))
    assert {*met(ledger.connection)} == {later, other}
    commit(ledger, findings(NOW_MS + MET_KEPT_MS + 1))
    assert met(ledger.connection) == [later]
    ledger.connection.execute("PRAGMA user_version=1")
    assert met(ledger.connection) == []


def test_a_new_ledger_has_nothing_to_say(ledger: StoredLedger) -> None:
    """No memory, no view, no mark."""
    assert memory(ledger.connection) is None
    assert queries.view(ledger.connection) is None
    assert queries.mark(ledger.connection) == (None, 0)


def test_what_is_said_twice_is_kept_once(ledger: StoredLedger, node: SigningNode) -> None:
    """A judge that is warmed up after a crash repeats itself; the ledger does not."""
    commit(ledger, findings(verdicts=(verdict(node),)), findings(verdicts=(verdict(node),)))
    assert len(list(queries.verdicts(ledger.connection, since_ms=0))) == 1


def test_a_past_view_is_found_until_it_is_too_old(ledger: StoredLedger) -> None:
    """The newest at or before a moment; nothing before the first; a week is kept."""
    commit(ledger, findings(NOW_MS), findings(NOW_MS + 60_000))
    asked = [queries.view(ledger.connection, NOW_MS + at) for at in (-1, 0, 59_999, 60_000)]
    assert [None if each is None else each.at_ms - NOW_MS for each in asked] == [
        None,
        0,
        0,
        60_000,
    ]
    commit(ledger, findings(NOW_MS + VIEW_KEPT_MS + 1))
    assert queries.view(ledger.connection, NOW_MS) is None


def test_incidents_come_newest_first_and_in_pages(ledger: StoredLedger) -> None:
    """Equal moments are told apart by id, so that no page loses or repeats one."""
    for name, at in (("a", NOW), ("b", NOW), ("c", NOW + 60), ("d", NOW - 60)):
        one = entry(0, "suspected", incident=name, at=at)
        commit(ledger, findings(round(at * 1000) + ord(name), entries=(one,)))
    found = queries.incidents(ledger.connection)
    assert [each.id for each in found] == ["c", "b", "a", "d"]
    page = queries.incidents(ledger.connection, before=(NOW_MS, "b"), limit=1)
    assert [each.id for each in page] == ["a"]


def test_what_stands_now_and_what_stood_then(ledger: StoredLedger) -> None:
    """By the newest entry that was published at that moment."""
    begun = entry(0, "suspected", at=NOW)
    over = entry(1, "dismissed", at=NOW + 300)
    commit(
        ledger,
        findings(NOW_MS, entries=(begun,)),
        findings(NOW_MS + 300_000, entries=(over,), incidents=(incident(begun, over),)),
    )
    assert queries.standing(ledger.connection) == []
    stood = [
        [each.id for each in queries.standing(ledger.connection, NOW_MS + at)]
        for at in (-1, 0, 299_999, 300_000)
    ]
    assert stood == [[], ["i" * 16], ["i" * 16], []]


def test_measurements_are_found_by_every_filter(ledger: StoredLedger, node: SigningNode) -> None:
    """Each filter keeps what it should; the place is the one that held on arrival."""
    good = measurement("tls", "https://a.example/")
    bad = measurement("dns", "b.example", failure="dns_nxdomain_error")
    ledger.take(node, node.frame(node.report(at_ms=NOW_MS, measurements=(good,))))
    ledger.registry.place(placement(node.id, region="KZ-71"), valid_from_ms=NOW_MS + 1)
    ledger.take(
        node,
        node.frame(node.report(at_ms=NOW_MS + 60_000, measurements=(bad,))),
        received_ms=NOW_MS + 60_000,
    )

    def targets(**wanted: object) -> list[str]:
        made = replace(queries.Filter(), **wanted)  # type: ignore[arg-type]
        return [row[7] for row in queries.measurements(ledger.connection, made)]

    everything = ["b.example", "https://a.example/"]
    assert targets() == everything
    assert targets(limit=1) == everything[:1]
    assert targets(node=node.id, isp="isp-a") == everything
    assert targets(node="node-9999") == []
    assert targets(region="KZ-71") == ["b.example"]
    assert targets(region="KZ-75") == ["https://a.example/"]
    assert targets(probe="dns") == ["b.example"]
    assert targets(target="a.ex") == ["https://a.example/"]
    assert targets(target="%") == []
    assert targets(since_ms=NOW_MS + 1) == ["b.example"]
    assert targets(until_ms=NOW_MS + 1) == ["https://a.example/"]
    assert targets(failed=True) == ["b.example"]


def test_the_hot_queries_walk_along_an_index(ledger: StoredLedger) -> None:
    """No full scan of a table that grows with the fleet."""
    for query in (
        "SELECT * FROM measurement AS m WHERE m.started_ms >= 1 ORDER BY m.started_ms DESC",
        "SELECT * FROM seen WHERE epoch_no = 1 AND hi >= 5 ORDER BY hi LIMIT 8",
        "SELECT * FROM seen WHERE epoch_no = 1 AND lo <= 5 ORDER BY lo DESC LIMIT 8",
        "SELECT * FROM frame WHERE epoch_no = 1 AND seq BETWEEN 4 AND 6",
        "SELECT * FROM verdict WHERE at_ms >= 1 ORDER BY at_ms",
    ):
        plan = " ".join(str(row[3]) for row in ledger.rows(f"EXPLAIN QUERY PLAN {query}"))
        assert "SEARCH" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


def test_counts_and_last_arrivals(ledger: StoredLedger, node: SigningNode) -> None:
    """Of the whole collector and of one node; unknown nodes have none."""
    ledger.take(node, *node.frames(2), received_ms=NOW_MS + 5)
    assert queries.counters(ledger.connection) == {"live": 2, "stored": 2}
    assert queries.counters(ledger.connection, node.id) == {"live": 2, "stored": 2}
    assert queries.counters(ledger.connection, "node-9999") == {}
    assert queries.last_arrivals(ledger.connection) == {node.id: NOW_MS + 5}


def test_stored_frames_come_back_as_the_reports_they_were(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """Flags, liveness and order; also after the key was revoked later on."""
    sent = node.frames(4)
    kept, _ = ledger.take(node, sent[0], sent[3], sent[1])
    ledger.registry.revoke(node.id, at_ms=NOW_MS + 1, why="test")
    again = list(frames(ledger.connection, ledger.registry.key_ring()))
    assert again == kept
    keys = ledger.registry.key_ring()
    assert [each.no for each in frames(ledger.connection, keys, after=1)] == [2, 3]
    assert [each.no for each in frames(ledger.connection, keys, newest=2)] == [2, 3]
    assert [each.no for each in frames(ledger.connection, keys, until=2, newest=1)] == [2]
    assert list(frames(ledger.connection, keys, since_ms=NOW_MS + 1)) == []


def test_what_came_after_a_revocation_is_kept_and_passed_over(
    ledger: StoredLedger, node: SigningNode
) -> None:
    """Said of a moment in the past, or heard by the running collector seconds late."""
    sent = node.frames(3)
    for minute, frame in enumerate(sent):
        ledger.take(node, frame, received_ms=NOW_MS + minute * 60_000)
    ledger.registry.revoke(node.id, at_ms=NOW_MS + 60_000, why="seized")
    again = list(frames(ledger.connection, ledger.registry.key_ring()))
    assert [each.no for each in again] == [1]
    assert queries.counters(ledger.connection, node.id)["stored"] == len(sent)


def test_a_frame_that_was_altered_on_disk_is_named_and_passed_over(
    ledger: StoredLedger, node: SigningNode, caplog: pytest.LogCaptureFixture
) -> None:
    """Evidence that no longer verifies is never judged, and is no reason to fall silent."""
    ledger.take(node, *node.frames(3))
    ledger.connection.execute("UPDATE frame SET body = CAST(body || 'x' AS BLOB) WHERE no = 2")
    again = list(frames(ledger.connection, ledger.registry.key_ring()))
    assert [each.no for each in again] == [1, 3]
    assert f"event=frame-damaged frame=2 node={node.id} reason=bad-signature" in caplog.text
