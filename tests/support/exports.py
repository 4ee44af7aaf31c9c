"""Web measurements with their controls and verdicts, exported as OONI JSON: one of each kind."""

import json
from collections.abc import Iterator, Sequence
from importlib import resources

from shyraq_collector.facts.fleet import Placement
from shyraq_collector.facts.verdicts import Slowdown, Verdict
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.ooni.export import Context, export_web
from shyraq_collector.judge.policy import MINUTE_MS, Policy
from shyraq_wire.report import Json, Measurement
from support.web import RIGHT, SITE, https, lookup, page, step, web

SCHEMA = json.loads(
    resources.files("shyraq_collector.judge.ooni")
    .joinpath("schema/web_connectivity.json")
    .read_text(encoding="utf-8")
)
"""The strict form of an export, as published."""

CONTEXT = Context(
    started_ms=1_668_927_600_123,
    country="KZ",
    network="AS64496",
    network_name="Example Telecom",
    software="shyraq-agent/0.1.0",
)
GOOD = web([lookup(RIGHT, "2001:db8::10"), *https(), *https("2001:db8::10")])
CLEAR = "http://courier.example.org/"
_CHAIN: list[Json] = [{"sha256": "cd" * 32, "der": "MIIB"}, {"sha256": "ef" * 32}]
_SHORT: dict[str, Json] = {
    "body": "<title>No</title>",
    "body_size_bytes": 17,
    "title": "No",
    "header_names": [],
}

MEASUREMENTS: Sequence[Measurement] = (
    GOOD,
    web([lookup(failure="dns_nxdomain_error")]),
    web([lookup("127.0.0.1", failure="dns_bogon_error")]),
    web([lookup(RIGHT), *https(connect="connection_refused")]),
    web([lookup(RIGHT), *https(handshake="generic_timeout_error")]),
    web([lookup(RIGHT), *https(verify="ssl_unknown_authority", codes=[20], chain=_CHAIN)]),
    web([lookup(RIGHT), *https(request="connection_reset")]),
    web([lookup(RIGHT), *https(handshake="unknown_failure: something [scrubbed]")]),
    web([lookup(RIGHT), step("connect", address=RIGHT, port=80), page(CLEAR, RIGHT)], CLEAR),
    web(
        [lookup(RIGHT), step("connect", address=RIGHT, port=80), page(CLEAR, RIGHT, **_SHORT)],
        CLEAR,
    ),
    web(
        [
            lookup(RIGHT),
            lookup("2001:db8::10", engine="udp", resolver="isp", query="AAAA"),
            *https(status=302, headers={"location": "https://www.courier.example.org/"}),
            lookup("192.0.2.11", depth=1),
            step("connect", "network_unreachable", address="2001:db8::11", port=443, depth=1),
            step("connect", "egress_forbidden", address="192.168.1.1", port=443, depth=1),
            step("redirect", "http_unexpected_redirect_url", location="x", depth=1),
        ]
    ),
    web([]),
)


def exported() -> Iterator[dict[str, Json]]:
    """Every measurement, without anything and with a control and each verdict it got."""
    place = Placement(
        node="node-0001", isp="alpha", region="KZ-75", country="KZ", access="fixed", site="s"
    )
    for measurement in MEASUREMENTS:
        yield export_web(measurement, CONTEXT)
        judge = Judge(Policy())
        verdicts = judge.observe(place, measurement, sealed_ms=CONTEXT.started_ms)
        verdicts += judge.advance(CONTEXT.started_ms + 1_000 * MINUTE_MS)
        for verdict in verdicts:
            yield export_web(measurement, CONTEXT, control=GOOD, verdict=verdict)
    for verdict in (*_blocked(), _slowed()):
        yield export_web(GOOD, CONTEXT, control=MEASUREMENTS[4], verdict=verdict)


def _blocked() -> Iterator[Verdict]:
    for layer in ("dns", "tcp", "tls", "certificate", "http"):
        yield _verdict(state="blocked", layer=layer)
    yield _verdict(state="blocked", layer="http", rule="http.other-page")
    yield _verdict(state="down")


def _slowed() -> Verdict:
    slowdown = Slowdown(ratio=40.0, low=30.0, high=55.0, p_value=0.0002, pairs=12)
    return _verdict(state="throttled", slowdown=slowdown)


def _verdict(**changes: object) -> Verdict:
    fields: dict[str, object] = {
        "node": "node-0001",
        "isp": "alpha",
        "region": "KZ-75",
        "access": "fixed",
        "target": SITE,
        "at_ms": CONTEXT.started_ms,
        "layer": None,
        "doubt": None,
        "rule": "tls.failed",
        "confidence": 0.9,
        "reason": "For a test.",
    }
    return Verdict(**(fields | changes))  # type: ignore[arg-type]  # every field is given
