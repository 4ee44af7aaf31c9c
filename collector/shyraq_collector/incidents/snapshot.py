"""The engine's memory as bytes, so that it can be committed together with the arrival cursor.

Kept: per line its habit, drop record and state; per group its quiet record; health; every case with
its timeline. Not kept: what the registry knows (placements) and what follows from the rest (counts,
wheel). A snapshot whose fields are not today's is refused, never guessed at: each bears the
fingerprint of the fields it was written from (see `shape`), and nobody has to raise a number.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.health import Health
from shyraq_collector.correlate.lattice import GroupKey
from shyraq_collector.correlate.line import Line, Pooled
from shyraq_collector.correlate.reaching import ReachBook
from shyraq_collector.correlate.roster import Roster
from shyraq_collector.correlate.target import QualityBook, TargetBook
from shyraq_collector.facts.fleet import LineKey
from shyraq_collector.incidents.case import Case
from shyraq_collector.incidents.codec import Find, decode, encode
from shyraq_collector.incidents.phases import PhaseTracker
from shyraq_collector.incidents.shape import fingerprint
from shyraq_collector.incidents.targets import TargetTracker
from shyraq_collector.incidents.tracker import Tracker

PLACED = frozenset({"key", "watcher", "nodes", "groups"})
KEPT = tuple(field.name for field in fields(Line) if field.name not in PLACED)
OF_WATCH = ("newest", "gaps", "leash_s", "stumbles")
OF_GROUP = ("share_s", "square_s", "hush_s", "hush_share_s", "hush_square_s")
OF_COUNTRY = ("beat_s", "margin_s", "changed", "pooled_at")

FINGERPRINT: Final = fingerprint(
    (Health, Pooled, Line, list[Case], TargetBook, QualityBook, ReachBook),
    {
        "of line": KEPT,
        "of watch": OF_WATCH,
        "of group": OF_GROUP,
        "of country": OF_COUNTRY,
    },
)
"""Of everything that a snapshot holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The engine's parts that remember.

    Attributes:
        roster: Lines and groups.
        health: Our own eyes.
        trackers: Outages, by country.
        targets: Blocking and throttling, by country.
        phases: Domestic-only phases of lines that are heard, by country.
        faults: Our own faults.
    """

    roster: Roster
    health: Health
    trackers: Mapping[str, Tracker]
    targets: Mapping[str, TargetTracker]
    phases: Mapping[str, PhaseTracker]
    faults: list[Case]


def freeze(parts: Parts) -> bytes:
    """The memory as JSON bytes."""
    roster = parts.roster
    memory = {
        "fields": FINGERPRINT,
        "wheel_at": roster.wheel.at,
        "spools": roster.spools,
        "health": encode(parts.health),
        "watch": {name: getattr(roster.watch, name) for name in OF_WATCH},
        "watchers": {node: _of_line(line) for node, line in roster.watch.lines.items()},
        "countries": {code: _of_country(c) for code, c in roster.countries.items()},
        "trackers": {
            code: {
                "quiet_s": tracker.quiet_s,
                "judged_to": tracker.judged_to,
                "cases": encode(tracker.cases),
            }
            for code, tracker in parts.trackers.items()
        },
        "targets": {
            code: [encode(t.book), encode(t.qualities), encode(t.cases)]
            for code, t in parts.targets.items()
        },
        "phases": {code: [encode(p.book), encode(p.cases)] for code, p in parts.phases.items()},
        "faults": encode(parts.faults),
    }
    return json.dumps(memory, separators=(",", ":"), sort_keys=True).encode()


def thaw(data: bytes, parts: Parts) -> None:
    """Fill a new engine's parts from a snapshot.

    Raises:
        ValueError: Not a snapshot, or one of other fields. The parts may be filled half: they are
            of no use any more.
    """
    memory = json.loads(data)
    if not isinstance(memory, dict) or memory.get("fields") != FINGERPRINT:
        raise ValueError(f"not a snapshot of the fields that this version has ({FINGERPRINT})")
    try:
        _fill(parts, memory)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"a damaged snapshot: {error!r}") from error


def _fill(parts: Parts, memory: dict[str, Any]) -> None:
    roster = parts.roster
    find = _finder(roster)
    _to_watch(roster, memory)
    for code, words in memory["countries"].items():
        if code in roster.countries:
            _to_country(roster.countries[code], words, find)
    _copy(decode(Health, memory["health"], find), parts.health)
    for code, words in memory["trackers"].items():
        if code in parts.trackers:
            tracker = parts.trackers[code]
            tracker.quiet_s, tracker.judged_to = words["quiet_s"], words["judged_to"]
            tracker.cases[:] = decode(list[Case], words["cases"], find)
    for code, (book, qualities, cases) in memory["targets"].items():
        if code in parts.targets:
            _copy(decode(TargetBook, book, find), parts.targets[code].book)
            parts.targets[code].book.count()
            _copy(decode(QualityBook, qualities, find), parts.targets[code].qualities)
            parts.targets[code].cases[:] = decode(list[Case], cases, find)
    for code, (reaches, cases) in memory["phases"].items():
        if code in parts.phases:
            _copy(decode(ReachBook, reaches, find), parts.phases[code].book)
            parts.phases[code].cases[:] = decode(list[Case], cases, find)
    parts.faults[:] = decode(list[Case], memory["faults"], find)
    roster.spools = memory["spools"]
    roster.resume(memory["wheel_at"])


def _copy(
    source: Health | TargetBook | QualityBook | ReachBook,
    into: Health | TargetBook | QualityBook | ReachBook,
) -> None:
    for field in fields(source):
        setattr(into, field.name, getattr(source, field.name))


def _to_watch(roster: Roster, memory: dict[str, Any]) -> None:
    for node, words in memory["watchers"].items():
        if node in roster.watch.lines:
            _to_line(roster.watch.lines[node], words)
    for name in OF_WATCH:
        setattr(roster.watch, name, memory["watch"][name])
    roster.watch.stumbles = [(begin, end) for begin, end in roster.watch.stumbles]


def _finder(roster: Roster) -> Find:
    def find(key: LineKey) -> Line | None:
        country = roster.countries.get(key.country)
        return None if country is None else country.lines.get(key)

    return find


def _of_line(line: Line) -> dict[str, Any]:
    return {name: encode(getattr(line, name)) for name in KEPT}


def _to_line(line: Line, words: dict[str, Any]) -> None:
    for name in KEPT:
        setattr(line, name, words[name])


def _of_country(country: Country) -> dict[str, Any]:
    return {name: getattr(country, name) for name in OF_COUNTRY} | {
        "pooled": encode(country.pooled),
        "lines": [[encode(key), _of_line(line)] for key, line in country.lines.items()],
        "missing": sorted((encode(key) for key in country.missing), key=str),
        "groups": [
            [encode(group.key), *(getattr(group, name) for name in OF_GROUP)]
            for group in country.lattice.groups
        ],
    }


def _to_country(country: Country, words: dict[str, Any], find: Find) -> None:
    for name in OF_COUNTRY:
        setattr(country, name, words[name])
    country.pooled = decode(Pooled, words["pooled"], find)
    for key, of_line in words["lines"]:
        line = find(LineKey(*key))
        if line is not None:
            _to_line(line, of_line)
    country.explicit = sum(line.explicit for line in country.lines.values())
    keys = [LineKey(*key) for key in words["missing"]]
    country.missing = {key: country.lines[key] for key in keys if key in country.lines}
    groups = {group.key: group for group in country.lattice.groups}
    for key, *integrals in words["groups"]:
        group = groups.get(GroupKey(*key))
        for name, value in zip(OF_GROUP, integrals, strict=True) if group is not None else ():
            setattr(group, name, value)
