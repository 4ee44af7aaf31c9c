"""What one source may cost in a minute, without knowing who it is.

A source is an IPv4 address or an IPv6 /56, the share of one household. It is known by a hash only,
under a salt that lives for one minute and in memory alone; at its end salt, hashes and counts are
thrown away together. So memory is bounded, and afterwards nothing can tell who was here.
"""

import hashlib
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from shyraq_collector.clock import Stopwatch

_MINUTE_MS: Final = 60_000
_HOUSEHOLD_BYTES: Final = 7
"""Of an IPv6 address: /56."""

Source = bytes
"""A hash; means nothing after its minute."""


class Allowance:
    """Counts bytes by source."""

    def __init__(
        self,
        *,
        bytes_per_minute: int,
        sources: int,
        stopwatch: Stopwatch,
        new_salt: Callable[[], bytes],
    ) -> None:
        """Nobody has come yet.

        Args:
            bytes_per_minute: For each source.
            sources: Counted at most in one minute; further ones get nothing.
            stopwatch: When a minute is over.
            new_salt: At least 16 fresh random bytes.
        """
        self._bytes_per_minute = bytes_per_minute
        self._max_sources = sources
        self._stopwatch = stopwatch
        self._new_salt = new_salt
        self._salt = new_salt()
        self._ends_ms = stopwatch.elapsed_ms() + _MINUTE_MS
        self._taken_bytes: dict[Source, int] = {}

    def source(self, address: str) -> Source:
        """What stands for an address in this minute.

        Args:
            address: An IP address; a zone index is passed over.
        """
        self._turn()
        packed = ip_address(address.partition("%")[0]).packed
        share = packed if len(packed) == 4 else packed[:_HOUSEHOLD_BYTES]
        return hashlib.blake2b(share, key=self._salt, digest_size=16).digest()

    def take(self, source: Source, size_bytes: int) -> bool:
        """Whether a source may be sent so many more bytes; if so, they are counted."""
        self._turn()
        taken = self._taken_bytes.get(source)
        if taken is None and len(self._taken_bytes) >= self._max_sources:
            return False
        if (taken or 0) + size_bytes > self._bytes_per_minute:
            return False
        self._taken_bytes[source] = (taken or 0) + size_bytes
        return True

    @property
    def sources(self) -> int:
        """How many are counted in this minute."""
        return len(self._taken_bytes)

    def _turn(self) -> None:
        now_ms = self._stopwatch.elapsed_ms()
        if now_ms >= self._ends_ms:
            self._salt = self._new_salt()
            self._taken_bytes = {}
            self._ends_ms = now_ms + _MINUTE_MS
