"""The ground truth: what was done to whom, and when; every score is taken against it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One mechanism at work."""

    mechanism: str
    target: str
    """The provider, and the name or address where it is aimed at one."""
    start_ms: int
    """When it had been applied, milliseconds since 1970; its canary sang after that."""
    end_ms: int
    """When it was about to be undone."""


class Truth:
    """The log; threads may write at once."""

    def __init__(self) -> None:
        """Nothing was done yet."""
        self._deeds: list[Deed] = []
        self._lock = threading.Lock()

    @contextmanager
    def doing(self, mechanism: str, target: str, *, start_ms: int) -> Iterator[None]:
        """Log what holds until the end of the context.

        Args:
            mechanism: Its id.
            target: Whom it meets.
            start_ms: Since when it holds.
        """
        try:
            yield
        finally:
            deed = Deed(mechanism=mechanism, target=target, start_ms=start_ms, end_ms=now_ms())
            with self._lock:
                self._deeds.append(deed)

    @property
    def deeds(self) -> list[Deed]:
        """In order of their end."""
        return list(self._deeds)

    def write(self, path: Path) -> None:
        """One JSON object a line."""
        path.write_text("".join(f"{json.dumps(asdict(each))}\n" for each in self._deeds))


def now_ms() -> int:
    """The host's wall clock, milliseconds since 1970."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000_000
