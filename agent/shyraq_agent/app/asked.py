"""Obeying the collector's asks, within this node's own rules.

A control node is asked to try the very addresses that other nodes were given for a target. Steps,
in this order; the first that fails refuses the ask, under the reason in front:

    (wire's own)       it is signed by a configured collector key, well formed, for this node
    replayed           its number is higher than that of every ask obeyed before (`obeyed`)
    clock-unsure       this node's wall clock is known to be right
    not-yet            it was made no later than now, but for a minute
    expired            now is not after its end
    unknown-target     its target is one of this node's own, and not only a name
    forbidden-address  the address policy lets every address pass; where the target is an address
                       itself, no other is meant
    too-many           fewer than `asks_per_hour` were obeyed within the hour
    not-remembered     its number is on the disk: only then is it obeyed
    late               the target's turn comes before its end: a minute after the last
    over-budget        the month's bytes are not spent but for the beat's share

It is obeyed by the probe `tls`, `tcp` where the target speaks no TLS, or `quic`: lookup is left
out, the name in the ClientHello is the target's. No page is fetched: what stands at an address
that a liar gave shall not lead this node anywhere. The measurement is an ordinary one, marked in
its result with the ask's number: `asked`.

Refusals are counted; of well-signed asks the first of each reason within ten minutes is also a
signed event of the node's life. What nobody of ours has signed is only counted.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn, Protocol

from shyraq_agent.app.obeyed import Obeyed
from shyraq_agent.config import AgentConfig
from shyraq_agent.errors import LocalError
from shyraq_agent.measure import Probe
from shyraq_agent.measure.edges import Edges
from shyraq_agent.measure.step import RawMeasurement
from shyraq_agent.measure.target import Target, is_address
from shyraq_agent.publish.asks import open_ask
from shyraq_wire.ask import Ask
from shyraq_wire.errors import PeerError
from shyraq_wire.moments import parse_moment
from shyraq_wire.report import ClockState, EventKind, Json
from shyraq_wire.topics import NodeId, check_node_id

AHEAD_MS: Final = 60_000
"""How far the collector's clock may be ahead of ours."""

HOUR_MS: Final = 3_600_000
EVENT_SPACING_MS: Final = 10 * 60_000
"""Between two events about the same reason."""

_LOGGER = logging.getLogger(__name__)


class Turns(Protocol):
    """Who runs measurements within the node's ceilings."""

    async def measure_beside(
        self, host: str, run: Callable[[Edges], Awaitable[RawMeasurement]], *, by_uptime_ms: int
    ) -> str | None:
        """Measure once, when the host's turn comes; else why it could not be, in one word."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this node allows."""

    node: NodeId
    collector_keys: Sequence[bytes]
    """Raw Ed25519 public keys that may sign asks."""
    targets: Mapping[str, Target]
    """This node's own, by their text."""
    per_hour: int
    """Asks obeyed within any hour."""


class Asked:
    """Takes asks and obeys those that may be."""

    def __init__(
        self,
        rules: Rules,
        *,
        obeyed: Obeyed,
        edges: Edges,
        probes: Mapping[str, Probe],
        read_clock: Callable[[], ClockState],
        turns: Turns,
        note: Callable[[EventKind, Mapping[str, Json]], None],
    ) -> None:
        """Begin with nothing asked.

        Args:
            rules: What is allowed.
            obeyed: The numbers on the disk.
            edges: Clocks and address policy.
            probes: By name.
            read_clock: How far the wall clock can be trusted.
            turns: Runs what is obeyed.
            note: Takes events of the node's life.
        """
        self._rules = rules
        self._obeyed = obeyed
        self._edges = edges
        self._probes = probes
        self._read_clock = read_clock
        self._turns = turns
        self._note = note
        self._moments: deque[int] = deque()
        """Boot-clock times of what was obeyed within the hour."""
        self._noted: dict[str, int] = {}
        self._accepted: asyncio.Queue[Ask] = asyncio.Queue()
        self._refused: Counter[str] = Counter()
        self._measured = 0

    def state(self) -> Mapping[str, Json]:
        """What `status` shows: how many were obeyed, and refused for which reason."""
        return {"obeyed": self._measured, "refused": dict(self._refused)}

    async def receive(self, payload: bytes) -> None:
        """Take what came on the control topic."""
        node, keys = self._rules.node, self._rules.collector_keys
        try:
            ask = open_ask(payload, node=node, collector_keys=keys)
        except PeerError as error:
            if not self._refused[error.reason]:
                _LOGGER.warning("ask refused reason=%s: %s", error.reason, error)
            self._refused[error.reason] += 1
            return
        reason = self._why_not(ask)
        if reason is None:
            reason = await self._remember(ask)
        if reason is None:
            self._accepted.put_nowait(ask)
        else:
            self._refuse(ask, reason)

    async def run(self) -> NoReturn:
        """Obey until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._obey(await self._accepted.get()))

    def _why_not(self, ask: Ask) -> str | None:
        """The first rule that refuses it; None: it may be obeyed."""
        now_ms, target = self._edges.pace.now_ms(), self._rules.targets.get(ask.target)
        rules = (
            ("replayed", self._obeyed.is_new(ask)),
            ("clock-unsure", self._read_clock().source != "none"),
            ("not-yet", parse_moment(ask.at) <= now_ms + AHEAD_MS),
            ("expired", now_ms <= parse_moment(ask.until)),
            ("unknown-target", target is not None and probe_for(target) is not None),
            ("forbidden-address", target is not None and self._may_reach(target, ask.addresses)),
            ("too-many", self._within_the_hour() < self._rules.per_hour),
        )
        return next((reason for reason, holds in rules if not holds), None)

    def _may_reach(self, target: Target, addresses: Sequence[str]) -> bool:
        if any(self._edges.policy.check(each) is not None for each in addresses):
            return False
        return not is_address(target.host) or set(addresses) == {target.host}

    def _within_the_hour(self) -> int:
        uptime_ms = self._edges.pace.uptime_ms()
        while self._moments and uptime_ms - self._moments[0] >= HOUR_MS:
            self._moments.popleft()
        return len(self._moments)

    async def _remember(self, ask: Ask) -> str | None:
        try:
            await asyncio.to_thread(self._obeyed.commit, ask)
        except LocalError as error:
            _LOGGER.warning("ask refused reason=not-remembered: %s", error)
            return "not-remembered"
        self._moments.append(self._edges.pace.uptime_ms())
        return None

    async def _obey(self, ask: Ask) -> None:
        pace, target = self._edges.pace, self._rules.targets[ask.target]
        left_ms = parse_moment(ask.until) - pace.now_ms()
        reason = await self._turns.measure_beside(
            target.host,
            lambda edges: try_addresses(ask, target, self._probes, edges),
            by_uptime_ms=pace.uptime_ms() + left_ms,
        )
        if reason is None:
            self._measured += 1
        else:
            self._refuse(ask, reason)

    def _refuse(self, ask: Ask, reason: str) -> None:
        self._refused[reason] += 1
        uptime_ms = self._edges.pace.uptime_ms()
        noted_ms = self._noted.get(reason)
        if noted_ms is None or uptime_ms - noted_ms >= EVENT_SPACING_MS:
            self._noted[reason] = uptime_ms
            self._note("ask_refused", {"number": ask.number, "reason": reason})


async def make_asked(
    config: AgentConfig,
    *,
    edges: Edges,
    probes: Mapping[str, Probe],
    read_clock: Callable[[], ClockState],
    turns: Turns,
    note: Callable[[EventKind, Mapping[str, Json]], None],
) -> Asked:
    """The room as a configuration wants it; other parameters as for `Asked`."""
    settings = config.settings
    obeyed = await asyncio.to_thread(
        Obeyed, settings.node.state_directory, started_ms=edges.pace.now_ms()
    )
    return Asked(
        Rules(
            node=check_node_id(settings.node.id),
            collector_keys=[bytes.fromhex(each) for each in settings.collector.receipt_keys],
            targets={each.target.text: each.target for each in config.plan},
            per_hour=settings.collector.asks_per_hour,
        ),
        obeyed=obeyed,
        edges=edges,
        probes=probes,
        read_clock=read_clock,
        turns=turns,
        note=note,
    )


async def try_addresses(
    ask: Ask, target: Target, probes: Mapping[str, Probe], edges: Edges
) -> RawMeasurement:
    """The measurement that answers an ask.

    Args:
        ask: Found good.
        target: The one it names.
        probes: By name.
        edges: What they may touch; the policy is asked again for each address.
    """
    probe = probes[probe_for(target) or "tls"]
    seen = await probe(target, replace(edges, given={target.host: ask.addresses}))
    return replace(seen, result={**seen.result, "asked": ask.number})


def probe_for(target: Target) -> str | None:
    """The probe that tries an address of a target; None: there is none for its kind."""
    match target.kind:
        case "url":
            return "tcp" if target.text.lower().startswith("http:") else "tls"
        case "endpoint":
            return "tls"
        case "listener":
            return "tcp"
        case "quic":
            return "quic"
        case _:
            return None
