"""Who may come in: open connections in all, open ones of one source, and bytes in a minute."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from shyraq_collector.responder.allowance import Allowance, Source
from shyraq_collector.responder.plan import Ceilings


class Doors:
    """Counts what is open; asks the allowance for the rest."""

    def __init__(self, ceilings: Ceilings, allowance: Allowance) -> None:
        """Nothing is open.

        Args:
            ceilings: What may be open.
            allowance: What may be sent.
        """
        self._ceilings = ceilings
        self._allowance = allowance
        self._open = Counter[Source]()
        self._all_open = 0

    def source(self, address: str) -> Source:
        """What stands for an address in this minute."""
        return self._allowance.source(address)

    def take(self, source: Source, size_bytes: int) -> bool:
        """Whether a source may be sent so many more bytes; if so, they are counted."""
        return self._allowance.take(source, size_bytes)

    def has_room(self, source: Source) -> bool:
        """Whether one more connection of a source may be open."""
        return (
            self._all_open < self._ceilings.connections
            and self._open[source] < self._ceilings.connections_per_source
        )

    @contextmanager
    def connection(self, source: Source) -> Iterator[None]:
        """One connection is open for the time of the context."""
        self._open[source] += 1
        self._all_open += 1
        try:
            yield
        finally:
            self._all_open -= 1
            self._open[source] -= 1
            if not self._open[source]:
                del self._open[source]

    @property
    def open_connections(self) -> int:
        """How many are open now."""
        return self._all_open
