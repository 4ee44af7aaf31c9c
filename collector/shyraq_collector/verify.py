"""From bytes to a verified report, or to a reason: pure, no I/O, no clock.

Steps, in this order; the first that fails decides the reason:

1. **Topic.** It parses, its shard is the node's own, and its channel is `report`.
   → `malformed-topic`, `wrong-topic`
2. **Unpacking.** One format byte, bounded inflation, at most 64 KiB. → `too-large`,
   `malformed-frame`
3. **Node.** The node that the topic names is registered with at least one key. → `unknown-node`
4. **Signature.** One of its keys that are trusted at the moment of arrival has signed; nothing
   was parsed before. If only a key that is not, or no longer, trusted has signed: `revoked-key`.
   If none has: `bad-signature`.
5. **Encoding.** What was signed is one exact DSSE encoding. → `malformed-frame`
6. **Type and version.** A report of this version is read whole; of another version, only its
   place. Anything else → `unsupported-type`
7. **Payload.** Strict JSON with right fields. → `malformed-payload`
8. **Node id.** The signed node id is the one in the topic. → `wrong-node`
9. **Place and time.** The place in the chain is taken over, the clock is compared. Nothing is
   refused any more: what is odd becomes a flag.

From step 5 on the frame is known to be the node's own, so a refusal carries its place as far as
that can be read: told in a signed receipt, it keeps the node from offering the frame for ever.

What this module does not do: rates and quotas (`consume`), duplicates and forks (`store` sees the
neighbours), keeping anything.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from shyraq_collector.facts.reports import (
    Flag,
    Message,
    Reason,
    RefusedPlace,
    Rejection,
    VerifiedReport,
)
from shyraq_collector.reading import read_report
from shyraq_wire.chain import Position
from shyraq_wire.codec import read_json, sha256_hex, unpack
from shyraq_wire.envelope import open_frame
from shyraq_wire.errors import (
    BadSignature,
    FrameTooLarge,
    MalformedFrame,
    MalformedPayload,
    MalformedTopic,
    WeakKey,
)
from shyraq_wire.fields import EPOCH, MAX_SAFE_INTEGER, read_match
from shyraq_wire.keys import KeyId
from shyraq_wire.moments import parse_moment
from shyraq_wire.report import REPORT_TYPE, Report
from shyraq_wire.report_json import decode_position
from shyraq_wire.topics import NODE_ID, NodeId, parse_node_topic

FUTURE_TOLERANCE_MS: Final = 5 * 60_000
"""A wall clock this far ahead of the collector's is only drift and travel."""

_PAST_TOLERANCE_MS: Final = 86_400_000
"""A node may have measured for a day before its key was registered."""

_ANY_VERSION = re.compile(r"application/vnd\.shyraq\.report\+json;v=[1-9][0-9]{0,3}")
_EPOCH_HINT = re.compile(rb'"epoch"\s*:\s*"([0-9a-f]{32})"')
_SEQ_HINT = re.compile(rb'"seq"\s*:\s*(0|[1-9][0-9]{0,15})(?![0-9.eE])')


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKey:
    """One evidence key of one node, as the registry has it."""

    id: KeyId
    public_key: bytes
    """32 raw bytes."""
    valid_from_ms: int
    """Reports that arrive earlier are not trusted under this key."""
    revoked_ms: int | None
    """Reports that arrive from this moment on are not trusted; None: not revoked."""

    def is_trusted(self, at_ms: int) -> bool:
        """Whether a report that arrives at this moment may stand under this key."""
        return self.valid_from_ms <= at_ms and (self.revoked_ms is None or at_ms < self.revoked_ms)


KeyRing = Mapping[NodeId, tuple[RegisteredKey, ...]]
"""The registered keys of every node."""


def verify(message: Message, keys: KeyRing) -> VerifiedReport | Rejection:
    """The report in a message, or why there is none; the steps are listed above.

    Args:
        message: As read off the socket.
        keys: The registry's keys at the moment of the call.
    """
    node: NodeId | None = None
    try:
        node, channel = parse_node_topic(message.topic)
        if channel != "report":
            return _reject(message, node, "wrong-topic", f"channel {channel}")
        frame = unpack(message.payload)
    except MalformedTopic as error:
        return _reject(message, None, "malformed-topic", str(error))
    except FrameTooLarge as error:
        return _reject(message, node, "too-large", str(error))
    except MalformedFrame as error:
        return _reject(message, node, "malformed-frame", str(error))
    registered = keys.get(node, ())
    if not registered:
        return _reject(message, node, "unknown-node")
    return _check_signature(message, node, frame, registered)


def verify_all(messages: Iterable[Message], keys: KeyRing) -> list[VerifiedReport | Rejection]:
    """`verify` for a chunk: one hand-over to a thread costs as much as several signatures."""
    return [verify(message, keys) for message in messages]


def _check_signature(
    message: Message, node: NodeId, frame: bytes, registered: tuple[RegisteredKey, ...]
) -> VerifiedReport | Rejection:
    """Steps 4 and 5: trusted keys first, so that the usual report costs one check."""
    trusted = {key.id: key.is_trusted(message.received_ms) for key in registered}
    for key in sorted(registered, key=lambda key: not trusted[key.id]):
        try:
            payload_type, payload = open_frame(frame, key.public_key)
        except (BadSignature, WeakKey):
            continue
        except MalformedFrame as error:
            # open_frame checks the length of a signature before the signature, the rest after it.
            return _reject(message, node, "malformed-frame", str(error))
        signed = _Signed(
            message=message,
            node=node,
            frame=frame,
            sha256=sha256_hex(frame),
            key=key,
            payload_type=payload_type,
            payload=payload,
        )
        return _read(signed) if trusted[key.id] else signed.refuse("revoked-key")
    return _reject(message, node, "bad-signature")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A frame whose signature holds under one of the node's keys."""

    message: Message
    node: NodeId
    frame: bytes
    sha256: str
    key: RegisteredKey
    payload_type: str
    payload: bytes

    def refuse(self, reason: Reason, detail: str = "") -> Rejection:
        """A refusal that names the frame's place, as far as it can be read."""
        return _reject(self.message, self.node, reason, detail, self._place())

    def _place(self) -> RefusedPlace | None:
        """The place by plain search, since the payload may be what is wrong.

        The hash beside it keeps a wrong hit from touching any other frame.
        """
        epoch, seq = _EPOCH_HINT.search(self.payload), _SEQ_HINT.search(self.payload)
        if epoch is None or seq is None or int(seq[1]) > MAX_SAFE_INTEGER:
            return None
        return RefusedPlace(epoch=epoch[1].decode(), seq=int(seq[1]), sha256=self.sha256)


def _read(signed: _Signed) -> VerifiedReport | Rejection:
    """Steps 6 to 8."""
    if not _ANY_VERSION.fullmatch(signed.payload_type):
        return signed.refuse("unsupported-type", signed.payload_type)
    try:
        if signed.payload_type == REPORT_TYPE:
            report = read_report(signed.payload)
            claimed, epoch, prev, seq = report.node, report.epoch, report.prev, report.seq
        else:
            report = None
            source = read_json(signed.payload)
            place = decode_position(source)
            claimed = NodeId(read_match(source, "node", NODE_ID))
            epoch, prev, seq = read_match(source, "epoch", EPOCH), place.prev, place.seq
    except MalformedPayload as error:
        return signed.refuse("malformed-payload", str(error))
    if claimed != signed.node:
        return signed.refuse("wrong-node")
    position = Position(seq=seq, sha256=signed.sha256, prev=prev)
    return _place_and_date(signed, report, epoch, position)


def _place_and_date(
    signed: _Signed, report: Report | None, epoch: str, position: Position
) -> VerifiedReport:
    """Step 9."""
    received_ms = signed.message.received_ms
    flags: set[Flag] = set()
    dated_ms = received_ms
    if report is None:
        flags.add("unknown-version")
    elif (at_ms := parse_moment(report.at)) > received_ms + FUTURE_TOLERANCE_MS:
        flags.add("future-time")
    elif at_ms < signed.key.valid_from_ms - _PAST_TOLERANCE_MS:
        flags.add("wrong-clock")
    else:
        dated_ms = at_ms
    return VerifiedReport(
        node=signed.node,
        key=signed.key.id,
        payload_type=signed.payload_type,
        frame=signed.frame,
        epoch=epoch,
        position=position,
        report=report,
        received_ms=received_ms,
        dated_ms=dated_ms,
        flags=frozenset(flags),
    )


def _reject(
    message: Message,
    node: NodeId | None,
    reason: Reason,
    detail: str = "",
    place: RefusedPlace | None = None,
) -> Rejection:
    return Rejection(
        reason=reason,
        topic=message.topic,
        node=node,
        payload=message.payload,
        received_ms=message.received_ms,
        place=place,
        detail=detail,
    )
