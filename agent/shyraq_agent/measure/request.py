"""Requests: one GET over a connection that is already open and already judged.

httpx names the URL and the headers, h11 (the HTTP/1.1 machine inside httpx) reads the answer;
neither opens a socket, follows a redirect, keeps a cookie, or reads a proxy from the environment.
httpx itself is not let to connect: its errors do not tell a TCP time-out from a TLS one. A page is
read up to a limit; the hash, size and title of what was read are kept, and its text only when it is
short. The content is asked for unpacked, so nothing here inflates anything. Noted:

    status, http_version, header_names, headers (a few values)
    body_sha256, body_size_bytes, body_truncated, title, body (up to 1 KiB)
    first_byte_ms, received
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Final, Protocol

import h11
import httpx

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.step import Notes

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
_START: Final = b"HTTP/1."
_READ_BYTES = 16 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_MAX_HEADERS = 48
_MAX_NAME_LENGTH = 48
_MAX_VALUE_LENGTH = 512
_MAX_TITLE_LENGTH = 128
_SHORT_BODY_BYTES = 1024
_TITLE = re.compile(r"<title[^>]{0,100}>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)
"""Bounded inside, so that a hostile page costs linear time."""
_CHARSET = re.compile(r"charset=[\"']?([\w-]{1,32})", re.ASCII | re.IGNORECASE)
_CHARSETS: Final = frozenset(
    {"utf-8", "us-ascii", "iso-8859-1", "windows-1251", "windows-1252", "koi8-r"}
)
"""Python has codecs that take quadratic time; a page cannot choose those."""
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
    max_body_bytes: int,
    elapsed_ms: Callable[[], float],
    notes: Notes,
) -> Page:
    """Send one request and read its answer.

    Args:
        stream: Open to the URL's host.
        url: With http or https.
        max_body_bytes: Read of the body at most.
        elapsed_ms: The stopwatch.
        notes: Get the fields above.

    Raises:
        OSError: The connection or the TLS layer broke.
        StepFailed: The server closed early, or the answer is not HTTP.
    """
    began_ms = elapsed_ms()
    stream.watch(elapsed_ms, notes)
    machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
    await stream.write(_head(machine, httpx.Request("GET", url, headers=HEADERS)))
    try:
        response = await _next_event(machine, stream)
        while not isinstance(response, h11.Response):  # 100 and 103 may come first
            response = await _next_event(machine, stream)
        notes["first_byte_ms"] = round(elapsed_ms() - began_ms, 3)
        _note_head(response, notes)
        body, is_whole = await _read_body(machine, stream, max_body_bytes)
    except h11.RemoteProtocolError as error:
        rest, has_ended = machine.trailing_data
        is_http = "status" in notes or _START.startswith(rest[: len(_START)])
        cut_short = has_ended and is_http
        raise StepFailed("eof_error" if cut_short else "http_request_failed") from error
    _note_body(body, is_whole=is_whole, content_type=_value(response, "content-type"), notes=notes)
    location = _value(response, "location") if response.status_code in _REDIRECTS else None
    return Page(status=response.status_code, location=location or None)


def _head(machine: h11.Connection, request: httpx.Request) -> bytes:
    """The request as bytes; it has no body."""
    head = machine.send(
        h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
    )
    return (head or b"") + (machine.send(h11.EndOfMessage()) or b"")


async def _next_event(machine: h11.Connection, stream: ByteStream) -> h11.Event:
    """The next part of the answer.

    Raises:
        h11.RemoteProtocolError: It is not HTTP, or was cut short.
    """
    while True:
        event = machine.next_event()
        if isinstance(event, h11.Event):
            return event
        machine.receive_data(await stream.read(_READ_BYTES))


async def _read_body(
    machine: h11.Connection, stream: ByteStream, max_bytes: int
) -> tuple[bytes, bool]:
    """The first bytes of the body, and whether they are all of it."""
    body = bytearray()
    while isinstance(event := await _next_event(machine, stream), h11.Data):
        body += event.data
        if len(body) > max_bytes:
            return bytes(body[:max_bytes]), False
    return bytes(body), True


def _note_head(response: h11.Response, notes: Notes) -> None:
    notes["status"] = response.status_code
    notes["http_version"] = response.http_version.decode("latin-1")
    names = dict.fromkeys(name.decode("latin-1") for name, _ in response.headers)
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
    found = _CHARSET.search(content_type)
    charset = found[1].lower() if found else "utf-8"
    return body.decode(charset if charset in _CHARSETS else "utf-8", errors="replace")


def _value(response: h11.Response, name: str) -> str | None:
    """The first value of a header; h11 gives names in lower case."""
    for each, value in response.headers:
        if each == name.encode():
            return value.decode("latin-1")[:_MAX_VALUE_LENGTH]
    return None
