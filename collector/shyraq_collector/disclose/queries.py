"""What a caller may ask, and nothing else: unknown parameters are refused, not ignored.

Each model is one route's parameters. What a parameter means stands in its description, which is
also what the OpenAPI document says. Cursors are opaque to callers; a forged one is refused like
any other bad value, and can name nothing but a place in the public list.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shyraq_collector.disclose.languages import Language
from shyraq_collector.disclose.reader import Position
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Incident, Kind, State
from shyraq_wire.errors import MalformedPayload
from shyraq_wire.moments import parse_moment

Phase: TypeAlias = Literal["open", "restored", "closed", "dismissed"]
"""open: not yet back. restored: back, a new cut would keep the id. closed: over. dismissed: a
suspicion that came to nothing."""

PHASES: Final[Mapping[State, Phase]] = {
    "suspected": "open",
    "confirmed": "open",
    "ongoing": "open",
    "partial_restore": "open",
    "reopened": "open",
    "restored": "restored",
    "closed": "closed",
    "dismissed": "dismissed",
}
"""Every state of an incident's life, boiled down for people who filter a list."""

SLUG: Final = r"^[A-Za-z0-9._-]{1,64}$"
INCIDENT_ID: Final = r"^[0-9a-f]{16}$"
_COUNTRY: Final = r"^[A-Z]{2}$"


def _moment(text: str) -> str:
    try:
        parse_moment(_with_milliseconds(text))
    except MalformedPayload:
        raise ValueError("give a moment in UTC like 2022-01-05T10:30:00Z") from None
    return text


def _cursor(text: str) -> str:
    try:
        read_cursor(text)
    except ValueError:
        raise ValueError("give back a `next` value exactly as it was handed out") from None
    return text


Moment: TypeAlias = Annotated[str, Field(max_length=24), AfterValidator(_moment)]
Cursor: TypeAlias = Annotated[str, Field(max_length=200), AfterValidator(_cursor)]


class StatusQuery(BaseModel):
    """Parameters of `status`."""

    model_config = ConfigDict(extra="forbid")

    at: Moment | None = Field(None, description="The state at this moment in UTC; default: now.")
    country: str | None = Field(None, pattern=_COUNTRY, description="Only this country.")


class IncidentsQuery(BaseModel):
    """Parameters of `incidents`."""

    model_config = ConfigDict(extra="forbid")

    phase: list[Phase] = Field(
        default=["open", "restored", "closed"],
        max_length=4,
        description="open, restored, closed or dismissed; may be repeated.",
    )
    kind: list[Kind] = Field(default=[], max_length=4, description="Only these kinds.")
    country: str | None = Field(None, pattern=_COUNTRY, description="Only this country.")
    isp: str | None = Field(None, pattern=SLUG, description="Only where this network is concerned.")
    region: str | None = Field(
        None, pattern=SLUG, description="Only where this region is concerned."
    )
    since: Moment | None = Field(None, description="Not over before this moment.")
    until: Moment | None = Field(None, description="Not begun after this moment.")
    cursor: Cursor | None = Field(None, description="The `next` of the page before.")
    limit: int = Field(20, ge=1, le=100, description="Incidents on a page.")


class EventsQuery(BaseModel):
    """Parameters of `events`."""

    model_config = ConfigDict(extra="forbid")

    after: int | None = Field(
        None,
        ge=0,
        lt=2**53,
        description="Send what was published behind this number; Last-Event-ID comes before it.",
    )


class PageQuery(BaseModel):
    """Parameters of the pages."""

    model_config = ConfigDict(extra="forbid")

    lang: Language | None = Field(None, description="kk, ru or en; default: Accept-Language.")
    country: str | None = Field(None, pattern=_COUNTRY, description="Which country to show.")


class NoQuery(BaseModel):
    """Parameters of routes that have none."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which incidents a caller wants; None and empty mean no limit.

    Attributes:
        phases: In any of these phases.
        kinds: Of any of these kinds.
        country: ISO code.
        isp: The scope names this network, or names none and does not exempt it.
        region: The scope names this region, or names none.
        since: Not over before this instant.
        until: Not begun after this instant.
        after: Continue behind this position.
        limit: At most this many.
    """

    phases: frozenset[Phase] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    country: str | None = None
    isp: str | None = None
    region: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    after: Position | None = None
    limit: int = 20


def wanted(query: IncidentsQuery) -> Wanted:
    """A query as values."""
    return Wanted(
        phases=frozenset(query.phase),
        kinds=frozenset(query.kind),
        country=query.country,
        isp=query.isp,
        region=query.region,
        since=None if query.since is None else instant(query.since),
        until=None if query.until is None else instant(query.until),
        after=None if query.cursor is None else read_cursor(query.cursor),
        limit=query.limit,
    )


def matches(incident: Incident, want: Wanted) -> bool:
    """Whether a published incident belongs to a list."""
    scope, over_at = incident.scope, incident.restored_at
    return (
        (not want.phases or PHASES[incident.state] in want.phases)
        and (not want.kinds or incident.kind in want.kinds)
        and want.country in {None, scope.country}
        and _concerns(scope.isps, want.isp)
        and (want.isp is None or want.isp not in scope.exempt_isps)
        and _concerns(scope.regions, want.region)
        and (want.since is None or over_at is None or over_at >= want.since)
        and (want.until is None or incident.onset.earliest <= want.until)
    )


def instant(text: str) -> Instant:
    """POSIX seconds of a moment that a query model has let pass."""
    return parse_moment(_with_milliseconds(text)) / 1000


def write_cursor(position: Position) -> str:
    """A position as an opaque text."""
    plain = json.dumps([round(position.suspected_at * 1000), position.incident])
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Position:
    """The position in a cursor.

    Raises:
        ValueError: No cursor of ours.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        value = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, RecursionError) as error:
        raise ValueError("not a cursor") from error
    match value:
        case [int(suspected_ms), str(incident)] if not isinstance(suspected_ms, bool):
            return Position(suspected_at=suspected_ms / 1000, incident=incident)
        case _:
            raise ValueError("not a cursor")


def _concerns(named: tuple[str, ...], name: str | None) -> bool:
    return name is None or not named or name in named


def _with_milliseconds(text: str) -> str:
    """Moments on the wire have milliseconds; people need not type them."""
    return f"{text[:-1]}.000Z" if len(text) == len("2022-01-05T10:30:00Z") else text
