"""Expected against found: a story's expectations, held against what was done and said.

Rules:

1. An expected incident is held against every published incident of its kind; the one that
   meets most of its stages is meant, and each is meant at most once.
2. A stage is met by the first entry, after the deed that it follows and after the entry that
   met the stage before, whose state and scope are as written; a scope that is not written does
   not matter. It must come in time.
3. An incident that was confirmed and is not meant by any expectation is an invention. A
   suspicion that came to nothing is none: it was never published as an incident.
4. A network says a verdict of a site once two of its nodes have said it. It must be said, after
   its deed and in time, for every network that is named; blocked, throttled or down, where the
   story does not expect it, is an invention.

Pure; this module never learns what the collector should say otherwise than from the story.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from shyraq_demo.account import Deed, Judged, Said
from shyraq_demo.story import ExpectedIncident, ExpectedStage, ExpectedVerdict, Story

_Claim = tuple[str, str, str]
"""Site, network, verdict."""

_NODES_DUE: Final = 2
_ACCUSATIONS: Final = frozenset({"blocked", "throttled", "down"})
_PUBLISHED: Final = frozenset({"confirmed", "ongoing", "partial_restore", "restored", "reopened"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the comparison."""

    what: str
    expected: str
    found: str
    delay_heartbeats: float | None
    """From the deed to the publication; None where nothing was found, or nothing was due."""
    is_right: bool


def compare(
    story: Story, deeds: Sequence[Deed], said: Sequence[Said], judged: Sequence[Judged]
) -> tuple[Finding, ...]:
    """Every expectation with what was found, then every invention.

    Args:
        story: What was expected.
        deeds: What was done; every edge once.
        said: Every entry published, in order of publication.
        judged: Every verdict published.
    """
    done = {deed.edge: deed.at_ms for deed in deeds}
    beat_ms = story.heartbeat_s * 1000
    incidents = {
        incident: tuple(sorted(entries, key=lambda entry: entry.number))
        for incident, entries in groupby(
            sorted(said, key=lambda entry: entry.incident), key=lambda entry: entry.incident
        )
    }
    findings: list[Finding] = []
    for expected in story.incidents:
        meant, met = _meant(expected, incidents, done)
        incidents.pop(meant or "", None)
        findings += [
            _stage_finding(expected.name, stage, entry, done, beat_ms)
            for stage, entry in zip(expected.stages, met, strict=True)
        ]
    findings += [_invention(entries) for entries in incidents.values() if _is_published(entries)]
    spoken = _spoken(judged)
    for verdict in story.verdicts:
        findings += _verdict_findings(verdict, spoken, done, beat_ms)
    return (*findings, *_verdict_inventions(story, spoken))


def _meant(
    expected: ExpectedIncident,
    incidents: Mapping[str, Sequence[Said]],
    done: Mapping[str, int],
) -> tuple[str | None, list[Said | None]]:
    """The incident that meets most stages, and the entries that meet them."""
    best: str | None = None
    best_met: list[Said | None] = [None] * len(expected.stages)
    for incident, entries in incidents.items():
        if entries[0].kind != expected.kind or not _is_published(entries):
            continue
        met = _met(expected.stages, entries, done)
        if best is None or _count(met) > _count(best_met):
            best, best_met = incident, met
    return best, best_met


def _met(
    stages: Iterable[ExpectedStage], entries: Sequence[Said], done: Mapping[str, int]
) -> list[Said | None]:
    met: list[Said | None] = []
    rest = list(entries)
    for stage in stages:
        since_ms = done.get(stage.after)
        found = next(
            (
                entry
                for entry in rest
                if since_ms is not None
                and entry.published_at_ms >= since_ms
                and _fits(stage, entry)
            ),
            None,
        )
        if found is not None:
            rest = rest[rest.index(found) + 1 :]
        met.append(found)
    return met


def _count(met: Iterable[Said | None]) -> int:
    return sum(entry is not None for entry in met)


def _fits(stage: ExpectedStage, entry: Said) -> bool:
    wanted = (stage.isps, stage.regions, stage.access, stage.exempt, stage.sites)
    stated = (entry.isps, entry.regions, entry.access, entry.exempt, entry.sites)
    return (
        entry.state in stage.states
        and stage.level in (None, entry.level)
        and all(want is None or want == have for want, have in zip(wanted, stated, strict=True))
    )


def _is_published(entries: Iterable[Said]) -> bool:
    return any(entry.state in _PUBLISHED for entry in entries)


def _stage_finding(
    name: str, stage: ExpectedStage, entry: Said | None, done: Mapping[str, int], beat_ms: int
) -> Finding:
    delay = None if entry is None else (entry.published_at_ms - done[stage.after]) / beat_ms
    return Finding(
        what=f"{name}: {stage.after}",
        expected=f"{_stage_words(stage)} within {stage.within_heartbeats:g}",
        found="nothing of the kind" if entry is None else scope_words(entry),
        delay_heartbeats=delay,
        is_right=delay is not None and delay <= stage.within_heartbeats,
    )


def _stage_words(stage: ExpectedStage) -> str:
    parts = [" or ".join(sorted(stage.states)), stage.level or ""]
    for label, names in (
        ("", stage.isps),
        ("in", stage.regions),
        ("", stage.access),
        ("exempt", stage.exempt),
        ("sites", stage.sites),
    ):
        if names is not None:
            parts.append(f"{label} {', '.join(sorted(names)) or 'none'}".strip())
    return " · ".join(part for part in parts if part)


def scope_words(entry: Said) -> str:
    """State and scope of an entry in a few words."""
    parts = [
        entry.state,
        entry.level,
        ", ".join(sorted(entry.isps)),
        f"in {', '.join(sorted(entry.regions))}" if entry.regions else "",
        ", ".join(sorted(entry.access)),
        f"exempt {', '.join(sorted(entry.exempt))}" if entry.exempt else "",
        f"sites {', '.join(sorted(entry.sites))}" if entry.sites else "",
    ]
    return " · ".join(part for part in parts if part)


def _invention(entries: Sequence[Said]) -> Finding:
    return Finding(
        what=f"invented: {entries[0].kind} {entries[0].incident}",
        expected="nothing",
        found=" | ".join(scope_words(entry) for entry in entries),
        delay_heartbeats=None,
        is_right=False,
    )


def _spoken(judged: Iterable[Judged]) -> dict[_Claim, int]:
    """When each network first said each verdict of each site: at its second node's word."""
    first: dict[_Claim, dict[str, int]] = {}
    for each in judged:
        nodes = first.setdefault((each.site, each.isp, each.verdict), {})
        nodes[each.node] = min(nodes.get(each.node, each.at_ms), each.at_ms)
    return {
        claim: sorted(nodes.values())[_NODES_DUE - 1]
        for claim, nodes in first.items()
        if len(nodes) >= _NODES_DUE
    }


def _verdict_findings(
    expected: ExpectedVerdict,
    spoken: Mapping[_Claim, int],
    done: Mapping[str, int],
    beat_ms: int,
) -> list[Finding]:
    findings = []
    for isp in sorted(expected.isps):
        at_ms = spoken.get((expected.site, isp, expected.verdict))
        since_ms = done.get(expected.after)
        delay = None if at_ms is None or since_ms is None else (at_ms - since_ms) / beat_ms
        findings.append(
            Finding(
                what=f"{expected.site} on {isp}",
                expected=f"{expected.verdict} within {expected.within_heartbeats:g}",
                found="no such verdict" if at_ms is None else expected.verdict,
                delay_heartbeats=delay,
                is_right=delay is not None and 0 <= delay <= expected.within_heartbeats,
            )
        )
    return findings


def _verdict_inventions(story: Story, spoken: Mapping[_Claim, int]) -> list[Finding]:
    due = {(each.site, isp, each.verdict) for each in story.verdicts for isp in each.isps}
    return [
        Finding(
            what=f"invented: {site} on {isp}",
            expected=f"not {verdict}",
            found=verdict,
            delay_heartbeats=None,
            is_right=False,
        )
        for site, isp, verdict in sorted(spoken)
        if verdict in _ACCUSATIONS and (site, isp, verdict) not in due
    ]
