"""The pages: server-rendered, in three languages, working without JavaScript.

    /                    is anything cut now? then every network in every region, then incidents
    /incidents/{id}      one incident: what is known, cuts and returns, the timeline
    /static/{name}       style, script and lamp; `?v=` is a hash of the content

Rules: every text from data is escaped by the template engine; nothing is loaded from another
origin and nothing is inline (see `headers`); the script only renews what the server would render
anyway. Times are given on the country's clock and in UTC.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from shyraq_collector.disclose import problems, queries
from shyraq_collector.disclose.case_page import CaseWriter
from shyraq_collector.disclose.clocktext import ClockText
from shyraq_collector.disclose.desk import Desk
from shyraq_collector.disclose.front import FrontWriter
from shyraq_collector.disclose.headers import conditional
from shyraq_collector.disclose.languages import LANGUAGES, Wording, choose, load_wordings
from shyraq_collector.disclose.places import Country, unnamed
from shyraq_collector.disclose.problems import Code, Problem
from shyraq_collector.disclose.rules import StateWord

STATIC: Final[Mapping[str, str]] = {
    "style.css": "text/css",
    "live.js": "text/javascript",
    "lamp.svg": "image/svg+xml",
}
"""Everything that is served from the package, by name and media type."""

RECENT: Final = 12
"""Incidents on the front page."""

LEGEND: Final[tuple[StateWord, ...]] = (
    "reachable",
    "degraded",
    "throttled",
    "blocked-sites",
    "domestic-only",
    "cut-off",
    "unknown",
    "not-observable",
)

_FRESH: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of the package, as it is sent."""

    body: bytes
    media_type: str
    version: str


class Site:
    """Renders pages."""

    def __init__(self, *, desk: Desk, countries: Mapping[str, Country]) -> None:
        """Load texts, templates and assets.

        Args:
            desk: Where questions are put.
            countries: Names by country code.
        """
        self._desk = desk
        self._countries = countries
        self._wordings = load_wordings()
        self.assets = {name: _asset(name, media_type) for name, media_type in STATIC.items()}
        self._environment = Environment(
            loader=PackageLoader("shyraq_collector.disclose"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["assets"] = {
            name: f"/static/{name}?v={asset.version}" for name, asset in self.assets.items()
        }

    def front(self, request: Request, query: queries.PageQuery) -> Response:
        """The page "/"."""
        status = self._desk.snapshot().status
        shown = [country.code for country in status.countries]
        code = query.country or _first(shown, self._countries)
        if query.country and query.country not in {*shown, *self._countries}:
            raise Problem("no-such-route")
        country = self._country(code)
        wording, clock = self._voice(request, query.lang, country)
        writer = FrontWriter(country=country, wording=wording, clock=clock)
        want = queries.Wanted(
            phases=frozenset({"open", "restored", "closed"}), country=code, limit=RECENT
        )
        own_faults = queries.Wanted(phases=want.phases, country="", limit=RECENT)
        recent = (
            *self._desk.incidents(want).incidents,
            *self._desk.incidents(own_faults).incidents,
        )
        page = writer.front(
            status=status,
            state=next((each for each in status.countries if each.code == code), None),
            standing=[each for each in self._desk.standing() if each.scope.country == code],
            recent=sorted(recent, key=lambda each: each.suspected_at, reverse=True)[:RECENT],
        )
        others = [(each, self._country(each)) for each in shown if each != code]
        return self._page(
            request, "front.html", wording, clock, page=page, others=others, legend=LEGEND
        )

    def case(self, request: Request, query: queries.PageQuery, incident_id: str) -> Response:
        """The page of an incident.

        Raises:
            Problem: There is no such incident.
        """
        incident = self._desk.incident(incident_id)
        if incident is None:
            raise Problem("no-such-incident")
        country = self._country(incident.scope.country or _first([], self._countries))
        wording, clock = self._voice(request, query.lang, country)
        page = CaseWriter(country=country, wording=wording, clock=clock).page(incident)
        return self._page(request, "incident.html", wording, clock, page=page)

    def refusal(self, request: Request, code: Code) -> Response:
        """A refusal for people."""
        country = self._country(_first([], self._countries))
        wording, clock = self._voice(request, request.query_params.get("lang"), country)
        response = self._page(request, "refusal.html", wording, clock, code=code)
        response.status_code = problems.CODES[code][0]
        response.headers["Cache-Control"] = "no-store"
        return response

    def _country(self, code: str) -> Country:
        return self._countries.get(code) or unnamed(code)

    def _voice(
        self, request: Request, asked: str | None, country: Country
    ) -> tuple[Wording, ClockText]:
        language = choose(asked, request.headers.get("Accept-Language"))
        wording = self._wordings[language]
        return wording, ClockText(zone=country.zone, wording=wording, now=self._desk.now())

    def _page(
        self, request: Request, name: str, wording: Wording, clock: ClockText, **values: object
    ) -> Response:
        body = self._environment.get_template(name).render(
            t=wording,
            language=wording.language,
            languages=[(each, self._wordings[each]("page.language")) for each in LANGUAGES],
            address=request.url.path,
            made_at=clock.local(self._desk.now()),
            asked_country=request.query_params.get("country", ""),
            zone=clock.offset(),
            **values,
        )
        headers = {
            "Cache-Control": _FRESH,
            "Content-Language": wording.language,
            "Vary": "Accept-Language",
        }
        return Response(body, headers=headers, media_type="text/html")


def routes(site: Site) -> APIRouter:
    """The pages' routes; they are for people and stand in no OpenAPI document."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def front(request: Request, query: Annotated[queries.PageQuery, Query()]) -> Response:
        return conditional(request, site.front(request, query))

    @router.get("/incidents/{incident_id}")
    def incident(
        request: Request,
        incident_id: Annotated[str, Path(max_length=64)],
        query: Annotated[queries.PageQuery, Query()],
    ) -> Response:
        return conditional(request, site.case(request, query, incident_id))

    @router.get("/static/{name}")
    def static(request: Request, name: str) -> Response:
        asset = site.assets.get(name)
        if asset is None:
            raise Problem("no-such-route")
        caching = _FOR_EVER if request.query_params.get("v") == asset.version else _FRESH
        headers = {"Cache-Control": caching}
        response = Response(asset.body, headers=headers, media_type=asset.media_type)
        return conditional(request, response)

    return router


def _asset(name: str, media_type: str) -> Asset:
    body = (files("shyraq_collector.disclose") / "static" / name).read_bytes()
    return Asset(body=body, media_type=media_type, version=hashlib.sha256(body).hexdigest()[:12])


def _first(shown: list[str], countries: Mapping[str, Country]) -> str:
    """The country of a page that names none: one with nodes, named ones before others."""
    named = [code for code in shown if code in countries]
    return next(iter([*named, *shown, *countries]), "")
