"""The API: what it answers, what it refuses, and that its description tells the truth."""

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel

from shyraq_collector.disclose import pages
from shyraq_collector.disclose.api import build
from shyraq_collector.disclose.desk import Desk
from shyraq_collector.disclose.places import load_countries
from shyraq_collector.disclose.problems import CODES
from shyraq_collector.disclose.queries import (
    EventsQuery,
    IncidentsQuery,
    PageQuery,
    StatusQuery,
    read_cursor,
    write_cursor,
)
from shyraq_collector.disclose.reader import Health, Position
from shyraq_collector.disclose.rules import RULES
from support import scenes
from support.asking import ask, ask_json, asking
from support.clock import STORY_START_MS, FakePace
from support.memory_reader import MemoryReader
from support.scenes import MINUTE, NOW, incident, played, scope, silent, view

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"
INCIDENT = "00c0ffee00c0ffee"
API_ROUTES = ("/api/v1/status", "/api/v1/incidents", f"/api/v1/incidents/{INCIDENT}")


def many(count: int) -> MemoryReader:
    """A reader with incidents an hour apart, the newest last committed."""
    reader = MemoryReader()
    for number in range(count):
        began = NOW - (count - number) * 60 * MINUTE
        states = ("suspected", "confirmed", "restored", "closed")
        reader.commit(incident(*states, id_=f"{number:016x}", began=began))  # type: ignore[arg-type]
    return reader


async def ids(reader: MemoryReader, query: str) -> list[str]:
    """The ids on one page of the list."""
    answer = await ask_json(reader, f"/api/v1/incidents?{query}")
    return [each["id"] for each in answer["incidents"]]


async def test_the_state_now_is_told_with_its_view() -> None:
    """A national cut with one exempt network, as a reader of the API sees it."""
    answer = await ask_json(played("national_cut"), "/api/v1/status")
    assert (answer["at"], answer["view_at"]) == ("2022-01-05T10:00:00.000Z",) * 2
    assert answer["impaired"] is None
    (country,) = answer["countries"]
    assert country["nation"][0]["state"] == "cut-off"
    assert {c["isp"]: c["state"] for c in country["isps"]}["beeline"] == "reachable"


async def test_a_past_moment_is_answered_from_the_view_kept_for_it() -> None:
    """Before the cut the country was reachable; before the first view nothing was known."""
    reader = MemoryReader()
    reader.commit_view(view(at=NOW - 60 * MINUTE))
    reader.commit_view(view(down=silent()))
    reader.commit(incident("suspected", "confirmed"))
    past = await ask_json(reader, "/api/v1/status?at=2022-01-05T09:00:30Z")
    assert past["countries"][0]["nation"][0]["state"] == "reachable"
    assert past["view_at"] == "2022-01-05T09:00:00.000Z"
    none = await ask(reader, "/api/v1/status?at=2022-01-05T08:00:00.000Z")
    assert (none.status_code, none.json()["code"]) == (404, "no-view-kept")


async def test_a_moment_to_come_is_answered_with_now() -> None:
    """The future is not known better than the present."""
    answer = await ask_json(played("quiet"), "/api/v1/status?at=2030-01-01T00:00:00Z")
    assert answer["at"] == "2022-01-05T10:00:00.000Z"


async def test_an_incident_is_told_with_cuts_and_a_timeline_dated_twice() -> None:
    """Everything published of an incident, and no engine note."""
    response = await ask(played("restored"), f"/api/v1/incidents/{INCIDENT}")
    answer = response.json()
    assert [cut["returned_at"] is not None for cut in answer["incident"]["cuts"]] == [True, True]
    assert [line["number"] for line in answer["timeline"]] == list(range(6))
    assert all(line["at"] < line["published_at"] for line in answer["timeline"])
    assert "secret-node" not in response.text


async def test_a_list_is_walked_page_by_page_without_gap_or_repeat() -> None:
    """Following `next` meets every incident once, newest first."""
    reader, met, query = many(23), [], "limit=5"
    while True:
        page = await ask_json(reader, f"/api/v1/incidents?{query}")
        met += [each["id"] for each in page["incidents"]]
        if page["next"] is None:
            break
        query = f"limit=5&cursor={page['next']}"
    assert met == [f"{number:016x}" for number in reversed(range(23))]


async def test_a_list_is_chosen_by_what_is_published() -> None:
    """Phase, kind, network, country and time each choose; dismissed ones are asked for by name."""
    reader = played("lesser_harm")
    reader.commit(incident("suspected", "dismissed", id_="d" * 16))
    assert await ids(reader, "kind=throttling&kind=blocking") == ["b" * 16, "a" * 16]
    assert await ids(reader, "isp=beeline") == ["b" * 16, INCIDENT]
    assert await ids(reader, "phase=dismissed") == ["d" * 16]
    assert await ids(reader, "phase=closed") == []
    assert await ids(reader, "country=KG") == []
    assert len(await ids(reader, "until=2022-01-05T09:53:00Z")) == 3
    assert await ids(reader, "until=2022-01-05T09:00:00Z") == []
    assert await ids(many(3), "since=2022-01-05T09:00:00Z") == [f"{2:016x}"]


async def test_a_withheld_region_is_not_told_by_a_filter() -> None:
    """Asking for one region after the other gives the same answer for each."""
    reader = MemoryReader()
    reader.commit(incident("suspected", where=scope("region", regions=("KZ-23",)), sites=2))
    asked = [await ids(reader, f"region={code}") for code in scenes.REGIONS]
    assert asked == [[INCIDENT]] * 4
    assert "KZ-23" not in (await ask(reader, "/api/v1/incidents")).text


async def test_health_tells_of_the_collector_not_of_nodes() -> None:
    """Counts by reason, the broker, the view."""
    reader = played("quiet")
    reader.state = Health(
        broker="lost", started_at=NOW - 60, stored=7, refused={"bad-signature": 2}, flagged={}
    )
    answer = await ask_json(reader, "/api/v1/health")
    assert answer["reports_refused"] == {"bad-signature": 2}
    assert (answer["broker"], answer["impaired"]) == ("lost", None)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/v1/status?when=now", "when"),
        ("/api/v1/status?at=yesterday", "at"),
        ("/api/v1/status?at=2022-02-30T00:00:00Z", "at"),
        ("/api/v1/status?at=2022-01-05T10:00:00%2B05:00", "at"),
        ("/api/v1/status?country=kz", "country"),
        ("/api/v1/incidents?limit=0", "limit"),
        ("/api/v1/incidents?limit=101", "limit"),
        ("/api/v1/incidents?limit=ten", "limit"),
        ("/api/v1/incidents?phase=over", "phase.0"),
        ("/api/v1/incidents?kind=war", "kind.0"),
        ("/api/v1/incidents?isp=a%20b", "isp"),
        ("/api/v1/incidents?region=%3Cscript%3E", "region"),
        ("/api/v1/incidents?cursor=forged", "cursor"),
        ("/api/v1/incidents?cursor=WzEsMl0", "cursor"),
        ("/api/v1/incidents?cursor=%D0%B9", "cursor"),
        ("/api/v1/incidents?cursor=W1tbW1tbW1tb", "cursor"),
        ("/api/v1/incidents/xyz", "incident_id"),
        (f"/api/v1/incidents/{INCIDENT}?x=1", "x"),
        ("/api/v1/health?verbose=1", "verbose"),
        ("/api/v1/events?after=-1", "after"),
        ("/api/v1/events?after=99999999999999999999", "after"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(path: str, parameter: str) -> None:
    """422 as problem+json, naming the parameter and not repeating its value."""
    response = await ask(played("quiet"), path)
    problem = response.json()
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"]) == ("bad-parameter", 422)
    assert [each["parameter"] for each in problem["errors"]] == [parameter]
    assert "script" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/incidents/0000000000000000", 404, "no-such-incident"),
        ("GET", "/api/v2/status", 404, "no-such-route"),
        ("GET", "/api/", 404, "no-such-route"),
        ("POST", "/api/v1/status", 405, "wrong-method"),
        ("DELETE", f"/api/v1/incidents/{INCIDENT}", 405, "wrong-method"),
        ("HEAD", "/api/v1/events", 405, "wrong-method"),
    ],
)
async def test_other_refusals_have_codes(method: str, path: str, status: int, code: str) -> None:
    """Every refusal is a problem with a code."""
    async with asking(played("quiet")) as client:
        response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert response.json()["code"] == code


async def test_a_fault_of_ours_shows_nothing_of_itself() -> None:
    """500 with a code, with the security headers, without the error's text."""
    reader = MemoryReader()
    reader.fault = OSError("disk is gone while reading /secret/path")
    for path in (f"/api/v1/incidents/{INCIDENT}", f"/incidents/{INCIDENT}"):
        response = await ask(reader, path)
        assert response.status_code == 500
        assert "secret" not in response.text
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", [*API_ROUTES, "/", f"/incidents/{INCIDENT}", "/static/style.css"])
async def test_a_reader_is_spared_what_it_already_has(path: str) -> None:
    """The same ETag gives 304 without a body; another gives the answer."""
    reader = played("mobile_cut")
    first = await ask(reader, path)
    again = await ask(reader, path, if_none_match=f'"x", {first.headers["etag"]}')
    other = await ask(reader, path, if_none_match='W/"0"')
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (other.status_code, other.content) == (200, first.content)
    assert "cache-control" in again.headers


@pytest.mark.parametrize("path", [*API_ROUTES, "/", "/api/v1/openapi.json"])
async def test_head_is_get_without_a_body(path: str) -> None:
    """HEAD tells what GET would."""
    async with asking(played("mobile_cut")) as client:
        head, get = await client.head(path), await client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers.get("etag") == get.headers.get("etag")


async def test_state_now_is_shared_for_a_second_and_then_asked_anew() -> None:
    """A crowd costs one look at the store; nobody gets a word older than a second."""
    reader, pace = played("quiet"), FakePace()
    async with asking(reader, pace) as client:
        await client.get("/api/v1/status")
        reader.commit_view(view(down=silent(), at=NOW + 0.5, hold="hold"))
        assert (await client.get("/api/v1/status")).json()["impaired"] is None
        pace.advance(1_000)
        assert (await client.get("/api/v1/status")).json()["impaired"] == "hold"


def test_a_cursor_leads_back_to_its_place() -> None:
    """What is handed out is understood when it comes back."""
    position = Position(suspected_at=STORY_START_MS / 1000 + 0.123, incident="ab" * 8)
    assert read_cursor(write_cursor(position)) == position


# -- the description ------------------------------------------------------------------------------


def description() -> dict[str, Any]:
    """The OpenAPI document."""
    return build(MemoryReader(), FakePace()).openapi()


def test_the_description_is_openapi_31_with_every_route_and_refusal() -> None:
    """The document names the version, the API's routes and no page."""
    document = description()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/api/v1/status",
        "/api/v1/health",
        "/api/v1/incidents",
        "/api/v1/incidents/{incident_id}",
        "/api/v1/events",
    }
    for path in document["paths"].values():
        refusals = path["get"]["responses"]["422"]["content"]
        assert list(refusals) == ["application/problem+json"]


@pytest.mark.parametrize("scene", scenes.SCENES)
async def test_answers_are_as_described(scene: str) -> None:
    """Every answer validates against the schema that the description gives for it."""
    document, reader = description(), played(scene)
    paths = {path: path for path in ("/api/v1/status", "/api/v1/health", "/api/v1/incidents")}
    if reader.incident(INCIDENT):
        paths["/api/v1/incidents/{incident_id}"] = f"/api/v1/incidents/{INCIDENT}"
    for template, path in paths.items():
        content = document["paths"][template]["get"]["responses"]["200"]["content"]
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(await ask_json(reader, path))


async def test_problems_are_as_described() -> None:
    """A refusal validates against its schema, too."""
    described = description()["paths"]["/api/v1/status"]["get"]["responses"]["422"]
    schema = described["content"]["application/problem+json"]["schema"]
    problem = (await ask(MemoryReader(), "/api/v1/status?x=1")).json()
    jsonschema.Draft202012Validator(schema).validate(problem)


# -- the reference page --------------------------------------------------------------------------


def cells(heading: str, column: int) -> list[str]:
    """One column of the tables under a heading of the reference page."""
    text = REFERENCE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    return [row[column].strip().strip("`") for row in rows]


def test_every_route_is_documented() -> None:
    """The reference page names exactly the routes of the application."""
    desk = Desk(reader=MemoryReader(), pace=FakePace(), heartbeat_s=60)
    for_people = pages.routes(pages.Site(desk=desk, countries=load_countries()))
    served = {*description()["paths"], "/api/v1/openapi.json"}
    served |= {route.path for route in for_people.routes if isinstance(route, APIRoute)}
    assert set(cells("Routes", 1)) == served


def test_every_parameter_is_documented() -> None:
    """The reference page names exactly the parameters that are taken."""
    taken: dict[str, type[BaseModel]] = {
        "/api/v1/status": StatusQuery,
        "/api/v1/incidents": IncidentsQuery,
        "/api/v1/events": EventsQuery,
        "/": PageQuery,
        "/incidents/{incident_id}": PageQuery,
    }
    named = list(zip(cells("Parameters", 1), cells("Parameters", 2), strict=True))
    expected = [(path, name) for path, query in taken.items() for name in query.model_fields]
    assert sorted(named) == sorted(expected)


def test_every_word_rule_impairment_event_and_code_is_documented() -> None:
    """Public words are tested: the page and the code agree."""
    first = cells("State words", 1)
    assert {rule.word for rule in RULES} <= set(first)
    rules = {(rule.id, rule.word) for rule in RULES}
    assert rules <= set(zip(first, cells("State words", 2), strict=True))
    assert {"no-view", "stale", "starting", "hold", "own-fault"} <= set(first)
    refusals = dict(zip(cells("Refusals", 1), cells("Refusals", 2), strict=True))
    assert refusals == {code: str(int(status)) for code, (status, _) in CODES.items()}
    assert set(cells("Events", 1)) == {"status", "entry", "reset"}
