"""What a configuration will cost its host: expected bytes per probe and month.

Each figure is what one action puts on the line, both directions, IP and TCP or UDP headers
included. The everyday sum must fit into the monthly budget less the share kept for event
windows, else the configuration is refused.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_agent.config.plan import PlannedProbe
from shyraq_agent.config.settings import RungSettings, Settings

MONTH_S: Final = 30 * 86_400

BYTES_OF: Final = {
    "hello": 5_600,
    "echo": 160,
    "dns": 320,
    "ping": 200,
    "web": 40_000,
    "web in clear": 85_000,
    "tls": 6_500,
    "tcp": 400,
    "pulse": 2_600,
    "bulk": 2_200,
    "measurement": 450,
    "keep-alive": 120,
}
"""Bytes of one action. Measured with a packet counter in a network namespace; certificate
chains of three links (4 kB), sites with two addresses and pages longer than what is read are
assumed, which is on the high side: over TLS a page is read for 8 KiB, in clear for 64. `pulse`
and `bulk` are a report with its acknowledgements and receipt over TLS; `measurement` is what one
adds to a bulk report, compressed."""


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
            TrafficLine(what=probe, runs=count, month_bytes=count * BYTES_OF[probe])
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
    budget = settings.budget
    return Traffic(
        lines=tuple(lines), allowed_bytes=int(budget.monthly_bytes * (1 - budget.event_share))
    )


def _action_of(planned: PlannedProbe) -> str:
    is_clear = planned.target.text.lower().startswith("http:")
    return "web in clear" if planned.probe == "web" and is_clear else planned.probe


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
