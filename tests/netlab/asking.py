"""The controls answer what the judge wants to know, by the product's own parts.

The judge's questions are planned, signed as the collector does, opened and obeyed as a control node
does, with real probes in the control's place; what comes out is carried to the judge like any other
report. Only the broker is left out: the journey has a real one. The planner is told that
`PASSES_MS` have gone by between two rounds, because nobody waits for half an hour here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from netlab.carrying import carried
from netlab.measuring import Seen, make_edges
from netlab.stage import Stage
from shyraq_agent.app.asked import Asked, Rules
from shyraq_agent.app.obeyed import Obeyed
from shyraq_agent.clock import RealPace
from shyraq_agent.measure import PROBES
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.limits import Limits
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import parse_target
from shyraq_collector.consume.asks import Asks
from shyraq_collector.facts.asks import Errand
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.judge.asking import ADDRESS_MS, Planner
from shyraq_collector.judge.judge import Judge
from shyraq_wire.ask import MAX_ADDRESSES
from shyraq_wire.codec import pack
from shyraq_wire.report import ClockState

PASSES_MS: Final = 5 * 60_000
"""Between two rounds, for the planner."""


_PATIENCE_S: Final = 120.0


class _NoOutlet:
    """Nothing is published: what is signed is handed on."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Never called."""
        raise AssertionError(f"a message on {topic}: {len(payload)} bytes, retained {retain}")


@dataclass(slots=True)
class _AtOnce:
    """Whoever is asked has nothing else to do."""

    edges: Edges
    seen: list[RawMeasurement] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def measure_beside(
        self, host: str, run: Callable[[Edges], Awaitable[RawMeasurement]], *, by_uptime_ms: int
    ) -> str | None:
        """Now."""
        assert host
        assert by_uptime_ms > 0
        self.seen.append(await run(self.edges))
        self.done.set()
        return None


class Answering:
    """One judge's questions, and the controls that answer them."""

    def __init__(
        self, stage: Stage, judge: Judge, controls: Sequence[Placement], limits: Limits
    ) -> None:
        """Begin with nobody asked.

        Args:
            stage: The country.
            judge: Whose questions.
            controls: Their places are their names.
            limits: Of each measurement.
        """
        self._stage, self._judge, self._controls, self._limits = stage, judge, controls, limits
        self._planner, self._passed_ms = Planner(), 0
        self._key = Ed25519PrivateKey.generate()
        self._asks = Asks(key=self._key, pace=RealPace(), outlet=_NoOutlet())

    def round(self) -> Iterator[tuple[Placement, Seen]]:
        """Whatever the controls measure because they are asked now; blocks."""
        placements = {each.node: each for each in self._controls}
        for errand in self._due():
            for raw in self._obey(errand):
                arrived = carried(errand.node, raw, RealPace())
                yield placements[errand.node], Seen(arrived=arrived)
        self._passed_ms += PASSES_MS

    def _due(self) -> list[Errand]:
        questions = self._judge.questions(_now_ms())
        now_ms, errands = _now_ms() + self._passed_ms, list[Errand]()
        while due := self._planner.plan(questions, self._controls, now_ms):
            errands += due
            now_ms += MAX_ADDRESSES * ADDRESS_MS
        return errands

    def _obey(self, errand: Errand) -> list[RawMeasurement]:
        with TemporaryDirectory() as directory, self._stage.country.inside(errand.node):
            edges = make_edges(self._stage, self._limits)
            return asyncio.run(self._hear(errand, Path(directory), edges))

    async def _hear(self, errand: Errand, directory: Path, edges: Edges) -> list[RawMeasurement]:
        turns = _AtOnce(edges)
        asked = Asked(
            Rules(
                node=errand.node,
                collector_keys=[self._key.public_key().public_bytes_raw()],
                targets={errand.target: parse_target(errand.target)},
                per_hour=1,
            ),
            obeyed=Obeyed(directory, started_ms=0),
            edges=edges,
            probes=PROBES,
            read_clock=lambda: ClockState(source="ntp", error_ms=10),
            turns=turns,
            note=lambda kind, data: _not_refused(kind, str(data)),
        )
        obeying = asyncio.create_task(asked.run())
        await asked.receive(pack(self._asks.seal(errand)))
        await asyncio.wait_for(turns.done.wait(), _PATIENCE_S)
        obeying.cancel()
        await asyncio.wait((obeying,))
        return turns.seen


def _not_refused(kind: str, data: str) -> None:
    raise AssertionError(f"{kind}: {data}")


def _now_ms() -> int:
    return RealPace().now_ms()
