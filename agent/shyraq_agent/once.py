"""Measure a list once, now, and show it to a person: what `shyraq-agent once` does.

`measure_once` runs each target's probe, a few at a time, and the ladder if there is one. Nothing
is signed, kept or sent. `render_table` is plain text for 80 columns: one line a measurement with
the step that ended it; `render_steps` shows every step of one measurement; `to_json` gives all
that was seen. None of the three says "blocked": a node sees steps, the collector concludes.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final, cast, get_args

from shyraq_agent.measure import PROBE_OF_KIND, PROBES
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.ladder import LadderProbe
from shyraq_agent.measure.step import RawMeasurement, RawStep
from shyraq_agent.measure.target import Ladder, Target
from shyraq_wire.failure import FAILURES
from shyraq_wire.report import Json, Tier

_AT_ONCE: Final = 4


async def measure_once(
    targets: Sequence[Target],
    edges: Edges,
    *,
    ladder: Ladder | None = None,
    probe: str | None = None,
    progress: Callable[[RawMeasurement], None] | None = None,
) -> tuple[RawMeasurement, ...]:
    """Measure each target by the probe for its kind.

    Args:
        targets: In the order of the result.
        edges: What may be touched.
        ladder: Climbed in full, first; None: not at all.
        probe: For every target; None: the one for its kind.
        progress: Called with each measurement as it finishes.

    Returns:
        One measurement a target, the ladder's before them.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def measure(target: Target) -> RawMeasurement:
        """One target, in its turn."""
        async with slots:
            done = await PROBES[probe or PROBE_OF_KIND[target.kind]](target, edges)
        if progress is not None:
            progress(done)
        return done

    measured: list[RawMeasurement] = []
    if ladder is not None:
        measured.append(await LadderProbe(ladder, edges).climb())
        if progress is not None:
            progress(measured[0])
    measured += await asyncio.gather(*(measure(target) for target in targets))
    return tuple(measured)


def render_table(measurements: Sequence[RawMeasurement]) -> str:
    """The measurements as lines of at most 80 columns."""
    lines = [_line("PROBE", "TARGET", "LAST STEP", "MS"), "-" * _COLUMNS]
    for each in measurements:
        if each.probe == "ladder":
            lines += _ladder_lines(each)
        else:
            duration = f"{each.duration_ms:.0f}"
            lines.append(_line(each.probe, each.target, _outcome(each), duration))
    return "\n".join(lines)


def render_steps(measurement: RawMeasurement) -> str:
    """Every step of one measurement with what it saw, for a person."""
    lines = [f"{measurement.probe} {measurement.target}".rstrip()]
    for step in measurement.steps:
        lines.append(f"  {step.name:<13} {step.duration_ms:8.1f} ms  {_word(step)}")
        if step.failure is not None and step.failure in FAILURES:
            lines.append(f"  {'':<24}{FAILURES[step.failure]}")
        lines += [
            f"  {'':<24}{told}" for name, value in step.data.items() for told in _tell(name, value)
        ]
    return "\n".join(lines)


def to_json(measurement: RawMeasurement) -> dict[str, Json]:
    """All that a measurement saw; step times count from its start."""
    return {
        "probe": measurement.probe,
        "target": measurement.target,
        "duration_ms": measurement.duration_ms,
        "steps": [
            {
                "name": step.name,
                "started_ms": step.started_uptime_ms - measurement.started_uptime_ms,
                "duration_ms": step.duration_ms,
                "failure": step.failure,
                "data": dict(step.data),
            }
            for step in measurement.steps
        ],
        "result": dict(measurement.result),
    }


def went_wrong(measurement: RawMeasurement) -> bool:
    """Whether it did not reach its end: no last page, no good handshake, no answer.

    A ladder has no end to reach.
    """
    if measurement.probe == "ladder":
        return False
    if measurement.probe == "web":
        return _hops(measurement) != measurement.result["requests"]
    return not measurement.result.get(_REACHED[measurement.probe])


def _hops(measurement: RawMeasurement) -> int:
    """How many URLs a web measurement came to, a redirect that was not followed included."""
    depths = [_reach(step)[0] + (step.name == "redirect") for step in measurement.steps]
    return 1 + max(depths, default=0)


def _outcome(measurement: RawMeasurement) -> str:
    """How it ended, in a few words."""
    if went_wrong(measurement):
        failed = [step for step in measurement.steps if step.failure is not None]
        ended_by = max(failed, key=_reach, default=None)
        return "nothing to try" if ended_by is None else _ending(ended_by)
    if measurement.probe == "web":
        return f"HTTP {measurement.result['last_status']}"
    return "ok"


def _ending(step: RawStep) -> str:
    word = _word(step)
    return word if word.startswith("http_") else f"{step.name}: {word}"  # it names its layer


def _reach(step: RawStep) -> tuple[int, int]:
    """How far along the measurement a step stands."""
    depth = step.data.get("depth", 0)
    return (depth if isinstance(depth, int) else 0), _PHASES.index(step.name)


def _ladder_lines(measurement: RawMeasurement) -> list[str]:
    tiers = cast("Mapping[str, Mapping[str, Mapping[str, int]]]", measurement.result["tiers"])
    lines = []
    for tier in get_args(Tier):
        counts = [
            f"{family} {count['ok']} of {count['of']}"
            for family, count in tiers.get(tier, {}).items()
        ]
        if counts:
            lines.append(_line("ladder", tier, ", ".join(counts), ""))
    return lines


def _line(probe: str, target: str, outcome: str, duration: str) -> str:
    room = _COLUMNS - _PROBE_WIDTH - _TARGET_WIDTH - _DURATION_WIDTH - 3
    cut = target if len(target) <= _TARGET_WIDTH else target[: _TARGET_WIDTH - 1] + "…"
    return (
        f"{probe:<{_PROBE_WIDTH}} {cut:<{_TARGET_WIDTH}} "
        f"{outcome[:room]:<{room}} {duration:>{_DURATION_WIDTH}}"
    ).rstrip()


def _word(step: RawStep) -> str:
    return "ok" if step.failure is None else step.failure


def _tell(name: str, value: Json) -> Iterator[str]:
    """A field, in lines that fit; each hop of a route and each object of a list on its own."""
    members = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if name != "hops" or not members:
        if members and all(isinstance(member, Mapping) for member in members):
            yield f"{name}:"
            for member in cast("Sequence[Mapping[str, Json]]", members):
                for number, (key, each) in enumerate(member.items()):
                    yield from _wrapped(f"{'  ' if number else '- '}{key}: {_short(each)}")
        else:
            yield from _wrapped(f"{name}: {_short(value)}")
        return
    for hop in cast("Sequence[Sequence[Json]]", value):
        ttl, who, answer, took_ms = hop
        yield f"{ttl:>4}  {who or '*':<40}{answer}" + (f", {took_ms} ms" if took_ms else "")


def _wrapped(text: str) -> list[str]:
    return wrap(text, _TOLD_WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=list)
    if not text.isprintable():  # a page's title must not steer the terminal
        text = json.dumps(value, default=list)
    return text if len(text) <= _VALUE_WIDTH else text[: _VALUE_WIDTH - 1] + "…"


_REACHED: Final[Mapping[str, str]] = {
    "dns": "answered",
    "messengers": "reached",
    "name_pair": "answered",
    "quic": "answered",
    "rate": "answered",
    "tcp": "connected",
    "tls": "verified",
    "trace": "traced",
}
"""What in a probe's result counts its good ends."""

_PHASES: Final = (
    "lookup",
    "connect",
    "hello",
    "handshake",
    "verify",
    "quic",
    "udp_path",
    "tcp_path",
    "hello_neutral",
    "hello_target",
    "transfer",
    "request",
    "redirect",
)
_COLUMNS: Final = 79
_PROBE_WIDTH: Final = 6
_TARGET_WIDTH: Final = 27
_DURATION_WIDTH: Final = 6
_VALUE_WIDTH: Final = 200
_TOLD_WIDTH: Final = _COLUMNS - 26
"""Of a field, right of a step's name and time."""
