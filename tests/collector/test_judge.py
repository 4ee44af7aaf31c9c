"""The judge of our own measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.facts.asks import Met
from shyraq_collector.facts.fleet import Placement, Role
from shyraq_collector.facts.reports import VerifiedReport
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.judge import reference
from shyraq_collector.judge.judge import MAX_WAITING, Judge
from shyraq_collector.judge.policy import MINUTE_MS, Policy, TargetPolicy
from shyraq_collector.judge.rules import NOTHING, RULES
from shyraq_wire.chain import Position
from shyraq_wire.keys import KeyId
from shyraq_wire.report import REPORT_TYPE, ClockState, Json, Measurement, Step
from support.reports import example_report
from support.web import RIGHT, SITE, https, lookup, page, step, web

HOME_SITE = "https://akimat.example.kz/"
NEUTRAL = "https://neutral.example.net/"
CLEAR = "http://courier.example.org/"
OTHER, WRONG = "192.0.2.11", "198.51.100.66"
POLICY = Policy(
    targets={
        SITE: TargetPolicy(cadence_ms=5 * MINUTE_MS),
        CLEAR: TargetPolicy(cadence_ms=5 * MINUTE_MS),
        NEUTRAL: TargetPolicy(cadence_ms=5 * MINUTE_MS, neutral=True),
        HOME_SITE: TargetPolicy(cadence_ms=5 * MINUTE_MS, domestic=True),
        "courier.example.org": TargetPolicy(cadence_ms=5 * MINUTE_MS),
        "courier.example.org:443": TargetPolicy(cadence_ms=5 * MINUTE_MS),
    }
)


def _place(node: str = "node-0001", isp: str = "alpha", role: Role = "sensor") -> Placement:
    country = "KZ" if role == "sensor" else "DE"
    return Placement(
        node=node, isp=isp, region="KZ-75", country=country, access="fixed", site=node, role=role
    )


CONTROL = _place("control-01", "hoster-a", "control")
CONTROL_2 = _place("control-02", "hoster-b", "control")


GOOD = web([lookup(RIGHT), *https()])
SILENT = web([lookup(RIGHT), *https(handshake="generic_timeout_error")])


class _Story:
    """Feeds one judge, minute by minute, and keeps what it says."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.judge = Judge(policy)
        self.verdicts: list[Verdict] = []
        self._minute = count()

    def minute(
        self, *events: tuple[Placement, Measurement], clock_wrong: bool = False
    ) -> list[Verdict]:
        at_ms = 1_668_927_600_000 + next(self._minute) * MINUTE_MS
        said = [
            verdict
            for place, measurement in events
            for verdict in self.judge.observe(
                place, measurement, sealed_ms=at_ms, clock_wrong=clock_wrong
            )
        ]
        said += self.judge.advance(at_ms)
        self.verdicts += said
        return said

    def repeated(
        self,
        ours: Measurement,
        control: Measurement | None = GOOD,
        *,
        place: Placement | None = None,
        controls: Sequence[Placement] = (CONTROL, CONTROL_2),
        clock_wrong: bool = False,
        beside: Sequence[tuple[Placement, Measurement]] = (),
    ) -> list[Verdict]:
        """Three rounds of one node, with controls before, between and after; its verdicts."""
        node = place or _place()
        for _ in range(3):
            if control is not None:
                self.minute(*((each, control) for each in controls))
            self.minute(*beside, (node, ours), clock_wrong=clock_wrong)
        if control is not None:
            self.minute(*((each, control) for each in controls))
        for _ in range(7):
            self.minute()
        return [
            verdict
            for verdict in self.verdicts
            if verdict.node == node.node and verdict.target == ours.target
        ]


def _last(verdicts: Sequence[Verdict]) -> tuple[str, str | None, str | None, str]:
    assert len(verdicts) == 3
    said = verdicts[-1]
    return said.state, said.layer, said.doubt, said.rule


def test_a_good_page_is_ok_at_once() -> None:
    """A verified connection needs no control and no waiting."""
    [verdict] = _Story().minute((_place(), GOOD))
    assert (verdict.state, verdict.rule) == ("ok", "ok.secure")
    assert (verdict.isp, verdict.region, verdict.access) == ("alpha", "KZ-75", "fixed")


def test_silence_after_client_hello_is_blocking_from_the_second_time() -> None:
    """The usual block: DNS and TCP fine, the handshake silent, the control fine all along."""
    said = _Story().repeated(SILENT)
    assert [verdict.rule for verdict in said] == ["control.once", "tls.failed", "tls.failed"]
    assert (said[1].state, said[1].layer) == ("blocked", "tls")
    assert said[1].controls == ("control-01", "control-02")
    assert said[1].confidence == pytest.approx(0.9)


def test_controls_of_one_network_count_less() -> None:
    """Two controls in one network are one opinion."""
    said = _Story().repeated(SILENT, controls=(CONTROL,))
    assert said[-1].confidence == pytest.approx(0.9 * 0.85)


BLOCKED: Mapping[str, tuple[Measurement, str]] = {
    "tcp.failed": (web([lookup(RIGHT), *https(connect="connection_refused")]), "tcp"),
    "tls.certificate": (
        web([lookup(RIGHT), *https(verify="ssl_unknown_authority", codes=[20])]),
        "certificate",
    ),
    "tls.failed": (web([lookup(RIGHT), *https(handshake="connection_reset")]), "tls"),
    "http.failed": (web([lookup(RIGHT), *https(request="connection_reset")]), "http"),
    "dns.failed": (web([lookup(failure="dns_nxdomain_error")]), "dns"),
}


@pytest.mark.parametrize("rule", BLOCKED)
def test_blocking_is_named_by_its_layer(rule: str) -> None:
    """What works for the controls and fails here is blocked where it fails."""
    measurement, layer = BLOCKED[rule]
    assert _last(_Story().repeated(measurement)) == ("blocked", layer, None, rule)


@pytest.mark.parametrize("rule", BLOCKED)
def test_what_fails_for_the_control_too_is_down(rule: str) -> None:
    """The same failure everywhere is the site's own."""
    measurement, _ = BLOCKED[rule]
    said = _Story().repeated(measurement, measurement)
    assert _last(said) == ("down", None, None, "down.for-everybody")


def test_without_control_nothing_is_blocked() -> None:
    """Failures without any control stay unknown, after one cadence."""
    story = _Story()
    story.minute((_place(), SILENT))
    assert not [verdict for _ in range(5) for verdict in story.minute()]
    [verdict] = story.minute()
    assert (verdict.state, verdict.doubt) == ("unknown", "no_control")


def test_a_control_must_try_the_same_address() -> None:
    """Success at another address says nothing of this one."""
    elsewhere = web([lookup(OTHER), *https(OTHER)])
    said = _Story().repeated(SILENT, elsewhere)
    assert _last(said) == ("unknown", None, "address_untried", "control.untried")


def _door(host: int, **failures: str | None) -> Measurement:
    """The site at an address that only this node's network is given."""
    address = f"198.51.100.{host}"
    return web([lookup(address), *https(address, **failures)])  # type: ignore[arg-type]


def test_a_genuine_address_may_be_judged_by_the_controls_others() -> None:
    """Where the site was surely met lately, silence is blocking though no control tried it."""
    story = _Story()
    story.minute((_place(), _door(10)))
    said = story.repeated(_door(10, handshake="generic_timeout_error"))[1:]
    assert _last(said) == ("blocked", "tls", None, "tls.failed")
    assert said[-1].confidence == pytest.approx(0.9 * 0.85)
    never_met = _Story().repeated(_door(10, handshake="generic_timeout_error"))
    assert _last(never_met)[2] == "address_untried"


def test_a_genuine_address_of_a_site_that_is_down_is_down() -> None:
    """The controls' other addresses speak for it in both directions."""
    story = _Story()
    story.minute((_place(), _door(10)))
    said = story.repeated(_door(10, connect="connection_refused"), BLOCKED["tcp.failed"][0])[1:]
    assert _last(said)[0] == "down"


def test_a_forged_certificate_speaks_without_a_control_at_its_address() -> None:
    """Far from the site it is a lie of DNS, near it the path itself is forged."""
    forged = _door(66, verify="ssl_unknown_authority")
    assert _last(_Story().repeated(forged)) == ("blocked", "dns", None, "dns.strange-certificate")
    story = _Story()
    story.minute((_place(), _door(10)))
    said = story.repeated(forged)[1:]
    assert _last(said) == ("blocked", "certificate", None, "tls.untried-certificate")
    expired = web([lookup(WRONG), *https(WRONG, verify="ssl_invalid_certificate", codes=[10])])
    assert _last(_Story().repeated(expired))[2] == "address_untried"


def test_an_address_that_serves_nobody_but_is_only_given_here_is_a_lie() -> None:
    """The control tried the odd address as well, and the site is elsewhere."""
    lied = web([lookup(WRONG), *https(WRONG, verify="ssl_unknown_authority", codes=[18])])
    both = web([lookup(RIGHT), *https(), *https(WRONG, verify="ssl_unknown_authority", codes=[18])])
    assert _last(_Story().repeated(lied, both)) == ("blocked", "dns", None, "dns.wrong-address")


def test_a_dead_address_that_the_control_was_given_too_is_down() -> None:
    """One of several true addresses may be dead for everybody."""
    dead = web([lookup(OTHER), *https(OTHER, connect="generic_timeout_error")])
    both = web([lookup(RIGHT, OTHER), *https(), *https(OTHER, connect="generic_timeout_error")])
    assert _last(_Story().repeated(dead, both))[0] == "down"


def _asked(*steps: Step) -> Measurement:
    """What a control met at the addresses that it was asked to try."""
    return web(steps, probe="tls", asked=7)


def _asked_story(ours: Measurement, answer: Measurement, *, before: bool = False) -> list[Verdict]:
    """Three rounds of a node; controls measure the site by their schedule and answer asks."""
    story = _Story()
    if before:
        story.minute((_place(), _door(66)))
    for _ in range(3):
        story.minute((CONTROL, GOOD), (CONTROL_2, GOOD))
        story.minute((_place(), ours))
        story.minute((CONTROL, answer), (CONTROL_2, answer))
    story.minute((CONTROL, GOOD), (CONTROL_2, GOOD))
    for _ in range(7):
        story.minute()
    return [said for said in story.verdicts if said.node == "node-0001"][before:]


_DEAD = _door(66, connect="connection_refused")


def test_a_lie_that_leads_nowhere_is_found_because_controls_were_asked() -> None:
    """Nothing listens at the address, for nobody; the site is alive at its own."""
    unasked = _Story().repeated(_DEAD)
    assert _last(unasked) == ("unknown", None, "address_untried", "control.untried")
    said = _asked_story(_DEAD, _asked(*https("198.51.100.66", connect="connection_refused")))
    assert [each.rule for each in said] == ["control.once", *["dns.wrong-address"] * 2]
    assert _last(said) == ("blocked", "dns", None, "dns.wrong-address")
    assert said[-1].controls == ("control-01", "control-02")
    assert said[-1].confidence == pytest.approx(0.85)


def test_an_address_that_works_for_the_asked_is_blocked_here() -> None:
    """Given only to this network, tried by nobody unasked: before and after it worked abroad."""
    silent = _door(66, handshake="generic_timeout_error")
    said = _asked_story(silent, _asked(*https("198.51.100.66")[:3]))
    assert _last(said) == ("blocked", "tls", None, "tls.failed")
    assert said[-1].confidence == pytest.approx(0.9)


def test_an_asked_control_that_is_alone_in_failing_does_not_hasten_the_word() -> None:
    """One control may be ill: the other network, or the end of the cadence, is waited for."""
    story = _Story()
    dead = _asked(*https("198.51.100.66", connect="connection_refused"))
    for _ in range(2):
        story.minute((CONTROL, GOOD), (CONTROL_2, GOOD))
        story.minute((_place(), _DEAD))
    assert story.minute((CONTROL, dead), (CONTROL, GOOD)) == []
    said = story.minute((CONTROL_2, dead))
    assert [each.rule for each in said] == ["control.once", "dns.wrong-address"]


def test_a_dead_address_where_the_site_was_met_is_nobodys_lie() -> None:
    """An edge of a CDN has died for everybody: the site is not down, and nobody interferes."""
    said = _asked_story(
        _DEAD, _asked(*https("198.51.100.66", connect="connection_refused")), before=True
    )
    assert _last(said) == ("unknown", None, "unclear", "control.not-here")


def test_where_a_site_was_met_outlasts_a_restart() -> None:
    """Or a part of the site that died long ago would pass for a liar's invention."""
    first = _Story()
    first.minute((_place(), _door(66)))
    met = first.judge.news()
    assert [(each.target, each.address) for each in met] == [(SITE, "198.51.100.66")]
    dead = _asked(*https("198.51.100.66", connect="connection_refused"))
    for known, rule in ((met, "control.not-here"), ((), "dns.wrong-address")):
        again = _Story()
        again.judge.learn(known)
        for _ in range(3):
            again.minute((CONTROL, GOOD), (CONTROL_2, GOOD))
            again.minute((_place(), _DEAD))
            again.minute((CONTROL, dead), (CONTROL_2, dead))
        again.minute((CONTROL, GOOD), (CONTROL_2, GOOD))
        for _ in range(7):
            again.minute()
        assert [each.rule for each in again.verdicts if each.node == "node-0001"][-1] == rule


def test_an_address_is_news_once_an_hour() -> None:
    """However often the site is met there, and from an earlier run on."""
    story = _Story()
    told = []
    for _ in range(130):
        story.minute((_place(), _door(66)))
        told.append(len(story.judge.news()))
    assert [minute for minute, number in enumerate(told) if number] == [0, 60, 120]
    again = _Story()
    again.judge.learn([Met(target=SITE, address="198.51.100.66", at_ms=1_668_927_600_000)])
    assert again.judge.news() == ()
    again.minute((_place(), _door(66)))
    assert again.judge.news() == ()


def test_where_the_site_was_met_one_try_afterwards_is_enough() -> None:
    """That the address worked before, the nodes themselves have seen."""
    story = _Story()
    story.minute((_place(), _door(66)))
    for _ in range(3):
        story.minute((CONTROL, GOOD), (CONTROL_2, GOOD))
        story.minute((_place(), _door(66, handshake="connection_reset")))
    story.minute((CONTROL, GOOD), (CONTROL_2, GOOD))
    story.minute((CONTROL, _asked(*https("198.51.100.66")[:3])))
    for _ in range(7):
        story.minute()
    said = [each for each in story.verdicts if each.node == "node-0001"]
    assert _last(said[1:]) == ("blocked", "tls", None, "tls.failed")


def test_a_site_that_is_down_everywhere_is_down_whoever_was_asked() -> None:
    """At its own addresses, and at one that only an ask led to."""
    refused = web([lookup(RIGHT), *https(connect="connection_refused")])
    asked = _asked(*https("198.51.100.66", connect="connection_refused"))
    story = _Story()
    for _ in range(3):
        story.minute((CONTROL, refused), (CONTROL_2, refused))
        story.minute((_place(), _DEAD))
        story.minute((CONTROL, asked), (CONTROL_2, asked))
    for _ in range(7):
        story.minute((CONTROL, refused), (CONTROL_2, refused))
    said = [each for each in story.verdicts if each.node == "node-0001"]
    assert _last(said)[0] == "down"


def test_what_was_asked_tells_of_its_address_only() -> None:
    """A control that failed at a liar's address has not failed at the site."""
    story = _Story()
    nothing = web([lookup(failure="dns_nxdomain_error")])
    asked = _asked(*https("198.51.100.66", connect="connection_refused"))
    for _ in range(3):
        story.minute((_place(), nothing))
        story.minute((CONTROL, asked), (CONTROL_2, asked))
    for _ in range(7):
        story.minute()
    assert {each.state for each in story.verdicts} == {"unknown"}


def test_an_asked_measurement_of_a_sensor_is_not_its_own_experience() -> None:
    """We chose the address: it speaks neither for the node's network nor against it."""
    story = _Story()
    assert story.minute((_place(), _asked(*https("198.51.100.66")))) == []
    assert story.judge.questions(1_668_927_600_000) == ()


def test_another_address_with_a_good_certificate_is_innocent() -> None:
    """CDNs answer differently by place."""
    [verdict] = _Story().minute((_place(), web([lookup(WRONG), *https(WRONG)])))
    assert verdict.state == "ok"


def test_controls_that_stop_working_leave_it_open() -> None:
    """Success before and failure after: the site itself was changing."""
    story = _Story()
    story.minute((CONTROL, GOOD))
    story.minute((_place(), SILENT))
    story.minute((CONTROL, SILENT))
    for _ in range(6):
        story.minute()
    [verdict] = story.verdicts
    assert (verdict.doubt, verdict.rule) == ("unclear", "control.mixed")


def test_a_local_answer_is_a_home_filter_not_a_block() -> None:
    """Lookups that only give local addresses look like a filter in the home."""
    filtered = web([lookup("127.0.0.1", failure="dns_bogon_error")])
    assert _last(_Story().repeated(filtered)) == ("unknown", None, "home_filter", "own.home-filter")


def test_a_redirect_into_the_home_is_a_portal() -> None:
    """An unpaid-balance or login page is not the target's."""
    steps = [
        lookup(RIGHT),
        step("connect", address=RIGHT, port=80),
        page(CLEAR, RIGHT, status=302, body_size_bytes=0, title=""),
        step("connect", "egress_forbidden", address="192.168.1.1", port=80, depth=1),
    ]
    said = _Story().repeated(web(steps, CLEAR), web(_clear(), CLEAR))
    assert _last(said) == ("unknown", None, "captive_portal", "portal.login")


def _clear(**changes: Json) -> list[Step]:
    return [
        lookup(RIGHT),
        step("connect", address=RIGHT, port=80),
        page(CLEAR, RIGHT, **changes),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("ok", None, None, "ok.same-page")),
        (
            {"title": "Blocked", "body_size_bytes": 300, "header_names": ["date"]},
            ("blocked", "http", None, "http.other-page"),
        ),
        ({"status": 511}, ("unknown", None, "captive_portal", "portal.login")),
    ],
)
def test_pages_in_the_clear_are_compared(
    changes: dict[str, Json], expected: tuple[str, str | None, str | None, str]
) -> None:
    """The control's page decides what a page in the clear is worth."""
    assert _last(_Story().repeated(web(_clear(**changes), CLEAR), web(_clear(), CLEAR))) == expected


def test_a_page_in_the_clear_without_control_is_unknown() -> None:
    """Nobody can say whose page it is."""
    said = _Story().repeated(web(_clear(), CLEAR), None)
    assert _last(said) == ("unknown", None, "no_control", "http.no-control")


def test_an_other_page_once_is_too_few() -> None:
    """One odd page may be an odd moment."""
    odd = web(_clear(title="Blocked", body_size_bytes=3, header_names=[]), CLEAR)
    story = _Story()
    said = story.repeated(odd, web(_clear(), CLEAR))
    assert said[0].rule == "http.other-page-once"


def test_a_server_that_turns_us_away_is_not_blocked() -> None:
    """403 after a good handshake is the server's word; if the control gets it too, all is well."""
    refused = web([lookup(RIGHT), *https(status=403)])
    assert _last(_Story().repeated(refused))[1:] == (None, "refused_by_server", "http.refused")
    assert _last(_Story().repeated(refused, refused))[3] == "http.refused-for-everybody"


def test_only_dates_and_an_unsure_clock_is_no_certificate_verdict() -> None:
    """A wrong clock makes good certificates look expired."""
    expired = web([lookup(RIGHT), *https(verify="ssl_invalid_certificate", codes=[10])])
    said = _Story().repeated(expired, clock_wrong=True)
    assert _last(said) == ("unknown", None, "wrong_clock", "own.clock")
    forged = web([lookup(RIGHT), *https(verify="ssl_unknown_authority", codes=[20, 10])])
    assert _last(_Story().repeated(forged, clock_wrong=True))[1] == "certificate"
    assert _last(_Story().repeated(expired))[1] == "certificate"


def _ladder(*, home: int, abroad: int) -> Measurement:
    tiers: dict[str, Json] = {
        "domestic": {"ipv4": {"ok": home, "of": 3}},
        "abroad": {"ipv4": {"ok": abroad, "of": 3}},
    }
    return Measurement(
        probe="ladder",
        target="",
        started_offset_ms=0,
        duration_ms=0.0,
        steps=(),
        result={"tiers": tiers},
    )


def test_a_node_that_reaches_nothing_abroad_says_nothing_of_targets_there() -> None:
    """During a cut no site is "blocked"."""
    cut = [(_place(), _ladder(home=3, abroad=0))]
    assert _last(_Story().repeated(SILENT, beside=cut))[3] == "own.no-path"
    whole = [(_place(), _ladder(home=3, abroad=2))]
    assert _last(_Story().repeated(SILENT, beside=whole))[3] == "tls.failed"


def test_a_dead_family_says_nothing_of_targets_and_the_live_one_still_does() -> None:
    """Where IPv6 reaches nothing, a site met over IPv6 only is not "blocked"."""
    ladder = _ladder(home=3, abroad=3)
    tiers: dict[str, Json] = {
        "abroad": {"ipv4": {"ok": 3, "of": 3}, "ipv6": {"ok": 0, "of": 2}},
    }
    beside = [(_place(), replace(ladder, result={"tiers": tiers}))]
    six, timeout = "2001:db8::10", "generic_timeout_error"
    only_six = web([lookup(six), *https(six, connect=timeout)])
    good = web([lookup(six), *https(six)])
    assert _last(_Story().repeated(only_six, good, beside=beside))[3] == "own.no-path"
    assert _last(_Story().repeated(only_six, good))[3] == "tcp.failed"
    both_fail = web(
        [lookup(RIGHT, six), *https(six, connect="connection_refused"), *https(connect=timeout)]
    )
    control = web([lookup(RIGHT, six), *https(six), *https()])
    assert _last(_Story().repeated(both_fail, control, beside=beside))[3] == "tcp.failed"


def test_what_fails_between_a_dead_ladder_and_a_live_one_is_no_evidence() -> None:
    """At the edge of a cut the nearer ladder may already be a live one."""
    story = _Story()
    for _ in range(2):
        story.minute((CONTROL, GOOD), (CONTROL_2, GOOD))
        story.minute((_place(), _ladder(home=0, abroad=0)))
        story.minute()
        story.minute((_place(), SILENT))
    story.minute((_place(), _ladder(home=3, abroad=3)), (CONTROL, GOOD))
    for _ in range(7):
        story.minute()
    ours = [each.rule for each in story.verdicts if each.node == _place().node]
    assert ours == ["own.no-path", "own.no-path"]


def test_a_light_beat_says_nothing_of_the_way_abroad() -> None:
    """The beat of each minute tries no rung abroad; the last full ladder goes on speaking."""
    light = replace(_ladder(home=0, abroad=0), result={"tiers": {"gateway": {}, "collector": {}}})
    cut = [(_place(), _ladder(home=3, abroad=0)), (_place(), light)]
    assert _last(_Story().repeated(SILENT, beside=cut))[3] == "own.no-path"


def test_a_node_whose_neutral_names_fail_is_not_believed() -> None:
    """What fails for names nobody blocks is the node's own line."""
    broken = web([lookup(RIGHT), *https(handshake="generic_timeout_error")], NEUTRAL)
    said = _Story().repeated(SILENT, beside=[(_place(), broken)])
    assert _last(said) == ("unknown", None, "own_fault", "own.line")


def test_domestic_targets_are_judged_by_the_other_networks() -> None:
    """A control abroad is refused by such a site and does not count; neighbours do."""
    ours = web([lookup(RIGHT), *https(handshake="connection_reset")], HOME_SITE)
    fine = web([lookup(RIGHT), *https()], HOME_SITE)
    neighbours = (_place("node-0002", "beta"), _place("node-0003", "gamma"))
    assert _last(_Story().repeated(ours, fine, controls=neighbours))[3] == "tls.failed"
    same = (_place("node-0004", "alpha"), CONTROL)
    assert _last(_Story().repeated(ours, fine, controls=same))[2] == "no_control"


def test_broken_ipv6_beside_a_block_changes_nothing() -> None:
    """No route over IPv6 is this host's own; the other address decides."""
    six = step("connect", "network_unreachable", address="2001:db8::10", port=443)
    both = web([lookup(RIGHT, "2001:db8::10"), six, *https(handshake="eof_error")])
    assert _last(_Story().repeated(both))[3] == "tls.failed"
    alone = web([lookup("2001:db8::10"), six])
    assert _Story().repeated(alone)[-1].state != "blocked"


def test_redirects_are_judged_from_the_last() -> None:
    """A good first page does not hide a failure after it."""
    steps = [
        lookup(RIGHT),
        *https(status=302),
        lookup(OTHER, depth=1),
        step("connect", address=OTHER, port=443, depth=1),
        step("handshake", "generic_timeout_error", address=OTHER, depth=1),
    ]
    fine = [
        *steps[:-1],
        step("handshake", address=OTHER, depth=1),
        step("verify", address=OTHER, depth=1),
        page("https://www.courier.example.org/", OTHER, depth=1),
    ]
    assert _last(_Story().repeated(web(steps), web(fine)))[3] == "tls.failed"


def test_names_and_endpoints_are_judged_at_their_own_layer() -> None:
    """The probes dns and tls end at their own layer, and are judged there."""
    name = web([lookup(RIGHT)], "courier.example.org", "dns")
    assert _last(_Story().repeated(name, name))[3] == "ok.answered"
    denied = web([lookup(failure="dns_refused_error")], "courier.example.org", "dns")
    assert _last(_Story().repeated(denied, name))[3] == "dns.failed"
    endpoint = web([lookup(RIGHT), *https()[:3]], "courier.example.org:443", "tls")
    assert _last(_Story().repeated(endpoint, endpoint))[3] == "ok.secure"


NAME = "courier.example.org"


def _told(*answers: str, failure: str | None = None, resolver: str = "silent") -> Step:
    """What an address that runs no resolver answered."""
    reply: Json = {"id_matches": True, "answers": answers, "rcode": "NXDOMAIN" if failure else ""}
    more: dict[str, Json] = {"resolver": resolver, "engine": "udp", "query": "A"}
    return lookup(*answers, failure=failure, datagrams=[reply], **more)


QUIET = lookup(resolver="silent", failure="generic_timeout_error", datagrams=[])
RESOLVED = web([lookup(RIGHT), QUIET], NAME, "dns")


def test_an_answer_from_no_resolver_is_injected() -> None:
    """Whoever answers for an address that runs no resolver, and falsely, sits on the way."""
    said = _Story().repeated(web([lookup(RIGHT), _told(WRONG)], NAME, "dns"), RESOLVED)
    assert said[0].rule == "dns.injected-once"
    assert _last(said) == ("blocked", "dns", None, "dns.injected")
    reply: Json = {"id_matches": True, "answers": [WRONG], "rcode": "NOERROR"}
    twice = lookup(
        WRONG,
        resolver="foreign",
        engine="udp",
        query="A",
        datagrams=[reply, {"id_matches": True, "answers": [RIGHT]}],
    )
    said = _Story().repeated(web([lookup(RIGHT), twice], NAME, "dns"), RESOLVED)
    assert _last(said)[3] == "dns.injected"
    denied = web(
        [lookup(failure="dns_nxdomain_error"), _told(failure="dns_nxdomain_error")], NAME, "dns"
    )
    assert _last(_Story().repeated(denied, RESOLVED))[3] == "dns.injected"
    assert _last(_Story().repeated(RESOLVED, RESOLVED))[3] == "ok.answered"


@pytest.mark.parametrize("resolver", ["silent", "foreign"])
def test_a_router_that_answers_truly_for_everybody_injects_nothing(resolver: str) -> None:
    """Many homes and networks keep port 53 to themselves, and tell the truth."""
    ours = web([lookup(RIGHT), _told(RIGHT, resolver=resolver)], NAME, "dns")
    assert _last(_Story().repeated(ours, RESOLVED))[3] == "ok.answered"
    neighbour = web([lookup(RIGHT), _told(OTHER)], NAME, "dns")
    assert _last(_Story().repeated(neighbour, RESOLVED))[3] == "ok.answered"


@pytest.mark.parametrize(
    "failure", ["dns_refused_error", "dns_servfail_error", "dns_nxdomain_error"]
)
def test_a_router_that_lets_nobody_ask_elsewhere_injects_nothing(failure: str) -> None:
    """It refuses what does not go to itself; the host's own resolver finds the name."""
    ours = web([lookup(RIGHT), _told(failure=failure)], NAME, "dns")
    assert _last(_Story().repeated(ours, RESOLVED))[3] == "ok.answered"


def test_injected_answers_are_compared_only_with_steady_ones() -> None:
    """A name may have others everywhere, and so here; and without a control nothing is said."""
    ours = web([lookup(WRONG), _told(WRONG)], NAME, "dns")
    story = _Story()
    for _ in range(4):
        story.minute((CONTROL, RESOLVED), (CONTROL_2, web([lookup("198.18.7.7")], NAME, "dns")))
        story.minute((_place(), ours))
    for _ in range(7):
        story.minute()
    assert {verdict.state for verdict in story.verdicts} == {"unknown"}
    assert story.verdicts[1].rule == "dns.injected-unclear"
    alone = _Story().repeated(ours, RESOLVED, controls=(CONTROL,))
    assert _last(alone)[3] == "dns.injected-unclear"
    assert _last(_Story().repeated(ours, None))[3] == "dns.injected-no-control"


def test_an_injected_answer_on_a_line_in_doubt_accuses_nobody() -> None:
    """A router without an uplink answers everything; so does a filter at home."""
    lost = web([lookup(failure="dns_nxdomain_error"), _told(failure="dns_nxdomain_error")], NAME)
    lost = replace(lost, probe="dns")
    neutral = web([lookup(failure="dns_nxdomain_error")], NEUTRAL)
    said = _Story().repeated(lost, RESOLVED, beside=[(_place(), neutral)])
    assert _last(said)[3] == "own.line"
    zero = "0.0.0.0"  # noqa: S104  # an answer, nothing is bound to it
    home = web([lookup(zero, failure="dns_bogon_error"), _told(zero)], NAME, "dns")
    assert _last(_Story().repeated(home, RESOLVED))[0] == "unknown"


def _slow_story(
    ours_ms: Sequence[float], control_ms: float = 60.0, control_neutral_ms: float = 50.0
) -> list[Verdict]:
    """Ten minutes of a node whose handshakes with the site take so long."""
    story = _Story()
    for took_ms in ours_ms:
        neutral = web([lookup(RIGHT), *https(took_ms=50.0)], NEUTRAL)
        theirs = web([lookup(RIGHT), *https(took_ms=control_neutral_ms)], NEUTRAL)
        usual = web([lookup(RIGHT), *https(took_ms=control_ms)])
        ours = web([lookup(RIGHT), *https(took_ms=took_ms)])
        story.minute((CONTROL, theirs), (CONTROL, usual), (_place(), neutral), (_place(), ours))
    return [verdict for verdict in story.verdicts if verdict.target == SITE]


def test_a_slowed_name_is_throttled_with_ratio_and_interval() -> None:
    """Four-second handshakes beside fifty milliseconds are not "ok"."""
    said = _slow_story([4000.0 + 100 * n for n in range(10)])
    assert [verdict.state for verdict in said[:7]] == ["ok"] * 7  # too few pairs to be sure
    slow = said[-1]
    assert (slow.state, slow.rule) == ("throttled", "tls.slowed")
    assert slow.slowdown is not None
    assert 60 < slow.slowdown.low <= slow.slowdown.ratio <= slow.slowdown.high < 90


def test_a_far_server_is_slow_for_everybody() -> None:
    """What the controls see as usual is not held against the path."""
    assert _slow_story([240.0] * 12, control_ms=230.0)[-1].state == "ok"


def test_a_server_that_takes_its_time_is_slow_for_everybody() -> None:
    """900 ms of the server's own weigh more on a short line than on a control's long one."""
    said = _slow_story([950.0] * 12, control_ms=1200.0, control_neutral_ms=300.0)
    assert said[-1].state == "ok"


def test_a_control_nearer_to_the_target_accuses_nobody() -> None:
    """Usual ratios excuse; a node that sees both names alike is not throttled."""
    assert _slow_story([52.0] * 12, control_ms=10.0)[-1].state == "ok"


def test_a_site_that_is_fast_again_is_ok_again() -> None:
    """Old pairs age out."""
    said = _slow_story([4000.0] * 10 + [60.0] * 8)
    assert said[9].state == "throttled"
    assert said[-1].state == "ok"


def test_other_probes_and_canaries_get_no_verdict() -> None:
    """Only what tells of a target is judged."""
    story = _Story()
    canary = _place("canary-01", "home", "canary")
    assert not story.minute((canary, GOOD), (_place(), _ladder(home=1, abroad=1)))
    assert not story.minute((CONTROL, GOOD))


def test_a_measurement_without_telling_steps_is_our_own_fault() -> None:
    """Nothing tried, nothing said of the target."""
    [verdict] = _Story().minute((_place(), web([step("connect", "egress_forbidden")])))
    assert verdict.rule == NOTHING.id


MOMENTS = st.lists(
    st.tuples(
        st.sampled_from([_place(), _place("node-0002", "beta"), CONTROL, CONTROL_2]),
        st.sampled_from(
            [GOOD, SILENT, *(each for each, _ in BLOCKED.values()), web(_clear(), CLEAR)]
        ),
        st.integers(0, 40),
    ),
    max_size=40,
)


@settings(deadline=None)  # loaded machines
@given(MOMENTS)
def test_every_measurement_gets_exactly_one_verdict(
    moments: list[tuple[Placement, Measurement, int]],
) -> None:
    """In any order of arrival: one verdict a measurement, the same ones again the next time."""
    runs = []
    for _ in range(2):
        judge = Judge(POLICY)
        said = [
            verdict
            for place, measurement, minute in moments
            for verdict in judge.observe(place, measurement, sealed_ms=minute * MINUTE_MS)
        ]
        said += judge.advance(1_000 * MINUTE_MS)
        runs.append(said)
    assert runs[0] == runs[1]
    sensors = [(place.node, m.target) for place, m, _ in moments if place.role == "sensor"]
    assert sorted((v.node, v.target) for v in runs[0]) == sorted(sensors)


@settings(deadline=None)  # loaded machines
@given(MOMENTS)
def test_nothing_is_blocked_without_controls(
    moments: list[tuple[Placement, Measurement, int]],
) -> None:
    """Take the controls away and no verdict may say blocked, down or throttled."""
    judge = Judge(POLICY)
    said = [
        verdict
        for place, measurement, minute in moments
        if place.role == "sensor"
        for verdict in judge.observe(place, measurement, sealed_ms=minute * MINUTE_MS)
    ]
    said += judge.advance(1_000 * MINUTE_MS)
    assert {verdict.state for verdict in said} <= {"ok", "unknown"}


def test_reports_are_judged_with_their_moment_and_clock() -> None:
    """A whole report: dated by the collector, and without belief in a clock that was never set."""
    expired = web([lookup(RIGHT), *https(verify="ssl_invalid_certificate", codes=[10])])
    report = example_report(
        clock=ClockState(source="none", error_ms=None), measurements=(GOOD, expired)
    )
    arrived = VerifiedReport(
        node=report.node,
        key=KeyId("0" * 64),
        payload_type=REPORT_TYPE,
        frame=b"",
        epoch=report.epoch,
        position=Position(seq=report.seq, prev=report.prev, sha256="1" * 64),
        report=report,
        received_ms=70_000,
        dated_ms=60_000,
    )
    judge = Judge(POLICY)
    said = judge.observe_report(_place(), arrived) + judge.advance(10 * MINUTE_MS)
    assert [(verdict.at_ms, verdict.rule) for verdict in said] == [
        (60_000, "ok.secure"),
        (60_000, "own.clock"),
    ]
    assert judge.observe_report(_place(), replace(arrived, report=None)) == []


def test_a_flood_of_failures_is_bounded() -> None:
    """When too many wait, the oldest is judged as it stands."""
    judge = Judge(POLICY)
    said = [
        verdict
        for number in range(MAX_WAITING + 5)
        for verdict in judge.observe(_place(f"node-{number:05}"), SILENT, sealed_ms=0)
    ]
    assert len(said) == 5
    assert {verdict.state for verdict in said} == {"unknown"}


def test_the_page_of_rules_is_up_to_date() -> None:
    """Every rule stands in the reference, exactly as in the tables."""
    written = (
        Path(__file__).parents[2].joinpath("docs/reference/rules.md").read_text(encoding="utf-8")
    )
    assert written == reference.page()
    assert all(f"`{rule.id}`" in written for rule in RULES)


def test_rule_ids_are_unique_and_reasons_are_sentences() -> None:
    """Ids are public words; reasons are for people."""
    ids = [rule.id for rule in (*RULES, NOTHING)]
    assert len(ids) == len(set(ids))
    assert all(rule.reason.endswith(".") and rule.reason[0].isupper() for rule in RULES)
    assert all(0 < rule.confidence <= 1 for rule in RULES)
