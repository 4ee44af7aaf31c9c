"""A story's TOML, read strictly: all mistakes are reported at once, each with its place.

    [story]       id, title, starts_at, heartbeat_s, length, compression, country, nodes_per_cell
    [[network]]   isp, name, access
    [[region]]    code, name
    [[abroad]]    isp, name, country
    [[site]]      name, place, role, rtt_ms
    [[fault]]     id, says, over, kind, begins, ends, where = { isps, regions, access }, site,
                  delay_ms
    [[incident]]  name, kind; each [[incident.stage]] has after, within, states, and as far as
                  it matters level, isps, regions, access, exempt, sites
    [[verdict]]   site, isps, verdict, after, within

`begins`, `ends`, `length` and `within` are heartbeats; `after` is a fault's id and `begins` or
`ends`. What the keys mean is written in `story`. Beyond types and words this reader checks
that references lead somewhere, that names are unique, and that each fault has what its kind
needs and ends within the story.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

from shyraq_demo.errors import StoryError
from shyraq_demo.story import (
    DNS_FAULTS,
    SITE_FAULTS,
    Abroad,
    Access,
    ExpectedIncident,
    ExpectedStage,
    ExpectedVerdict,
    Fault,
    FaultKind,
    Network,
    Place,
    Region,
    Role,
    Site,
    Story,
    Where,
)
from shyraq_demo.table import Table

MAX_LENGTH_HEARTBEATS: Final = 20_000
_STATES: Final = frozenset(
    {
        "suspected",
        "confirmed",
        "ongoing",
        "partial_restore",
        "restored",
        "reopened",
        "closed",
        "dismissed",
    }
)
_LEVELS: Final = frozenset({"nation", "isp", "region", "cell"})
_INCIDENT_KINDS: Final = frozenset({"outage", "throttling", "blocking", "collector-fault"})
_VERDICTS: Final = frozenset({"blocked", "throttled", "down", "ok"})


def load(path: Path) -> Story:
    """The story in a file.

    Raises:
        StoryError: The file cannot be read, is not TOML, or breaks a rule of this module.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoryError(str(path), [f"the file cannot be read: {error}"]) from error
    return parse(text, source=str(path))


def parse(text: str, *, source: str) -> Story:
    """The story in a text.

    Args:
        text: TOML.
        source: How to name it in messages.

    Raises:
        StoryError: The text is not TOML, or breaks a rule of this module.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StoryError(source, [f"not TOML: {error}"]) from error
    mistakes: list[str] = []
    story = _read(Table(document, "", mistakes))
    if mistakes:
        raise StoryError(source, mistakes)
    return story


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """What the rest of the file may refer to."""

    isps: frozenset[str]
    regions: frozenset[str]
    sites: frozenset[str]
    edges: frozenset[str] = frozenset()


def _read(root: Table) -> Story:
    head = root.take_table("story")
    length = head.take_number("length", lo=1, hi=MAX_LENGTH_HEARTBEATS)
    networks = tuple(_network(table) for table in root.take_tables("network"))
    regions = tuple(_region(table) for table in root.take_tables("region"))
    sites = tuple(_site(table) for table in root.take_tables("site"))
    names = _Names(
        isps=frozenset(network.isp for network in networks),
        regions=frozenset(region.code for region in regions),
        sites=frozenset(site.name for site in sites),
    )
    faults = tuple(_fault(table, names, length) for table in root.take_tables("fault"))
    edges = frozenset(f"{fault.id} {end}" for fault in faults for end in ("begins", "ends"))
    names = _Names(isps=names.isps, regions=names.regions, sites=names.sites, edges=edges)
    story = Story(
        id=head.take_text("id"),
        title=head.take_text("title"),
        starts_at_ms=head.take_moment("starts_at"),
        heartbeat_s=head.take_integer("heartbeat_s", lo=1, hi=3600),
        length_heartbeats=length,
        compression=head.take_integer("compression", lo=1, hi=240),
        country=head.take_text("country"),
        nodes_per_cell=head.take_integer("nodes_per_cell", lo=1, hi=50),
        networks=networks,
        regions=regions,
        abroad=tuple(_abroad(table) for table in root.take_tables("abroad")),
        sites=sites,
        faults=faults,
        incidents=tuple(_incident(table, names) for table in root.take_tables("incident")),
        verdicts=tuple(_verdict(table, names) for table in root.take_tables("verdict")),
    )
    _check_whole(root, head, story)
    return story


def _network(table: Table) -> Network:
    network = Network(
        isp=table.take_text("isp"),
        name=table.take_text("name"),
        access=cast("Access", table.take_word("access", get_args(Access))),
    )
    table.finish()
    return network


def _region(table: Table) -> Region:
    region = Region(code=table.take_text("code"), name=table.take_text("name"))
    table.finish()
    return region


def _abroad(table: Table) -> Abroad:
    abroad = Abroad(
        isp=table.take_text("isp"),
        name=table.take_text("name"),
        country=table.take_text("country"),
    )
    table.finish()
    return abroad


def _site(table: Table) -> Site:
    site = Site(
        name=table.take_text("name"),
        place=cast("Place", table.take_word("place", get_args(Place))),
        role=cast("Role", table.take_word("role", get_args(Role))),
        rtt_ms=table.take_integer("rtt_ms", lo=0, hi=1000),
    )
    table.finish()
    return site


def _where(table: Table, names: _Names) -> Where:
    where = Where(
        isps=table.take_words("isps", names.isps),
        regions=table.take_words("regions", names.regions),
        access=cast("Access | None", table.take_optional_word("access", get_args(Access))),
    )
    table.finish()
    return where


def _fault(table: Table, names: _Names, length: float) -> Fault:
    kind = cast("FaultKind", table.take_word("kind", get_args(FaultKind)))
    begins = table.take_number("begins", lo=0, hi=length)
    needs_site = kind in SITE_FAULTS | DNS_FAULTS
    fault = Fault(
        id=table.take_text("id"),
        says=table.take_text("says"),
        over=table.take_optional_text("over"),
        kind=kind,
        where=_where(table.take_table("where"), names),
        site=table.take_word("site", names.sites) if needs_site else None,
        begins_heartbeats=begins,
        ends_heartbeats=table.take_number("ends", lo=begins, hi=length),
        delay_ms=table.take_integer("delay_ms", lo=1, hi=60_000) if kind == "slow" else None,
    )
    table.finish()
    return fault


def _incident(table: Table, names: _Names) -> ExpectedIncident:
    incident = ExpectedIncident(
        name=table.take_text("name"),
        kind=table.take_word("kind", _INCIDENT_KINDS),
        stages=tuple(_stage(stage, names) for stage in table.take_tables("stage")),
    )
    if not incident.stages:
        table.note("stage", "at least one [[incident.stage]] is due")
    table.finish()
    return incident


def _stage(table: Table, names: _Names) -> ExpectedStage:
    stage = ExpectedStage(
        after=table.take_word("after", names.edges),
        within_heartbeats=table.take_number("within", lo=0, hi=MAX_LENGTH_HEARTBEATS),
        states=table.take_words("states", _STATES) or frozenset(),
        level=table.take_optional_word("level", _LEVELS),
        isps=table.take_words("isps", names.isps),
        regions=table.take_words("regions", names.regions),
        access=table.take_words("access", get_args(Access)),
        exempt=table.take_words("exempt", names.isps),
        sites=table.take_words("sites", names.sites),
    )
    if not stage.states:
        table.note("states", "at least one state is due")
    table.finish()
    return stage


def _verdict(table: Table, names: _Names) -> ExpectedVerdict:
    verdict = ExpectedVerdict(
        site=table.take_word("site", names.sites),
        isps=table.take_words("isps", names.isps) or names.isps,
        verdict=table.take_word("verdict", _VERDICTS),
        after=table.take_word("after", names.edges),
        within_heartbeats=table.take_number("within", lo=0, hi=MAX_LENGTH_HEARTBEATS),
    )
    table.finish()
    return verdict


def _check_whole(root: Table, head: Table, story: Story) -> None:
    head.finish()
    root.finish()
    for key, least, count in (
        ("network", 1, len(story.networks)),
        ("region", 1, len(story.regions)),
        ("abroad", 2, len(story.abroad)),
        ("site", 1, len(story.sites)),
    ):
        if count < least:
            root.note(key, f"at least {least} [[{key}]] due: a verdict needs its control")
    isps = [network.isp for network in story.networks]
    _check_unique(root, "network", (*isps, *(network.isp for network in story.abroad)))
    _check_unique(root, "region", (region.code for region in story.regions))
    _check_unique(root, "site", (site.name for site in story.sites))
    _check_unique(root, "fault", (fault.id for fault in story.faults))


def _check_unique(root: Table, key: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            root.note(key, f"{name!r} stands there twice")
        seen.add(name)
