"""The judge on HTTP/3 beside TLS and on messengers, whose endpoints stand in for each other."""

from collections.abc import Mapping, Sequence

import pytest

from shyraq_collector.facts.fleet import Placement, Role
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.judge.conditions import QUIC_TRIES
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.policy import MINUTE_MS, Policy
from shyraq_wire.report import Json, Measurement, Step

QUIC = "quic://orda.example:443"
WHATSAPP, SIGNAL = "messenger:whatsapp", "messenger:signal"
HERE, THERE = "192.0.2.10", "192.0.2.11"
START_MS = 1_668_927_600_000


def _place(node: str, isp: str, role: Role = "sensor") -> Placement:
    country = "KZ" if role == "sensor" else "DE"
    return Placement(
        node=node, isp=isp, region="KZ-75", country=country, access="fixed", site=node, role=role
    )


NODE = _place("node-0001", "alpha")
CONTROLS = (
    _place("control-01", "hoster-a", "control"),
    _place("control-02", "hoster-b", "control"),
)


def _step(name: str, failure: str | None, data: Mapping[str, Json]) -> Step:
    return Step(name=name, started_offset_ms=-500, duration_ms=20.0, failure=failure, data=data)


def _measured(probe: str, target: str, steps: Sequence[Step], **result: Json) -> Measurement:
    return Measurement(
        probe=probe,
        target=target,
        started_offset_ms=-900,
        duration_ms=400.0,
        steps=tuple(steps),
        result=result,
    )


def _quic(
    failure: str | None = None, *, tries: int = QUIC_TRIES, handshake: str | None = None
) -> Measurement:
    """TLS over TCP, then QUIC, at one address."""
    about: dict[str, Json] = {"address": HERE, "port": 443}
    steps = [_step("connect", None, about), _step("handshake", handshake, about)]
    if handshake is None:
        steps.append(_step("verify", None, about))
    steps.append(_step("quic", failure, {**about, "tries": 1 if failure is None else tries}))
    return _measured("quic", QUIC, steps)


def _endpoint(
    host: str, address: str, *ends: tuple[str, str | None], port: int = 443
) -> list[Step]:
    about: dict[str, Json] = {"hostname": host, "address": address, "port": port}
    return [_step(name, failure, about) for name, failure in ends]


def _judged(ours: Measurement, theirs: Measurement, *, every_min: int = 15) -> list[Verdict]:
    """Three rounds of a node, with both controls before, between and after."""
    judge, said = Judge(Policy()), []
    for turn in range(7):
        at_ms = START_MS + turn * every_min * MINUTE_MS
        for place in (NODE,) if turn % 2 else CONTROLS:
            said += judge.observe(place, ours if place is NODE else theirs, sealed_ms=at_ms)
    said += judge.advance(START_MS + 24 * 60 * MINUTE_MS)
    return [each for each in said if each.node == NODE.node]


def _last(said: Sequence[Verdict]) -> tuple[str, str | None, str]:
    assert len(said) == 3
    return said[-1].state, said[-1].layer or said[-1].doubt, said[-1].rule


def test_quic_is_blocked_where_tls_works_and_the_control_gets_it() -> None:
    """Three tries in vain, repeatedly, beside a good TLS handshake at the same address."""
    said = _judged(_quic("generic_timeout_error"), _quic())
    assert [each.rule for each in said] == ["control.once", "quic.failed", "quic.failed"]
    assert _last(said) == ("blocked", "quic", "quic.failed")


def test_hourly_controls_are_near_enough_for_quic() -> None:
    """The cadence of quic is an hour, and a control counts within it."""
    said = _judged(_quic("generic_timeout_error"), _quic(), every_min=55)
    assert _last(said) == ("blocked", "quic", "quic.failed")


def test_quic_that_answers_is_ok() -> None:
    """The certificate was verified over TCP at this address."""
    assert _last(_judged(_quic(), _quic())) == ("ok", None, "ok.secure")


def test_loss_is_not_a_block() -> None:
    """Fewer than three failures say nothing, however often."""
    said = _judged(_quic("generic_timeout_error", tries=2), _quic())
    assert _last(said) == ("unknown", "too_few", "quic.too-few-tries")


def test_a_site_without_http3_is_not_blocked() -> None:
    """Nobody gets an answer there."""
    silent = _quic("generic_timeout_error")
    assert _last(_judged(silent, silent)) == ("down", None, "quic.not-offered")


def test_where_tls_fails_too_it_is_not_quic_that_is_blocked() -> None:
    """The whole host is: TLS speaks, whatever UDP does."""
    ours = _quic("generic_timeout_error", handshake="generic_timeout_error")
    assert _last(_judged(ours, _quic())) == ("blocked", "tls", "tls.failed")


def test_a_control_of_quic_speaks_for_its_address_only() -> None:
    """Another edge of the same site may not speak HTTP/3."""
    steps = [
        _step(name, None, {"address": THERE, "port": 443, "tries": 1})
        for name in ("connect", "handshake", "verify", "quic")
    ]
    elsewhere = _measured("quic", QUIC, steps)
    said = _judged(_quic("generic_timeout_error"), elsewhere)
    assert _last(said) == ("unknown", "address_untried", "control.untried")


def _signal(*fates: str | None) -> Measurement:
    """One endpoint for each fate of its ServerHello."""
    steps = [
        each
        for n, fate in enumerate(fates)
        for each in _endpoint(
            f"e{n}.example", f"192.0.2.{n + 1}", ("connect", None), ("hello", fate)
        )
    ]
    return _measured("messengers", SIGNAL, steps, goal="tls")


def test_a_messenger_works_while_any_of_its_endpoints_does() -> None:
    """Its app tries them all."""
    said = _judged(_signal("generic_timeout_error", None), _signal(None, None))
    assert _last(said) == ("ok", None, "ok.answered")


def test_a_messenger_is_blocked_when_no_endpoint_works() -> None:
    """And the controls got through at one of those very addresses."""
    said = _judged(_signal("generic_timeout_error", "connection_reset"), _signal(None, None))
    assert _last(said) == ("blocked", "tls", "tls.failed")


def test_the_endpoint_that_controls_know_speaks_for_the_messenger() -> None:
    """The other one has an address of its own in each country."""
    theirs = _measured(
        "messengers",
        SIGNAL,
        _endpoint("e1.example", "192.0.2.2", ("connect", None), ("hello", None)),
        goal="tls",
    )
    said = _judged(_signal("connection_reset", "generic_timeout_error"), theirs)
    assert _last(said) == ("blocked", "tls", "tls.failed")


def test_a_messenger_that_fails_everywhere_is_down() -> None:
    """No control gets through either."""
    dead = _signal("connection_reset", "connection_reset")
    assert _last(_judged(dead, dead)) == ("down", None, "down.for-everybody")


@pytest.mark.parametrize(
    ("fates", "verdict"),
    [
        ((None, "generic_timeout_error"), ("ok", None, "ok.answered")),
        (("generic_timeout_error",) * 2, ("blocked", "tcp", "tcp.failed")),
    ],
)
def test_a_service_without_tls_is_met_by_its_connections(
    fates: tuple[str | None, ...], verdict: tuple[str, str | None, str]
) -> None:
    """Two ports of one address are two endpoints: the failure of one hides not the other."""
    ports = (443, 5222)

    def seen(fates: tuple[str | None, ...]) -> Measurement:
        steps = [
            each
            for port, fate in zip(ports, fates, strict=True)
            for each in _endpoint("e1.example", HERE, ("connect", fate), port=port)
        ]
        return _measured("messengers", WHATSAPP, steps, goal="tcp")

    assert _last(_judged(seen(fates), seen((None, None)))) == verdict
