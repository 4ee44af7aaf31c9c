"""Addresses at which a target was surely met: a certificate for its name was verified there.

The agent verifies against its own bundle, so whoever forges cannot vouch. Such an address stays
genuine for a day, for every node: a CDN gives each network addresses of its own, and a control
abroad may never be given the one that a node was given.

Memory: the newest `KEPT` addresses of each target. It must outlast a restart, or an old address
that has died would look like one that only a liar gives: `news` are written down by whoever runs
the judge, and given back by `learn`.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shyraq_collector.facts.asks import Met
from shyraq_collector.judge.addresses import are_neighbours
from shyraq_collector.judge.sightings import Sighting

KEPT: Final = 256
"""Addresses of one target."""

AGE_MS: Final = 24 * 3_600_000
"""How long, before and after, a verified handshake speaks for its address."""


TOLD_AGAIN_MS: Final = 3_600_000
"""An address met again is news once an hour."""

MAX_NEWS: Final = 1_000
"""Told at a time; what is beyond is news again when it is met again."""


@dataclass(slots=True)
class _Memory:
    at_ms: int
    told_ms: int | None
    """As of when it was news; None: it never was."""


class Genuine:
    """The memory of genuine addresses, by target."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._met: dict[str, OrderedDict[str, _Memory]] = {}
        self._news: dict[tuple[str, str], _Memory] = {}

    def learn(self, met: Iterable[Met]) -> None:
        """Takes back what was news in an earlier run."""
        for each in sorted(met, key=lambda each: each.at_ms):
            self._keep(each.target, each.address, each.at_ms).told_ms = each.at_ms

    def news(self) -> tuple[Met, ...]:
        """What was met since the last call, and was no news within the hour."""
        told = list(self._news.items())[:MAX_NEWS]
        self._news.clear()
        for _, memory in told:
            memory.told_ms = memory.at_ms
        return tuple(
            Met(target=target, address=address, at_ms=memory.at_ms)
            for (target, address), memory in told
        )

    def note(self, sighting: Sighting) -> None:
        """Keeps the addresses that a measurement verified."""
        for seen in sighting.walk:
            if seen.secure and seen.address:
                memory = self._keep(sighting.target, seen.address, sighting.at_ms)
                if memory.told_ms is None or memory.at_ms - memory.told_ms >= TOLD_AGAIN_MS:
                    self._news[sighting.target, seen.address] = memory

    def is_genuine(self, target: str, address: str, at_ms: int) -> bool:
        """Whether the target was met at this address, a day around the moment."""
        met = self._met.get(target)
        if met is None or address not in met:
            return False
        return abs(met[address].at_ms - at_ms) <= AGE_MS

    def is_strange(self, target: str, address: str, given: Iterable[str]) -> bool:
        """Whether an address lies near none at which the target was met, nor near those given.

        Args:
            target: The target.
            address: The address in question.
            given: What the controls' resolvers gave.
        """
        return not are_neighbours(address, {*self._met.get(target, ()), *given})

    def _keep(self, target: str, address: str, at_ms: int) -> _Memory:
        met = self._met.setdefault(target, OrderedDict())
        memory = met.pop(address, None) or _Memory(at_ms, None)
        memory.at_ms = max(memory.at_ms, at_ms)
        met[address] = memory
        if len(met) > KEPT:
            met.popitem(last=False)
        return memory
