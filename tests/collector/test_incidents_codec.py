"""Typed values to JSON and back."""

import json

from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.incidents.codec import decode, encode
from shyraq_wire.topics import NodeId


def test_a_verdict_with_named_ids_comes_back_as_it_was() -> None:
    """A NewType, such as a node's id, is read as the type it stands for."""
    verdict = Verdict(
        node=NodeId("node-0001"),
        isp="kcell",
        region="KZ-75",
        access="mobile",
        target="https://orda.kz/",
        at_ms=1_641_297_600_000,
        state="blocked",
        layer="dns",
        doubt=None,
        rule="dns.failed",
        confidence=0.8,
        reason="The lookup fails here, repeatedly, and works for the control.",
        controls=(NodeId("node-0900"), NodeId("node-0901")),
    )
    again = decode(Verdict, json.loads(json.dumps(encode(verdict))), lambda _: None)
    assert again == verdict
