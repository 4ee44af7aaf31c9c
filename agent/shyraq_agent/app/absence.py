"""The host's own pause: for an hour, a day, or until the host says otherwise.

It lasts through restarts. Within one boot its end is a moment of the boot clock; after another boot
it is one of the wall clock, and where that stands before the pause began, or says that more is
left than was asked for, the whole time begins anew: a Pi without a clock chip must not measure
sooner than its host allowed, nor later than the pause once more.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from shyraq_agent.clock import Pace
from shyraq_wire.report import Json

FACT: Final = "pause"
"""Under this name the spool remembers the pause."""

LONGEST_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """What the host has asked for, and when."""

    for_s: int | None
    """None: until resumed."""
    began_ms: int
    """Wall clock."""
    began_uptime_ms: int
    boot_id: str


class Absence:
    """Whether the host wants this node to be away."""

    def __init__(self, *, remembered: str | None, pace: Pace, boot_id: str) -> None:
        """Go on with a pause that began before this program.

        Args:
            remembered: What `remember` gave last; None: nothing yet.
            pace: Both clocks.
            boot_id: The kernel's id of this boot.
        """
        self._pace = pace
        self._boot_id = boot_id
        self._pause = _read(remembered)
        self.changed = asyncio.Event()
        """Set by each command of the host; cleared by whoever heeds it."""

    @property
    def is_asked(self) -> bool:
        """Whether the last thing the host said was to pause, be it over or not."""
        return self._pause is not None

    @property
    def is_away(self) -> bool:
        """Whether the node is to be away now."""
        left_ms = self.left_ms()
        return self._pause is not None and (left_ms is None or left_ms > 0)

    def left_ms(self) -> float | None:
        """How long it goes on; None: until resumed; 0: there is no pause, or it is over."""
        pause = self._pause
        if pause is None:
            return 0.0
        if pause.for_s is None:
            return None
        whole_ms = pause.for_s * 1000
        if pause.boot_id == self._boot_id:
            return max(0, pause.began_uptime_ms + whole_ms - self._pace.uptime_ms())
        left_ms = pause.began_ms + whole_ms - self._pace.now_ms()
        if left_ms > whole_ms:
            self._begin(pause.for_s)
            return whole_ms
        return max(0, left_ms)

    def pause(self, for_s: int | None) -> None:
        """The host wants to be left alone.

        Args:
            for_s: Seconds; None: until `resume`.
        """
        self._begin(for_s)
        self.changed.set()

    def resume(self) -> None:
        """The host lets the node go on; also called when the time is over."""
        self._pause = None
        self.changed.set()

    def said(self) -> Mapping[str, Json]:
        """For the event `paused`."""
        return {"for_s": None if self._pause is None else self._pause.for_s}

    def tell(self) -> Mapping[str, Json] | None:
        """For `status`; None: no pause."""
        left_ms = self.left_ms()
        if not self.is_away:
            return None
        return {"left_s": None if left_ms is None else round(left_ms / 1000), **self.said()}

    def remember(self) -> str:
        """The pause as of now, for the next commit."""
        return "" if self._pause is None else json.dumps(asdict(self._pause))

    def _begin(self, for_s: int | None) -> None:
        self._pause = Pause(
            for_s=for_s,
            began_ms=self._pace.now_ms(),
            began_uptime_ms=self._pace.uptime_ms(),
            boot_id=self._boot_id,
        )


def _read(remembered: str | None) -> Pause | None:
    """What was remembered; None where that cannot be read."""
    try:
        found: Any = json.loads(remembered or "")
        return Pause(
            for_s=None if found["for_s"] is None else int(found["for_s"]),
            began_ms=int(found["began_ms"]),
            began_uptime_ms=int(found["began_uptime_ms"]),
            boot_id=str(found["boot_id"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
