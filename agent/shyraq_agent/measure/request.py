"""Requests: one GET or HEAD over a connection that is already open and already judged.

httpx names the URL and the headers, httpcore's HTTP/1.1 machine speaks over our stream; neither
opens a socket, follows a redirect, keeps a cookie, or reads a proxy from the environment. A page
is read up to `Limits.body_bytes`; its hash, size and title are kept, and its text only when it
is short. The content is asked for unpacked, so nothing here inflates anything. Noted:

    status, http_version, header_names, headers (a few values)
    body_sha256, body_size_bytes, body_truncated, title, body (up to 1 KiB)
    first_byte_ms, received
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Final, Literal, Protocol, cast

import httpcore
import httpx

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.step import Notes

Method = Literal["GET", "HEAD"]

HEADERS: Final[Mapping[str, str]] = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
"""An ordinary browser's: a name of our own would single the host out to whoever watches."""

_KEPT_HEADERS: Final = (
    "content-language",
    "content-length",
    "content-type",
    "date",
    "location",
    "retry-after",
    "server",
    "via",
)
_MAX_HEADERS = 64
_MAX_NAME_LENGTH = 64
_MAX_VALUE_LENGTH = 512
_MAX_TITLE_LENGTH = 128
_SHORT_BODY_BYTES = 1024
_TITLE = re.compile(r"<title[^>]*>(.{0,2000}?)</title", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(r"charset=[\"']?([\w-]{1,32})", re.ASCII | re.IGNORECASE)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class ByteStream(Protocol):
    """An open connection, plain or TLS."""

    async def read(self, max_bytes: int) -> bytes:
        """At least one byte; empty at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send."""
        ...

    def watch(self, elapsed_ms: Callable[[], float], notes: Notes) -> None:
        """Note arrivals."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the next step needs of an answer."""

    status: int
    location: str | None
    """Where a redirect leads, as the server wrote it; None: not a redirect."""


async def fetch(
    stream: ByteStream,
    url: str,
    *,
    method: Method,
    max_body_bytes: int,
    elapsed_ms: Callable[[], float],
    notes: Notes,
) -> Page:
    """Send one request and read its answer.

    Args:
        stream: Open to the URL's host.
        url: With http or https.
        method: GET or HEAD.
        max_body_bytes: Read of the body at most.
        elapsed_ms: The stopwatch.
        notes: Get the fields above.

    Raises:
        OSError: The connection or the TLS layer broke.
        StepFailed: The server closed early, or the answer is not HTTP.
    """
    request = httpx.Request(method, url, headers=HEADERS)
    began_ms = elapsed_ms()
    stream.watch(elapsed_ms, notes)
    adapter = _Adapter(stream)
    origin = httpcore.URL(str(request.url.copy_with(fragment=None))).origin
    connection = httpcore.AsyncHTTP11Connection(
        origin=origin, stream=cast("httpcore.AsyncNetworkStream", adapter)
    )
    try:
        response = await connection.handle_async_request(
            httpcore.Request(method, bytes(str(request.url), "ascii"), headers=request.headers.raw)
        )
        notes["first_byte_ms"] = round(elapsed_ms() - began_ms, 3)
        _note_head(response, notes)
        body, is_whole = await _read_body(response, max_body_bytes)
    except httpcore.RemoteProtocolError as error:
        raise StepFailed("eof_error" if adapter.ended else "http_request_failed") from error
    _note_body(body, is_whole=is_whole, content_type=_value(response, "content-type"), notes=notes)
    location = _value(response, "location") if response.status in _REDIRECTS else None
    return Page(status=response.status, location=location or None)


class _Adapter:
    """Our stream as httpcore's AsyncNetworkStream; time-outs are the step's own."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.ended = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109
        data = await self._stream.read(max_bytes)
        self.ended = self.ended or not data
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        await self._stream.write(buffer)

    async def aclose(self) -> None:
        self._stream.close()


async def _read_body(response: httpcore.Response, max_bytes: int) -> tuple[bytes, bool]:
    """The first bytes of the body, and whether they are all of it."""
    body = bytearray()
    chunks = response.aiter_stream()
    try:
        async for chunk in chunks:
            body += chunk
            if len(body) > max_bytes:
                return bytes(body[:max_bytes]), False
    finally:
        await response.aclose()
    return bytes(body), True


def _note_head(response: httpcore.Response, notes: Notes) -> None:
    version = response.extensions.get("http_version", b"")
    notes["status"] = response.status
    notes["http_version"] = version.decode("latin-1") if isinstance(version, bytes) else ""
    names = dict.fromkeys(name.decode("latin-1").lower() for name, _ in response.headers)
    notes["header_names"] = [name[:_MAX_NAME_LENGTH] for name in names][:_MAX_HEADERS]
    notes["headers"] = {
        name: value for name in _KEPT_HEADERS if (value := _value(response, name)) is not None
    }


def _note_body(body: bytes, *, is_whole: bool, content_type: str | None, notes: Notes) -> None:
    notes["body_sha256"] = hashlib.sha256(body).hexdigest()
    notes["body_size_bytes"] = len(body)
    notes["body_truncated"] = not is_whole
    text = _decode(body, content_type or "")
    title = _TITLE.search(text)
    notes["title"] = (
        " ".join(unescape(title[1]).split())[:_MAX_TITLE_LENGTH] if title is not None else None
    )
    if len(body) <= _SHORT_BODY_BYTES:
        notes["body"] = text


def _decode(body: bytes, content_type: str) -> str:
    charset = _CHARSET.search(content_type)
    try:
        text = body.decode(charset[1] if charset else "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        text = body.decode("utf-8", errors="replace")
    return text.encode("utf-8", errors="replace").decode("utf-8")  # JSON takes no lone surrogate


def _value(response: httpcore.Response, name: str) -> str | None:
    wanted: Iterable[bytes] = (
        value for each, value in response.headers if each.lower() == name.encode()
    )
    for value in wanted:
        return value.decode("latin-1")[:_MAX_VALUE_LENGTH]
    return None
