"""Names and pages beside a neutral twin: what may be said of a difference, and of none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.facts.fleet import Placement, Role
from shyraq_collector.facts.verdicts import Verdict
from shyraq_collector.judge.comparing import MIN_PAIRS
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.pair_rules import NOTHING, RULES
from shyraq_collector.judge.policy import MINUTE_MS, Policy
from shyraq_collector.judge.transfers import pairs_of
from shyraq_wire.report import Json, Measurement, Step
from support.web import RIGHT, SITE, https, lookup, web

NAME = "courier.example.org:443"
BODY = 131_072
LINE_KBIT_S = 2_048.0


def _place(node: str = "node-0001", isp: str = "alpha", role: Role = "sensor") -> Placement:
    country = "KZ" if role == "sensor" else "DE"
    return Placement(
        node=node, isp=isp, region="KZ-75", country=country, access="fixed", site=node, role=role
    )


CONTROLS = (
    _place("control-01", "hoster-a", "control"),
    _place("control-02", "hoster-b", "control"),
)


def _step(
    name: str, about: Mapping[str, Json], failure: str | None = None, *, ms: float = 20.0
) -> Step:
    return Step(name=name, started_offset_ms=0, duration_ms=ms, failure=failure, data=about)


def _samples(kbit_s: float, size: int = BODY, burst: int = 0) -> list[tuple[float, int]]:
    """Sixteen of a transfer that runs at one rate behind a burst."""
    marks = [size * n // 16 for n in range(1, 17)]
    return [(round(1 + max(0, mark - burst) * 8 / kbit_s, 3), mark) for mark in marks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """How one side fares: the rate of its transfer, or the step where it fails."""

    kbit_s: float = LINE_KBIT_S
    fails_at: str = ""
    failure: str = "generic_timeout_error"
    status: int | None = None
    hello_ms: float = 40.0
    burst: int = 0


FINE = Arm()


def _steps(side: Arm, about: Mapping[str, Json]) -> list[Step]:
    taken: list[Step] = []
    for name in ("connect", "handshake", "verify", "transfer"):
        if name == side.fails_at:
            return [*taken, _step(name, {"status": side.status, **about}, side.failure)]
        taken.append(_step(name, about))
    samples = _samples(side.kbit_s, burst=side.burst)
    return [*taken[:-1], _step("transfer", {"size_bytes": BODY, "samples": samples, **about})]


def _hello(side: Arm, about: Mapping[str, Json]) -> list[Step]:
    failure = side.failure if side.fails_at == "hello" else None
    return [_step("connect", about), _step("hello", about, failure, ms=side.hello_ms)]


def pair(target: Arm = FINE, neutral: Arm = FINE, *, at: str = "responder") -> Measurement:
    """One round of a name pair, at one of the two places."""
    make = _steps if at == "responder" else _hello
    steps = [
        *make(neutral, {"arm": "neutral", "at": at, "round": 1}),
        *make(target, {"arm": "target", "at": at, "round": 1}),
    ]
    return Measurement(
        probe="name_pair", target=NAME, started_offset_ms=-1, duration_ms=1.0, steps=tuple(steps)
    )


def page_rate(target: Arm = FINE, ours: Arm = FINE) -> Measurement:
    """One measurement of a page's rate."""
    steps = [*_steps(ours, {"at": "responder"}), *_steps(target, {"at": "target"})]
    return Measurement(
        probe="rate", target=SITE, started_offset_ms=-1, duration_ms=1.0, steps=tuple(steps)
    )


@dataclass
class Story:
    """Feeds one judge, half an hour by half an hour."""

    judge: Judge = field(default_factory=lambda: Judge(Policy()))
    clock: "count[int]" = field(default_factory=lambda: count(1_668_927_600_000, 30 * MINUTE_MS))

    def hear(self, place: Placement, measurement: Measurement, at_ms: int) -> list[Verdict]:
        """One measurement."""
        return self.judge.observe(place, measurement, sealed_ms=at_ms)

    def tell(
        self,
        rounds: int,
        ours: Callable[[int], Measurement],
        control: Measurement | None = None,
        controls: Sequence[Placement] = CONTROLS,
    ) -> list[Verdict]:
        """So many rounds of one node, each with the controls before it."""
        said: list[Verdict] = []
        for number in range(rounds):
            at_ms = next(self.clock)
            for each in controls if control is not None else ():
                assert self.hear(each, control, at_ms - MINUTE_MS) == []  # type: ignore[arg-type]
            (verdict,) = self.hear(_place(), ours(number), at_ms)
            said.append(verdict)
        return said


def slow(kbit_s: float = 256.0, burst: int = 0) -> Arm:
    """A throttled side."""
    return Arm(kbit_s=kbit_s, burst=burst)


def uneven(rng: Random) -> Arm:
    """A congested side."""
    return Arm(kbit_s=rng.uniform(100, 900))


def test_a_name_at_one_low_rate_is_throttled_by_a_policer() -> None:
    """From the eighth pair on, with ratio, interval, chance and the rate itself."""
    said = Story().tell(10, lambda _: pair(slow(256.0, burst=32_000)), pair())
    assert [each.rule for each in said[:7]] == ["pair.too-few"] * 7
    verdict = said[-1]
    assert (verdict.state, verdict.rule, verdict.confidence) == ("throttled", "pair.policed", 0.95)
    found = verdict.slowdown
    assert found is not None
    assert found.ratio == pytest.approx(8.0, rel=0.01)
    assert found.low <= found.ratio <= found.high
    assert found.p_value <= 0.01
    assert found.rate_bps == pytest.approx(256_000, rel=0.01)
    assert found.rate_spread == pytest.approx(0.0, abs=0.01)
    assert verdict.controls == ("control-01", "control-02")


def test_a_name_that_is_slow_and_uneven_is_throttled_with_less_certainty() -> None:
    """Only the name differs, so it is no congestion; but no one rate shows."""
    rng = Random(1)  # noqa: S311  # a network's mood
    said = Story().tell(12, lambda _: pair(uneven(rng), Arm(kbit_s=rng.uniform(4e3, 9e3))), pair())
    assert (said[-1].state, said[-1].rule) == ("throttled", "pair.slowed")


def test_a_page_at_one_low_rate_is_throttled_and_an_uneven_one_is_congested() -> None:
    """Two servers: only what is always the same accuses."""
    rng = Random(2)  # noqa: S311  # a network's mood
    policed = Story().tell(10, lambda _: page_rate(slow(64.0)), page_rate())
    assert (policed[-1].state, policed[-1].rule) == ("throttled", "rate.policed")
    congested = Story().tell(12, lambda _: page_rate(uneven(rng)), page_rate())
    assert (congested[-1].state, congested[-1].rule) == ("unknown", "rate.uneven")


def test_a_name_that_is_answered_late_at_its_own_address_is_throttled() -> None:
    """An interceptor may choose by destination: then only the real address shows it."""
    late = Arm(hello_ms=4_000)
    said = Story().tell(10, lambda _: pair(late, at="target"), pair(at="target"))
    assert (said[-1].state, said[-1].rule) == ("throttled", "pair.late")


def test_no_difference_never_says_not_blocked() -> None:
    """However often: the state stays unknown."""
    rng = Random(3)  # noqa: S311  # a network's noise
    said = Story().tell(
        12,
        lambda _: pair(Arm(kbit_s=rng.uniform(1500, 2000)), Arm(kbit_s=rng.uniform(1500, 2000))),
        pair(),
    )
    assert {each.state for each in said} == {"unknown"}
    assert (said[-1].rule, said[-1].doubt) == ("pair.no-difference", "unclear")


def test_slow_but_equal_accuses_nobody() -> None:
    """A slow line slows both names."""
    said = Story().tell(12, lambda _: pair(slow(), slow()), pair())
    assert said[-1].rule == "pair.no-difference"


def test_what_is_as_slow_for_the_controls_accuses_nobody() -> None:
    """An arm of ours, or a page, that is slow for everybody."""
    assert Story().tell(12, lambda _: pair(slow()), pair(slow()))[-1].state == "unknown"
    assert Story().tell(12, lambda _: page_rate(slow()), page_rate(slow()))[-1].state == "unknown"


def test_without_a_control_nothing_is_said() -> None:
    """Neither throttled nor blocked; and an old control's word is none."""
    assert {each.rule for each in Story().tell(12, lambda _: pair(slow()))} == {"pair.no-control"}
    dead = pair(Arm(fails_at="handshake"))
    assert {each.rule for each in Story().tell(3, lambda _: dead)} == {"pair.no-control"}
    story = Story()
    story.tell(1, lambda _: pair(), pair())
    assert story.tell(12, lambda _: pair(slow()))[-1].rule == "pair.no-control"


def test_controls_of_one_network_count_less() -> None:
    """Two controls in one network are one opinion."""
    said = Story().tell(10, lambda _: pair(slow()), pair(), controls=CONTROLS[:1])
    assert said[-1].confidence == pytest.approx(0.95 * 0.85)


@pytest.mark.parametrize(
    ("dead", "layer", "rule"),
    [
        (Arm(fails_at="handshake"), "tls", "pair.cut"),
        (Arm(fails_at="transfer", failure="connection_reset"), "tls", "pair.cut"),
        (
            Arm(fails_at="verify", failure="ssl_unknown_authority"),
            "certificate",
            "pair.forged",
        ),
    ],
)
def test_a_name_that_is_cut_at_our_own_server_is_blocked_from_the_second_time(
    dead: Arm, layer: str, rule: str
) -> None:
    """Same server, same certificate, same minute: only the name differs."""
    said = Story().tell(3, lambda _: pair(dead), pair())
    assert said[0].rule == "pair.cut-once"
    assert [(each.state, each.layer, each.rule) for each in said[1:]] == [
        ("blocked", layer, rule)
    ] * 2


@pytest.mark.parametrize(
    "refused",
    [
        Arm(fails_at="handshake", failure="eof_error"),
        Arm(fails_at="transfer", failure="http_unexpected_status_code", status=429),
        Arm(fails_at="transfer", failure="eof_error", status=503),
        Arm(fails_at="transfer", failure="interrupted"),
    ],
)
def test_what_our_own_server_refuses_accuses_nobody(refused: Arm) -> None:
    """A responder that is full closes, or says so."""
    said = Story().tell(4, lambda _: pair(refused), pair())
    assert {each.state for each in said} == {"unknown"}
    assert {each.rule for each in said} == {"pair.too-few"}


def test_an_address_that_suffers_is_not_a_name_that_does() -> None:
    """Addresses change places every other round: what follows the address cancels."""
    dead = Arm(fails_at="handshake")
    cut = Story().tell(6, lambda n: pair(neutral=dead) if n % 2 else pair(dead), pair())
    assert {each.state for each in cut} == {"unknown"}
    policed = Story().tell(12, lambda n: pair(neutral=slow()) if n % 2 else pair(slow()), pair())
    assert {each.state for each in policed} == {"unknown"}


def test_a_page_that_fails_is_left_to_the_web_probe() -> None:
    """It has controls before and after; a rate has not."""
    said = Story().tell(3, lambda _: page_rate(Arm(fails_at="handshake")), page_rate())
    assert {each.state for each in said} == {"unknown"}


def test_a_connect_that_fails_says_nothing_of_the_name() -> None:
    """No name was said yet."""
    said = Story().tell(4, lambda _: pair(Arm(fails_at="connect")), pair())
    assert {each.state for each in said} == {"unknown"}


def test_where_the_neutral_side_fails_nothing_is_compared() -> None:
    """The node's own line, or our own server."""
    broken = pair(neutral=Arm(fails_at="handshake"))
    assert Story().tell(2, lambda _: broken, pair())[-1].rule == "pair.neutral-failed"


def test_what_was_seen_before_is_not_said_again_without_a_new_pair() -> None:
    """A measurement that compared nothing says nothing, whatever went before it."""
    story = Story()
    assert story.tell(10, lambda _: pair(slow()), pair())[-1].state == "throttled"
    broken = pair(neutral=Arm(fails_at="handshake"))
    assert story.tell(1, lambda _: broken, pair())[0].rule == "pair.neutral-failed"
    dead = pair(Arm(fails_at="handshake"))
    assert [each.rule for each in story.tell(2, lambda _: dead, pair())] == [
        "pair.cut-once",
        "pair.cut",
    ]
    assert story.tell(1, lambda _: broken, pair())[0].rule == "pair.neutral-failed"


def test_a_slowdown_that_ends_is_said_to_have_ended() -> None:
    """Only what was called throttled may be called ok: an incident needs a word to close on."""
    story = Story()
    assert story.tell(10, lambda _: pair(slow()), pair())[-1].state == "throttled"
    said = story.tell(12, lambda _: pair(), pair())
    assert (said[-1].state, said[-1].rule) == ("ok", "pair.ended")
    assert [each.state for each in said].count("ok") >= 3


def test_a_page_that_was_slowed_stays_so_for_the_web_probe() -> None:
    """A good fetch between two rates does not take the word back, until it has aged."""
    story = Story()
    story.tell(10, lambda _: page_rate(slow(64.0)), page_rate())
    good = web([lookup(RIGHT), *https()])
    at_ms = next(story.clock)
    (verdict,) = story.hear(_place(), good, at_ms)
    assert (verdict.state, verdict.rule) == ("throttled", "pair.lasting")
    assert verdict.slowdown is not None
    assert verdict.slowdown.ratio == pytest.approx(LINE_KBIT_S / 64, rel=0.01)
    (other,) = story.hear(_place("node-0002"), good, at_ms)
    assert other.rule == "ok.secure"
    (later,) = story.hear(_place(), good, at_ms + 180 * MINUTE_MS)
    assert later.rule == "ok.secure"


def test_a_transfer_that_ran_out_of_time_counts_as_far_as_it_came() -> None:
    """So slow a side is the clearest of all."""
    whole = pair()
    about = {**whole.steps[-1].data, "size_bytes": 60_000, "samples": _samples(8.0, 60_000)}
    cut = _step("transfer", about, "generic_timeout_error")
    measurement = replace(whole, steps=(*whole.steps[:-1], cut))
    (found,) = pairs_of(measurement)
    assert found.target.failure is None
    assert found.target.rate_bps == pytest.approx(8_000, rel=0.01)


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)  # loaded machines
@given(
    samples=_JUNK,
    at=st.sampled_from(["responder", "target", "", 7]),
    arm=st.sampled_from(["neutral", "target", None]),
    number=st.sampled_from([1, 0, -1, "1", 10**9]),
    name=st.sampled_from(["transfer", "hello", "handshake", "odd"]),
    probe=st.sampled_from(["name_pair", "rate"]),
)
def test_whatever_a_node_reports_gets_one_verdict(  # noqa: PLR0917  # hypothesis gives them by name
    samples: Json, at: Json, arm: Json, number: Json, name: str, probe: str
) -> None:
    """Nothing that can travel raises, and nothing odd accuses."""
    step = _step(name, {"at": at, "arm": arm, "round": number, "samples": samples})
    odd = Measurement(
        probe=probe, target=NAME, started_offset_ms=-1, duration_ms=1.0, steps=(step,) * 3
    )
    (verdict,) = Story().tell(1, lambda _: odd)
    assert verdict.state == "unknown"


def test_canaries_and_controls_get_no_verdict() -> None:
    """They are there for others."""
    story = Story()
    assert story.hear(_place(role="canary"), pair(), 1_668_927_600_000) == []
    assert story.hear(CONTROLS[0], pair(), 1_668_927_600_000) == []


def test_rule_ids_are_unique_and_reasons_are_sentences() -> None:
    """As in every table."""
    rules = (*RULES, NOTHING)
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.reason.endswith(".") and rule.reason[0].isupper() for rule in rules)
    assert MIN_PAIRS == 8
