"""The month's account of a running node: counted by the meter, judged by `budget`, remembered.

Each beat looks once (`look`): has a new month begun, at which level does the node measure, is an
event window open, what must be said. What is to be remembered goes into the same commit as the
pulse (`remember`), so a power cut costs at most the count of one heartbeat.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, cast, get_args

from shyraq_agent.budget import Account, Level, Standing, Terms, further, stand, turn_month
from shyraq_agent.meter import Meter, Tally
from shyraq_wire.report import Json

FACT: Final = "month"
"""Under this name the spool remembers the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a beat finds."""

    level: Level
    is_window: bool
    reached: Mapping[str, Json] | None
    """For the event `budget_reached`; None: nothing new."""


class Spending:
    """One node's account."""

    def __init__(
        self,
        terms: Terms,
        *,
        remembered: str | None,
        known_ms: Callable[[], int],
        is_trusted: Callable[[], bool],
    ) -> None:
        """Go on where the spool's memory ends.

        Args:
            terms: What was agreed with the host.
            remembered: What `remember` gave last; None: nothing yet.
            known_ms: The latest wall-clock moment known to have passed; 0: none.
            is_trusted: Whether the wall clock is vouched for now.
        """
        self._terms = terms
        self._known_ms = known_ms
        self._is_trusted = is_trusted
        self._account = _read(remembered)
        self._meter = Meter(self._account.counts)
        self._before: Mapping[str, int] = {}
        """Of the meter, when the month began."""

    def tally(self, kind: str) -> Tally:
        """Where traffic of a kind counts."""
        return self._meter.tally(kind)

    def look(self) -> Look:
        """How the month stands now."""
        standing = self._bring_up_to_date()
        reached: dict[str, Json] | None = None
        if further(standing.level, self._account.told):
            self._account = replace(self._account, told=standing.level)
            reached = {
                "level": standing.level,
                "month": self._account.month,
                "used_bytes": self._account.used_bytes,
                "monthly_bytes": self._terms.monthly_bytes,
            }
        return Look(level=standing.level, is_window=standing.is_window, reached=reached)

    def remember(self) -> str:
        """The account as of now, for the next commit."""
        self._bring_up_to_date()
        return json.dumps(asdict(self._account), separators=(",", ":"))

    def tell(self) -> Mapping[str, Json]:
        """For `status`."""
        standing = self._bring_up_to_date()
        return {
            "month": self._account.month,
            "used_bytes": self._account.used_bytes,
            "monthly_bytes": self._terms.monthly_bytes,
            "level": standing.level,
            "event_window": standing.is_window,
            "measured_bytes": standing.measured_bytes,
            "allowance_bytes": standing.allowance_bytes,
            "by_kind": dict(sorted(self._account.counts.items())),
        }

    def _bring_up_to_date(self) -> Standing:
        """Count until now, turn the month, and see how it stands."""
        known_ms, was = self._known_ms(), self._account
        counts = {
            kind: count - self._before.get(kind, 0) for kind, count in self._meter.counts().items()
        }
        now = replace(was, counts=counts)
        standing = stand(now, self._terms, known_ms)
        if standing.is_window:
            spent = _measured(now) - _measured(was)
            now = replace(now, window_bytes=now.window_bytes + max(0, spent))
        turned = turn_month(now, known_ms, is_trusted=self._is_trusted())
        if turned.counts is not now.counts:
            self._before = self._meter.counts()
            standing = stand(turned, self._terms, known_ms)
        self._account = turned
        return standing


def _measured(account: Account) -> int:
    return account.used_bytes - account.beat_bytes


def _read(remembered: str | None) -> Account:
    """What was remembered; an empty account where that cannot be read."""
    try:
        found: Any = json.loads(remembered or "")
        return Account(
            month=str(found["month"]),
            counts={str(kind): int(count) for kind, count in found["counts"].items()},
            window_bytes=int(found["window_bytes"]),
            told=cast("Level", found["told"]) if found["told"] in get_args(Level) else "full",
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Account(counts={})
