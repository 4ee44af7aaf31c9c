"""Why an incident was published: which lines, which test, which score against time.

`explain` gathers the figures of a case, `as_text` tells them, `as_svg` draws score and depth over
time with both thresholds. Nothing is recomputed: these are the figures that decided. A line of a
cut is told by its silence; one of a blocking, a slowing or a domestic-only phase by what it says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from shyraq_collector.correlate.finding import CONFIRM_NATS, SUSPECT_NATS
from shyraq_collector.correlate.line import Line
from shyraq_collector.facts.fleet import Instant, LineKey
from shyraq_collector.facts.incidents import Entry, Evidence
from shyraq_collector.incidents.case import Case, Testimony

WIDTH, HEIGHT, LEFT, BOTTOM = 720.0, 260.0, 50.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What one line says.

    Attributes:
        target: Of what: a site, a tier of the ladder, a rate.
        word: blocked, throttled, or what was reached: domestic, white_list.
        since: First time in a row; `until`: the last.
        times: How many times in a row.
    """

    target: str
    word: str
    since: Instant
    until: Instant
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One line of an incident.

    Attributes:
        key: Which line.
        last_heard: Its newest word.
        fell_at: When it crossed its leash or was known down; None for a line that stayed up.
        is_down: Whether it is down now.
        says: What it says, where it is told by words: of a target, or what its ladder reaches.
    """

    key: LineKey
    last_heard: Instant
    fell_at: Instant | None
    is_down: bool
    says: Saying | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that decided one incident.

    Attributes:
        incident: Its id.
        evidence: The figures as last said: test, score, lines.
        witnesses: Its lines, first fallen first.
        trace: (at, score in nats, lines down, lines eligible) over time.
        entries: What was said of it.
    """

    incident: str
    evidence: Evidence
    witnesses: tuple[Witness, ...]
    trace: tuple[tuple[Instant, float, int, int], ...]
    entries: tuple[Entry, ...]


def explain(case: Case) -> Explanation:
    """The explanation of a case as it stands."""
    lines = case.base or (list(case.peak.lines) if case.peak else [])
    witnesses = _by_words(case.testimony) if case.testimony else _by_silence(lines)
    return Explanation(
        incident=case.id,
        evidence=case.evidence,
        witnesses=tuple(witnesses),
        trace=tuple(case.trace),
        entries=tuple(case.entries),
    )


def _by_silence(lines: Iterable[Line]) -> list[Witness]:
    """First fallen first."""
    witnesses = [
        Witness(
            key=line.key,
            last_heard=line.last_heard,
            fell_at=line.missing_since if line.missing_since > 0 else None,
            is_down=line.state == "missing",
        )
        for line in lines
    ]
    return sorted(witnesses, key=lambda w: (w.fell_at is None, w.fell_at or 0.0, str(w.key)))


def _by_words(testimony: Iterable[Testimony]) -> list[Witness]:
    """First to say so first; lines that the registry knows no longer are left out."""
    return [
        Witness(
            key=said.line.key,
            last_heard=said.line.last_heard,
            fell_at=None,
            is_down=said.line.state == "missing",
            says=Saying(
                target=said.target,
                word=said.word,
                since=said.since,
                until=said.at,
                times=said.times,
            ),
        )
        for said in sorted(testimony, key=lambda each: (each.since, each.target))
        if said.line is not None
    ]


def as_text(why: Explanation) -> str:
    """The explanation for a person, in lines."""
    figures = why.evidence
    is_told_by_words = any(witness.says for witness in why.witnesses)
    verb = "say so" if is_told_by_words else "down"
    decided = (
        f"incident {why.incident}: {figures.test} test, {figures.score:.1f} nats "
        f"(suspected at {SUSPECT_NATS:.0f}, confirmed at {CONFIRM_NATS:.0f}); "
        f"{figures.down} of {figures.lines} lines {verb} at {figures.sites} sites"
    )
    told = [
        decided,
        *(f"  {_clock(e.published_at)} {e.state}: {e.note}" for e in why.entries),
        f"lines, first {'to say so' if is_told_by_words else 'fallen'} first:",
        *(f"  {_told(witness)}" for witness in why.witnesses),
    ]
    return "\n".join(told) + "\n"


def _told(witness: Witness) -> str:
    key, said = witness.key, witness.says
    place = " ".join(part for part in (key.isp, key.region, key.access) if part) or key.country
    if said is not None:
        return (
            f"{place}: {said.target} {said.word}, {said.times} times in a row "
            f"from {_clock(said.since)} to {_clock(said.until)}"
        )
    fell = _clock(witness.fell_at) if witness.fell_at is not None else "never"
    now = "down" if witness.is_down else "up"
    return f"{place}: last word {_clock(witness.last_heard)}, missing from {fell}, now {now}"


def as_svg(why: Explanation) -> str:
    """Score (line) and share down (area) against time, with both thresholds."""
    trace = why.trace or ((why.entries[0].published_at, why.evidence.score, 0, 1),)
    begin, end = trace[0][0], max(trace[-1][0], trace[0][0] + 1.0)
    top = max(*(point[1] for point in trace), CONFIRM_NATS * 1.2)
    what = "that say so" if any(witness.says for witness in why.witnesses) else "down"

    def x(at: Instant) -> float:
        return LEFT + (at - begin) / (end - begin) * (WIDTH - LEFT - 10.0)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 20.0)

    area = " ".join(f"{x(at):.1f},{y(down / max(n, 1)):.1f}" for at, _, down, n in trace)
    score = " ".join(f"{x(at):.1f},{y(nats / top):.1f}" for at, nats, _, _ in trace)
    lines = [_threshold(nats, y(nats / top)) for nats in (SUSPECT_NATS, CONFIRM_NATS)]
    ends = f"{x(begin):.1f},{y(0):.1f} {area} {x(end):.1f},{y(0):.1f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" '
        f'font-family="sans-serif" font-size="12" role="img">'
        f"<title>{escape(why.incident)}: score in nats and share of lines {what}</title>"
        f'<polygon points="{ends}" fill="#cfe2f3"/>'
        f"{''.join(lines)}"
        f'<polyline points="{score}" fill="none" stroke="#c0392b" stroke-width="2"/>'
        f'<text x="{LEFT}" y="{HEIGHT - 8:.0f}">{_clock(begin)}</text>'
        f'<text x="{WIDTH - 10}" y="{HEIGHT - 8:.0f}" text-anchor="end">{_clock(end)}</text>'
        f'<text x="{LEFT}" y="14">score in nats (line), share of lines {what} (area)</text>'
        "</svg>\n"
    )


def _threshold(nats: float, y: float) -> str:
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#888" '
        f'stroke-dasharray="4 3"/><text x="4" y="{y:.1f}">{nats:.0f}</text>'
    )


def _clock(at: Instant) -> str:
    if at <= 0:
        return "never"
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%SZ}"
