"""What this node sees of the network: probes, each a few explicit steps.

`PROBES` names them; each takes a target and the edges, and returns what it saw. Failures on
the network are data in the steps and never leave as exceptions; an exception is a bug. The
ladder has no target: see `ladder.LadderProbe`.

    step, classify, trim       how a step is timed, the words for its failure, what can travel
    limits                     the ceilings
    target, edges              what is measured; what a probe may touch
    certificates               what a chain is worth to the agent's own bundle
    lookup, connect, handshake, request, alive
                               single actions, each behind one step
    reach                      the steps that several probes begin with
    transfer                   one download, and how fast its bytes came
    responder                  our own server, and when a name may be said to it again
    http3, hops                QUIC handshakes; packets that go only part of the way
    services                   the endpoints of each messenger
    dns, tcp, tls, web, ladder, name_pair, rate, messengers, quic, trace
                               the probes; they do not know each other

Nothing here concludes: no verdict is made on a node.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from shyraq_agent.measure import dns, messengers, name_pair, quic, rate, tcp, tls, trace, web
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import Target, TargetKind

Probe = Callable[[Target, Edges], Awaitable[RawMeasurement]]

PROBES: Final[Mapping[str, Probe]] = MappingProxyType(
    {
        "dns": dns.measure,
        "messengers": messengers.measure,
        "name_pair": name_pair.measure,
        "quic": quic.measure,
        "rate": rate.measure,
        "tcp": tcp.measure,
        "tls": tls.measure,
        "trace": trace.measure,
        "web": web.measure,
    }
)
"""Probe by name, as it stands in a measurement's `probe`."""

PROBE_OF_KIND: Final[Mapping[TargetKind, str]] = MappingProxyType(
    {
        "url": "web",
        "endpoint": "tls",
        "listener": "tcp",
        "name": "dns",
        "quic": "quic",
        "route": "trace",
        "service": "messengers",
    }
)
"""The probe that a target gets when no other is asked for."""

KINDS_OF: Final[Mapping[str, frozenset[TargetKind]]] = MappingProxyType(
    {
        "dns": frozenset({"url", "endpoint", "listener", "name"}),
        "messengers": frozenset({"service"}),
        "name_pair": frozenset({"url", "endpoint", "name"}),
        "quic": frozenset({"quic"}),
        "rate": frozenset({"url"}),
        "tcp": frozenset({"url", "endpoint", "listener"}),
        "tls": frozenset({"url", "endpoint"}),
        "trace": frozenset({"route"}),
        "web": frozenset({"url"}),
    }
)
"""The kinds of target that a probe can measure."""

WRITING_OF: Final[Mapping[TargetKind, str]] = MappingProxyType(
    {
        "url": "a URL",
        "endpoint": "host:port",
        "listener": "tcp://host:port",
        "name": "a name",
        "quic": "quic://host:port",
        "route": "trace://host:port",
        "service": "messenger:service",
    }
)
"""How each kind is written, for sentences."""


def misuse(probe: str, kind: TargetKind) -> str | None:
    """Why a probe cannot measure a kind of target, as a sentence; None: it can."""
    if kind in KINDS_OF[probe]:
        return None
    due = " or ".join(sorted(WRITING_OF[each] for each in KINDS_OF[probe]))
    return f"{probe} is for {due}, not for {WRITING_OF[kind]}"
