"""The registry as the running collector sees it.

Commands beside the running collector change the registry in their own process; every few seconds
its revision is looked at, and keys and placements are read again when it has moved, or when what
was said for later comes true. So a revoked node stops being trusted within `RENEW_MS`, without a
restart. A node whose last key was revoked has left: its silence is announced; it stands nowhere.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from shyraq_collector.clock import Pace
from shyraq_collector.facts.fleet import Placement
from shyraq_collector.registry import Registry
from shyraq_collector.verify import KeyRing
from shyraq_wire.topics import NodeId

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
        now_ms = self._pace.now_ms()
        self._due_ms = self._registry.next_change_ms(now_ms)
        self.keys: KeyRing = self._registry.key_ring()
        self.placements = {
            placement.node: placement
            for placement in self._registry.placements(now_ms)
            if any(
                key.revoked_ms is None or now_ms < key.revoked_ms
                for key in self.keys.get(NodeId(placement.node), ())
            )
        }

    def placement(self, node: str) -> Placement | None:
        """Where a node stands now; None: it is not placed."""
        return self.placements.get(node)

    async def run(
        self, on_placed: Callable[[Placement], None], on_gone: Callable[[str], None]
    ) -> None:
        """Renew until cancelled.

        Args:
            on_placed: Called for each node that is new or has moved.
            on_gone: Called for each node that stands nowhere any more.
        """
        while True:
            await self._pace.sleep_ms(RENEW_MS)
            before = self.placements
            if not await asyncio.to_thread(self._renew):
                continue
            for node, placement in self.placements.items():
                if before.get(node) != placement:
                    on_placed(placement)
            for node in before.keys() - self.placements.keys():
                on_gone(node)

    def _renew(self) -> bool:
        revision = self._registry.revision()
        is_due = self._due_ms is not None and self._pace.now_ms() >= self._due_ms
        if revision == self._revision and not is_due:
            return False
        self._read()
        self._revision = revision
        return True
