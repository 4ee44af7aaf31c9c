"""What a configuration will cost its host: expected bytes per probe and month.

Each figure is what one action puts on the line, both directions, IP and TCP or UDP headers
included. The everyday sum must fit into the monthly budget less the share kept for event
windows, else the configuration is refused.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_agent.budget import Terms, Window
from shyraq_agent.config.plan import PlannedProbe
from shyraq_agent.config.probing import (
    ResponderSettings,
    RungSettings,
)
from shyraq_agent.config.settings import (
    Settings,
)
from shyraq_agent.measure.limits import Limits
from shyraq_agent.measure.messengers import endpoints_of
from shyraq_agent.measure.responder import BODY_BYTES
from shyraq_agent.measure.target import Target, parse_target
from shyraq_wire.ask import MAX_ADDRESSES
from shyraq_wire.moments import parse_moment

MONTH_S: Final = 30 * 86_400

BYTES_OF: Final = {
    "hello": 5_500,
    "echo": 160,
    "dns": 320,
    "ping": 200,
    "web": 48_000,
    "web in clear": 86_000,
    "tls": 6_200,
    "tcp": 330,
    "name_pair": 300_000,
    "rate": 215_000,
    "quic": 13_700,
    "trace": 10_000,
    "trace hello": 45_000,
    "pulse": 2_300,
    "bulk": 1_700,
    "measurement": 650,
    "keep-alive": 170,
}
"""Bytes of one action. Measured 2026-11 with the real probes, agent and mosquitto in a network
namespace of MTU 1500, by the interface's own counters: hello 3,783, tls 4,413, web 35,498, tcp
328, pulse 2,254 (with acknowledgements and receipt, before TLS), bulk about 1,500 and 640 for
each measurement in it. Added: 1,700 where a chain is sent, because public chains have about
4 kB and the one measured 2.3; 22 a TLS record; a redirect and a lookup for web; in clear
eight times as much of a page is read. Echo, dns, ping and keep-alive are counted from their
packets; quic is TLS and QUIC at one address, 11,742 measured; trace is fifteen routers and their
end by UDP and TCP, its ClientHellos two for each router with a connection each, counted the same
way; a whole round of name_pair with 128 KiB on each arm 278,610; rate with 64 KiB of each side, and
more in the page, 198,179. A test in the lab holds the figures of the probes against the line.
"""


_FAMILIES: Final = 2

_ACTION_OF: Final = {"connect": "tcp", "hello": "hello", "verify": "tls"}
"""By how far an endpoint is asked."""


_BEATS: Final = frozenset({"pulse", "light ladder", "keep-alive"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLine:
    """What one kind of action costs."""

    what: str
    runs: int
    """A month."""
    month_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a configuration costs a month."""

    lines: tuple[TrafficLine, ...]
    allowed_bytes: int
    """The budget less the share kept for event windows."""

    @property
    def month_bytes(self) -> int:
        """The everyday sum."""
        return sum(line.month_bytes for line in self.lines)

    @property
    def beat_bytes(self) -> int:
        """Of what goes on whatever the budget: pulses, the light ladder, keep-alive."""
        return sum(line.month_bytes for line in self.lines if line.what in _BEATS)

    @property
    def dearest(self) -> str:
        """What costs most, with its share, for people."""
        line = max(self.lines, key=lambda each: each.month_bytes)
        return f"{line.what} {line.month_bytes / self.month_bytes:.0%}"

    @property
    def fits(self) -> bool:
        """Whether the sum stays within what is allowed."""
        return self.month_bytes <= self.allowed_bytes


def expected_traffic(settings: Settings, plan: Sequence[PlannedProbe]) -> Traffic:
    """What the settings and their targets will cost in a month of 30 days."""
    beats = MONTH_S // settings.node.heartbeat_s
    ladders = MONTH_S // settings.cadence.ladder_s
    light, full = _light_bytes(settings.ladder), sum(map(_rung_bytes, settings.ladder))
    runs = Counter[str]()
    for each in plan:
        runs[_action_of(each)] += MONTH_S // each.period_s
    bulks = min(sum(runs.values()), MONTH_S // 60)
    lines = [
        TrafficLine(what="pulse", runs=beats, month_bytes=beats * BYTES_OF["pulse"]),
        TrafficLine(what="light ladder", runs=beats, month_bytes=beats * light),
        TrafficLine(what="full ladder", runs=ladders, month_bytes=ladders * full),
        *(
            TrafficLine(what=probe, runs=count, month_bytes=count * _bytes_of(probe, settings))
            for probe, count in sorted(runs.items())
        ),
        TrafficLine(
            what="bulk",
            runs=bulks,
            month_bytes=bulks * BYTES_OF["bulk"] + sum(runs.values()) * BYTES_OF["measurement"],
        ),
        TrafficLine(
            what="keep-alive",
            runs=MONTH_S // 60,
            month_bytes=MONTH_S // 60 * BYTES_OF["keep-alive"],
        ),
    ]
    if settings.collector.answers_asks:
        lines.append(_asked(settings.collector.asks_per_hour, plan))
    budget = settings.budget
    return Traffic(
        lines=tuple(lines), allowed_bytes=int(budget.month_bytes * (1 - budget.event_share))
    )


def terms_of(settings: Settings, traffic: Traffic) -> Terms:
    """What the host has agreed to pay."""
    return Terms(
        monthly_bytes=settings.budget.month_bytes,
        event_share=settings.budget.event_share,
        beat_bytes=traffic.beat_bytes,
        windows=tuple(
            Window(begins_ms=parse_moment(each.begins), ends_ms=parse_moment(each.ends))
            for each in settings.window
        ),
    )


def _asked(per_hour: int, plan: Sequence[PlannedProbe]) -> TrafficLine:
    """As many addresses as asks can bring, tried by the dearest probe that a target calls for."""
    runs = MONTH_S // 3600 * per_hour
    dearest = "quic" if any(each.probe == "quic" for each in plan) else "tls"
    each_bytes = MAX_ADDRESSES * BYTES_OF[dearest] + BYTES_OF["measurement"]
    return TrafficLine(what="asked", runs=runs, month_bytes=runs * each_bytes)


def _action_of(planned: PlannedProbe) -> str:
    is_clear = planned.target.text.lower().startswith("http:")
    if planned.probe == "messengers":
        return planned.target.text
    return "web in clear" if planned.probe == "web" and is_clear else planned.probe


def _pair_bytes(responder: ResponderSettings) -> int:
    """Of one round; without the host's consent there is no transfer in it."""
    if responder.name is None or not responder.send_names:
        return 2 * BYTES_OF["hello"]
    return round(BYTES_OF["name_pair"] * responder.body_bytes / BODY_BYTES)


def _bytes_of(action: str, settings: Settings) -> int:
    """Of one action, as far as the settings decide it."""
    match action:
        case "quic":
            return _FAMILIES * BYTES_OF["quic"]
        case "trace":
            hello = BYTES_OF["trace hello"] if settings.trace.hello else 0
            return _FAMILIES * (BYTES_OF["trace"] + hello)
        case "name_pair":
            return _pair_bytes(settings.responder)
        case "rate":
            return round(BYTES_OF["rate"] * settings.limits.body_bytes / Limits().body_bytes)
        case _ if action not in BYTES_OF:
            return _service_bytes(parse_target(action))
        case _:
            return BYTES_OF[action]


def _service_bytes(service: Target) -> int:
    """Of one round over a messenger's endpoints, a name's in both families."""
    return sum(
        BYTES_OF[_ACTION_OF[each.proof]] * (_FAMILIES if each.host[0].isalpha() else 1)
        for each in endpoints_of(service)
    )


def _light_bytes(rungs: Sequence[RungSettings]) -> int:
    """Of the one rung further out that the light beat tries, and the gateway."""
    near = sum(_rung_bytes(each) for each in rungs if each.tier == "gateway")
    for tier in ("collector", "abroad"):
        far = [_rung_bytes(each) for each in rungs if each.tier == tier]
        if far:
            return near + min(far)
    return near


def _rung_bytes(rung: RungSettings) -> int:
    return BYTES_OF["hello" if rung.proof == "tls" else rung.proof]
