"""The agent's own probes, run from a place of the country: the lab's entry point to `measure`.

Everything is the product's, from the resolver to the words of failure; only the address policy is
built here, and it admits exactly the country's prefixes. What comes out has been signed by the
agent and verified by the collector.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from typing_extensions import override

from netlab.arms import known_responder
from netlab.carrying import carried
from netlab.chats import probe_named
from netlab.geography import ADMITTED, ECHO, ECHO_PORT, NAME_SERVER, NO_RESOLVER
from netlab.sites import address_of
from netlab.stage import Stage
from shyraq_agent.clock import RealPace, RealStopwatch
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure import PROBE_OF_KIND
from shyraq_agent.measure.certificates import Trust
from shyraq_agent.measure.edges import Edges, Resolver, ThreadedResolver
from shyraq_agent.measure.ladder import LadderProbe
from shyraq_agent.measure.limits import Limits
from shyraq_agent.measure.responder import Pairing
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import Ladder, Rung, parse_target
from shyraq_collector.facts.reports import VerifiedReport
from shyraq_wire.report import Measurement

SHORT: Final = Limits(
    lookup_ms=700,
    late_answer_ms=60,
    connect_ms=700,
    handshake_ms=700,
    request_ms=700,
    quic_ms=400,
    ladder_ms=1000,
)
"""Time-outs for a country that one can cross in a millisecond."""

PATIENT: Final = Limits(
    lookup_ms=2500,
    late_answer_ms=60,
    connect_ms=4000,
    handshake_ms=6000,
    request_ms=8000,
    quic_ms=4000,
    ladder_ms=4000,
)
"""For lines that are slow or lose packets: a SYN is sent again after one second and after three."""

LADDER: Final = Ladder(
    rungs=(
        Rung(tier="resolver", host=NAME_SERVER[0], port=53, proof="dns"),
        *(
            Rung(
                tier="domestic",
                host=address_of("shop.example", family),
                port=443,
                proof="tls",
                server_name="shop.example",
            )
            for family in (4, 6)
        ),
        *(Rung(tier="abroad", host=host, port=ECHO_PORT, proof="echo") for host in ECHO),
        Rung(
            tier="abroad",
            host=address_of("neutral-b.example"),
            port=443,
            proof="tls",
            server_name="neutral-b.example",
        ),
    )
)


class ShiftedPace(RealPace):
    """The host's clocks with a wall clock that is off."""

    def __init__(self, skew_ms: int) -> None:
        """Say by how much; above zero it is ahead."""
        self._skew_ms = skew_ms

    @override
    def now_ms(self) -> int:
        """CLOCK_REALTIME, shifted."""
        return super().now_ms() + self._skew_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One measurement, as it arrived."""

    arrived: VerifiedReport

    @property
    def measurement(self) -> Measurement:
        """The one in the report."""
        assert self.arrived.report is not None
        (measurement,) = self.arrived.report.measurements
        return measurement


def measure(
    stage: Stage,
    place: str,
    target: str,
    *,
    probe: str | None = None,
    limits: Limits = SHORT,
    skew_ms: int = 0,
    may_trace_hello: bool = False,
    pairing: Pairing | None = None,
) -> Seen:
    """Measure a target from a place; blocks.

    Args:
        stage: The country.
        place: A node or a control.
        target: As configured.
        probe: None: the one for this kind of target.
        limits: Time-outs.
        skew_ms: Of the node's wall clock.
        may_trace_hello: Whether the host consented to that.
        pairing: How name pairs are tried; None: as by default.
    """
    parsed = parse_target(target)
    run = probe_named(probe or PROBE_OF_KIND[parsed.kind])
    with stage.country.inside(place):
        edges = make_edges(stage, limits, skew_ms, family=6 if "news6" in target else 4)
        edges = replace(edges, may_trace_hello=may_trace_hello, pairing=pairing or edges.pairing)
        raw = asyncio.run(_done(run(parsed, edges)))
    return Seen(arrived=carried(place, raw, edges.pace))


def climb(stage: Stage, place: str, *, limits: Limits = SHORT) -> Seen:
    """The full ladder from a place; blocks."""
    with stage.country.inside(place):
        edges = make_edges(stage, limits, 0)
        raw = asyncio.run(_done(LadderProbe(LADDER, edges).climb()))
    return Seen(arrived=carried(place, raw, edges.pace))


async def _done(running: Awaitable[RawMeasurement]) -> RawMeasurement:
    return await running


def make_edges(stage: Stage, limits: Limits, skew_ms: int = 0, *, family: int = 4) -> Edges:
    """What probes may touch in the place where the calling thread stands."""
    return Edges(
        pace=ShiftedPace(skew_ms),
        stopwatch=RealStopwatch(),
        policy=AddressPolicy(admitted=ADMITTED),
        trust=Trust.from_bundle(stage.bundle),
        rng=Random(),  # noqa: S311  # query ids of a test
        system_resolver=ThreadedResolver(),
        resolvers=(
            Resolver(role="isp", address=NAME_SERVER[0]),
            Resolver(role="silent", address=NO_RESOLVER),
        ),
        limits=limits,
        responder=known_responder(family),
        # Nothing lingers in this country, so nothing is waited for.
        pairing=Pairing(neutral_name="neutral.example", washout_ms=0, rounds=4),
    )


def endings(measurement: Measurement) -> Sequence[tuple[str, str | None]]:
    """The steps by name and failure."""
    return [(step.name, step.failure) for step in measurement.steps]
