"""The composition root: every room is built here, in the order in which data flows.

    work -> sealer -> spool -> publisher -> receipts -> spool
    control nodes: publisher -> asked -> work

Stopping (`stop`) is orderly: measuring ends, a last pulse says `stopped`, the publisher gets a
few seconds to deliver it. Cancelling `run` is a power cut: what is committed stays, the rest is
gone, and the next start goes on from the tip. Nothing of this depends on the network.

Several agents may share one process and one event loop. paho connects in the loop's default
executor: who runs many agents gives the loop one with as many threads.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from random import Random
from typing import Final, cast

from shyraq_agent.app.absence import FACT as PAUSE
from shyraq_agent.app.absence import Absence
from shyraq_agent.app.asked import make_asked
from shyraq_agent.app.edges import make_edges
from shyraq_agent.app.presence import Presence
from shyraq_agent.app.sealer import Sealer
from shyraq_agent.app.spending import FACT as MONTH
from shyraq_agent.app.spending import Spending
from shyraq_agent.app.status import serve_status
from shyraq_agent.app.work import Work
from shyraq_agent.clock import Pace, Stopwatch, read_boot_id, read_clock_state
from shyraq_agent.config import AgentConfig
from shyraq_agent.config.plan import endpoints_of, ladder_of, pairing_of, responder_of
from shyraq_agent.config.traffic import terms_of
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure import PROBES, Probe
from shyraq_agent.measure.edges import Edges, Links, SystemResolver, read_links
from shyraq_agent.publish import Publisher
from shyraq_agent.sign import Contents, LifeEvent, Signer
from shyraq_agent.sign.keyfile import raw_public_key, read_key
from shyraq_agent.spool import Spool, Stored
from shyraq_agent.spool.queue import no_checkpoint
from shyraq_agent.vitals import read_vitals
from shyraq_wire.keys import key_id
from shyraq_wire.report import ClockState, EventKind, Json
from shyraq_wire.topics import check_node_id

SOFTWARE: Final = f"shyraq-agent/{version('shyraq')}"
VERSION: Final = "software"
"""Under this name the spool remembers which program ran last."""


def random_epoch() -> str:
    """128 random bits, 32 hexadecimal digits."""
    return secrets.token_hex(16)


class Agent:
    """One node's agent. `run` it; end it with `stop`, or by cancelling."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        pace: Pace,
        stopwatch: Stopwatch,
        policy: AddressPolicy,
        rng: Random,
        boot_id: str | None = None,
        read_clock: Callable[[], ClockState] = read_clock_state,
        system_resolver: SystemResolver | None = None,
        links: Callable[[], Links] = read_links,
        probes: Mapping[str, Probe] = PROBES,
        new_epoch: Callable[[], str] = random_epoch,
        checkpoint: Callable[[str], None] = no_checkpoint,
        on_pulse: Callable[[], None] = lambda: None,
        on_ready: Callable[[], None] = lambda: None,
        built_at_ms: int = 0,
    ) -> None:
        """Take everything from outside; nothing is opened yet.

        Args:
            config: Found good by `config.load_config`.
            pace: Schedules, windows, stamps.
            stopwatch: Durations and time-outs.
            policy: What probes may reach; it names the configured gateways.
            rng: For jitter, query ids and nonces.
            boot_id: None: the kernel's.
            read_clock: How far the wall clock can be trusted.
            system_resolver: None: the host's own, where the configuration wants it.
            links: Which families the host's interfaces carry; called in a thread.
            probes: By name.
            new_epoch: 32 random hexadecimal digits.
            checkpoint: Called with the name of each point where a crash test may end the
                program (see `spool.rows`, `publish.publisher`).
            on_pulse: Called when a pulse is on the disk, or each heartbeat of a pause: the sign of
                life for a watchdog.
            on_ready: Called once key, spool and status socket are open; no network is needed.
            built_at_ms: A wall-clock moment that has certainly passed: when this program was
                made; 0: not known.
        """
        self._config = config
        self._pace = pace
        self._stopwatch = stopwatch
        self._policy = policy
        self._rng = rng
        self._boot_id = boot_id or read_boot_id()
        self._read_clock = read_clock
        self._system_resolver = system_resolver
        self._links = links
        self._probes = probes
        self._new_epoch = new_epoch
        self._checkpoint = checkpoint
        self._on_pulse = on_pulse
        self._on_ready = on_ready
        self._built_at_ms = built_at_ms
        self._stopping = asyncio.Event()
        self._last_pulse: Mapping[str, Json] | None = None

    def stop(self) -> None:
        """End in order: a last pulse that says so, a few seconds to deliver it."""
        self._stopping.set()

    async def run(self) -> None:
        """Measure, sign, keep and send until stopped.

        Raises:
            LocalError: The key, the bundle or the spool cannot be used.
        """
        settings = self._config.settings
        directory = settings.node.state_directory
        key = await asyncio.to_thread(read_key, settings.node.key_file)
        edges = await asyncio.to_thread(self._make_edges)
        spool = await Spool.open(
            directory,
            key_id=key_id(raw_public_key(key)),
            max_bytes=settings.spool.max_bytes,
            new_epoch=self._new_epoch,
            floor_ms=self._built_at_ms,
            checkpoint=self._checkpoint,
        )
        try:
            signer = Signer(
                node=check_node_id(settings.node.id),
                private_key=key,
                boot_id=self._boot_id,
                software=SOFTWARE,
                config=self._config.ref,
                pace=self._pace,
                read_clock=self._read_clock,
            )
            await self._run_on(spool, signer, edges)
        finally:
            await spool.close()

    async def _run_on(self, spool: Spool, signer: Signer, edges: Edges) -> None:
        settings = self._config.settings
        spending = Spending(
            terms_of(settings, self._config.traffic),
            remembered=spool.facts.get(MONTH),
            known_ms=lambda: self._known_moment_ms(sealer),
            is_trusted=lambda: self._read_clock().source != "none",
        )

        absence = Absence(remembered=spool.facts.get(PAUSE), pace=self._pace, boot_id=self._boot_id)

        def on_stored(contents: Contents, stored: Stored) -> None:
            publisher.appended()
            if contents.kind == "pulse":
                self._last_pulse = {"seq": stored.seq, "at_ms": self._pace.now_ms()}
                self._on_pulse()

        sealer = Sealer(
            signer=signer,
            spool=spool,
            pace=self._pace,
            on_stored=on_stored,
            facts=lambda: {
                MONTH: spending.remember(),
                PAUSE: absence.remember(),
                VERSION: SOFTWARE,
            },
        )
        sealer.floor_ms = (await spool.standing()).floor_ms
        work = self._make_work(edges, sealer, spending)
        asked = None
        if settings.collector.answers_asks:
            asked = await make_asked(
                self._config,
                edges=edges,
                probes=self._probes,
                read_clock=self._read_clock,
                turns=work,
                note=lambda kind, data: work.note(self._event(kind, data)),
            )
        publisher = Publisher(
            node=check_node_id(settings.node.id),
            endpoints=endpoints_of(settings),
            collector_keys=[bytes.fromhex(each) for each in settings.collector.receipt_keys],
            outbox=spool,
            pace=self._pace,
            rng=self._rng,
            heartbeat_ms=settings.node.heartbeat_s * 1000,
            floor_ms=lambda: self._known_moment_ms(sealer),
            line=spending.tally("pulse"),
            bulk=spending.tally("bulk"),
            on_control=None if asked is None else asked.receive,
            checkpoint=self._checkpoint,
        )
        self._say_hello(work, spool)

        async def tell() -> Mapping[str, Json]:
            told = await self._tell(spool, publisher, sealer, work)
            return {
                **told,
                "asks": None if asked is None else asked.state(),
                "budget": spending.tell(),
                "paused": absence.tell(),
            }

        presence = Presence(
            spool=spool,
            sealer=sealer,
            work=work,
            asked=asked,
            publisher=publisher,
            absence=absence,
            pace=self._pace,
            heartbeat_ms=settings.node.heartbeat_s * 1000,
            on_heartbeat=self._on_pulse,
        )
        async with (
            serve_status(settings.node.state_directory, tell, presence.obey),
            asyncio.TaskGroup() as tasks,
        ):
            self._on_ready()
            await presence.run(tasks, self._stopping)

    def _say_hello(self, work: Work, spool: Spool) -> None:
        """What a start has to say: that, a newer program, the configuration."""
        work.note(self._event("started", {"software": SOFTWARE, **_damage(spool)}))
        before = spool.facts.get(VERSION, SOFTWARE)
        if before != SOFTWARE:
            work.note(self._event("upgraded", {"from": before, "to": SOFTWARE}))
        ref = self._config.ref
        work.note(self._event("config_applied", {"version": ref.version, "sha256": ref.sha256}))

    def _make_work(self, edges: Edges, sealer: Sealer, spending: Spending) -> Work:
        settings = self._config.settings
        return Work(
            plan=self._config.plan,
            probes=self._probes,
            ladder=ladder_of(settings),
            edges=edges,
            heartbeat_ms=settings.node.heartbeat_s * 1000,
            ladder_period_ms=settings.cadence.ladder_s * 1000,
            vitals_period_ms=settings.cadence.vitals_s * 1000,
            read_vitals=partial(read_vitals, settings.node.state_directory, self._pace),
            seal=sealer.put,
            spending=spending,
            seed=settings.node.id,
            traces_at_edges=settings.trace.at_edges,
        )

    def _make_edges(self) -> Edges:
        settings = self._config.settings
        return make_edges(
            settings.network,
            settings.resolver,
            settings.limits,
            pace=self._pace,
            stopwatch=self._stopwatch,
            policy=self._policy,
            rng=self._rng,
            system_resolver=self._system_resolver,
            links=self._links,
            responder=responder_of(settings.responder),
            pairing=pairing_of(settings.name_pair),
            may_trace_hello=settings.trace.hello,
        )

    def _known_moment_ms(self, sealer: Sealer) -> int:
        """The latest wall-clock moment that has passed for certain."""
        trusted = self._read_clock().source != "none"
        return max(sealer.floor_ms, self._pace.now_ms() if trusted else 0)

    def _event(self, kind: EventKind, data: Mapping[str, Json]) -> LifeEvent:
        return LifeEvent(kind=kind, at_uptime_ms=self._pace.uptime_ms(), data=data)

    async def _tell(
        self, spool: Spool, publisher: Publisher, sealer: Sealer, work: Work
    ) -> Mapping[str, Json]:
        """What `status` shows."""
        state = publisher.state
        heard_ms = state.last_receipt_uptime_ms
        return {
            "node": self._config.settings.node.id,
            "software": SOFTWARE,
            "config": {"version": self._config.ref.version, "sha256": self._config.ref.sha256},
            "now_ms": self._pace.now_ms(),
            "heartbeat_s": self._config.settings.node.heartbeat_s,
            "last_pulse": self._last_pulse,
            "last_receipt_age_ms": None if heard_ms is None else self._pace.uptime_ms() - heard_ms,
            "spool": cast("Json", asdict(await spool.standing())),
            "spool_failing": sealer.failing,
            "publish": cast("Json", asdict(state)),
            "probe_bugs": work.bugs,
        }


def _damage(spool: Spool) -> Mapping[str, Json]:
    """A damaged spool was set aside: the new epoch must be explicable."""
    return {} if spool.set_aside is None else {"spool_set_aside": spool.set_aside.name}
