"""Which addresses the controls should try: those at which a sensor failed lately.

    1. A sensor's measurement that failed puts the addresses of the target's own name, at which its
       connect or handshake failed, in question; for DNS and HTTP the address does not matter, and
       a redirect's name is not the target's.
    2. A control's measurement says when its network tried which address, and whether it was asked.
    3. A question is forgotten `LIFE_CADENCES` after the last failure.

A domestic target is judged by its neighbours, who are not asked; and an address of a messenger's
says not which of its endpoints is meant. Memory is bounded: per target, and
per sensor in a target, so that one node that invents addresses cannot push out those of others.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from shyraq_collector.facts.asks import Question, Tried
from shyraq_collector.judge.addresses import is_address
from shyraq_collector.judge.policy import Policy
from shyraq_collector.judge.sightings import OF_ADDRESS, Sighting

LIFE_CADENCES: Final = 3
"""So long is an address asked about after nobody fails at it any more."""

MAX_TARGETS: Final = 1_024
MAX_QUESTIONS: Final = 16
"""Addresses of one target in question at once."""

MAX_OF_ONE_NODE: Final = 4
"""And of those put there by one sensor: what one measurement tries."""

MAX_TRIED: Final = 256
"""Addresses of one target whose tries are remembered."""


@dataclass(slots=True)
class _Failed:
    at_ms: int
    by: str


@dataclass(slots=True)
class _Memory:
    failed: OrderedDict[str, _Failed] = field(default_factory=OrderedDict)
    """By address, the longest unheard first."""
    tried: OrderedDict[str, dict[str, Tried]] = field(default_factory=OrderedDict)
    """By address and control network."""


class Wanted:
    """The memory of failures and tries, by target."""

    def __init__(self, policy: Policy) -> None:
        """Start with nothing.

        Args:
            policy: Cadences, and which targets are domestic.
        """
        self._policy = policy
        self._targets: OrderedDict[str, _Memory] = OrderedDict()

    def note_failure(self, sighting: Sighting, node: str) -> None:
        """Puts the addresses in question at which a sensor's measurement failed.

        Args:
            sighting: What it saw.
            node: Who.
        """
        if sighting.succeeded or self._policy.of(sighting.target).domestic or sighting.any_of:
            return
        for seen in sighting.walk:
            failed = seen.failure is not None and seen.tried in OF_ADDRESS
            if failed and not seen.depth and is_address(seen.address or ""):
                failures = self._of(sighting.target).failed
                earlier = failures.pop(seen.address or "", None)
                at_ms = max(sighting.at_ms, earlier.at_ms if earlier else 0)
                failures[seen.address or ""] = _Failed(at_ms, node)
                _bound(failures, node)

    def note_try(self, sighting: Sighting, network: str) -> None:
        """Keeps which addresses a control tried, whatever came of it.

        Args:
            sighting: What it saw.
            network: Where the control stands.
        """
        for seen in sighting.walk:
            if seen.tried == "dns" or seen.depth or not seen.address:
                continue
            tried = self._of(sighting.target).tried
            by_network = tried.pop(seen.address, {})
            earlier = by_network.get(network)
            own_ms = earlier.own_ms if earlier else None
            if not sighting.asked:
                own_ms = max(sighting.at_ms, own_ms or 0)
            last_ms = max(sighting.at_ms, earlier.last_ms if earlier else 0)
            by_network[network] = Tried(last_ms=last_ms, own_ms=own_ms)
            tried[seen.address] = by_network
            if len(tried) > MAX_TRIED:
                tried.popitem(last=False)

    def questions(self, now_ms: int) -> tuple[Question, ...]:
        """Every address in question, the newest failure first.

        Args:
            now_ms: Milliseconds since 1970 UTC; what has had its time is forgotten.
        """
        found: list[Question] = []
        for target, memory in self._targets.items():
            cadence_ms = self._policy.of(target).cadence_ms
            for address, failed in list(memory.failed.items()):
                if now_ms - failed.at_ms > LIFE_CADENCES * cadence_ms:
                    del memory.failed[address]
                    continue
                found.append(
                    Question(
                        target=target,
                        address=address,
                        cadence_ms=cadence_ms,
                        failed_ms=failed.at_ms,
                        tries=dict(memory.tried.get(address, {})),
                    )
                )
        return tuple(sorted(found, key=lambda each: (-each.failed_ms, each.target, each.address)))

    def _of(self, target: str) -> _Memory:
        memory = self._targets.pop(target, None) or _Memory()
        self._targets[target] = memory
        if len(self._targets) > MAX_TARGETS:
            self._targets.popitem(last=False)
        return memory


def _bound(failures: OrderedDict[str, _Failed], node: str) -> None:
    own = [address for address, failed in failures.items() if failed.by == node]
    for address in own[:-MAX_OF_ONE_NODE]:
        del failures[address]
    while len(failures) > MAX_QUESTIONS:
        failures.popitem(last=False)
