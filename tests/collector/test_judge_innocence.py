"""Whom the judge must never accuse, whatever the nodes and controls report and in what order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.facts.fleet import Placement, Role
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.policy import MINUTE_MS, Policy, TargetPolicy
from shyraq_wire.report import Json, Measurement, Step
from support.web import RIGHT, SITE, https, lookup, page, step, web

CADENCE_MS: Final = 5 * MINUTE_MS
CLEAR: Final = "http://courier.example.org/"
NEUTRAL: Final = "https://neutral.example.net/"
NAME: Final = "courier.example.org"
POLICY: Final = Policy(
    targets={target: TargetPolicy(cadence_ms=CADENCE_MS) for target in (SITE, CLEAR, NAME)}
    | {NEUTRAL: TargetPolicy(cadence_ms=CADENCE_MS, neutral=True)}
)
START_MS: Final = 1_668_927_600_000


def _place(node: str, isp: str, role: Role) -> Placement:
    country = "KZ" if role == "sensor" else "DE"
    return Placement(
        node=node, isp=isp, region="KZ-75", country=country, access="fixed", site=node, role=role
    )


SENSORS: Final = (_place("node-0001", "alpha", "sensor"), _place("node-0002", "beta", "sensor"))
CONTROLS: Final = (
    _place("control-01", "hoster-a", "control"),
    _place("control-02", "hoster-b", "control"),
)


def _plain(address: str, **changes: Json) -> list[Step]:
    return [step("connect", address=address, port=80), page(CLEAR, address, **changes)]


def _silent_resolver(*answers: str, failure: str | None = None) -> Step:
    row: Json = {"id_matches": True, "answers": answers}
    more: dict[str, Json] = {"resolver": "silent", "engine": "udp", "query": "A"}
    return lookup(*answers, failure=failure, datagrams=[row], **more)


OTHER, FAR = "192.0.2.11", "198.51.100.66"
DATES: Final = [9, 10]
FAILURES: Final[tuple[Measurement, ...]] = (
    *(web([lookup(RIGHT), *https(handshake=f)]) for f in ("generic_timeout_error", "eof_error")),
    web([lookup(RIGHT), *https(connect="connection_refused")]),
    web([lookup(FAR), *https(FAR, connect="generic_timeout_error")]),
    web([lookup(FAR), *https(FAR, verify="ssl_unknown_authority", codes=[20])]),
    web([lookup(OTHER), *https(OTHER, handshake="connection_reset")]),
    web([lookup(RIGHT), *https(verify="ssl_unknown_authority", codes=[20])]),
    web([lookup(RIGHT), *https(verify="ssl_invalid_certificate", codes=DATES)]),
    web([lookup(RIGHT), *https(request="connection_reset")]),
    web([lookup(failure="dns_nxdomain_error")]),
    web([lookup(failure="dns_servfail_error")]),
    web([lookup("10.10.34.35", failure="dns_bogon_error")]),
    web([lookup(failure="dns_nxdomain_error")], NAME, "dns"),
    web([lookup(FAR), _silent_resolver(FAR)], NAME, "dns"),
    web([lookup(failure="dns_refused_error"), _silent_resolver()], NAME, "dns"),
    web([lookup(RIGHT), *_plain(RIGHT, status=200, title="Another", header_names=[])], CLEAR),
    web([lookup(RIGHT), step("connect", "connection_reset", address=RIGHT, port=80)], CLEAR),
)
SUCCESSES: Final[tuple[Measurement, ...]] = (
    web([lookup(RIGHT), *https()]),
    web([lookup(OTHER), *https(OTHER)]),
    web([lookup(FAR), *https(FAR)]),
    web([lookup(RIGHT), *https(status=403)]),
    web([lookup(RIGHT), *https(status=451)]),
    web([lookup(RIGHT)], NAME, "dns"),
    web([lookup(RIGHT), *_plain(RIGHT)], CLEAR),
    web([lookup(RIGHT), *https()], NEUTRAL),
)
GOOD: Final = {SUCCESSES[0].target: SUCCESSES[0], NAME: SUCCESSES[5], CLEAR: SUCCESSES[6]}


@dataclass(frozen=True, slots=True)
class _Event:
    place: Placement
    measurement: Measurement
    clock_wrong: bool
    later_ms: int
    """After the event before it."""


def _events(
    places: Sequence[Placement], measurements: Sequence[Measurement]
) -> st.SearchStrategy[list[_Event]]:
    event = st.builds(
        _Event,
        st.sampled_from(places),
        st.sampled_from(measurements),
        st.booleans(),
        st.integers(0, 3 * MINUTE_MS),
    )
    return st.lists(event, min_size=4, max_size=40)


def _said(events: Sequence[_Event]) -> list[Verdict]:
    judge, at_ms, said = Judge(POLICY), START_MS, []
    for event in events:
        at_ms += event.later_ms
        said += judge.observe(
            event.place, event.measurement, sealed_ms=at_ms, clock_wrong=event.clock_wrong
        )
        said += judge.advance(at_ms)
    return said + judge.advance(at_ms + 10 * CADENCE_MS)


def _accusing(said: Sequence[Verdict]) -> list[Verdict]:
    return [verdict for verdict in said if verdict.state in ("blocked", "throttled")]


@settings(max_examples=200, deadline=None)
@given(_events(SENSORS, (*FAILURES, *SUCCESSES)))
def test_without_a_control_nobody_is_accused(events: list[_Event]) -> None:
    """However often and however oddly things fail."""
    said = _said(events)
    assert not _accusing(said)
    assert all(verdict.state != "down" for verdict in said)


@settings(max_examples=200, deadline=None)
@given(_events((*SENSORS, *CONTROLS), FAILURES))
def test_where_controls_fail_too_nobody_is_accused(events: list[_Event]) -> None:
    """A control that gets through nowhere is no witness for the prosecution."""
    for verdict in _accusing(_said(events)):
        # one may fail after another got further: then the lower layer did work for it
        assert verdict.layer in ("dns", "tcp", "tls", "certificate")
        assert verdict.controls


@settings(max_examples=200, deadline=None)
@given(_events((*SENSORS, *CONTROLS), (*FAILURES, *SUCCESSES)))
def test_whoever_is_accused_failed_repeatedly_between_two_witnesses(events: list[_Event]) -> None:
    """A node's own failures in a row, and controls that got further before and after."""
    at_ms, timeline = START_MS, []
    for event in events:
        at_ms += event.later_ms
        timeline.append((at_ms, event))
    for verdict in _accusing(_said(events)):
        around = [
            (moment, event)
            for moment, event in timeline
            if event.measurement.target == verdict.target
            and event.place.role == "control"
            and abs(moment - verdict.at_ms) <= CADENCE_MS
        ]
        assert any(moment <= verdict.at_ms for moment, _ in around)
        assert any(moment > verdict.at_ms for moment, _ in around)
        own = [
            event.measurement
            for moment, event in timeline
            if event.measurement.target == verdict.target
            and event.place.node == verdict.node
            and moment <= verdict.at_ms
        ]
        assert len(own) >= POLICY.repeats
        assert all(each in FAILURES for each in own[-POLICY.repeats :])


@settings(max_examples=100, deadline=None)
@given(_events(SENSORS, SUCCESSES), st.lists(st.sampled_from(FAILURES), max_size=5))
def test_what_is_reached_is_not_blocked_whatever_controls_say(
    events: list[_Event], theirs: list[Measurement]
) -> None:
    """A page over a verified connection speaks for itself."""
    strange = [_Event(CONTROLS[0], each, False, MINUTE_MS) for each in theirs]
    assert not _accusing(_said([*strange, *events, *strange]))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FAILURES), st.integers(2, 6), st.booleans())
def test_a_clock_in_doubt_refuses_no_certificate(
    failing: Measurement, rounds: int, wrong: bool
) -> None:
    """Dates alone accuse nobody whose clock is not sure; nor do a home's own addresses."""
    events, good = [], GOOD[failing.target]
    for _ in range(rounds):
        events += [_Event(each, good, False, MINUTE_MS) for each in CONTROLS]
        events.append(_Event(SENSORS[0], failing, wrong, MINUTE_MS))
    events += [_Event(each, good, False, MINUTE_MS) for each in CONTROLS]
    accused = _accusing(_said(events))
    codes = [each.data.get("codes") for each in failing.steps if each.name == "verify"]
    home = any(each.failure == "dns_bogon_error" for each in failing.steps)
    if home or (wrong and DATES in codes):
        assert not accused
