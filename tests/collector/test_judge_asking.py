"""Who is asked what, and when: before and after each failure, two networks, ceilings."""

from collections import Counter
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.facts.asks import Errand, Question, Tried
from shyraq_collector.facts.fleet import Placement, Role
from shyraq_collector.judge.asking import ANSWER_MS, MIN_GAP_MS, Planner
from shyraq_collector.judge.policy import MINUTE_MS
from shyraq_wire.ask import MAX_ADDRESSES, MAX_ASKS_PER_HOUR

NOW_MS = 1_668_927_600_000
CADENCE_MS = 30 * MINUTE_MS
SITE = "https://courier.example.org/"


def _place(node: str, isp: str | None, role: Role = "control") -> Placement:
    return Placement(
        node=node, isp=isp, region=None, country="DE", access=None, site=node, role=role
    )


CONTROLS = (_place("control-a1", "hoster-a"), _place("control-b1", "hoster-b"))


def _question(
    address: str = "198.51.100.1",
    failed_ms: int = NOW_MS,
    target: str = SITE,
    *,
    tries: Mapping[str, Tried] | None = None,
) -> Question:
    return Question(
        target=target,
        address=address,
        cadence_ms=CADENCE_MS,
        failed_ms=failed_ms,
        tries=tries or {},
    )


def _rounds(planner: Planner, *questions: Question, start_ms: int = NOW_MS) -> list[Errand]:
    """All errands of ten seconds, a round each second."""
    return [
        errand
        for second in range(10)
        for errand in planner.plan(questions, CONTROLS, start_ms + second * 1000)
    ]


def _tries(last_ms: int, own_ms: int | None = None) -> dict[str, Tried]:
    tried = Tried(last_ms=last_ms, own_ms=own_ms)
    return {"hoster-a": tried, "hoster-b": tried}


def test_an_address_that_nobody_tried_is_asked_of_two_networks_at_once() -> None:
    """One after the other, a second apart; then no more."""
    errands = _rounds(Planner(), _question())
    assert {each.node for each in errands} == {"control-a1", "control-b1"}
    assert len(errands) == 2
    assert all(each.addresses == ("198.51.100.1",) and each.target == SITE for each in errands)


def test_nobody_but_a_control_is_asked() -> None:
    """Sensors and canaries never; without a control nothing is planned."""
    others = (_place("node-0001", "alpha", "sensor"), _place("canary-01", None, "canary"))
    assert Planner().plan([_question()], others, NOW_MS) == []
    assert Planner().plan([], CONTROLS, NOW_MS) == []


def test_a_network_that_tries_by_itself_is_left_alone() -> None:
    """Its own resolver gives the address; half a cadence later it is asked all the same."""
    own = _question(failed_ms=NOW_MS, tries=_tries(NOW_MS - MINUTE_MS, NOW_MS - MINUTE_MS))
    assert _rounds(Planner(), own) == []
    assert len(_rounds(Planner(), own, start_ms=NOW_MS + CADENCE_MS // 2)) == 2
    tried_since = _question(failed_ms=NOW_MS, tries=_tries(NOW_MS + 1, NOW_MS + 1))
    assert _rounds(Planner(), tried_since, start_ms=NOW_MS + CADENCE_MS - 10_000) == []


def test_an_asked_address_is_tried_again_before_and_after_the_next_failure() -> None:
    """At once after a failure; and before the last try is a cadence old."""
    again = _question(failed_ms=NOW_MS + 1, tries=_tries(NOW_MS))
    assert len(_rounds(Planner(), again, start_ms=NOW_MS + 2)) == 2
    quiet = _question(failed_ms=NOW_MS - 1, tries=_tries(NOW_MS))
    assert _rounds(Planner(), quiet, start_ms=NOW_MS + CADENCE_MS // 2) == []
    assert len(_rounds(Planner(), quiet, start_ms=NOW_MS + 24 * MINUTE_MS)) == 2


def test_the_addresses_of_one_target_go_together() -> None:
    """As many as one ask takes, the newest failures first; the target then rests as long."""
    planner = Planner()
    questions = [_question(f"198.51.100.{n}", NOW_MS - n) for n in range(6)]
    (first,) = planner.plan(questions, CONTROLS, NOW_MS)
    assert first.addresses == tuple(f"198.51.100.{n}" for n in range(MAX_ADDRESSES))
    assert planner.plan(questions, CONTROLS, NOW_MS + 3_999) == []
    (second,) = planner.plan(questions, CONTROLS, NOW_MS + 4_000)
    assert second != first


def test_who_does_not_answer_gives_way_to_another_of_its_network() -> None:
    """And is told; an answer wipes that out."""
    planner, controls = Planner(), (*CONTROLS, _place("control-a2", "hoster-a"))
    question = _question()

    def ask(at_ms: int) -> set[str]:
        found = [
            errand.node
            for second in range(3)
            for errand in planner.plan([question], controls, at_ms + second * 1000)
        ]
        return {node for node in found if node.startswith("control-a")}

    (first,) = ask(NOW_MS)
    (second,) = ask(NOW_MS + ANSWER_MS + 60_000)
    assert {first, second} == {"control-a1", "control-a2"}
    assert planner.unanswered[first] == 1
    question = _question(failed_ms=NOW_MS + 12 * MINUTE_MS, tries=_tries(NOW_MS + 7 * MINUTE_MS))
    planner.plan([question], controls, NOW_MS + 8 * MINUTE_MS)
    assert second not in planner.unanswered


def test_mute_networks_come_after_those_that_answer() -> None:
    """With more networks than are asked, the ones that never answer lose their place."""
    planner = Planner()
    controls = [_place(f"control-{name}1", f"hoster-{name}") for name in "abcdef"]
    asked: Counter[str] = Counter()
    for minutes in range(0, 120, 7):
        for second in range(10):
            at_ms = NOW_MS + minutes * MINUTE_MS + second * 1000
            question = _question(failed_ms=NOW_MS + minutes * MINUTE_MS)
            asked.update(errand.node for errand in planner.plan([question], controls, at_ms))
    assert len(asked) == 6


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 90_000), st.integers(0, 7), st.integers(0, 3), st.booleans()),
        max_size=80,
    )
)
def test_the_ceilings_hold_whatever_is_in_question(
    steps: list[tuple[int, int, int, bool]],
) -> None:
    """A second for each address and target; a minute for each address and network; the hour."""
    planner, at_ms = Planner(), NOW_MS
    sent: list[tuple[int, Errand]] = []
    questions: dict[tuple[str, str], Question] = {}
    for pause_ms, host, site, is_failure in steps:
        at_ms += pause_ms
        key = (f"https://t{site}.example/", f"198.51.100.{host}")
        if is_failure or key not in questions:
            questions[key] = _question(key[1], at_ms, key[0])
        sent += [(at_ms, each) for each in planner.plan(tuple(questions.values()), CONTROLS, at_ms)]
    for index, (when_ms, errand) in enumerate(sent):
        assert 1 <= len(errand.addresses) <= MAX_ADDRESSES
        for later_ms, later in sent[index + 1 :]:
            if later.target != errand.target:
                continue
            assert later_ms - when_ms >= len(errand.addresses) * 1000
            if later.node == errand.node and set(later.addresses) & set(errand.addresses):
                assert later_ms - when_ms >= MIN_GAP_MS
    for control in CONTROLS:
        moments = [when_ms for when_ms, errand in sent if errand.node == control.node]
        for index, when_ms in enumerate(moments):
            within = [each for each in moments[index:] if each - when_ms < 3_600_000]
            assert len(within) <= MAX_ASKS_PER_HOUR


def test_a_node_is_not_asked_more_than_it_will_obey() -> None:
    """A hundred targets in question at once: an hour's worth goes out, the rest waits."""
    planner = Planner()
    questions = [_question(target=f"https://t{n}.example/") for n in range(100)]
    errands = [
        errand
        for second in range(60)
        for errand in planner.plan(questions, CONTROLS, NOW_MS + second * 1000)
    ]
    assert Counter(each.node for each in errands) == {
        "control-a1": MAX_ASKS_PER_HOUR,
        "control-b1": MAX_ASKS_PER_HOUR,
    }
