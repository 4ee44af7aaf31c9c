"""Addresses at which a target was surely met: a certificate for its name was verified there.

The agent verifies against its own bundle, so whoever forges cannot vouch. Such an address stays
genuine for a day, for every node: a CDN gives each network addresses of its own, and a control
abroad may never be given the one that a node was given.

Memory: the newest `KEPT` addresses of each target.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from shyraq_collector.judge.addresses import are_neighbours
from shyraq_collector.judge.sightings import Sighting

KEPT: Final = 256
"""Addresses of one target."""

AGE_MS: Final = 24 * 3_600_000
"""How long, before and after, a verified handshake speaks for its address."""


class Genuine:
    """The memory of genuine addresses, by target."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._met: dict[str, OrderedDict[str, int]] = {}

    def note(self, sighting: Sighting) -> None:
        """Keeps the addresses that a measurement verified."""
        for seen in sighting.walk:
            if seen.secure and seen.address:
                met = self._met.setdefault(sighting.target, OrderedDict())
                met[seen.address] = max(sighting.at_ms, met.pop(seen.address, 0))
                if len(met) > KEPT:
                    met.popitem(last=False)

    def is_genuine(self, target: str, address: str, at_ms: int) -> bool:
        """Whether the target was met at this address, a day around the moment."""
        met = self._met.get(target)
        if met is None or address not in met:
            return False
        return abs(met[address] - at_ms) <= AGE_MS

    def is_strange(self, target: str, address: str, given: Iterable[str]) -> bool:
        """Whether an address lies near none at which the target was met, nor near those given.

        Args:
            target: The target.
            address: The address in question.
            given: What the controls' resolvers gave.
        """
        return not are_neighbours(address, {*self._met.get(target, ()), *given})
