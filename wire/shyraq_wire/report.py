"""What one node signs: measurements, events of its own life, vitals.

Plain values; `report_json` gives their one JSON form, with the same names, published as
`schema/report-v1.json`. Rules that every reader may count on:

1. `at`, `uptime_ms` and `clock` are read once, at sealing. Every `…_offset_ms` is relative to
   that moment: zero or negative for the past. Order and durations come from the boot clock.
2. A measurement belongs to the report in which it finished.
3. (node, epoch, seq) names one report for ever; `prev` chains it to the one before.
4. Names carry units: `_ms` milliseconds, `_bytes`, `_bps` bits a second, `_c` degrees Celsius.
   Times of day are RFC 3339 in UTC.
5. Fields this version does not know stay in the signed bytes and are never displayed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from shyraq_wire.topics import NodeId

REPORT_TYPE: Final = "application/vnd.shyraq.report+json;v=1"
"""Payload type of a report in this version."""

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""Any value that JSON can hold; integers stay within 64 bits, numbers are finite."""

MAX_MEASUREMENTS: Final = 60
"""Measurements in one report."""

MAX_STEPS: Final = 64
"""Steps in one measurement."""

MAX_EVENTS: Final = 256
"""Events in one report."""

NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})

Kind = Literal["pulse", "bulk"]
"""`pulse`: one each heartbeat, small, kept longest. `bulk`: the other measurements."""

ClockSource = Literal["none", "ntp", "nts", "rtc", "floor"]
"""What set the wall clock; `floor`: only raised to the newest moment known to have passed."""

Tier = Literal[
    "link",
    "gateway",
    "resolver",
    "official_domestic",
    "domestic",
    "near_abroad",
    "abroad",
    "collector",
]
"""Rungs of the ladder, nearest first. A ladder measurement's `result` is
`{"tiers": {tier: {"ipv4": {"ok": k, "of": n}, "ipv6": {…}}}}`; a tier or family that was not
tried is absent, never zero of zero. From official_domestic on, `ok` counts only a TLS
ServerHello or a nonce echo: a bare TCP connect answers even under a white list."""

EventKind = Literal[
    "started",
    "stopped",
    "paused",
    "resumed",
    "config_applied",
    "budget_reached",
    "dropped",
    "upgraded",
    "under_voltage",
    "clock_stepped",
    "network_changed",
    "ask_refused",
]
"""Facts of the node's own life; a gap must be explicable from them.

`dropped`         `{"epoch", "lo", "hi"}`: the closed range of seq that the spool had to give up
`ask_refused`     `{"number", "reason"}` of a well-signed ask that was not obeyed
`paused`          `{"for_s"}`, null until resumed; the last event before the silence
`budget_reached`  `{"level", "month", "used_bytes", "monthly_bytes"}`: from level light on a node
                  measures more lightly, at level beat it only beats, and so is never silent
`upgraded`        `{"from", "to"}`
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """How far the wall clock can be trusted at the moment of sealing."""

    source: ClockSource
    error_ms: int | None
    """Estimated bound of the error; None: no estimate exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRef:
    """Which configuration the node ran under."""

    version: int
    sha256: str
    """Of the configuration's bytes, 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One observable action inside a probe; it can fail exactly once."""

    name: str
    """What was tried: lookup, connect, handshake, request, … (see the probe)."""
    started_offset_ms: int
    duration_ms: float
    failure: str | None
    """None: it worked. Else a word of `failure.FAILURES` or `unknown_failure: …`."""
    data: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    """What the step saw; its fields are the probe's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One probe on one target at one time."""

    probe: str
    """ladder, dns, tcp, tls, web, … : the name of the probe's module."""
    target: str
    """What was measured, as configured: a URL, a name, address:port; "" for the ladder."""
    started_offset_ms: int
    duration_ms: float
    steps: tuple[Step, ...]
    result: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    """Counts over the steps, such as the ladder's k of n per tier; never a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact of the node's own life."""

    kind: EventKind
    offset_ms: int
    data: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a node signs about once a minute."""

    node: NodeId
    epoch: str
    """128 random bits born with the spool, 32 lower-case hexadecimal digits."""
    seq: int
    """From 0, one more for each report of the epoch, at most 2^53 - 1."""
    prev: str
    """SHA-256 of the frame with seq - 1, hexadecimal; 64 zeros for seq 0."""
    boot_id: str
    uptime_ms: int
    """CLOCK_BOOTTIME at sealing."""
    at: str
    """Wall clock at sealing, RFC 3339 UTC with milliseconds: 2022-01-05T10:30:00.000Z."""
    clock: ClockState
    software: str
    """Name and version, such as `shyraq-agent/0.1.0`."""
    config: ConfigRef
    beacon: str | None
    """The newest log checkpoint the node has heard, proving "not before"; None: none yet."""
    kind: Kind
    measurements: tuple[Measurement, ...] = ()
    events: tuple[Event, ...] = ()
    vitals: Mapping[str, Json] | None = None
    """Host facts by psutil, each name with its unit; None: not in this report."""
    private_sha256: str | None = None
    """Reserved: salted commitment to fields kept apart."""
