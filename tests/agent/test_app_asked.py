"""Obeying asks: within the node's own rules, none twice, none late, none for another node."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shyraq_agent.app import asked as module
from shyraq_agent.app.asked import AHEAD_MS, EVENT_SPACING_MS, HOUR_MS, Asked, Rules, probe_for
from shyraq_agent.app.obeyed import FILE_NAME, Obeyed
from shyraq_agent.app.spending import Spending
from shyraq_agent.app.work import Work
from shyraq_agent.budget import Terms
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.errors import LocalError
from shyraq_agent.measure import PROBES
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.step import RawMeasurement, Record
from shyraq_agent.measure.target import Ladder, Target, parse_target
from shyraq_agent.sign import Contents
from shyraq_wire.ask import ASK_TYPE, Ask, encode_ask
from shyraq_wire.codec import pack
from shyraq_wire.envelope import seal
from shyraq_wire.keys import key_id
from shyraq_wire.moments import format_moment
from shyraq_wire.receipt import RECEIPT_TYPE
from shyraq_wire.report import ClockState, EventKind, Json
from shyraq_wire.topics import NodeId
from support.authority import Authority
from support.clock import STORY_START_MS, FakePace, settle
from support.edges import make_edges

NODE = NodeId("control-0001")
KEY = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"d" * 32)
SITE, CLEAR, NAME = "https://courier.example.org/", "http://courier.example.org/", "courier.org"
AUTHORITY = Authority()
PUBLIC = "93.184.216.34"
"""The product's own policy lets it pass; no packet goes there: the probes are the test's."""


def public_of(key: Ed25519PrivateKey) -> bytes:
    """The 32 raw bytes."""
    return key.public_key().public_bytes_raw()


def an_ask(**changes: Any) -> Ask:  # noqa: ANN401  # any field
    """An ask made now, valid for three minutes."""
    at_ms = changes.pop("at_ms", STORY_START_MS)
    fields: dict[str, Any] = {
        "node": NODE,
        "key": key_id(public_of(KEY)),
        "number": at_ms,
        "at": format_moment(at_ms),
        "until": format_moment(changes.pop("until_ms", at_ms + 180_000)),
        "target": SITE,
        "addresses": (PUBLIC,),
    }
    return Ask(**(fields | changes))


def signed(ask: Ask, key: Ed25519PrivateKey = KEY) -> bytes:
    """As it comes over the broker."""
    return pack(seal(encode_ask(ask), ASK_TYPE, key))


class Turns:
    """Runs what is obeyed at once, and remembers whom it touched."""

    def __init__(self) -> None:
        """Every turn comes at once, until the test says why not."""
        self.hosts: list[str] = []
        self.seen: list[RawMeasurement] = []
        self.word: str | None = None

    async def measure_beside(
        self, host: str, run: Callable[[Edges], Awaitable[RawMeasurement]], *, by_uptime_ms: int
    ) -> str | None:
        """At once, or not at all."""
        assert by_uptime_ms > 0
        if self.word is None:
            self.hosts.append(host)
            self.seen.append(await run(make_edges(AUTHORITY)))
        return self.word


class Control:
    """A control node's ears and rules, with probes that send nothing."""

    def __init__(
        self,
        directory: Path,
        *,
        pace: FakePace | None = None,
        per_hour: int = 30,
        clock: str = "ntp",
        policy: AddressPolicy | None = None,
    ) -> None:
        """Start one; what an earlier one obeyed stands in the directory."""
        self.pace = pace or FakePace()
        self.turns = Turns()
        self.events: list[tuple[str, Mapping[str, Json]]] = []
        self.tried: list[tuple[str, str, Sequence[str]]] = []
        targets = [parse_target(each) for each in (SITE, CLEAR, NAME, "9.9.9.9:443")]
        self.asked = Asked(
            Rules(
                node=NODE,
                collector_keys=[public_of(KEY)],
                targets={each.text: each for each in targets},
                per_hour=per_hour,
            ),
            obeyed=Obeyed(directory, started_ms=self.pace.now_ms()),
            edges=make_edges(AUTHORITY, pace=self.pace, policy=policy or AddressPolicy()),
            probes={"tls": self._probe("tls"), "tcp": self._probe("tcp")},
            read_clock=lambda: ClockState(source=clock, error_ms=5),  # type: ignore[arg-type]
            turns=self.turns,
            note=self._note,
        )

    def _probe(self, name: str) -> Callable[[Target, Edges], Awaitable[RawMeasurement]]:
        async def probe(target: Target, edges: Edges) -> RawMeasurement:
            self.tried.append((name, target.text, edges.given[target.host]))
            return RawMeasurement(
                probe=name,
                target=target.text,
                started_uptime_ms=self.pace.uptime_ms(),
                duration_ms=1.0,
                steps=(),
                result={"tried": 1},
            )

        return probe

    def _note(self, kind: EventKind, data: Mapping[str, Json]) -> None:
        self.events.append((kind, data))

    async def hear(self, *payloads: bytes) -> None:
        """Receive these and obey what may be."""
        running = asyncio.create_task(self.asked.run())
        for payload in payloads:
            await self.asked.receive(payload)
        await settle()
        running.cancel()
        await asyncio.wait((running,))

    @property
    def refused(self) -> Mapping[str, int]:
        """By reason."""
        refused = self.asked.state()["refused"]
        assert isinstance(refused, dict)
        return refused


async def test_an_ask_is_obeyed_and_the_measurement_says_so(tmp_path: Path) -> None:
    """The addresses that were named, with the target's own name, marked with the number."""
    control = Control(tmp_path)
    ask = an_ask(addresses=(PUBLIC, "2606:2800:21f::1"))
    await control.hear(signed(ask))
    assert control.tried == [("tls", SITE, (PUBLIC, "2606:2800:21f::1"))]
    assert control.turns.hosts == ["courier.example.org"]
    assert control.turns.seen[0].result == {"tried": 1, "asked": ask.number}
    assert control.asked.state() == {"obeyed": 1, "refused": {}}
    assert control.events == []


async def test_what_speaks_no_tls_is_only_connected_to(tmp_path: Path) -> None:
    """No page is fetched from an address that a liar may have given."""
    control = Control(tmp_path)
    await control.hear(signed(an_ask(target=CLEAR)))
    assert [name for name, _, _ in control.tried] == ["tcp"]


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        (SITE, "tls"),
        (CLEAR, "tcp"),
        ("courier.example.org:443", "tls"),
        ("tcp://149.154.167.51:443", "tcp"),
        (NAME, None),
    ],
)
def test_every_kind_of_target_has_its_probe_or_none(text: str, probe: str | None) -> None:
    """A bare name is asked of resolvers; there is no address to try."""
    assert probe_for(parse_target(text)) == probe
    assert probe is None or probe in PROBES


REFUSED: Mapping[str, Ask] = {
    "clock-unsure": an_ask(),
    "not-yet": an_ask(at_ms=STORY_START_MS + AHEAD_MS + 2),
    "expired": an_ask(at_ms=STORY_START_MS, until_ms=STORY_START_MS),
    "unknown-target": an_ask(target="https://elsewhere.example/"),
    "forbidden-address": an_ask(addresses=(PUBLIC, "192.168.1.1")),
}


@pytest.mark.parametrize("reason", REFUSED)
async def test_a_well_signed_ask_is_refused_by_name_with_an_event(
    tmp_path: Path, reason: str
) -> None:
    """Nothing is sent; the collector learns why from a signed event."""
    control = Control(tmp_path, clock="none" if reason == "clock-unsure" else "ntp")
    control.pace.advance(1)
    ask = REFUSED[reason]
    await control.hear(signed(ask))
    assert control.tried == []
    assert control.refused == {reason: 1}
    assert control.events == [("ask_refused", {"number": ask.number, "reason": reason})]


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "::1",
        "::ffff:192.168.1.1",
        "64:ff9b::c0a8:101",
        "2002:c0a8:101::1",
        "fe80::1",
        "fd00::1",
        "1.2.3",
        "999.1.1.1",
    ],
)
async def test_no_ask_leads_into_the_hosts_own_network(tmp_path: Path, address: str) -> None:
    """The policy of every other packet holds for asks."""
    control = Control(tmp_path)
    await control.hear(signed(an_ask(addresses=(PUBLIC, address))))
    assert control.tried == []
    assert control.refused == {"forbidden-address": 1}


async def test_a_target_that_is_an_address_is_tried_nowhere_else(tmp_path: Path) -> None:
    """There is no name that another address could be given for."""
    control = Control(tmp_path)
    await control.hear(
        signed(an_ask(target="9.9.9.9:443")),
        signed(an_ask(target="9.9.9.9:443", addresses=("9.9.9.9",), number=STORY_START_MS + 1)),
    )
    assert control.refused == {"forbidden-address": 1}
    assert control.tried == [("tls", "9.9.9.9:443", ("9.9.9.9",))]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (signed(an_ask(), OTHER_KEY), "bad-signature"),
        (signed(an_ask(key=key_id(public_of(OTHER_KEY)))), "malformed-payload"),
        (signed(an_ask(node=NodeId("control-0002"))), "malformed-payload"),
        (pack(seal(encode_ask(an_ask()), RECEIPT_TYPE, KEY)), "unsupported-version"),
        (pack(seal(b"{}", ASK_TYPE, KEY)), "malformed-payload"),
        (b"", "malformed-frame"),
        (b"\x00" * 70_000, "too-large"),
    ],
    ids=["stranger", "other-key", "other-node", "other-type", "empty", "nothing", "huge"],
)
async def test_what_is_not_our_collectors_ask_is_only_counted(
    tmp_path: Path, payload: bytes, reason: str
) -> None:
    """A flood of garbage makes no events."""
    control = Control(tmp_path)
    await control.hear(payload, payload)
    assert control.tried == []
    assert control.refused == {reason: 2}
    assert control.events == []


async def test_an_ask_is_not_obeyed_twice_not_even_after_a_restart(tmp_path: Path) -> None:
    """Its number is on the disk before it is obeyed; lower ones are stale as well."""
    first = Control(tmp_path)
    await first.hear(signed(an_ask()), signed(an_ask()), signed(an_ask(number=5)))
    assert len(first.tried) == 1
    second = Control(tmp_path, pace=first.pace)
    await second.hear(signed(an_ask()))
    assert second.tried == []
    assert (first.refused, second.refused) == ({"replayed": 2}, {"replayed": 1})
    await second.hear(signed(an_ask(number=STORY_START_MS + 1)))
    assert len(second.tried) == 1


@pytest.mark.parametrize("text", [None, "not json", "[1]", '{"key": "text"}'])
async def test_a_lost_memory_obeys_only_what_was_asked_since(
    tmp_path: Path, text: str | None
) -> None:
    """Missing or damaged: whatever was signed before the start may have been obeyed."""
    if text is not None:
        (tmp_path / FILE_NAME).write_text(text)
    pace = FakePace()
    pace.advance(60_000)
    control = Control(tmp_path, pace=pace)
    await control.hear(signed(an_ask()))
    assert control.refused == {"replayed": 1}
    await control.hear(signed(an_ask(at_ms=pace.now_ms())))
    assert len(control.tried) == 1
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {an_ask().key: pace.now_ms()}


async def test_what_cannot_be_remembered_is_not_obeyed(tmp_path: Path) -> None:
    """A disk that cannot be written: the next start could obey again."""
    control = Control(tmp_path)
    (tmp_path / ".asks.json.new").mkdir()
    await control.hear(signed(an_ask()))
    assert control.tried == []
    assert control.refused == {"not-remembered": 1}
    with pytest.raises(LocalError, match=r"asks\.json"):
        Obeyed(tmp_path, started_ms=0).commit(an_ask())


async def test_no_more_than_so_many_an_hour(tmp_path: Path) -> None:
    """The window moves on; what was refused in it is gone."""
    control = Control(tmp_path, per_hour=2)
    asks = [signed(an_ask(number=STORY_START_MS + n)) for n in range(3)]
    await control.hear(*asks)
    assert len(control.tried) == 2
    assert control.refused == {"too-many": 1}
    control.pace.advance(HOUR_MS)
    await control.hear(signed(an_ask(at_ms=control.pace.now_ms())))
    assert len(control.tried) == 3


@pytest.mark.parametrize("reason", ["late", "over-budget"])
async def test_what_the_nodes_ceilings_forbid_is_told(tmp_path: Path, reason: str) -> None:
    """The ask has ended before the host's turn, or the month's bytes are spent."""
    control = Control(tmp_path)
    control.turns.word = reason
    await control.hear(signed(an_ask()))
    assert control.refused == {reason: 1}
    assert control.events[0][1]["reason"] == reason


async def test_events_about_one_reason_keep_their_distance(tmp_path: Path) -> None:
    """A broker that replays an old ask a thousand times fills no report."""
    control = Control(tmp_path)
    await control.hear(*[signed(an_ask())] * 50)
    assert control.refused == {"replayed": 49}
    assert len(control.events) == 1
    control.pace.advance(EVENT_SPACING_MS)
    await control.hear(signed(an_ask()))
    assert len(control.events) == 2


@contextlib.asynccontextmanager
async def working(
    pace: FakePace, sealed: list[Contents], spending: Spending
) -> AsyncIterator[Work]:
    """The real keeper of the schedule, with an empty one, runs inside the context."""
    work = Work(
        plan=(),
        probes={},
        ladder=Ladder(rungs=()),
        edges=make_edges(AUTHORITY, pace=pace),
        heartbeat_ms=60_000,
        ladder_period_ms=300_000,
        vitals_period_ms=300_000,
        read_vitals=dict,
        seal=sealed.append,
        spending=spending,
        seed=NODE,
    )
    task = asyncio.create_task(work.run())
    try:
        yield work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def account(monthly_bytes: int) -> Spending:
    """A month's budget."""
    return Spending(
        Terms(monthly_bytes=monthly_bytes, event_share=0.0, beat_bytes=0),
        remembered=None,
        known_ms=lambda: STORY_START_MS,
        is_trusted=lambda: True,
    )


async def look(edges: Edges) -> RawMeasurement:
    """A measurement of a thousand bytes."""
    edges.meter.add(1_000)
    return Record("tls", SITE, edges).finish({"asked": 1})


async def test_asked_measurements_take_turns_of_a_minute_with_their_host() -> None:
    """The second waits, a third whose end comes before its turn is not begun."""
    pace, sealed, spending = FakePace(), list[Contents](), account(10**9)
    async with working(pace, sealed, spending) as work:
        begun_ms = pace.uptime_ms()
        assert await work.measure_beside("host", look, by_uptime_ms=begun_ms) is None
        assert await work.measure_beside("other", look, by_uptime_ms=begun_ms) is None
        assert await work.measure_beside("host", look, by_uptime_ms=begun_ms + 59_999) == "late"
        waiting = asyncio.create_task(
            work.measure_beside("host", look, by_uptime_ms=begun_ms + 60_000)
        )
        await pace.run_for(59_000)
        assert not waiting.done()
        await pace.run_for(1_000)
        assert await waiting is None
        await pace.run_for(120_000)
    told = [each.result for contents in sealed for each in contents.measurements]
    assert told.count({"asked": 1}) == 3
    assert spending.tally("asked").used_bytes == 3_000


async def test_an_ask_that_waited_through_a_pause_is_not_obeyed_after_its_end() -> None:
    """Its host's turn would come at once, yet its time is over."""
    pace, sealed = FakePace(), list[Contents]()
    async with working(pace, sealed, account(10**9)) as work:
        over_ms = pace.uptime_ms() - 1
        assert await work.measure_beside("host", look, by_uptime_ms=over_ms) == "late"


async def test_nothing_is_measured_beside_when_only_the_beat_is_left() -> None:
    """What asks cost counts in the month's budget, and ends with it."""
    pace, sealed, spending = FakePace(), list[Contents](), account(500)
    async with working(pace, sealed, spending) as work:
        assert await work.measure_beside("host", look, by_uptime_ms=10**9) is None
        await pace.run_for(120_000)
        assert await work.measure_beside("host", look, by_uptime_ms=10**9) == "over-budget"


def test_every_reason_is_explained() -> None:
    """In the module, and for operators."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "asks.md").read_text()
    reasons = (*REFUSED, "replayed", "too-many", "not-remembered", "late", "over-budget")
    for reason in reasons:
        assert f"    {reason} " in (module.__doc__ or "")
        assert f"| `{reason}` |" in page


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[int, bytes, Ask | None]]:
    """Asks of the collector, delivered late, again, out of order, altered or for others."""
    asks: list[Ask] = []
    at_ms = STORY_START_MS
    for number in range(draw(st.integers(1, 6))):
        at_ms += draw(st.integers(0, 120_000))
        node = draw(st.sampled_from([NODE, NODE, NodeId("control-0002")]))
        asks.append(
            an_ask(
                at_ms=at_ms,
                until_ms=at_ms + draw(st.integers(0, 180_000)),
                number=at_ms + number,
                node=node,
            )
        )
    story: list[tuple[int, bytes, Ask | None]] = []
    for _ in range(draw(st.integers(1, 25))):
        ask = draw(st.sampled_from(asks))
        payload = bytearray(signed(ask))
        if is_altered := draw(st.integers(0, 9)) == 0:
            payload[draw(st.integers(1, len(payload) - 1))] ^= 1 << draw(st.integers(0, 7))
        pause_ms = draw(st.integers(0, 60_000))
        story.append((pause_ms, bytes(payload), None if is_altered else ask))
    return story


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=stories(), restarts=st.sets(st.integers(0, 24), max_size=3))
async def test_none_twice_none_late_none_for_another(
    tmp_path_factory: pytest.TempPathFactory,
    story: list[tuple[int, bytes, Ask | None]],
    restarts: set[int],
) -> None:
    """Whatever a hostile broker does with what the collector has signed, restarts included."""
    directory, pace = tmp_path_factory.mktemp("control"), FakePace()
    control = Control(directory, pace=pace)
    obeyed: list[int] = []
    for index, (pause_ms, payload, ask) in enumerate(story):
        if index in restarts:
            control = Control(directory, pace=pace)
        pace.advance(pause_ms)
        before = len(control.tried)
        await control.hear(payload)
        if len(control.tried) == before:
            continue
        assert ask is not None, "an altered ask was obeyed"
        assert ask.node == NODE
        assert format_moment(pace.now_ms()) <= ask.until
        obeyed.append(ask.number)
    assert len(set(obeyed)) == len(obeyed)
    assert obeyed == sorted(obeyed)
