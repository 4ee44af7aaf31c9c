"""What becomes a report, what is refused, and under which reason."""

import json
import random
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.facts.reports import (
    FLAGS,
    REASONS,
    Message,
    RefusedPlace,
    Rejection,
    VerifiedReport,
)
from shyraq_collector.verify import (
    FUTURE_TOLERANCE_MS,
    KeyRing,
    RegisteredKey,
    verify,
    verify_all,
)
from shyraq_wire.codec import pack, sha256_hex
from shyraq_wire.keys import key_id
from shyraq_wire.report_json import encode_report
from shyraq_wire.topics import NodeId, node_topic
from support.clock import STORY_START_MS
from support.signing import SigningNode, measurement

NOW_MS = STORY_START_MS
LATER_TYPE = "application/vnd.shyraq.report+json;v=2"


def ring(*nodes: SigningNode, revoked_ms: int | None = None) -> KeyRing:
    """A registry in which every node has its key since the story began."""
    keys: dict[NodeId, tuple[RegisteredKey, ...]] = {}
    for node in nodes:
        key = RegisteredKey(
            id=node.key_id,
            public_key=node.public_key,
            valid_from_ms=NOW_MS,
            revoked_ms=revoked_ms,
        )
        keys[node.id] = (*keys.get(node.id, ()), key)
    return keys


def message(node: SigningNode, payload: bytes, *, received_ms: int = NOW_MS) -> Message:
    """A message on the node's own topic."""
    return Message(topic=node.topic, payload=payload, received_ms=received_ms)


def refused(result: VerifiedReport | Rejection) -> Rejection:
    """The rejection, or a failing test."""
    assert isinstance(result, Rejection)
    assert result.reason in REASONS
    return result


def accepted(result: VerifiedReport | Rejection) -> VerifiedReport:
    """The report, or a failing test."""
    assert isinstance(result, VerifiedReport)
    assert result.flags <= FLAGS.keys()
    return result


def test_a_signed_report_is_taken_over_whole() -> None:
    """Frame, hash, place and content are what the node signed; nothing is flagged."""
    node = SigningNode()
    report = node.report(measurements=(measurement(),))
    frame = node.frame(report)
    result = accepted(verify(message(node, pack(frame)), ring(node)))
    assert result.frame == frame
    assert result.report == report
    assert (result.node, result.key, result.epoch) == (node.id, node.key_id, node.epoch)
    assert result.position.sha256 == sha256_hex(frame)
    assert (result.position.seq, result.position.prev) == (0, "0" * 64)
    assert result.flags == frozenset()
    assert result.dated_ms == NOW_MS


def test_a_chunk_keeps_its_order() -> None:
    """Results stand in the order of the messages, good and bad alike."""
    node = SigningNode()
    messages = [message(node, node.payload()), message(node, b""), message(node, node.payload())]
    results = verify_all(messages, ring(node))
    assert [isinstance(each, VerifiedReport) for each in results] == [True, False, True]


@pytest.mark.parametrize(
    "topic",
    ["", "shyraq/1/s99/node/node-0001/report", "a/b", "shyraq/1/s00/node/node-0001/report"],
)
def test_a_foreign_topic_is_refused_before_the_bytes_are_touched(topic: str) -> None:
    """Step 1: topics that are not ours, and shards that are not the node's."""
    node = SigningNode()
    result = verify(Message(topic=topic, payload=node.payload(), received_ms=NOW_MS), ring(node))
    assert refused(result).reason == "malformed-topic"
    assert refused(result).node is None


def test_a_report_on_another_channel_is_refused() -> None:
    """Step 1: a good frame on the session topic is not a report."""
    node = SigningNode()
    topic = node_topic(node.id, "session")
    result = verify(Message(topic=topic, payload=node.payload(), received_ms=NOW_MS), ring(node))
    assert refused(result).reason == "wrong-topic"


def test_bombs_and_oversize_are_refused_without_inflating_them() -> None:
    """Step 2: 100 MB of zeros in 100 kB, and a plain message over the limit."""
    node = SigningNode()
    bomb = b"\x01" + zlib.compress(bytes(60_000_000), 9)
    assert refused(verify(message(node, bomb[:65_000]), ring(node))).reason == "too-large"
    assert refused(verify(message(node, bytes(70_000)), ring(node))).reason == "too-large"


@pytest.mark.parametrize("payload", [b"", b"\x07abc", b"\x01abc", b"\x00short"])
def test_what_holds_no_frame_is_refused(payload: bytes) -> None:
    """Step 2 and 4: empty, an unknown format byte, broken zlib, too short for a signature."""
    node = SigningNode()
    result = refused(verify(message(node, payload), ring(node)))
    assert result.reason == "malformed-frame"
    assert result.place is None
    assert result.node == node.id


def test_an_unregistered_node_is_refused() -> None:
    """Step 3: nobody speaks for a node that is not in the registry."""
    node = SigningNode()
    assert refused(verify(message(node, node.payload()), {})).reason == "unknown-node"
    assert refused(verify(message(node, node.payload()), {node.id: ()})).reason == "unknown-node"


def test_a_foreign_signature_is_refused_without_a_place() -> None:
    """Step 4: another node's key on this node's topic proves nothing, so nothing is told back."""
    node, other = SigningNode(), SigningNode("node-0002")
    result = refused(verify(message(node, other.payload()), ring(node, other)))
    assert result.reason == "bad-signature"
    assert result.place is None


def test_a_weak_key_in_the_registry_verifies_nothing() -> None:
    """Step 4: the identity point accepts forged signatures elsewhere; not here."""
    node, weak = SigningNode(), b"\x01" + bytes(31)
    keys = {
        node.id: (
            RegisteredKey(id=key_id(weak), public_key=weak, valid_from_ms=0, revoked_ms=None),
        )
    }
    assert refused(verify(message(node, node.payload()), keys)).reason == "bad-signature"


@pytest.mark.parametrize("received_ms", [NOW_MS - 1, NOW_MS + 1000, NOW_MS + 5000])
def test_a_key_outside_its_validity_is_refused_by_name(received_ms: int) -> None:
    """Step 4: before registration and from revocation on; the node is told which frame."""
    node = SigningNode()
    frame = node.frame()
    result = verify(
        message(node, pack(frame), received_ms=received_ms), ring(node, revoked_ms=NOW_MS + 1000)
    )
    assert refused(result).reason == "revoked-key"
    assert refused(result).place == RefusedPlace(epoch=node.epoch, seq=0, sha256=sha256_hex(frame))


def test_after_a_rotation_both_trusted_keys_count() -> None:
    """Step 4: the old key until it is revoked, the new one beside it."""
    old, new = SigningNode(seed="old"), SigningNode(seed="new")
    keys = ring(old, new)
    assert accepted(verify(message(old, old.payload()), keys)).key == old.key_id
    assert accepted(verify(message(new, new.payload()), keys)).key == new.key_id


def test_a_signed_text_that_is_no_frame_is_refused() -> None:
    """Step 5: the signature holds, but not over a DSSE encoding."""
    node = SigningNode()
    text = b"anything else"
    frame = node.private_key.sign(text) + text
    assert refused(verify(message(node, pack(frame)), ring(node))).reason == "malformed-frame"


def test_a_signed_receipt_is_not_a_report() -> None:
    """Step 6: another type under a good signature."""
    node = SigningNode()
    frame = node.frame(payload_type="application/vnd.shyraq.receipt+json;v=1")
    result = refused(verify(message(node, pack(frame)), ring(node)))
    assert result.reason == "unsupported-type"
    assert result.place is not None


def test_a_later_version_is_stored_with_its_place_only() -> None:
    """Step 6: what a later agent signs is kept, chained and flagged, not understood."""
    node = SigningNode()
    body = json.dumps(
        {"node": node.id, "epoch": node.epoch, "seq": 3, "prev": "1" * 64, "new": [1, 2]}
    ).encode()
    frame = node.sign(body, payload_type=LATER_TYPE)
    result = accepted(verify(message(node, pack(frame)), ring(node)))
    assert result.flags == {"unknown-version"}
    assert result.report is None
    assert (result.position.seq, result.dated_ms) == (3, NOW_MS)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"epoch":"%b","seq":4,"seq":5}', True),
        (b'{"epoch":"%b","seq":4,"x":' + b"[" * 40 + b"]" * 40 + b"}", True),
        (b'{"epoch":"%b","seq":4,"prev":NaN}', True),
        (b'{"epoch":"%b","seq":4.5}', False),
        (b'{"epoch":"%b","seq":9999999999999999}', False),
        (b'{"seq":4}', False),
        (b"\xff\xfe", False),
        (b"[]", False),
    ],
)
@pytest.mark.parametrize("payload_type", ["", LATER_TYPE])
def test_signed_nonsense_is_refused_and_told_where_it_has_a_place(
    body: bytes, told: bool, payload_type: str
) -> None:
    """Step 7: duplicate keys, deep nesting, NaN, no JSON at all; the node must not be wedged."""
    node = SigningNode()
    payload = body.replace(b"%b", node.epoch.encode())
    frame = node.sign(
        payload, payload_type=payload_type or "application/vnd.shyraq.report+json;v=1"
    )
    result = refused(verify(message(node, pack(frame)), ring(node)))
    assert result.reason == "malformed-payload"
    assert result.detail
    expected = RefusedPlace(epoch=node.epoch, seq=4, sha256=sha256_hex(frame)) if told else None
    assert result.place == expected


def test_a_report_of_another_node_is_refused() -> None:
    """Step 8: signed by this node's key, but in another node's name."""
    node = SigningNode()
    report = replace(node.report(), node=SigningNode("node-0002").id)
    result = refused(verify(message(node, node.payload(report)), ring(node)))
    assert result.reason == "wrong-node"
    assert result.place is not None


@pytest.mark.parametrize(
    ("at_ms", "flags", "dated_ms"),
    [
        (NOW_MS + FUTURE_TOLERANCE_MS, frozenset(), NOW_MS + FUTURE_TOLERANCE_MS),
        (NOW_MS + FUTURE_TOLERANCE_MS + 1, frozenset({"future-time"}), NOW_MS),
        (0, frozenset({"wrong-clock"}), NOW_MS),
        (NOW_MS - 3_600_000, frozenset(), NOW_MS - 3_600_000),
    ],
)
def test_a_wrong_clock_is_a_flag_never_a_refusal(
    at_ms: int, flags: frozenset[str], dated_ms: int
) -> None:
    """Step 9: a Pi that wakes in 1970 or runs ahead is stored, and dated by its arrival."""
    node = SigningNode()
    result = accepted(verify(message(node, node.payload(at_ms=max(at_ms, 0))), ring(node)))
    assert (result.flags, result.dated_ms) == (flags, dated_ms)


def test_twenty_thousand_altered_frames_are_refused() -> None:
    """Bit flips, cuts and splices of good frames: none is accepted, none raises."""
    node, rng = SigningNode(), random.Random(20)  # noqa: S311  # a seeded test, not a secret
    frames = [node.frame(node.report(measurements=(measurement(),) * n)) for n in range(4)]
    keys = ring(node)
    for turn in range(20_000):
        frame, other = rng.choice(frames), rng.choice(frames)
        cut = rng.randrange(1, len(frame))
        match turn % 3:
            case 0:
                altered = bytearray(frame)
                altered[cut] ^= 1 << rng.randrange(8)
                payload = bytes(altered)
            case 1:
                payload = frame[:cut]
            case _:
                payload = frame[:cut] + other[cut - 1 :]
        result = verify(message(node, b"\x00" + payload), keys)
        assert refused(result).reason in {"bad-signature", "malformed-frame", "too-large"}


@given(topic=st.text(max_size=80), payload=st.binary(max_size=300))
def test_any_bytes_on_any_topic_give_a_reason(topic: str, payload: bytes) -> None:
    """Nothing from outside raises."""
    node = SigningNode()
    refused(verify(Message(topic=topic, payload=payload, received_ms=NOW_MS), ring(node)))


@given(payload=st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_signed_json_gives_a_reason(payload: object) -> None:
    """A node with a good key and a broken program cannot raise either."""
    node = SigningNode()
    good = json.loads(encode_report(node.report()))
    for name in ("seq", "prev", "measurements", "events", "vitals", "at", "clock"):
        frame = node.sign(json.dumps({**good, name: payload}).encode())
        result = verify(message(node, pack(frame)), ring(node))
        if isinstance(result, Rejection):
            assert result.reason == "malformed-payload"
