"""Refusals of the API as application/problem+json (RFC 9457).

code                 status  when
bad-parameter        422     a parameter is unknown or has a wrong value; `errors` names each
no-such-incident     404     no incident has this id
no-view-kept         404     no view was kept for the moment asked about
no-such-route        404     nothing is served at this address
wrong-method         405     only reading is possible
too-many-streams     503     all places at the event stream are taken; try again
our-fault            500     a bug on our side; nothing of it is shown
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

Code: TypeAlias = Literal[
    "bad-parameter",
    "no-such-incident",
    "no-view-kept",
    "no-such-route",
    "wrong-method",
    "too-many-streams",
    "our-fault",
]

CODES: Final[Mapping[Code, tuple[HTTPStatus, str]]] = {
    "bad-parameter": (HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter is wrong."),
    "no-such-incident": (HTTPStatus.NOT_FOUND, "No incident has this id."),
    "no-view-kept": (HTTPStatus.NOT_FOUND, "No view was kept for this moment."),
    "no-such-route": (HTTPStatus.NOT_FOUND, "Nothing is served at this address."),
    "wrong-method": (HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are possible here."),
    "too-many-streams": (HTTPStatus.SERVICE_UNAVAILABLE, "All streams are taken; try again."),
    "our-fault": (HTTPStatus.INTERNAL_SERVER_ERROR, "A fault on our side."),
}
"""Status and title of every refusal."""

MEDIA_TYPE: Final = "application/problem+json"

SCHEMA: Final[Mapping[str, object]] = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "pattern": "^urn:shyraq:problem:"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"enum": list(CODES)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["parameter", "problem"],
                "additionalProperties": False,
                "properties": {"parameter": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
}
"""The JSON Schema of a refusal."""

_MAX_ERRORS: Final = 20


class Problem(Exception):  # noqa: N818 - the RFC's word
    """A refusal on its way to the caller; never leaves this room."""

    def __init__(self, code: Code, *, headers: Mapping[str, str] | None = None) -> None:
        """Keep the code.

        Args:
            code: Which refusal.
            headers: To be sent with it.
        """
        super().__init__(code)
        self.code = code
        self.headers = headers


def answer(
    code: Code,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A refusal as a response."""
    status, title = CODES[code]
    body: dict[str, object] = {
        "type": f"urn:shyraq:problem:{code}",
        "title": title,
        "status": int(status),
        "code": code,
    }
    if errors:
        body["errors"] = list(errors)
    sent = {"Cache-Control": "no-store", **(headers or {})}
    return JSONResponse(body, status, headers=sent, media_type=MEDIA_TYPE)


def wrong_parameters(error: RequestValidationError) -> list[dict[str, str]]:
    """Each wrong parameter by name, with what is wrong; values are not repeated."""
    return [
        {
            "parameter": ".".join(str(part) for part in each["loc"][1:])[:80],
            "problem": str(each["msg"]).removeprefix("Value error, ")[:200],
        }
        for each in error.errors()[:_MAX_ERRORS]
    ]
