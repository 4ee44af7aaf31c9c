"""The HTTP API under /api/v1, and the application that also serves the pages.

    /api/v1/status              state words of all groups, now or at a past moment
    /api/v1/incidents           the incidents, newest first, by pages
    /api/v1/incidents/{id}      one incident with its timeline
    /api/v1/events              what changes, as it changes
    /api/v1/health              how the collector itself is
    /api/v1/openapi.json        this description for programs (OpenAPI 3.1)

Rules: only reading is possible; only published values leave (`privacy`); unknown parameters are
refused; every refusal is problem+json with a code; every answer has an ETag. There is no login and
nothing to log in to.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import StreamingResponse

from shyraq_collector.clock import Pace
from shyraq_collector.disclose import answers, pages, problems, queries
from shyraq_collector.disclose.desk import Desk
from shyraq_collector.disclose.events import Streams
from shyraq_collector.disclose.headers import (
    API_PREFIX,
    HeadAsGet,
    SecurityHeaders,
    conditional,
    security_headers,
)
from shyraq_collector.disclose.places import Country, load_countries
from shyraq_collector.disclose.problems import Problem
from shyraq_collector.disclose.reader import Reader

PREFIX: Final = "/api/v1"
EVENTS_PATH: Final = f"{PREFIX}/events"

SHORT: Final = "public, max-age=2"
"""The state now: a cache in front may spare us a crowd, but no reader gets an old word."""

LONG: Final = "public, max-age=60"
"""What was true at a past moment, and the API's description."""

_MIN_GZIP_BYTES: Final = 1_000

_PROBLEM: Final[dict[str, Any]] = {"content": {problems.MEDIA_TYPE: {"schema": problems.SCHEMA}}}


def build(
    reader: Reader,
    pace: Pace,
    *,
    heartbeat_s: float = 60.0,
    countries: Mapping[str, Country] | None = None,
) -> FastAPI:
    """The application.

    Args:
        reader: Committed state.
        pace: What now is, and what streams run on.
        heartbeat_s: How often nodes are heard; a view older than three is no view of now.
        countries: Names by country code; None: those of the package.
    """
    app = FastAPI(
        title="Shyraq",
        version="1",
        summary="What is cut off, by which network, where, and since when.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    desk = Desk(reader=reader, pace=pace, heartbeat_s=heartbeat_s)
    site = pages.Site(desk=desk, countries=load_countries() if countries is None else countries)
    app.include_router(_status_routes(desk, reader))
    app.include_router(_incident_routes(desk))
    app.include_router(_event_routes(Streams(desk=desk, pace=pace)))
    app.include_router(pages.routes(site))
    _refuse_in_style(app, site)
    app.add_middleware(GZipMiddleware, minimum_size=_MIN_GZIP_BYTES)
    app.add_middleware(HeadAsGet, except_path=EVENTS_PATH)
    app.add_middleware(SecurityHeaders)
    return app


def _status_routes(desk: Desk, reader: Reader) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["state"])

    @router.get("/status", response_model=answers.StatusAnswer, responses=_problems(404, 422))
    def status(request: Request, query: Annotated[queries.StatusQuery, Query()]) -> Response:
        """State words per nation, network, region, and network in a region."""
        if query.at is None or queries.instant(query.at) >= desk.now():
            found, caching = desk.snapshot().status, SHORT
        else:
            found, caching = desk.status_at(queries.instant(query.at)), LONG
            if found.view_at is None:
                raise Problem("no-view-kept")
        return _json(request, answers.status_answer(found, country=query.country), caching)

    @router.get("/health", response_model=answers.HealthAnswer, responses=_problems(422))
    def health(request: Request, query: Annotated[queries.NoQuery, Query()]) -> Response:  # noqa: ARG001 - refuses parameters
        """How the collector itself is: view, broker, reports stored, refused and flagged."""
        answer = answers.health_answer(reader.health(), desk.snapshot().status)
        return _json(request, answer, "no-store")

    return router


def _incident_routes(desk: Desk) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["incidents"])

    @router.get("/incidents", response_model=answers.IncidentPage, responses=_problems(422))
    def incidents(request: Request, query: Annotated[queries.IncidentsQuery, Query()]) -> Response:
        """Incidents, newest first. A page may be short; go on while `next` is not null."""
        found = desk.incidents(queries.wanted(query))
        page = answers.IncidentPage(
            incidents=[answers.incident_answer(incident) for incident in found.incidents],
            next=None if found.rest is None else queries.write_cursor(found.rest),
        )
        return _json(request, page, SHORT)

    @router.get(
        "/incidents/{incident_id}",
        response_model=answers.IncidentWithTimeline,
        responses=_problems(404, 422),
    )
    def incident(
        request: Request,
        incident_id: Annotated[str, Path(pattern=queries.INCIDENT_ID)],
        query: Annotated[queries.NoQuery, Query()],  # noqa: ARG001 - refuses parameters
    ) -> Response:
        """One incident with everything ever said of it, each entry dated twice."""
        found = desk.incident(incident_id)
        if found is None:
            raise Problem("no-such-incident")
        return _json(request, answers.with_timeline(found), SHORT)

    return router


def _event_routes(streams: Streams) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["state"])

    @router.get(
        "/events",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **_problems(422, 503),
        },
    )
    async def events(
        query: Annotated[queries.EventsQuery, Query()],
        last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,15}$")] = None,
    ) -> Response:
        """Server-sent events `status`, `entry` and `reset`; resumes behind Last-Event-ID."""
        after = query.after if last_event_id is None else int(last_event_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            streams.begin(after), media_type="text/event-stream", headers=headers
        )

    return router


def _refuse_in_style(app: FastAPI, site: pages.Site) -> None:
    """Every refusal in the form its caller reads: problem+json, or a page for people."""

    def refuse(request: Request, problem: Problem) -> Response:
        if request.url.path.startswith(API_PREFIX):
            return problems.answer(problem.code, headers=problem.headers)
        return site.refusal(request, problem.code)

    @app.exception_handler(Problem)
    def _(request: Request, error: Problem) -> Response:
        return refuse(request, error)

    @app.exception_handler(404)
    def _(request: Request, _error: Exception) -> Response:
        return refuse(request, Problem("no-such-route"))

    @app.exception_handler(405)
    def _(request: Request, _error: Exception) -> Response:
        return refuse(request, Problem("wrong-method", headers={"Allow": "GET, HEAD"}))

    @app.exception_handler(RequestValidationError)
    def _(request: Request, error: RequestValidationError) -> Response:
        if request.url.path.startswith(API_PREFIX):
            return problems.answer("bad-parameter", errors=problems.wrong_parameters(error))
        return site.refusal(request, "bad-parameter")

    @app.exception_handler(Exception)
    def _(request: Request, _error: Exception) -> Response:
        response = refuse(request, Problem("our-fault"))
        response.headers.update(security_headers(request.url.path))  # outside the middleware
        return response


def _json(request: Request, answer: object, caching: str) -> Response:
    body = json.dumps(asdict(answer), ensure_ascii=False, separators=(",", ":"))  # type: ignore[call-overload]
    headers = {"Cache-Control": caching}
    return conditional(request, Response(body, headers=headers, media_type="application/json"))


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    texts = {404: "Not found", 422: "A parameter is wrong", 503: "All streams are taken"}
    return {status: {"description": texts[status], **_PROBLEM} for status in statuses}
