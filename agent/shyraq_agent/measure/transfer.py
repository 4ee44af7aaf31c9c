"""Transfers: one GET over an open connection, and how fast its bytes came.

What is read is counted and thrown away. Noted, also when the transfer breaks off or runs out of
time, because a slow transfer is an observation and not a failure to make one:

    status          of the answer's first line; None: that was not HTTP
    size_bytes      how much came, head included
    first_byte_ms   since the request
    samples         [ms, bytes] at most 16: so many bytes had come so long after the request
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import h11
import httpx

from shyraq_agent.measure.classify import StepFailed
from shyraq_agent.measure.request import HEADERS, ByteStream
from shyraq_agent.measure.step import Notes

MAX_SAMPLES: Final = 16

WINDOW_BYTES: Final = 64 * 1024
"""Receive buffer of a connection to our responder, which sends no more than is read; the ordinary
small one would slow a fast line down. The kernel doubles it (socket(7))."""

_READ_BYTES: Final = 16 * 1024
_SUCCESS: Final = 200
_STATUS_AT: Final = slice(9, 12)
"""Where the code stands in `HTTP/1.1 200 OK`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What a probe needs of a transfer that came to its end."""

    took_ms: float
    size_bytes: int


async def transfer(
    stream: ByteStream,
    url: str,
    *,
    max_bytes: int,
    whole: bool,
    elapsed_ms: Callable[[], float],
    notes: Notes,
) -> Transferred:
    """Ask for a page and read its bytes.

    Args:
        stream: Open to the URL's host.
        url: With http or https.
        max_bytes: Reading stops there.
        whole: So many bytes are due; an earlier end is a failure. Else the server is asked for no
            more than these, which it may disregard.
        elapsed_ms: The stopwatch.
        notes: Get the fields above.

    Raises:
        OSError: The connection or the TLS layer broke.
        StepFailed: Nothing came, less than was due, or a refusal instead of it.
    """
    stream.watch(elapsed_ms, {})  # the handshake's own samples end where the handshake did
    began_ms = elapsed_ms()
    arrivals, head, size_bytes = list[tuple[float, int]](), b"", 0
    try:
        await stream.write(_request(url, None if whole else max_bytes))
        while size_bytes < max_bytes and (data := await stream.read(_READ_BYTES)):
            head = head or data[: _STATUS_AT.stop]
            size_bytes += len(data)
            arrivals.append((round(elapsed_ms() - began_ms, 3), size_bytes))
    finally:
        notes["status"] = _status(head)
        notes["size_bytes"] = size_bytes
        if arrivals:
            notes["first_byte_ms"] = arrivals[0][0]
            notes["samples"] = thin(arrivals)
    if not size_bytes or (whole and size_bytes < max_bytes):
        was_refused = _status(head) not in (None, _SUCCESS)
        raise StepFailed("http_unexpected_status_code" if was_refused else "eof_error")
    return Transferred(took_ms=elapsed_ms() - began_ms, size_bytes=size_bytes)


def thin(arrivals: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """At most `MAX_SAMPLES` of the arrivals, evenly spaced by bytes, the last one among them."""
    total = arrivals[-1][1]
    kept: list[tuple[float, int]] = []
    for arrival in arrivals:
        due = total * (len(kept) + 1) / MAX_SAMPLES
        if arrival[1] >= due and len(kept) < MAX_SAMPLES:
            kept.append(arrival)
    if kept[-1] != arrivals[-1]:
        kept[-1] = arrivals[-1]
    return kept


def _request(url: str, range_bytes: int | None) -> bytes:
    asked = {} if range_bytes is None else {"Range": f"bytes=0-{range_bytes - 1}"}
    request = httpx.Request("GET", url, headers={**HEADERS, **asked})
    machine = h11.Connection(h11.CLIENT)
    head = machine.send(
        h11.Request(method="GET", target=request.url.raw_path, headers=request.headers.raw)
    )
    return head or b""


def _status(head: bytes) -> int | None:
    code = head[_STATUS_AT]
    return int(code) if head.startswith(b"HTTP/") and code.isdigit() and len(code) == 3 else None
