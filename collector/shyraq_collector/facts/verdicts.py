"""What a rule said of one measurement or of one target; values only.

`Verdict` is about our own measurements, one per (node, target) and moment. `OoniVerdict` is
about one OONI web_connectivity measurement, in OONI's own two words. Each names the rule that
gave it, so that it can be recomputed from stored facts and argued with. Neither is ever
stored without its rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shyraq_collector.facts.fleet import Access
from shyraq_wire.report import Json
from shyraq_wire.topics import NodeId

State = Literal["ok", "blocked", "throttled", "down", "unknown"]
"""`down`: the control fails too. `unknown` is never shown as ok."""

Layer = Literal["dns", "tcp", "tls", "certificate", "quic", "http"]
"""Where a block bites. `certificate`: a handshake that ends in another's certificate."""

Doubt = Literal[
    "no_control",
    "too_few",
    "address_untried",
    "wrong_clock",
    "captive_portal",
    "home_filter",
    "own_fault",
    "refused_by_server",
    "unclear",
]
"""Why a verdict is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """How much slower a name is than its neutral twin on the same path."""

    ratio: float
    """Target over neutral: 4.0 means four times as slow; 1.0 no difference."""
    low: float
    """Lower end of the interval of the ratio."""
    high: float
    """Upper end of the interval of the ratio."""
    p_value: float
    """Chance of such a difference if the name made none; 0 to 1."""
    pairs: int
    """Interleaved pairs compared."""
    rate_bps: float | None = None
    """Median rate of the target's transfers, bits a second; None: answers were compared."""
    rate_spread: float | None = None
    """Quartile distance of those rates over their median: near zero for a policer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says of one target as seen by one node at one moment."""

    node: NodeId
    isp: str | None
    region: str | None
    access: Access | None
    target: str
    at_ms: int
    """Milliseconds since 1970 UTC of the node's measurement, as the collector dates it."""
    state: State
    layer: Layer | None
    """Where it is blocked; None unless blocked."""
    doubt: Doubt | None
    """Why it is unknown; None unless unknown."""
    rule: str
    """Stable id in the rule table."""
    confidence: float
    """0 to 1: how often this rule is expected to be right when it fires."""
    reason: str
    """One sentence for people."""
    slowdown: Slowdown | None = None
    """Present when pairs could be compared."""
    controls: tuple[NodeId, ...] = ()
    """The control nodes this verdict leans on."""


Blocking = Literal[False, "dns", "tcp_ip", "http-failure", "http-diff"] | None
"""OONI's word: False no blocking seen, None not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OoniVerdict:
    """What our rules say of one OONI web_connectivity measurement."""

    input: str | None
    """The URL that was measured; None where the file has none."""
    blocking: Blocking
    accessible: bool | None
    """True, False, or None when nothing can be said."""
    rule: str
    reason: str

    def as_json(self) -> Mapping[str, Json]:
        """The object that `judge --format ooni` prints."""
        return {
            "input": self.input,
            "blocking": self.blocking,
            "accessible": self.accessible,
            "rule": self.rule,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OoniRefusal:
    """Why a text was not judged: it is broken, or not a web_connectivity measurement."""

    problem: str
    """What is wrong and what would be right, without the place."""
