"""What the agent's own probes record, as the judge and the export read it: no shape is guessed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from jsonschema import (  # type: ignore[import-untyped]  # ships no types
    Draft202012Validator,
    FormatChecker,
)

from shyraq_agent.measure import tls, web
from shyraq_agent.measure.target import parse_target
from shyraq_agent.sign.sealing import to_wire
from shyraq_collector.facts.fleet import Placement, Role
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.ooni.export import Context, export_web
from shyraq_collector.judge.policy import Policy
from shyraq_wire.report import Json, Measurement
from shyraq_wire.report_json import decode_measurement, encode_measurement
from support.authority import Authority, server_context
from support.edges import TableResolver, make_edges
from support.exports import SCHEMA
from support.hostile_servers import (
    Behaviour,
    close,
    page,
    redirect,
    reset,
    site,
    stay_silent,
    tcp_server,
)

HOST = "orda.example"
HERE = "127.0.0.1"
PAGE = page(b"<title>Orda news</title>" + b"x" * 3000, headers={"X-Paper": "1"})
BLOCK_PAGE = page(b"<title>Restricted</title>")
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


@pytest.fixture(scope="module")
def trusted() -> Authority:
    """The authority that every agent here trusts."""
    return Authority()


@dataclass(frozen=True)
class _Server:
    behaviour: Behaviour
    names: Authority | None = None
    """Who signed its certificate; None: it speaks in the clear."""


async def _seen(
    trusted: Authority,
    server: _Server,
    *,
    table: Mapping[str, Sequence[str]] | None = None,
    scheme: str = "https",
) -> Measurement:
    """One measurement by the real probe, through the wire's own JSON."""
    context = server_context(server.names.leaf(HOST)) if server.names else None
    async with tcp_server(server.behaviour, tls=context) as port:
        edges = make_edges(
            trusted,
            system_resolver=TableResolver({HOST: [HERE]} if table is None else table),
        )
        finished = await web.measure(parse_target(f"{scheme}://{HOST}:{port}/"), edges)
    sealed_uptime_ms = finished.started_uptime_ms + round(finished.duration_ms)
    return _renamed(to_wire(finished, sealed_uptime_ms), port)


def _renamed(measurement: Measurement, port: int) -> Measurement:
    """The same with a fixed port, as if every server had the same address."""
    text = json.dumps(encode_measurement(measurement)).replace(str(port), "443")
    return decode_measurement(json.loads(text))


def _place(node: str, isp: str, role: Role) -> Placement:
    return Placement(
        node=node, isp=isp, region="KZ-75", country="KZ", access="fixed", site=node, role=role
    )


def _judged(ours: Measurement, control: Measurement) -> Verdict:
    """The last verdict of three, with controls before, between and after."""
    judge, said = Judge(Policy()), list[Verdict]()
    began_ms = 1_668_927_600_000
    for minute in range(7):
        at_ms = began_ms + minute * 60_000
        control_turn = minute % 2 == 0
        place = (
            _place("control-01", "hoster", "control")
            if control_turn
            else _place("node-0001", "alpha", "sensor")
        )
        said += judge.observe(place, control if control_turn else ours, sealed_ms=at_ms)
    said += judge.advance(began_ms + 7_200_000)
    assert len(said) == 3
    return said[-1]


@pytest.mark.parametrize(
    ("behaviour", "rule"),
    [
        (reset, "tls.failed"),
        (close, "tls.failed"),
        (stay_silent, "tls.failed"),
    ],
)
async def test_what_happens_after_client_hello(
    trusted: Authority, behaviour: Behaviour, rule: str
) -> None:
    """Reset, FIN and silence after ClientHello are blocking of TLS beside a good control."""
    good = await _seen(trusted, _Server(site({"/": PAGE}), trusted))
    verdict = _judged(await _seen(trusted, _Server(behaviour)), good)
    assert (verdict.state, verdict.layer, verdict.rule) == ("blocked", "tls", rule)


async def test_a_good_page_a_forced_certificate_and_a_denied_name(trusted: Authority) -> None:
    """The three words that matter most, from real steps."""
    good = await _seen(trusted, _Server(site({"/": PAGE}), trusted))
    forged = await _seen(trusted, _Server(site({"/": PAGE}), Authority()))
    denied = await _seen(trusted, _Server(stay_silent), table={})
    filtered = await _seen(trusted, _Server(stay_silent), table={HOST: ["192.168.1.1"]})
    assert _judged(good, good).rule == "ok.secure"
    assert _judged(forged, good).layer == "certificate"
    assert _judged(denied, good).rule == "dns.failed"
    assert _judged(filtered, good).doubt == "home_filter"
    assert _judged(forged, forged).state == "down"


async def test_pages_in_the_clear(trusted: Authority) -> None:
    """A block page is told from the control's page; a redirect into the home is a portal."""
    good = await _seen(trusted, _Server(site({"/": PAGE})), scheme="http")
    odd = await _seen(trusted, _Server(site({"/": BLOCK_PAGE})), scheme="http")
    portal = await _seen(
        trusted, _Server(site({"/": redirect("http://192.168.1.1/login")})), scheme="http"
    )
    assert _judged(good, good).rule == "ok.same-page"
    assert _judged(odd, good).rule == "http.other-page"
    assert _judged(portal, good).rule == "portal.login"


async def test_exports_of_real_measurements_pass_the_schema(trusted: Authority) -> None:
    """Nothing that a real probe writes falls out of the strict form."""
    context = Context(
        started_ms=1_668_927_600_000,
        country="KZ",
        network="AS64496",
        network_name="Example",
        software="shyraq-agent/0.1.0",
    )
    seen = [
        await _seen(trusted, _Server(site({"/": PAGE}), trusted)),
        await _seen(trusted, _Server(site({"/": PAGE}), Authority())),
        await _seen(trusted, _Server(site({"/": BLOCK_PAGE})), scheme="http"),
        await _seen(trusted, _Server(site({"/": redirect("/next")})), scheme="http"),
        await _seen(trusted, _Server(reset)),
        await _seen(trusted, _Server(reset), table={}),
    ]
    problems = [
        error.message
        for measurement in seen
        for error in VALIDATOR.iter_errors(
            _plain(export_web(measurement, context, control=seen[0]))
        )
    ]
    assert problems == []


def _plain(document: Mapping[str, Json]) -> object:
    return json.loads(json.dumps(document))


async def test_an_endpoint_is_judged_by_its_certificate(trusted: Authority) -> None:
    """The probe tls needs no page."""
    async with tcp_server(stay_silent, tls=server_context(trusted.leaf(HOST))) as port:
        edges = make_edges(trusted, system_resolver=TableResolver({HOST: [HERE]}))
        finished = await tls.measure(parse_target(f"{HOST}:{port}"), edges)
    measurement = to_wire(finished, finished.started_uptime_ms)
    assert _judged(measurement, measurement).rule == "ok.secure"
