"""What every response carries, and how a caller that already has an answer is spared it.

`SecurityHeaders` goes around the whole application: a page may load its own style and script and
talk to its own origin, nothing else; an API answer may do nothing at all if a browser opens it.
`HeadAsGet` answers HEAD by running GET and dropping the body. `conditional` gives an answer its
ETag and turns it into 304 when the caller's copy is still good.
"""

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from fastapi import Request, Response

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"

EVERYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

API_PREFIX: Final = "/api/"


class SecurityHeaders:
    """Adds the headers of `EVERYWHERE` and the content policy of the path."""

    def __init__(self, app: Application) -> None:
        """Stand around an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with the headers on the first message of a response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = [
            (name.lower().encode(), value.encode())
            for name, value in security_headers(scope["path"]).items()
        ]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def security_headers(path: str) -> dict[str, str]:
    """The headers of every response at a path."""
    policy = API_POLICY if path.startswith(API_PREFIX) else PAGE_POLICY
    return {**EVERYWHERE, "Content-Security-Policy": policy}


class HeadAsGet:
    """Answers HEAD wherever GET is answered, streams aside: those never end."""

    def __init__(self, app: Application, *, except_path: str) -> None:
        """Stand around an application.

        Args:
            app: The application.
            except_path: Where HEAD stays HEAD, and is refused.
        """
        self._app = app
        self._except_path = except_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run GET and send its headers only."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if not is_head or scope["path"] == self._except_path:
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_without_body)


def conditional(request: Request, response: Response) -> Response:
    """The response with an ETag of its body, or 304 when the caller has the same."""
    digest = hashlib.sha256(bytes(response.body)).hexdigest()[:32]
    tag = f'W/"{digest}"'
    response.headers["ETag"] = tag
    held = request.headers.get("If-None-Match", "")
    if tag not in {part.strip() for part in held.split(",")}:
        return response
    kept = {"etag", "cache-control", "vary", "content-language", "link"}
    headers = {name: value for name, value in response.headers.items() if name in kept}
    return Response(status_code=304, headers=headers)
