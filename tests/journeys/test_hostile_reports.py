"""A registered node that lies in form: any valid report passes through ledger, engine and judge.

A frame is stored before it is judged, and read again after a restart. So one report that broke the
judge or the engine would break every start of the collector from then on.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shyraq_collector.app.words import tell
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.facts.fleet import Placement, Role
from shyraq_collector.facts.reports import Message, VerifiedReport
from shyraq_collector.incidents.engine import Engine
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.policy import Policy
from shyraq_collector.registry import Registry
from shyraq_collector.store.findings import to_json
from shyraq_collector.store.history import frames
from shyraq_collector.store.ingest import Ingest, Kept
from shyraq_collector.store.schema import open_ledger, transaction
from shyraq_collector.store.touched import Touched
from shyraq_collector.verify import KeyRing, verify
from shyraq_wire.codec import pack
from shyraq_wire.report import Measurement, Report, Step, Tier
from support import reports as any_report
from support.clock import STORY_START_MS
from support.signing import SigningNode

DATA_KEYS = [
    "address",
    "answers",
    "body_size_bytes",
    "body_truncated",
    "codes",
    "datagrams",
    "depth",
    "engine",
    "header_names",
    "hostname",
    "id_matches",
    "port",
    "query",
    "resolver",
    "server_name",
    "status",
    "title",
    "url",
]
"""Names that the judge looks for in the data of a step."""

odd_values: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 9, 2**62, 1e308, -0.0, "", "A", "\u0000", "192.0.2.1", "10.0.0.1", "::1"]
) | st.lists(st.sampled_from([None, 5, "192.0.2.1", {"id_matches": True}, []]), max_size=3)

step_data = st.dictionaries(st.sampled_from(DATA_KEYS), odd_values, max_size=6)
tiers = st.dictionaries(
    st.sampled_from(get_args(Tier)),
    odd_values
    | st.dictionaries(
        st.sampled_from(["ipv4", "ipv6"]),
        odd_values | st.dictionaries(st.sampled_from(["ok", "of"]), odd_values, max_size=2),
        max_size=2,
    ),
    max_size=4,
)

steps = st.builds(
    Step,
    name=st.sampled_from(["lookup", "connect", "handshake", "verify", "request", "other"]),
    started_offset_ms=any_report.offsets_ms(),
    duration_ms=any_report.durations_ms(),
    failure=any_report.failures(),
    data=step_data,
)
odd_measurements = st.builds(
    Measurement,
    probe=st.sampled_from(["ladder", "web", "tls", "tcp", "dns", "other"]),
    target=st.sampled_from(["https://example.kz/", "example.kz", "192.0.2.1:443", "", "\u0000"]),
    started_offset_ms=any_report.offsets_ms(),
    duration_ms=any_report.durations_ms(),
    steps=st.lists(steps, max_size=4).map(tuple),
    result=st.fixed_dictionaries({}, optional={"tiers": tiers | odd_values}),
)


@st.composite
def odd_reports(draw: st.DrawFn) -> Report:
    """Any valid report, with measurements that look almost as the judge expects them."""
    report = draw(any_report.reports())
    return replace(report, measurements=tuple(draw(st.lists(odd_measurements, max_size=3))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One registered node, and everything behind the broker."""

    node: SigningNode
    keys: KeyRing
    ingest: Ingest
    placement: Placement


@pytest.fixture(params=get_args(Role))
def room(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Room]:
    """A ledger on disk with one node, of each role in turn."""
    node = SigningNode()
    placement = Placement(
        node=node.id,
        isp="isp-a",
        region="KZ-75",
        country="KZ",
        access="fixed",
        site="site-1",
        role=request.param,
    )
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path)) as connection:
        registry = Registry(connection)
        registry.add(placement=placement, public_key=node.public_key, valid_from_ms=0)
        with transaction(connection):
            yield Room(
                node=node,
                keys=registry.key_ring(),
                ingest=Ingest(connection),
                placement=placement,
            )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(report=odd_reports())
def test_any_valid_report_is_stored_and_judged(room: Room, report: Report) -> None:
    """Nothing is raised, verdicts can be written, and no report moves the judge's time ahead."""
    verified = _verified(room, report)
    touched = Touched()
    kept = room.ingest.add(verified, touched)
    room.ingest.finish(touched)
    if kept is None:  # hypothesis drew the same report again
        return
    tell(Engine(pace=Pace(), placements=[room.placement]), kept)
    judge = Judge(Policy())
    for verdict in judge.observe_report(room.placement, verified):
        assert to_json(verdict)
        assert 0 <= verdict.at_ms <= verified.dated_ms
    assert judge._now_ms <= verified.received_ms + 300_000


def _verified(room: Room, report: Report) -> VerifiedReport:
    """As a registered node may send it: signed by its key, whatever it says."""
    payload = pack(room.node.frame(replace(report, node=room.node.id)))
    message = Message(topic=room.node.topic, payload=payload, received_ms=STORY_START_MS)
    verified = verify(message, room.keys)
    assert isinstance(verified, VerifiedReport)
    return verified


def test_what_was_stored_reads_back_as_it_came(room: Room) -> None:
    """After a restart the same reports come out of the ledger, flags, place and all."""
    kept: list[Kept] = []
    touched = Touched()
    for seq in range(5):
        report = room.node.report(at_ms=STORY_START_MS + 60_000 * seq)
        verified = _verified(room, report)
        one = room.ingest.add(verified, touched)
        assert one is not None
        kept.append(one)
    room.ingest.finish(touched)
    assert list(frames(room.ingest._connection, room.keys)) == kept
