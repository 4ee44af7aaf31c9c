"""How much one node may send: messages a second, and bytes stored a day.

The rate is a token bucket per registered node, on the stopwatch, charged before the signature is
checked, so that a flood costs next to nothing. It is generous: after a blackout days of spool must
drain in minutes, and the in-flight window of an honest agent stays far below it. The quota counts
bytes that were well signed, per day of the pace's clock; it guards the disk.

Both refusals pass: nothing is told in a receipt, the node keeps its frames and sends again.
Unregistered names have no bucket: they are refused before any work, and hold no memory here.
"""

from dataclasses import dataclass
from typing import Final

from shyraq_collector.clock import Stopwatch
from shyraq_wire.topics import NodeId

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one node may send."""

    messages_per_s: float = 300.0
    """Refill of the bucket; an agent drains at 16 messages a round trip."""
    burst_messages: int = 3_000
    """Size of the bucket."""
    stored_bytes_per_day: int = 1024**3
    """Well-signed bytes a day; two weeks of ordinary spool."""


@dataclass(slots=True)
class _Account:
    tokens: float
    filled_at_ms: float
    day: int = 0
    stored_bytes: int = 0


class Rates:
    """The accounts of all nodes that have sent since the start."""

    def __init__(self, limits: Limits, stopwatch: Stopwatch) -> None:
        """Begin with full buckets.

        Args:
            limits: For every node alike.
            stopwatch: Real time, whatever the pace.
        """
        self._limits = limits
        self._stopwatch = stopwatch
        self._accounts: dict[NodeId, _Account] = {}

    def admits(self, node: NodeId) -> bool:
        """Whether one more message of this node may be looked at now; charges for it."""
        account = self._account(node)
        now_ms = self._stopwatch.elapsed_ms()
        refill = (now_ms - account.filled_at_ms) / 1000 * self._limits.messages_per_s
        account.tokens = min(self._limits.burst_messages, account.tokens + refill)
        account.filled_at_ms = now_ms
        if account.tokens < 1:
            return False
        account.tokens -= 1
        return True

    def admits_bytes(self, node: NodeId, size_bytes: int, received_ms: int) -> bool:
        """Whether this much more of this node may be stored today; charges for it."""
        account = self._account(node)
        day = received_ms // _DAY_MS
        if account.day != day:
            account.day, account.stored_bytes = day, 0
        if account.stored_bytes + size_bytes > self._limits.stored_bytes_per_day:
            return False
        account.stored_bytes += size_bytes
        return True

    def _account(self, node: NodeId) -> _Account:
        account = self._accounts.get(node)
        if account is None:
            account = self._accounts[node] = _Account(
                tokens=self._limits.burst_messages, filled_at_ms=self._stopwatch.elapsed_ms()
            )
        return account
