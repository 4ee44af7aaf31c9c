"""What each door and resolver of a network must do, given the faults that act on it now.

Rules, in this order:

1. a cut acts on everything; a border cut on what lies abroad: the broker, the echo, and
   sites abroad. The gateway of a home is never touched;
2. else the fault on the site that began last decides how its door treats clients;
3. and the fault on its name that began last decides what the resolver says.

Pure: a story's values in, values out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shyraq_demo.door import (
    Cut,
    Divert,
    Drop,
    Endpoint,
    Hang,
    Pass,
    Refuse,
    Reset,
    Slow,
    Treatment,
)
from shyraq_demo.resolver import Deny, Ignore, Lie, Trick
from shyraq_demo.story import DNS_FAULTS, SITE_FAULTS, Cell, Fault, Site, Story, covers


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How one network is to treat its own nodes."""

    abroad: Treatment
    """Of the broker and the echo."""
    tls: Mapping[str, Treatment]
    """By site."""
    http: Mapping[str, Treatment]
    """By site."""
    silent: bool
    """Whether the resolver answers nothing at all."""
    tricks: Mapping[str, Trick]
    """By site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impostor:
    """Where a censor's traffic is sent."""

    tls: Endpoint
    http: Endpoint
    lie: str
    """The address that lies name."""


def faults_on(story: Story, cell: Cell | None, heartbeats: float) -> tuple[Fault, ...]:
    """The faults that act on a cell at a moment, by their beginnings.

    Args:
        story: The whole story.
        cell: None for a network abroad, on which no fault acts.
        heartbeats: The moment, from the story's start.
    """
    if cell is None:
        return ()
    active = [
        fault
        for fault in story.faults
        if fault.begins_heartbeats <= heartbeats < fault.ends_heartbeats
        and covers(fault.where, cell)
    ]
    return tuple(sorted(active, key=lambda fault: fault.begins_heartbeats))


def orders(sites: Sequence[Site], faults: Sequence[Fault], impostor: Impostor) -> Orders:
    """What the faults on one network mean for its doors and its resolver."""
    kinds = {fault.kind for fault in faults}
    silent = "cut" in kinds
    abroad: Treatment = Cut() if silent or "border-cut" in kinds else Pass()

    def treat(site: Site, choose: Callable[[Fault], Treatment]) -> Treatment:
        if silent or (site.place == "abroad" and isinstance(abroad, Cut)):
            return Cut()
        mine = [fault for fault in faults if fault.site == site.name and fault.kind in SITE_FAULTS]
        return choose(mine[-1]) if mine else Pass()

    names = {site.name for site in sites}
    return Orders(
        abroad=abroad,
        tls={site.name: treat(site, lambda fault: _tls(fault, impostor)) for site in sites},
        http={site.name: treat(site, lambda fault: _http(fault, impostor)) for site in sites},
        silent=silent,
        tricks={
            fault.site: _trick(fault, impostor)
            for fault in faults
            if fault.kind in DNS_FAULTS and fault.site in names
        },
    )


def _tls(fault: Fault, impostor: Impostor) -> Treatment:
    match fault.kind:
        case "certificate":
            return Divert(impostor.tls)
        case "page":
            return Pass()
        case _:
            return _either(fault)


def _http(fault: Fault, impostor: Impostor) -> Treatment:
    match fault.kind:
        case "page":
            return Divert(impostor.http)
        case "certificate":
            return Pass()
        case _:
            return _either(fault)


def _either(fault: Fault) -> Treatment:
    """What acts alike on TLS and on plain HTTP."""
    match fault.kind:
        case "drop":
            return Drop()
        case "refuse":
            return Refuse()
        case "reset":
            return Reset()
        case "hang":
            return Hang()
        case "slow":
            return Slow(fault.delay_ms or 0)
        case _:
            return Pass()


def _trick(fault: Fault, impostor: Impostor) -> Trick:
    match fault.kind:
        case "dns-nxdomain":
            return Deny()
        case "dns-silence":
            return Ignore()
        case _:
            return Lie(impostor.lie)
