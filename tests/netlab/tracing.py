"""Traces in the test country: the routers on the way, and the hop that answers for a censor.

A node's way to a site abroad is its provider, the gateway, the site. The provider is its first
router, so it stands as "private"; what the provider does to a ClientHello shows one distance
further, where a neutral name is still answered by the gateway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from netlab.geography import nodes_of, number_of
from netlab.measuring import SHORT, measure
from netlab.mechanisms import NotProved, Scene, working
from netlab.rows import MECHANISMS
from netlab.stage import Stage
from shyraq_wire.report import Measurement

TARGET: Final = "trace://news.example:443"
_LIMITS: Final = replace(SHORT, hop_ms=700)

Counts = Mapping[str, int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What a trace must find, over either family."""

    mechanism: str | None
    consents: bool
    """Whether ClientHellos may go part of the way."""
    ends: Mapping[str, tuple[int | None, int | None, str | None]]
    """By path: the last router, the end, and the answer."""


_END: Final = (2, 3, "end")
TRACES: Final = (
    Traced(mechanism=None, consents=False, ends={"udp_path": _END, "tcp_path": _END}),
    Traced(
        mechanism="sni-reset",
        consents=True,
        ends={
            "udp_path": _END,
            "tcp_path": _END,
            "hello_neutral": (2, 3, "data"),
            "hello_target": (1, 2, "reset"),
        },
    ),
    Traced(
        mechanism="sni-drop",
        consents=True,
        ends={
            "udp_path": _END,
            "tcp_path": _END,
            "hello_neutral": (2, 3, "data"),
            "hello_target": (1, None, None),
        },
    ),
)


def run_traces(stage: Stage, isp: str = "isp1") -> list[dict[str, str]]:
    """Each trace's mechanism, and what is wrong with it; nothing: an empty text."""
    return [
        {"trace": each.mechanism or "nothing", "problem": _problem(stage, isp, each)}
        for each in TRACES
    ]


def _problem(stage: Stage, isp: str, expected: Traced) -> str:
    node = nodes_of(isp)[1]
    try:
        if expected.mechanism is None:
            seen = _trace(stage, node.name, expected)
        else:
            scene = Scene(stage=stage, isp=isp, name="news.example")
            with working(MECHANISMS[expected.mechanism], scene):
                seen = _trace(stage, node.name, expected)
    except NotProved as error:
        return str(error)
    paths = cast("Mapping[str, Mapping[str, Counts]]", seen.result["paths"])
    if set(paths) != {"ipv4", "ipv6"}:
        return f"families {sorted(paths)}"
    found = {
        f"{family} {path}": (counts["last_router"], counts["end"], counts["answer"])
        for family, each in paths.items()
        for path, counts in each.items()
    }
    due = {f"{family} {path}": end for family in paths for path, end in expected.ends.items()}
    if found != due:
        return f"found {found}, not {due}"
    return _leak(seen, node.addresses) or _routers(seen, isp)


def _trace(stage: Stage, place: str, expected: Traced) -> Measurement:
    return measure(
        stage, place, TARGET, limits=_LIMITS, may_trace_hello=expected.consents
    ).measurement


def _leak(seen: Measurement, own: Sequence[str]) -> str:
    """The node's own network must not be in what it reports."""
    told = str([step.data for step in seen.steps])
    prefixes = (own[0].rpartition(".")[0] + ".", own[1].rpartition("::")[0])
    return "".join(f"{prefix} is told" for prefix in prefixes if prefix in told)


def _routers(seen: Measurement, isp: str) -> str:
    """The second router of each path is the gateway, by its own address."""
    n = number_of(isp)
    due = {f"198.19.{n}.1", f"2001:db8:2{n}::1"}
    for step in seen.steps:
        if step.name in ("udp_path", "tcp_path"):
            hops = cast("Sequence[Sequence[Any]]", step.data["hops"])
            if [hop[1] for hop in hops[:2]] not in [["private", each] for each in due]:
                return f"{step.name}: {hops}"
    return ""
