"""Reports and receipts for tests: one plain example of each, and hypothesis strategies.

The strategies draw everything the format allows: every kind and word, foreign letters, empty
and full lists, numbers at their bounds. What they draw survives `decode(encode(x)) == x`, so
`data` holds JSON's own types only.
"""

from collections.abc import Mapping
from typing import Any, get_args

from hypothesis import strategies as st

from shyraq_wire.ask import MAX_ADDRESSES, MAX_VALIDITY_MS, Ask
from shyraq_wire.chain import GENESIS
from shyraq_wire.failure import FAILURES, unknown_failure
from shyraq_wire.fields import MAX_SAFE_INTEGER
from shyraq_wire.keys import KeyId
from shyraq_wire.moments import MAX_EPOCH_MS, format_moment
from shyraq_wire.receipt import EpochReceipt, Interval, Receipt, Refusal
from shyraq_wire.report import (
    ClockSource,
    ClockState,
    ConfigRef,
    Event,
    EventKind,
    Json,
    Kind,
    Measurement,
    Report,
    Step,
)
from shyraq_wire.topics import NodeId

EXAMPLE_NODE = NodeId("node-0001")
EXAMPLE_EPOCH = "0123456789abcdef" * 2


def example_report(**changes: object) -> Report:
    """A pulse with one failed TLS measurement; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "node": EXAMPLE_NODE,
        "epoch": EXAMPLE_EPOCH,
        "seq": 0,
        "prev": GENESIS,
        "boot_id": "boot-1",
        "uptime_ms": 86_400_000,
        "at": "2022-01-05T10:30:00.000Z",
        "clock": ClockState(source="ntp", error_ms=12),
        "software": "shyraq-agent/0.1.0",
        "config": ConfigRef(version=1, sha256="c" * 64),
        "beacon": None,
        "kind": "pulse",
        "measurements": (example_measurement(),),
        "events": (Event(kind="started", offset_ms=-60_000),),
        "vitals": {"cpu_percent": 3.5},
    }
    return Report(**(fields | changes))


def example_measurement() -> Measurement:
    """A TLS measurement whose handshake was reset."""
    return Measurement(
        probe="tls",
        target="https://example.kz/",
        started_offset_ms=-4_000,
        duration_ms=812.5,
        steps=(
            Step(name="connect", started_offset_ms=-4_000, duration_ms=31.0, failure=None),
            Step(
                name="handshake",
                started_offset_ms=-3_969,
                duration_ms=781.5,
                failure="connection_reset",
                data={"received_bytes": 0},
            ),
        ),
        result={"ok": 0, "of": 1},
    )


def node_ids() -> st.SearchStrategy[NodeId]:
    """Any node id."""
    return st.from_regex(r"[a-z0-9-]{8,32}", fullmatch=True).map(NodeId)


def hexadecimal(digits: int) -> st.SearchStrategy[str]:
    """Lower-case hexadecimal of this many digits."""
    return st.binary(min_size=digits // 2, max_size=digits // 2).map(bytes.hex)


def hashes() -> st.SearchStrategy[str]:
    """Any SHA-256 but the 64 zeros of GENESIS."""
    return hexadecimal(64).filter(lambda text: text != GENESIS)


def moments() -> st.SearchStrategy[str]:
    """Any moment in its one written form."""
    return st.integers(0, MAX_EPOCH_MS).map(format_moment)


def counts() -> st.SearchStrategy[int]:
    """Integers from 0 to the largest that JSON keeps exactly."""
    return st.integers(0, MAX_SAFE_INTEGER)


def json_objects() -> st.SearchStrategy[Mapping[str, Json]]:
    """Free objects of limited size and at most four levels."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=12)
    )
    values: st.SearchStrategy[Any] = leaves
    for _ in range(3):
        values = leaves | st.lists(values, max_size=2) | _objects_of(values)
    return _objects_of(values)


def _objects_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.text(max_size=8), values, max_size=2)


def offsets_ms() -> st.SearchStrategy[int]:
    """Offsets from the sealing, up to 366 days to either side."""
    return st.integers(-366 * 86_400_000, 366 * 86_400_000)


def durations_ms() -> st.SearchStrategy[float]:
    """Durations from zero to the largest allowed."""
    return st.floats(0, MAX_SAFE_INTEGER)


def failures() -> st.SearchStrategy[str | None]:
    """None, a word of the vocabulary, or an unknown failure with any text."""
    return st.none() | st.sampled_from(sorted(FAILURES)) | st.text(max_size=40).map(unknown_failure)


def steps() -> st.SearchStrategy[Step]:
    """Any step."""
    return st.builds(
        Step,
        name=st.text(max_size=32),
        started_offset_ms=offsets_ms(),
        duration_ms=durations_ms(),
        failure=failures(),
        data=json_objects(),
    )


def measurements() -> st.SearchStrategy[Measurement]:
    """Any measurement of at most two steps."""
    return st.builds(
        Measurement,
        probe=st.text(max_size=32),
        target=st.text(max_size=64),
        started_offset_ms=offsets_ms(),
        duration_ms=durations_ms(),
        steps=st.lists(steps(), max_size=2).map(tuple),
        result=json_objects(),
    )


def events() -> st.SearchStrategy[Event]:
    """Any event."""
    return st.builds(
        Event,
        kind=st.sampled_from(get_args(EventKind)),
        offset_ms=offsets_ms(),
        data=json_objects(),
    )


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Any report, of at most two measurements and two events."""
    seq = draw(st.just(0) | counts())
    return Report(
        node=draw(node_ids()),
        epoch=draw(hexadecimal(32)),
        seq=seq,
        prev=GENESIS if seq == 0 else draw(hashes()),
        boot_id=draw(st.text(max_size=64)),
        uptime_ms=draw(counts()),
        at=draw(moments()),
        clock=ClockState(
            source=draw(st.sampled_from(get_args(ClockSource))),
            error_ms=draw(st.none() | counts()),
        ),
        software=draw(st.text(max_size=128)),
        config=ConfigRef(version=draw(counts()), sha256=draw(hashes())),
        beacon=draw(st.none() | st.text(max_size=64)),
        kind=draw(st.sampled_from(get_args(Kind))),
        measurements=tuple(draw(st.lists(measurements(), max_size=2))),
        events=tuple(draw(st.lists(events(), max_size=2))),
        vitals=draw(st.none() | json_objects()),
        private_sha256=draw(st.none() | hashes()),
    )


@st.composite
def intervals(draw: st.DrawFn) -> tuple[Interval, ...]:
    """Up to four intervals, ascending, neither overlapping nor touching."""
    result: list[Interval] = []
    lo = draw(st.integers(0, 2**40))
    for _ in range(draw(st.integers(0, 4))):
        hi = lo + draw(st.integers(0, 2**40))
        result.append(Interval(lo=lo, hi=hi, sha256=draw(hashes())))
        lo = hi + 2 + draw(st.integers(0, 2**40))
    return tuple(result)


def receipts() -> st.SearchStrategy[Receipt]:
    """Any receipt of at most three epochs and three refusals."""
    epochs = st.builds(EpochReceipt, epoch=hexadecimal(32), intervals=intervals())
    refusals = st.builds(
        Refusal, epoch=hexadecimal(32), seq=counts(), sha256=hashes(), reason=st.text(max_size=64)
    )
    return st.builds(
        Receipt,
        node=node_ids(),
        ledger=hexadecimal(32),
        key=hashes().map(KeyId),
        at=moments(),
        epochs=st.lists(epochs, max_size=3, unique_by=lambda each: each.epoch).map(tuple),
        refused=st.lists(refusals, max_size=3).map(tuple),
    )


def addresses() -> st.SearchStrategy[str]:
    """IP addresses of both families, in their canonical form."""
    return st.ip_addresses().map(str).filter(lambda text: "%" not in text)


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """Any ask."""
    at_ms = draw(st.integers(0, MAX_EPOCH_MS - MAX_VALIDITY_MS))
    return Ask(
        node=draw(node_ids()),
        key=KeyId(draw(hashes())),
        number=draw(counts()),
        at=format_moment(at_ms),
        until=format_moment(at_ms + draw(st.integers(0, MAX_VALIDITY_MS))),
        target=draw(st.text(max_size=64)),
        addresses=tuple(
            draw(st.lists(addresses(), min_size=1, max_size=MAX_ADDRESSES, unique=True))
        ),
    )
