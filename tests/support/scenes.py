"""Scenes for the public pages: a country of four networks and four regions, and what befell it.

Each scene fills a `MemoryReader` as the engine would have left it at `NOW`. They are used by the
tests of the public room and by `preview`, which serves them for a look in a browser.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from shyraq_collector.disclose.reader import Hold, View
from shyraq_collector.facts.fleet import Access, Instant
from shyraq_collector.facts.incidents import (
    Cause,
    Entry,
    Evidence,
    GroupStatus,
    Incident,
    Interval,
    Kind,
    Scope,
    State,
)
from support.clock import STORY_START_MS
from support.memory_reader import MemoryReader

NOW: Instant = STORY_START_MS / 1000
"""2022-01-05T10:00:00Z."""

MINUTE = 60.0
NETWORKS: Mapping[str, Access] = {
    "kazakhtelecom": "fixed",
    "kcell": "mobile",
    "beeline": "mobile",
    "tele2": "mobile",
}
REGIONS = ("KZ-75", "KZ-71", "KZ-23", "KZ-47")
MOBILE = tuple(sorted(isp for isp, access in NETWORKS.items() if access == "mobile"))

Cell = tuple[str, str]
Scene = Callable[[MemoryReader], None]


def groups(
    *,
    down: Mapping[Cell, int] | None = None,
    lines: Mapping[Cell, int] | None = None,
    country: str = "KZ",
) -> tuple[GroupStatus, ...]:
    """All groups of the country.

    Args:
        down: Silent lines by cell; none where a cell is not named.
        lines: Lines (each its own site) by cell; three where a cell is not named.
        country: Its code.
    """
    cells = {(isp, region): 3 for isp in NETWORKS for region in REGIONS} | dict(lines or {})
    silent = dict(down or {})
    wanted = [(None, None), *((isp, None) for isp in NETWORKS), *((None, r) for r in REGIONS)]
    found = []
    for isp, region in [*wanted, *cells]:
        for access in (None, "fixed", "mobile"):
            members = [
                cell
                for cell in cells
                if isp in {None, cell[0]}
                and region in {None, cell[1]}
                and access in {None, NETWORKS[cell[0]]}
            ]
            count = sum(cells[cell] for cell in members)
            if access and not count:
                continue
            found.append(
                GroupStatus(
                    country=country,
                    isp=isp,
                    region=region,
                    access=access,
                    lines=count,
                    down=sum(silent.get(cell, 0) for cell in members),
                    sites=count,
                    observable=count >= 3,
                    incident=None,
                )
            )
    return tuple(found)


def view(
    *, down: Mapping[Cell, int] | None = None, at: Instant = NOW, hold: Hold | None = None
) -> View:
    """A view of the country."""
    return View(at=at, groups=groups(down=down), hold=hold)


def silent(isps: Iterable[str] = NETWORKS, regions: Iterable[str] = REGIONS) -> dict[Cell, int]:
    """All three lines of each of these cells."""
    places = tuple(regions)
    return {(isp, region): 3 for isp in isps for region in places}


def scope(level: str = "nation", **parts: object) -> Scope:
    """A scope in the country."""
    return Scope(country="KZ", level=level, **parts)  # type: ignore[arg-type]


def incident(  # a plain constructor with the defaults of a national cut
    *states: State,
    id_: str = "00c0ffee00c0ffee",
    kind: Kind = "outage",
    cause: Cause = "cut-off",
    where: Scope | None = None,
    began: Instant = NOW - 8 * MINUTE,
    step_s: float = 2 * MINUTE,
    lines: int = 48,
    down: int = 48,
    sites: int | None = None,
) -> Incident:
    """An incident whose timeline went through these states, one every `step_s`."""
    reach = where or scope()
    onset = Interval(earliest=began - 50, latest=began + 10)
    history = tuple(
        Entry(
            incident=id_,
            number=number,
            at=began + number * step_s,
            published_at=began + (number + 1) * step_s,
            state=state,
            kind=kind,
            cause=cause,
            grade="A",
            scope=reach,
            onset=onset,
            confidence=0.97,
            evidence=Evidence(
                test="edge",
                score=21.5,
                lines=lines,
                down=_still_down(state, down),
                sites=_still_down(state, down if sites is None else sites),
            ),
            note="secret-node-17 went silent",
        )
        for number, state in enumerate(states)
    )
    at = {entry.state: entry.published_at for entry in history}
    return Incident(
        id=id_,
        kind=kind,
        cause=cause,
        grade="A",
        scope=reach,
        state=states[-1],
        onset=onset,
        suspected_at=history[0].published_at,
        confirmed_at=at.get("confirmed"),
        restored_at=at.get("restored") if states[-1] in {"restored", "closed"} else None,
        lines_observed=lines,
        lines_down_peak=down,
        confidence=0.97,
        history=history,
    )


def _still_down(state: State, most: int) -> int:
    match state:
        case "restored" | "closed" | "dismissed":
            return 0
        case "partial_restore":
            return most // 2
        case _:
            return most


# -- scenes ----------------------------------------------------------------------------------------


def quiet(reader: MemoryReader) -> None:
    """All is well, and always was."""
    reader.commit_view(view())


def mobile_cut(reader: MemoryReader) -> None:
    """The three mobile networks are cut everywhere; the fixed one goes on."""
    reader.commit_view(view(down=silent(MOBILE)))
    where = scope("isp", isps=MOBILE, access=("mobile",), exempt_isps=("kazakhtelecom",))
    reader.commit(incident("suspected", "confirmed", where=where, cause="isp", lines=36, down=36))


def national_cut(reader: MemoryReader) -> None:
    """The whole country is cut, Beeline exempt; the mobile cut of the day before is over."""
    cut = [isp for isp in NETWORKS if isp != "beeline"]
    reader.commit_view(view(down=silent(cut)))
    before = scope("isp", isps=MOBILE, access=("mobile",))
    reader.commit(
        incident(
            "suspected",
            "confirmed",
            "restored",
            "closed",
            id_="0123456789abcdef",
            where=before,
            cause="isp",
            began=NOW - 1500 * MINUTE,
            lines=36,
            down=36,
        )
    )
    where = scope("nation", isps=tuple(sorted(cut)), exempt_isps=("beeline",))
    reader.commit(incident("suspected", "confirmed", "ongoing", where=where, lines=48, down=36))


def partly_back(reader: MemoryReader) -> None:
    """Half of the country is back."""
    reader.commit_view(view(down=silent(regions=REGIONS[:2])))
    states: tuple[State, ...] = ("suspected", "confirmed", "ongoing", "partial_restore")
    reader.commit(incident(*states, began=NOW - 300 * MINUTE, step_s=60 * MINUTE))


def restored(reader: MemoryReader) -> None:
    """The national cut is over after two stretches."""
    reader.commit_view(view())
    states: tuple[State, ...] = (
        "suspected",
        "confirmed",
        "partial_restore",
        "restored",
        "reopened",
        "restored",
    )
    reader.commit(incident(*states, began=NOW - 420 * MINUTE, step_s=60 * MINUTE))


def impaired(reader: MemoryReader) -> None:
    """Our own watch posts are silent; nothing can be said."""
    reader.commit_view(view(down=silent(), hold="own-fault"))
    states: tuple[State, ...] = ("suspected", "confirmed")
    where = scope("nation")
    reader.commit(
        incident(*states, kind="collector-fault", cause="own-fault", where=where, sites=0)
    )


def empty(reader: MemoryReader) -> None:
    """The collector runs, and there is no node yet."""
    reader.commit_view(View(at=NOW, groups=()))


def lesser_harm(reader: MemoryReader) -> None:
    """One network is throttled, another blocks sites, one region's mobile lines are cut."""
    cells = silent(MOBILE, ["KZ-23"])
    reader.commit_view(view(down=cells))
    where = scope("cell", isps=MOBILE, regions=("KZ-23",), access=("mobile",))
    reader.commit(incident("suspected", "confirmed", where=where, cause="isp", lines=9, down=9))
    slow = scope("isp", isps=("kazakhtelecom",), targets=("azattyq.example",))
    reader.commit(
        incident(
            "suspected",
            "confirmed",
            id_="aaaaaaaaaaaaaaaa",
            kind="throttling",
            cause="selective",
            where=slow,
            lines=12,
            down=12,
        )
    )
    shut = scope("isp", isps=("beeline",), targets=("orda.example", "kaztag.example"))
    reader.commit(
        incident(
            "suspected",
            "confirmed",
            id_="bbbbbbbbbbbbbbbb",
            kind="blocking",
            cause="selective",
            where=shut,
            lines=12,
            down=12,
        )
    )


def few(reader: MemoryReader) -> None:
    """Two places are watched in the whole country."""
    lines = dict.fromkeys(((isp, region) for isp in NETWORKS for region in REGIONS), 0)
    lines["kcell", "KZ-75"] = 2
    reader.commit_view(View(at=NOW, groups=groups(lines=lines)))


def stale(reader: MemoryReader) -> None:
    """The collector stopped ten minutes ago."""
    reader.commit_view(view(at=NOW - 10 * MINUTE))


SCENES: Mapping[str, Scene] = {
    "quiet": quiet,
    "mobile_cut": mobile_cut,
    "national_cut": national_cut,
    "partly_back": partly_back,
    "restored": restored,
    "impaired": impaired,
    "empty": empty,
    "lesser_harm": lesser_harm,
    "few": few,
    "stale": stale,
}


def played(scene: str) -> MemoryReader:
    """A reader with a scene in it."""
    reader = MemoryReader()
    SCENES[scene](reader)
    return reader


def renamed(incident_: Incident, text: str) -> Incident:
    """An incident whose networks, regions and targets all bear a hostile name."""
    where = replace(incident_.scope, level="cell", isps=(text,), regions=(text,), targets=(text,))
    history = tuple(replace(entry, scope=where) for entry in incident_.history)
    return replace(incident_, scope=where, history=history)
