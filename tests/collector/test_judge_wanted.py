"""Which addresses are in question: put there by failures, answered by tries, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.facts.asks import Tried
from shyraq_collector.judge.policy import MINUTE_MS, Policy, TargetPolicy
from shyraq_collector.judge.sightings import Sighting, sight
from shyraq_collector.judge.wanted import (
    LIFE_CADENCES,
    MAX_OF_ONE_NODE,
    MAX_QUESTIONS,
    MAX_TARGETS,
    MAX_TRIED,
    Wanted,
)
from shyraq_wire.report import Measurement
from support.web import RIGHT, SITE, https, lookup, step, web

NOW_MS = 1_668_927_600_000
CADENCE_MS = 30 * MINUTE_MS
HOME = "https://akimat.example.kz/"


def _seen(measurement: Measurement, at_ms: int = NOW_MS) -> Sighting:
    sighting = sight(measurement, at_ms=at_ms)
    assert sighting is not None
    return sighting


def _wanted() -> Wanted:
    return Wanted(Policy(targets={HOME: TargetPolicy(domestic=True)}))


def _failed(*addresses: str, target: str = SITE) -> Measurement:
    steps = [step for each in addresses for step in https(each, connect="connection_refused")]
    return web([lookup(*addresses), *steps], target)


def test_a_failed_connect_and_a_failed_handshake_put_their_addresses_in_question() -> None:
    """Both, each once, with the target's cadence; nobody has tried them yet."""
    wanted = _wanted()
    silent = https("198.51.100.2", handshake="generic_timeout_error")
    both = web(
        [lookup("198.51.100.1", "198.51.100.2"), *_failed("198.51.100.1").steps[1:], *silent]
    )
    for _ in range(2):
        wanted.note_failure(_seen(both), "node-0001")
    found = wanted.questions(NOW_MS)
    assert [each.address for each in found] == ["198.51.100.1", "198.51.100.2"]
    assert {(each.target, each.cadence_ms, each.failed_ms) for each in found} == {
        (SITE, CADENCE_MS, NOW_MS)
    }
    assert not any(each.tries for each in found)


def test_what_needs_no_control_at_an_address_puts_nothing_in_question() -> None:
    """A good page, a failed lookup, a failed request, a redirect's host, a domestic target."""
    wanted = _wanted()
    redirected = [
        *https(),
        step("connect", "connection_refused", address="198.51.100.9", port=443, depth=1),
    ]
    for measurement in (
        web([lookup(RIGHT), *https()]),
        web([lookup(failure="dns_nxdomain_error")]),
        web([lookup(RIGHT), *https(request="connection_reset")]),
        web([lookup(RIGHT), *redirected]),
        _failed("198.51.100.1", target=HOME),
    ):
        wanted.note_failure(_seen(measurement), "node-0001")
    assert wanted.questions(NOW_MS) == ()


def test_tries_are_kept_by_network_and_whether_they_were_asked() -> None:
    """Also those from before the address came into question."""
    wanted = _wanted()
    wanted.note_try(_seen(_failed("198.51.100.1"), NOW_MS - 5), "hoster-a")
    asked = web(https("198.51.100.1"), probe="tls", asked=3)
    wanted.note_try(_seen(asked, NOW_MS - 3), "hoster-a")
    wanted.note_try(_seen(asked, NOW_MS - 4), "hoster-b")
    wanted.note_failure(_seen(_failed("198.51.100.1")), "node-0001")
    (question,) = wanted.questions(NOW_MS)
    assert question.tries == {
        "hoster-a": Tried(last_ms=NOW_MS - 3, own_ms=NOW_MS - 5),
        "hoster-b": Tried(last_ms=NOW_MS - 4, own_ms=None),
    }


def test_a_question_is_forgotten_when_nobody_fails_there_any_more() -> None:
    """Three cadences after the last failure, and not before."""
    wanted = _wanted()
    wanted.note_failure(_seen(_failed("198.51.100.1")), "node-0001")
    end_ms = NOW_MS + LIFE_CADENCES * CADENCE_MS
    assert len(wanted.questions(end_ms)) == 1
    assert wanted.questions(end_ms + 1) == ()
    assert wanted.questions(NOW_MS) == ()


def test_a_node_that_invents_addresses_pushes_out_only_its_own() -> None:
    """What another node put in question stays."""
    wanted = _wanted()
    wanted.note_failure(_seen(_failed("203.0.113.1")), "node-0001")
    for number in range(100):
        wanted.note_failure(_seen(_failed(f"198.51.100.{number}"), NOW_MS + number), "liar-0001")
    addresses = [each.address for each in wanted.questions(NOW_MS + 100)]
    assert len(addresses) == MAX_OF_ONE_NODE + 1
    assert "203.0.113.1" in addresses


@given(
    events=st.lists(
        st.tuples(
            st.booleans(), st.integers(0, 40), st.integers(0, 300), st.sampled_from("abcdefgh")
        ),
        max_size=120,
    )
)
def test_memory_stays_bounded_whatever_arrives(events: list[tuple[bool, int, int, str]]) -> None:
    """Per target and per node; and every question stands once."""
    wanted = _wanted()
    for is_failure, site, host, who in events:
        seen = _seen(
            _failed(f"198.51.{host // 256}.{host % 256}", target=f"https://t{site}.example/")
        )
        if is_failure:
            wanted.note_failure(seen, who)
        else:
            wanted.note_try(seen, who)
    found = wanted.questions(NOW_MS)
    assert len({(each.target, each.address) for each in found}) == len(found)
    for target in {each.target for each in found}:
        assert sum(each.target == target for each in found) <= MAX_QUESTIONS


def test_targets_and_tried_addresses_are_bounded() -> None:
    """The longest unheard go first."""
    wanted = _wanted()
    for number in range(MAX_TRIED + 1):
        wanted.note_try(_seen(_failed(f"198.18.{number // 256}.{number % 256}")), "hoster-a")
    wanted.note_failure(_seen(_failed("198.18.0.0", "198.18.0.1")), "node-0001")
    tries = {each.address: each.tries for each in wanted.questions(NOW_MS)}
    assert not tries["198.18.0.0"]
    assert tries["198.18.0.1"]
    for number in range(MAX_TARGETS):
        wanted.note_failure(_seen(_failed("198.18.0.0", target=f"https://{number}.example/")), "n")
    assert {each.target for each in wanted.questions(NOW_MS)}.isdisjoint({SITE})
