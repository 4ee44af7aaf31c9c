"""Who is asked to try which addresses, and when: questions in, errands out; pure but for memory.

"Blocked" needs a control that got through before and after at the very address, within the target's
cadence; "a lie of DNS" needs controls that failed there afterwards. So a control network should try
an address in question

    at once       if it never has
    before        again, when `BEFORE` of a cadence has passed since it last did: the next failure
                  must find a try within a cadence before it
    after         again, when a sensor has failed there since; a network that tries the address by
                  its own schedule is first given half a cadence to do so

At most `MAX_NETWORKS` networks are asked about one address, two where there are two. Ceilings: one
errand a target at a time, and a second for each of its addresses before the next, so that all asks
together stay below one request a second on any one target; one network not again about one
address within a minute or a sixth of the cadence; `MAX_ASKS_PER_HOUR` to one node.

Which control of a network is asked: the one that has left the fewest asks unanswered in a row,
then the one whom the target's name falls to; networks that do not answer come last. The memory of
what was asked is not kept over a restart: at worst an address is asked about once too often, and a
node refuses what is too much.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shyraq_collector.facts.asks import Errand, Question
from shyraq_collector.facts.fleet import Placement
from shyraq_wire.ask import MAX_ADDRESSES, MAX_ASKS_PER_HOUR
from shyraq_wire.topics import NodeId

MAX_NETWORKS: Final = 3
"""Asked about one address; two are enough, the third is for a control that is ill."""

BEFORE: Final = 0.8
"""Of a cadence: later, the next failure might find no try before it."""

ANSWER_MS: Final = 5 * 60_000
"""An ask without an answer for so long is unanswered: its own validity, and a report's way."""

ADDRESS_MS: Final = 1_000
"""Between two requests on one target, over all asks."""

MIN_GAP_MS: Final = 60_000
"""Between two asks of one network about one address; no node may try a target oftener."""

_GIVEN_UP: Final = 3
"""Asks in a row without an answer from any control of a network: others go first."""

_HOUR_MS: Final = 3_600_000
_OWN_CADENCES: Final = 1.5
"""A network whose own schedule tried an address so lately will try it again by itself."""


def network_of(placement: Placement) -> str:
    """The network a control speaks for; its own name where that is not known."""
    return placement.isp or placement.node


@dataclass(slots=True)
class _Asked:
    node: str
    at_ms: int
    tried_ms: int | None
    """When its network had last tried the address then."""
    is_open: bool = True


class Planner:
    """Plans errands, and remembers them."""

    def __init__(self) -> None:
        """Begin with nobody asked."""
        self._asked: dict[tuple[str, str, str], _Asked] = {}
        """By target, address and network."""
        self._free_ms: dict[str, int] = {}
        """By target: before this nothing more is asked about it."""
        self._asks: dict[str, deque[int]] = {}
        """By node: when it was asked, within the last hour."""
        self._unanswered: dict[str, int] = {}
        """By node: asks in a row that were not answered."""

    @property
    def unanswered(self) -> Mapping[str, int]:
        """Asks in a row that each node has left unanswered; those that answer are absent."""
        return {node: number for node, number in self._unanswered.items() if number}

    def plan(
        self, questions: Sequence[Question], controls: Iterable[Placement], now_ms: int
    ) -> list[Errand]:
        """The errands that are due; whoever calls sends them now.

        Args:
            questions: Every address in question, the most pressing first.
            controls: Placements of the fleet; only those with the role `control` are asked.
            now_ms: Milliseconds since 1970 UTC.
        """
        self._take_answers(questions, now_ms)
        networks: dict[str, list[Placement]] = {}
        for each in controls:
            if each.role == "control":
                networks.setdefault(network_of(each), []).append(each)
        errands: list[Errand] = []
        for target in dict.fromkeys(question.target for question in questions):
            if self._free_ms.get(target, 0) <= now_ms:
                own = [question for question in questions if question.target == target]
                errand = self._errand(own, networks, now_ms)
                if errand is not None:
                    errands.append(errand)
        return errands

    def _errand(
        self,
        questions: Sequence[Question],
        networks: Mapping[str, Sequence[Placement]],
        now_ms: int,
    ) -> Errand | None:
        target = questions[0].target
        for network in self._chosen(target, networks):
            due = [each for each in questions if self._is_due(each, network, now_ms)]
            node = self._whom(networks[network], target, now_ms)
            if due and node is not None:
                chosen = due[:MAX_ADDRESSES]
                self._note(chosen, network, node, now_ms)
                return Errand(
                    node=NodeId(node),
                    target=target,
                    addresses=tuple(each.address for each in chosen),
                )
        return None

    def _chosen(self, target: str, networks: Mapping[str, Sequence[Placement]]) -> list[str]:
        def rank(network: str) -> tuple[bool, str]:
            left = min(self._unanswered.get(each.node, 0) for each in networks[network])
            return left >= _GIVEN_UP, _share(target, network)

        return sorted(networks, key=rank)[:MAX_NETWORKS]

    def _is_due(self, question: Question, network: str, now_ms: int) -> bool:
        asked = self._asked.get((question.target, question.address, network))
        gap_ms = max(MIN_GAP_MS, question.cadence_ms // 6)
        if asked is not None and now_ms - asked.at_ms < gap_ms:
            return False
        tried, cadence_ms = question.tries.get(network), question.cadence_ms
        if tried is None:
            return True
        is_own = tried.own_ms is not None and now_ms - tried.own_ms < _OWN_CADENCES * cadence_ms
        if tried.last_ms < question.failed_ms:
            return now_ms - question.failed_ms >= (cadence_ms // 2 if is_own else 0)
        return not is_own and now_ms - tried.last_ms >= BEFORE * cadence_ms

    def _whom(self, controls: Sequence[Placement], target: str, now_ms: int) -> str | None:
        able = [each.node for each in controls if self._asks_within_the_hour(each.node, now_ms)]
        return min(
            able,
            key=lambda node: (self._unanswered.get(node, 0), _share(target, node)),
            default=None,
        )

    def _asks_within_the_hour(self, node: str, now_ms: int) -> bool:
        asks = self._asks.setdefault(node, deque())
        while asks and now_ms - asks[0] >= _HOUR_MS:
            asks.popleft()
        return len(asks) < MAX_ASKS_PER_HOUR

    def _note(self, chosen: Sequence[Question], network: str, node: str, now_ms: int) -> None:
        for each in chosen:
            tried = each.tries.get(network)
            self._asked[each.target, each.address, network] = _Asked(
                node=node, at_ms=now_ms, tried_ms=None if tried is None else tried.last_ms
            )
        self._free_ms[chosen[0].target] = now_ms + len(chosen) * ADDRESS_MS
        self._asks[node].append(now_ms)

    def _take_answers(self, questions: Sequence[Question], now_ms: int) -> None:
        """What has been answered, what will not be; what is no longer in question is forgotten."""
        standing = {(each.target, each.address): each for each in questions}
        for (target, address, network), asked in list(self._asked.items()):
            question = standing.get((target, address))
            if question is None:
                del self._asked[target, address, network]
                continue
            tried = question.tries.get(network)
            if asked.is_open and tried is not None and tried.last_ms != asked.tried_ms:
                asked.is_open = False
                self._unanswered.pop(asked.node, None)
            elif asked.is_open and now_ms - asked.at_ms > ANSWER_MS:
                asked.is_open = False
                self._unanswered[asked.node] = self._unanswered.get(asked.node, 0) + 1
        targets = {each.target for each in questions}
        self._free_ms = {
            target: free_ms
            for target, free_ms in self._free_ms.items()
            if target in targets or free_ms > now_ms
        }


def _share(target: str, name: str) -> str:
    """Spreads targets over names; the same for ever."""
    return hashlib.sha256(f"{target}\n{name}".encode()).hexdigest()
