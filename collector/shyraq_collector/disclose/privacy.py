"""What may be published, of incidents and of counts; the host comes first.

Incidents, in this order:
1. Engine notes stay inside: they are free text and may name a node.
2. Regions are named only where the sites that were silent in some entry of the incident are three
   for each region named; else an incident would tell of one household. The network stays named: a
   network is not a place. A scope of level region or cell without regions is one whose place is
   withheld (`place_is_withheld`).
3. Figures taken from fewer than `MIN_SITES` lines are not given (`figure`).

Counts of groups:
4. A group under `MIN_SITES` sites has no count and no state (`may_be_told`).
5. A total has no count where subtraction would tell of a small group: what is left of the total
   after everything published below it must be nothing, or `MIN_SITES` lines at least
   (`countable`). The same holds for fixed and mobile lines of one group (`splits`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from shyraq_collector.facts.fleet import Access
from shyraq_collector.facts.incidents import Entry, GroupStatus, Incident, Scope

MIN_SITES: Final = 3
"""Fewer sites than this in a group, and nothing is said of the group."""


class Key(NamedTuple):
    """Which group of one country: None stands for all networks, all regions, both kinds."""

    isp: str | None
    region: str | None
    access: Access | None


Groups: TypeAlias = Mapping[Key, GroupStatus]
"""All groups of one country in one view."""

NATION: Final = Key(None, None, None)


def published(incident: Incident) -> Incident:
    """The incident as the public may have it."""
    backed = [
        frozenset(entry.scope.regions)
        for entry in incident.history
        if entry.evidence.sites >= MIN_SITES * max(1, len(entry.scope.regions))
    ]
    return replace(
        incident,
        scope=_scope(incident.scope, backed),
        history=tuple(_entry(entry, backed) for entry in incident.history),
    )


def place_is_withheld(scope: Scope) -> bool:
    """Whether a published scope had a place that three sites do not back."""
    return scope.level in {"region", "cell"} and not scope.regions


def figure(count: int, *, of: int) -> int | None:
    """A number of lines, or None where the group it is taken from is too small to count."""
    return count if of >= MIN_SITES else None


def may_be_told(group: GroupStatus | None) -> bool:
    """Whether anything may be said of a group."""
    return group is not None and group.sites >= MIN_SITES


def splits(groups: Groups, key: Key) -> tuple[Key, ...]:
    """The fixed and the mobile part of a group, where neither tells of a small group.

    One part alone is given only when it is the whole group.
    """
    both: tuple[Access, Access] = ("fixed", "mobile")
    parts = [key._replace(access=access) for access in both]
    present = [part for part in parts if part in groups and groups[part].lines]
    whole = sum(groups[part].lines for part in present) == groups[key].lines
    if whole and all(may_be_told(groups[part]) for part in present):
        return tuple(present)
    return ()


def countable(groups: Groups) -> frozenset[Key]:
    """Keys whose numbers of lines may be given; `access` is None in all of them."""
    cells = {key for key in groups if key.isp and key.region and key.access is None}
    open_cells = {key for key in cells if may_be_told(groups[key])}
    totals = {key for key in groups if (key.isp is None) != (key.region is None) and not key.access}
    open_totals = {
        total
        for total in totals
        if may_be_told(groups[total])
        and _is_safe(groups[total].lines - _lines(groups, _cells_of(total, open_cells)))
    }
    told = open_cells | open_totals
    if NATION in groups and may_be_told(groups[NATION]):
        left = [
            groups[NATION].lines - sum(_known(groups, total, told) for total in dimension)
            for dimension in _dimensions(totals)
        ]
        told |= {NATION} if all(_is_safe(rest) for rest in left) else set()
    return frozenset(told)


def _known(groups: Groups, total: Key, told: set[Key]) -> int:
    """How many lines of a total a reader of the published counts knows for sure."""
    if total in told:
        return groups[total].lines
    return _lines(groups, _cells_of(total, told))


def _dimensions(totals: set[Key]) -> tuple[list[Key], list[Key]]:
    """The totals by network and the totals by region: two ways to add up to the nation."""
    return [key for key in totals if key.isp], [key for key in totals if key.region]


def _cells_of(total: Key, keys: Iterable[Key]) -> list[Key]:
    return [
        key
        for key in keys
        if key.isp and key.region and (key.isp == total.isp or key.region == total.region)
    ]


def _lines(groups: Groups, keys: Iterable[Key]) -> int:
    return sum(groups[key].lines for key in keys)


def _is_safe(left: int) -> bool:
    return left <= 0 or left >= MIN_SITES


def _entry(entry: Entry, backed: list[frozenset[str]]) -> Entry:
    return replace(entry, scope=_scope(entry.scope, backed), note="")


def _scope(scope: Scope, backed: list[frozenset[str]]) -> Scope:
    if any(set(scope.regions) <= regions for regions in backed):
        return scope
    return replace(scope, regions=())
