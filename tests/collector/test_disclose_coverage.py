"""What an incident bears on, and the stretches its timeline tells."""

import pytest

from shyraq_collector.disclose import coverage
from shyraq_collector.disclose.privacy import NATION, Key
from shyraq_collector.facts.incidents import Incident, Scope, State
from support.scenes import MOBILE, NETWORKS, NOW, REGIONS, incident, scope

CELL = Key("kcell", "KZ-23", None)


def word(case: Incident, at: float = NOW + 1e6) -> coverage.Word:
    """The last word on an incident."""
    (found,) = coverage.as_known_at([case], at)
    return found


@pytest.mark.parametrize(
    ("where", "key", "touches", "covers"),
    [
        (scope("nation"), NATION, True, True),
        (scope("nation", isps=MOBILE, access=("mobile",)), NATION, True, False),
        (scope("nation", isps=MOBILE, access=("mobile",)), Key(None, None, "mobile"), True, True),
        (scope("isp", isps=MOBILE), Key(None, None, "mobile"), True, True),
        (scope("isp", isps=tuple(NETWORKS)), NATION, True, True),
        (scope("nation", isps=("kcell",)), NATION, True, True),
        (scope("isp", isps=("kcell",)), NATION, True, False),
        (scope("isp", isps=("kcell",)), CELL, True, True),
        (scope("isp", isps=("beeline",)), CELL, False, False),
        (scope("nation", exempt_isps=("kcell",)), CELL, False, False),
        (scope("region", regions=("KZ-23",)), CELL, True, True),
        (scope("region", regions=("KZ-23",)), Key("kcell", None, None), True, False),
        (scope("region", regions=("KZ-47",)), CELL, False, False),
        (scope("isp", access=("mobile",)), Key(None, None, "fixed"), False, False),
        (scope("isp", access=("mobile",)), Key(None, None, "mobile"), True, True),
    ],
)
def test_a_scope_touches_and_covers_groups(
    where: Scope, key: Key, touches: bool, covers: bool
) -> None:
    """Touching: some line may belong to both. Covering: every line of the group does."""
    found = word(incident("suspected", "confirmed", where=where))
    cells = [
        Key(isp, region, None)
        for isp, access in NETWORKS.items()
        for region in REGIONS
        if key.access in {None, access}
    ]
    assert (found.touches(key), found.covers(key, cells)) == (touches, covers)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("suspected",), [None]),
        (("suspected", "confirmed", "ongoing"), [None]),
        (("suspected", "confirmed", "restored"), [2]),
        (("suspected", "confirmed", "restored", "closed"), [2]),
        (("suspected", "confirmed", "restored", "restored", "closed"), [2]),
        (("suspected", "confirmed", "restored", "reopened"), [2, None]),
        (("suspected", "confirmed", "restored", "reopened", "ongoing", "restored"), [2, 5]),
        (("suspected", "dismissed"), [None]),
    ],
)
def test_a_timeline_tells_cuts_and_returns(
    states: tuple[State, ...], expected: list[int | None]
) -> None:
    """One onset may have several returns; each is dated by the entry that told it."""
    case = incident(*states)
    found = coverage.cuts(case.history)
    assert [cut.returned_at for cut in found] == [
        None if number is None else case.history[number].at for number in expected
    ]
    assert found[0].began == case.onset


def test_what_is_over_or_not_yet_said_has_no_word() -> None:
    """A closed or dismissed incident, and one before its first entry, bears on nothing."""
    closed = incident("suspected", "confirmed", "restored", "closed")
    dismissed = incident("suspected", "dismissed")
    assert coverage.as_known_at([closed, dismissed], NOW + 1e6) == []
    assert coverage.as_known_at([closed], closed.history[0].published_at - 1) == []
    assert word(closed, closed.history[2].published_at).is_open is False
