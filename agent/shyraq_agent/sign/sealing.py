"""Sealing: contents and a place in the chain become one signed frame.

1. The clocks are read once; every time inside becomes an offset from that moment.
2. A wall clock that stands before a moment known to have passed is raised to that moment, and
   the report says so (`clock.source` = floor).
3. The report takes the place that the spool gives it, and is signed.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_agent.clock import Pace
from shyraq_agent.sign.shapes import ChainPlace, Contents, Finished, LifeEvent
from shyraq_wire.envelope import seal
from shyraq_wire.moments import format_moment
from shyraq_wire.report import (
    REPORT_TYPE,
    ClockState,
    ConfigRef,
    Event,
    Measurement,
    Report,
    Step,
)
from shyraq_wire.report_json import encode_report
from shyraq_wire.topics import NodeId


class Signer:
    """Seals reports for one node. `seal` may be called from any one thread at a time."""

    def __init__(
        self,
        *,
        node: NodeId,
        private_key: Ed25519PrivateKey,
        boot_id: str,
        software: str,
        config: ConfigRef,
        pace: Pace,
        read_clock: Callable[[], ClockState],
    ) -> None:
        """Say once what every report repeats.

        Args:
            node: This node's id.
            private_key: The node's evidence key.
            boot_id: The kernel's id of this boot.
            software: Name and version.
            config: The configuration in force.
            pace: Read once at each sealing.
            read_clock: How far the wall clock can be trusted, asked at each sealing.
        """
        self._node = node
        self._private_key = private_key
        self._boot_id = boot_id
        self._software = software
        self._config = config
        self._pace = pace
        self._read_clock = read_clock

    def seal(self, place: ChainPlace, contents: Contents) -> bytes:
        """The signed frame for a place.

        Args:
            place: From the spool, inside its transaction.
            contents: What to say.

        Raises:
            shyraq_wire.errors.LocalError: The frame would pass the limit: a bug of `Basket`.
        """
        uptime_ms, now_ms = self._pace.uptime_ms(), self._pace.now_ms()
        clock = self._read_clock()
        if now_ms < place.floor_ms:
            now_ms = place.floor_ms
            clock = ClockState(source="floor", error_ms=None)
        report = Report(
            node=self._node,
            epoch=place.epoch,
            seq=place.seq,
            prev=place.prev,
            boot_id=self._boot_id,
            uptime_ms=uptime_ms,
            at=format_moment(now_ms),
            clock=clock,
            software=self._software,
            config=self._config,
            beacon=None,
            kind=contents.kind,
            measurements=tuple(to_wire(each, uptime_ms) for each in contents.measurements),
            events=(
                *(_event(each, uptime_ms) for each in contents.events),
                *(_dropped(epoch, lo, hi) for epoch, lo, hi in place.dropped),
            ),
            vitals=contents.vitals,
        )
        return seal(encode_report(report), REPORT_TYPE, self._private_key)


def to_wire(finished: Finished, sealed_uptime_ms: int) -> Measurement:
    """The measurement as it travels.

    Args:
        finished: As the probe left it.
        sealed_uptime_ms: Boot clock at sealing; times become offsets from it.
    """
    return Measurement(
        probe=finished.probe,
        target=finished.target,
        started_offset_ms=finished.started_uptime_ms - sealed_uptime_ms,
        duration_ms=finished.duration_ms,
        steps=tuple(
            Step(
                name=step.name,
                started_offset_ms=step.started_uptime_ms - sealed_uptime_ms,
                duration_ms=step.duration_ms,
                failure=step.failure,
                data=step.data,
            )
            for step in finished.steps
        ),
        result=finished.result,
    )


def _event(event: LifeEvent, sealed_uptime_ms: int) -> Event:
    return Event(kind=event.kind, offset_ms=event.at_uptime_ms - sealed_uptime_ms, data=event.data)


def _dropped(epoch: str, lo: int, hi: int) -> Event:
    return Event(kind="dropped", offset_ms=0, data={"epoch": epoch, "lo": lo, "hi": hi})
