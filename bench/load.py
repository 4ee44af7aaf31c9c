"""What the benches send: reports as agents make them, signed beforehand."""

import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_wire.chain import GENESIS
from shyraq_wire.codec import pack, sha256_hex
from shyraq_wire.envelope import seal
from shyraq_wire.moments import format_moment
from shyraq_wire.report import (
    REPORT_TYPE,
    ClockState,
    ConfigRef,
    Measurement,
    Report,
    Step,
)
from shyraq_wire.report_json import encode_report
from shyraq_wire.topics import NodeId, node_topic

START_MS = 1_641_376_800_000
"""2022-01-05T10:00:00Z."""

EXAMPLE_NODE = NodeId("bench-node")


class LoadNode:
    """A node that signs a chain of reports of a given size."""

    def __init__(self, number: int, *, measurements: int) -> None:
        """Make a key.

        Args:
            number: Part of the node id.
            measurements: In each report.
        """
        self.id = NodeId(f"bench-node-{number:05d}")
        self.topic = node_topic(self.id, "report")
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw()
        self.epoch = secrets.token_hex(16)
        self.seq = 0
        self._prev = GENESIS
        self._measurements = measurements

    def next_payload(self) -> bytes:
        """The next report as an MQTT payload."""
        payload = report_payload(
            measurements=self._measurements,
            node=self.id,
            epoch=self.epoch,
            seq=self.seq,
            prev=self._prev,
        )
        frame = seal(payload, REPORT_TYPE, self.key)
        self.seq += 1
        self._prev = sha256_hex(frame)
        return pack(frame)


def report_payload(
    *,
    measurements: int,
    node: NodeId = EXAMPLE_NODE,
    epoch: str = "ab" * 16,
    seq: int = 0,
    prev: str = GENESIS,
) -> bytes:
    """The JSON of one report with so many TLS measurements of two steps."""
    at_ms = START_MS + 60_000 * seq
    return encode_report(
        Report(
            node=node,
            epoch=epoch,
            seq=seq,
            prev=prev,
            boot_id="5f0c3c1e-6b1d-4c43-9d0e-3a4f2a9d2b11",
            uptime_ms=86_400_000 + 60_000 * seq,
            at=format_moment(at_ms),
            clock=ClockState(source="ntp", error_ms=12),
            software="shyraq-agent/0.1.0",
            config=ConfigRef(version=1, sha256="c" * 64),
            beacon=None,
            kind="bulk",
            measurements=tuple(_measurement(number) for number in range(measurements)),
        )
    )


def _measurement(number: int) -> Measurement:
    started_offset_ms = -1_000 * number - 900
    return Measurement(
        probe="tls",
        target=f"https://site-{number:03d}.example/",
        started_offset_ms=started_offset_ms,
        duration_ms=84.25 + number,
        steps=(
            Step(
                name="connect",
                started_offset_ms=started_offset_ms,
                duration_ms=31.5,
                failure=None,
                data={"address": "192.0.2.7", "port": 443},
            ),
            Step(
                name="handshake",
                started_offset_ms=started_offset_ms + 32,
                duration_ms=52.75,
                failure=None,
                data={"received_bytes": 4_096, "version": "TLSv1.3"},
            ),
        ),
        result={"ok": 1, "of": 1},
    )
