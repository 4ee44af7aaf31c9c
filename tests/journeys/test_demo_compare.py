"""The demo's check: what was expected against what was found, with nothing forgiven."""

from dataclasses import replace
from pathlib import Path

from shyraq_demo.account import Deed, Judged, Said
from shyraq_demo.compare import Finding, compare
from shyraq_demo.story import Story, moment_of
from shyraq_demo.story_toml import load

STORY = load(Path(__file__).parents[2] / "deploy" / "demo" / "stories" / "january.toml")
BEAT_MS = 60_000
NATION = frozenset({"kazakhtelecom", "kcell", "tele2"})


def at(heartbeats: float) -> int:
    """A moment of the story."""
    return STORY.starts_at_ms + round(heartbeats * BEAT_MS)


def after(edge: str, heartbeats: float) -> float:
    """Heartbeats from the story's start, counted from an edge."""
    return moment_of(STORY, edge) + heartbeats


def done() -> list[Deed]:
    """Every edge at its time."""
    return [
        Deed(edge=f"{fault.id} {edge}", at_ms=at(when))
        for fault in STORY.faults
        for edge, when in (("begins", fault.begins_heartbeats), ("ends", fault.ends_heartbeats))
    ]


def said(number: int, heartbeats: float, state: str, **scope: object) -> Said:
    """One entry of one incident."""
    entry = Said(
        incident="aaaa",
        number=number,
        published_at_ms=at(heartbeats),
        kind="outage",
        state=state,
        level="isp",
        isps=frozenset({"kcell", "tele2"}),
        regions=frozenset(),
        access=frozenset({"mobile"}),
        exempt=frozenset(),
        sites=frozenset(),
    )
    return replace(entry, **scope)  # type: ignore[arg-type]


def right() -> list[Said]:
    """Timelines that meet every stage."""
    return [*cut(), *harm("blocking", 15, "beeline", "kazakhtelecom"), *harm("throttling", 50)]


def harm(kind: str, heartbeats: float, *isps: str) -> list[Said]:
    """A blocked site in some networks, or a slowed one in Beeline."""
    site = "orda.kz" if isps else "azattyq.org"
    entry = said(
        0,
        heartbeats,
        "suspected",
        incident=kind,
        kind=kind,
        isps=frozenset(isps or ("beeline",)),
        access=frozenset(),
        sites=frozenset({site}),
    )
    return [entry, replace(entry, number=1, state="confirmed")]


def cut() -> list[Said]:
    """A timeline that meets every stage of the cut."""
    nation: dict[str, object] = {
        "level": "nation",
        "isps": NATION,
        "access": frozenset(),
        "exempt": frozenset({"beeline"}),
    }
    return [
        said(0, after("mobile-cut begins", 1.5), "suspected"),
        said(1, after("mobile-cut begins", 2.5), "confirmed"),
        said(2, after("nation-cut begins", 2.5), "ongoing", **nation),
        said(3, after("cities-cut ends", 2.0), "partial_restore", **nation),
        said(4, after("nation-cut ends", 11.5), "restored", **nation),
    ]


def verdicts(story: Story = STORY) -> list[Judged]:
    """Every verdict that the story expects, ten heartbeats in."""
    return [
        Judged(node=f"{isp}-{node}", isp=isp, site=each.site, verdict=each.verdict, at_ms=at(12))
        for each in story.verdicts
        for isp in each.isps
        for node in range(2)
    ]


def wrong(findings: tuple[Finding, ...]) -> list[Finding]:
    """What is not right."""
    return [finding for finding in findings if not finding.is_right]


def test_a_true_account_is_right_with_its_delays() -> None:
    """Everything met: no complaint, and each delay counts from the deed."""
    findings = compare(STORY, done(), right(), verdicts())
    assert not wrong(findings)
    assert [f.delay_heartbeats for f in findings if f.what.startswith("the cut")] == [
        2.5,
        2.5,
        2.0,
        11.5,
    ]


def test_silence_is_a_miss_for_every_expectation() -> None:
    """A collector that says nothing fails everything."""
    findings = compare(STORY, done(), [], [])
    assert len(wrong(findings)) == len(findings) == 9


def test_a_stage_that_comes_late_is_a_miss() -> None:
    """In time is part of right."""
    late = [replace(e, published_at_ms=at(60)) if e.number == 3 else e for e in cut()]
    late += right()[5:]
    (finding,) = wrong(compare(STORY, done(), late, verdicts()))
    assert finding.what == "the cut: cities-cut ends"


def test_a_wider_scope_than_proven_is_a_miss() -> None:
    """The exempt network is part of the scope."""
    wide = [replace(e, exempt=frozenset()) if e.number == 2 else e for e in right()]
    (finding,) = wrong(compare(STORY, done(), wide, verdicts()))
    assert finding.what == "the cut: nation-cut begins"


def test_an_entry_from_before_the_deed_does_not_count() -> None:
    """A restoration announced before the return is not the restoration."""
    early_ms = at(after("nation-cut ends", -1))
    early = [replace(e, published_at_ms=early_ms) if e.number == 4 else e for e in right()]
    assert len(wrong(compare(STORY, done(), early, verdicts()))) == 1


def test_a_second_incident_is_an_invention() -> None:
    """An outage at the broker restart fails the check, even if it was restored."""
    invented = [
        replace(said(0, 67, "suspected"), incident="bbbb"),
        replace(said(1, 68, "confirmed"), incident="bbbb"),
    ]
    (finding,) = wrong(compare(STORY, done(), [*right(), *invented], verdicts()))
    assert finding.what == "invented: outage bbbb"


def test_a_blocking_of_another_site_or_network_is_a_miss_and_an_invention() -> None:
    """What is blocked, and where, is part of right."""
    for wide in (
        {"sites": frozenset({"orda.kz", "azattyq.org"})},
        {"isps": frozenset({"beeline", "kazakhtelecom", "tele2"})},
    ):
        told = [replace(e, **wide) if e.kind == "blocking" else e for e in right()]  # type: ignore[arg-type]
        (finding,) = wrong(compare(STORY, done(), told, verdicts()))
        assert (finding.what, finding.found) == (
            "orda.kz denied: orda-denied begins",
            "nothing of the kind",
        )
    second = [replace(e, incident="zzzz") for e in right() if e.kind == "throttling"]
    (finding,) = wrong(compare(STORY, done(), [*right(), *second], verdicts()))
    assert finding.what == "invented: throttling zzzz"


def test_a_dismissed_suspicion_is_no_invention() -> None:
    """What was never confirmed was never published as an incident."""
    doubt = [
        replace(said(0, 67, "suspected"), incident="bbbb"),
        replace(said(1, 68, "dismissed"), incident="bbbb"),
    ]
    assert not wrong(compare(STORY, done(), [*right(), *doubt], verdicts()))


def test_another_kind_is_an_invention_and_meets_nothing() -> None:
    """A collector fault with the same words is not the outage."""
    other = [*(replace(e, kind="collector-fault") for e in cut()), *right()[5:]]
    findings = compare(STORY, done(), other, verdicts())
    assert len(wrong(findings)) == 5


def test_a_verdict_on_an_innocent_network_is_an_invention() -> None:
    """Blocking is named where it is, and nowhere else; one node alone does not speak for it."""
    false = Judged(node="a", isp="tele2", site="orda.kz", verdict="blocked", at_ms=at(12))
    assert not wrong(compare(STORY, done(), right(), [*verdicts(), false]))
    again = replace(false, node="b")
    (finding,) = wrong(compare(STORY, done(), right(), [*verdicts(), false, again]))
    assert (finding.what, finding.expected) == ("invented: orda.kz on tele2", "not blocked")


def test_a_network_has_said_a_verdict_once_two_of_its_nodes_have() -> None:
    """The delay counts to the second node's word."""
    late = [replace(j, at_ms=at(14)) if j.node == "beeline-1" else j for j in verdicts()]
    findings = compare(STORY, done(), right(), late)
    delays = {f.what: f.delay_heartbeats for f in findings}
    assert delays["orda.kz on beeline"] == 12
    assert delays["orda.kz on kazakhtelecom"] == 10


def test_a_deed_that_was_never_done_proves_nothing() -> None:
    """If the lab did not act, what hangs on the act is not found."""
    findings = compare(STORY, [], right(), verdicts())
    assert all(not finding.is_right for finding in findings)
