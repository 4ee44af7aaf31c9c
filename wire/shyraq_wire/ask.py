"""The collector's request to one node: try these very addresses of one of your own targets.

A verdict that an address is blocked needs somebody elsewhere who tried that very address, and a
control abroad may never be given it by its own resolver. So the collector asks. An ask

1. is for one node, and names the key that signs it;
2. has a number, higher than that of every earlier ask under the same key: a node obeys none twice;
3. holds from `at` until `until`, at most `MAX_VALIDITY_MS` later, and not beyond;
4. names one target by its text, and at most `MAX_ADDRESSES` addresses. It cannot bring a name,
   a port, a path or a probe: those are the node's own configuration.

It is published on the node's control topic, never retained. Whether a node obeys is for the node
to say: whether it answers asks at all, whether the target is on its own list, whether it may reach
those addresses, and how often.
"""

import re
from dataclasses import dataclass
from typing import Final

from shyraq_wire.codec import read_json, write_json
from shyraq_wire.errors import LocalError, MalformedPayload
from shyraq_wire.fields import HASH, read_integer, read_match, read_moment, read_text, read_texts
from shyraq_wire.keys import KeyId
from shyraq_wire.moments import parse_moment
from shyraq_wire.topics import NODE_ID, NodeId

ASK_TYPE: Final = "application/vnd.shyraq.ask+json;v=1"
"""Payload type of an ask in this version."""

MAX_ADDRESSES: Final = 4
"""Addresses in one ask: what one ordinary measurement tries, two of each family."""

MAX_VALIDITY_MS: Final = 3_600_000
"""The longest an ask may hold."""

MAX_ASKS_PER_HOUR: Final = 60
"""A node obeys no more, whatever it is told, and a collector sends no more."""

ADDRESS: Final = re.compile(r"[0-9a-f]{0,4}[.:][0-9a-f.:]{1,40}")
"""The letters of an IP address in lower case; whether it is one, and may be reached, the node's
address policy says."""

_MAX_TARGET_LENGTH = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Signed by the collector's key, published for one node."""

    node: NodeId
    key: KeyId
    """Id of the collector key that signs this ask."""
    number: int
    """Higher than in every earlier ask to this node under the same key."""
    at: str
    """The collector's wall clock when it was made, RFC 3339 UTC."""
    until: str
    """The last moment at which it may be obeyed, RFC 3339 UTC."""
    target: str
    """As configured on the node."""
    addresses: tuple[str, ...]
    """1 to `MAX_ADDRESSES` IP addresses, each once."""


def encode_ask(ask: Ask) -> bytes:
    """The JSON bytes to sign; `decode_ask` is the inverse.

    Raises:
        LocalError: `decode_ask` would refuse the result: it may not travel.
    """
    payload = write_json(
        {
            "node": ask.node,
            "key": ask.key,
            "number": ask.number,
            "at": ask.at,
            "until": ask.until,
            "target": ask.target,
            "addresses": list(ask.addresses),
        }
    )
    try:
        decode_ask(payload)
    except MalformedPayload as error:
        raise LocalError(f"an ask that no node could read: {error}") from error
    return payload


def decode_ask(payload: bytes) -> Ask:
    """The ask in a payload of type `ASK_TYPE`.

    Raises:
        MalformedPayload: Not strict JSON, a field is wrong, an address stands twice, or it would
            hold too long or end before it begins.
    """
    source = read_json(payload)
    ask = Ask(
        node=NodeId(read_match(source, "node", NODE_ID)),
        key=KeyId(read_match(source, "key", HASH)),
        number=read_integer(source, "number"),
        at=read_moment(source, "at"),
        until=read_moment(source, "until"),
        target=read_text(source, "target", limit=_MAX_TARGET_LENGTH),
        addresses=read_texts(source, "addresses", ADDRESS, limit=MAX_ADDRESSES),
    )
    if len(set(ask.addresses)) != len(ask.addresses):
        raise MalformedPayload("addresses: each address once is due")
    if not 0 <= parse_moment(ask.until) - parse_moment(ask.at) <= MAX_VALIDITY_MS:
        raise MalformedPayload(f"until: 0 to {MAX_VALIDITY_MS} ms after `at` is due")
    return ask
