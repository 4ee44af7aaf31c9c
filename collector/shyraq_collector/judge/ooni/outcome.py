"""OONI's two words for a measurement, as the conclusions of rules (ts-017, Semantics)."""

from dataclasses import dataclass
from typing import Final

from shyraq_collector.facts.verdicts import Blocking


@dataclass(frozen=True, slots=True)
class Outcome:
    """A value of `blocking` with the value of `accessible` that goes with it."""

    blocking: Blocking
    accessible: bool | None


ACCESSIBLE: Final = Outcome(blocking=False, accessible=True)
DOWN: Final = Outcome(blocking=False, accessible=False)
"""The control fails too."""
UNKNOWN: Final = Outcome(blocking=None, accessible=None)
DNS: Final = Outcome(blocking="dns", accessible=False)
TCP_IP: Final = Outcome(blocking="tcp_ip", accessible=False)
HTTP_FAILURE: Final = Outcome(blocking="http-failure", accessible=False)
HTTP_DIFF: Final = Outcome(blocking="http-diff", accessible=False)
