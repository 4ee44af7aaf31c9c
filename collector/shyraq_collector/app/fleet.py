"""The registry as the running collector sees it.

Commands beside the running collector change the registry in their own process; every few seconds
its revision is looked at, and keys and placements are read again when it has moved. So a revoked
node stops being trusted within `RENEW_MS`, without a restart.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from shyraq_collector.clock import Pace
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.registry import Registry
from shyraq_collector.verify import KeyRing

RENEW_MS: Final = 5_000
"""Distance of two looks at the registry, on the pace."""


class Fleet:
    """Keys and placements now."""

    def __init__(self, registry: Registry, pace: Pace) -> None:
        """Read the registry for the first time.

        Args:
            registry: On a reader's connection.
            pace: When to look again, and at which moment a placement must hold.
        """
        self._registry = registry
        self._pace = pace
        self._revision = registry.revision()
        self._read()

    def _read(self) -> None:
        self.keys: KeyRing = self._registry.key_ring()
        self.placements = {
            placement.node: placement
            for placement in self._registry.placements(self._pace.now_ms())
        }

    def placement(self, node: str) -> Placement | None:
        """Where a node stands now; None: it is not placed."""
        return self.placements.get(node)

    async def run(self, on_placed: Callable[[Placement], None]) -> None:
        """Renew until cancelled.

        Args:
            on_placed: Called for each node that is new or has moved.
        """
        while True:
            await self._pace.sleep_ms(RENEW_MS)
            before = self.placements
            if not await asyncio.to_thread(self._renew):
                continue
            for node, placement in self.placements.items():
                if before.get(node) != placement:
                    on_placed(placement)

    def _renew(self) -> bool:
        revision = self._registry.revision()
        if revision == self._revision:
            return False
        self._read()
        self._revision = revision
        return True
