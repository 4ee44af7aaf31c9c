"""A node of the tests: a real key, a real chain, frames exactly as an agent makes them.

Only measuring, spooling and publishing are absent; what it signs is what the wire demands.
"""

import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_wire.chain import GENESIS
from shyraq_wire.codec import pack, sha256_hex
from shyraq_wire.envelope import seal
from shyraq_wire.keys import key_id
from shyraq_wire.moments import format_moment
from shyraq_wire.report import (
    REPORT_TYPE,
    ClockState,
    ConfigRef,
    Event,
    Json,
    Kind,
    Measurement,
    Report,
    Step,
)
from shyraq_wire.report_json import encode_report
from shyraq_wire.topics import check_node_id, node_topic
from support.clock import STORY_START_MS


class SigningNode:
    """Signs a chain of reports under one key."""

    def __init__(self, name: str = "node-0001", *, seed: str = "", epoch: str = "ab" * 16) -> None:
        """Make the key from the name, so that a test run twice signs the same bytes.

        Args:
            name: Node id.
            seed: Another seed gives the same node another key.
            epoch: Epoch of the chain.
        """
        self.id = check_node_id(name)
        self.private_key = Ed25519PrivateKey.from_private_bytes(
            hashlib.sha256(f"{name} {seed}".encode()).digest()
        )
        self.public_key = self.private_key.public_key().public_bytes_raw()
        self.key_id = key_id(self.public_key)
        self.topic = node_topic(self.id, "report")
        self.epoch = epoch
        self.seq = 0
        self.prev = GENESIS

    def report(
        self,
        *,
        at_ms: int = STORY_START_MS,
        measurements: tuple[Measurement, ...] = (),
        events: tuple[Event, ...] = (),
        kind: Kind = "pulse",
        vitals: Mapping[str, Json] | None = None,
    ) -> Report:
        """The next report of the chain, not yet signed; nothing moves on."""
        return Report(
            node=self.id,
            epoch=self.epoch,
            seq=self.seq,
            prev=self.prev,
            boot_id="boot-1",
            uptime_ms=max(0, at_ms - STORY_START_MS + 86_400_000),
            at=format_moment(at_ms),
            clock=ClockState(source="ntp", error_ms=10),
            software="shyraq-agent/0.1.0",
            config=ConfigRef(version=1, sha256="0" * 64),
            beacon=None,
            kind=kind,
            measurements=measurements,
            events=events,
            vitals=vitals,
        )

    def frame(
        self, report: Report | None = None, *, at_ms: int = STORY_START_MS, payload_type: str = ""
    ) -> bytes:
        """The next signed frame; the chain moves on."""
        report = report or self.report(at_ms=at_ms)
        return self.sign(encode_report(report), payload_type=payload_type or REPORT_TYPE)

    def sign(self, payload: bytes, *, payload_type: str = REPORT_TYPE) -> bytes:
        """A frame around any payload; the chain moves on as if it were the next report."""
        frame = seal(payload, payload_type, self.private_key)
        self.seq += 1
        self.prev = sha256_hex(frame)
        return frame

    def frames(self, count: int, *, start_ms: int = STORY_START_MS) -> list[bytes]:
        """The next frames, a minute apart."""
        return [self.frame(at_ms=start_ms + 60_000 * index) for index in range(count)]

    def payload(self, report: Report | None = None, *, at_ms: int = STORY_START_MS) -> bytes:
        """The next frame as an MQTT payload."""
        return pack(self.frame(report, at_ms=at_ms))


def measurement(
    probe: str = "tls",
    target: str = "https://example.org/",
    *,
    failure: str | None = None,
    duration_ms: float = 40.0,
    result: Mapping[str, Json] | None = None,
) -> Measurement:
    """A plain measurement of one step."""
    step = Step(
        name="handshake", started_offset_ms=-100, duration_ms=duration_ms, failure=failure, data={}
    )
    return Measurement(
        probe=probe,
        target=target,
        started_offset_ms=-100,
        duration_ms=duration_ms,
        steps=(step,),
        result=result or {},
    )
