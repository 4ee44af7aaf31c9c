"""The long line: a second cable to the gateway whose frames are carried by hand, and late.

This stands where netem would: not every kernel has it. What one end hears is kept for a while and
given to the other end, with its checksum and segment marks as the kernel handed it over.
"""

import heapq
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

from netlab.country import Country
from netlab.geography import default_routes, long_way, number_of, short_way_back

_ALL_PROTOCOLS: Final = 0x0003
_SOL_PACKET: Final = 263
_PACKET_VNET_HDR: Final = 15
"""linux/if_packet.h: offloaded checksums and segments travel as a header, not in the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late each frame is, one way."""

    delay_ms: float
    jitter_ms: float = 0.0
    """Up to so much more or less."""


@contextmanager
def long_line(country: Country, isp: str, lateness: Lateness) -> Iterator[None]:
    """A provider's traffic abroad takes the long line, both ways."""
    n, stop = number_of(isp), threading.Event()
    with country.inside("longline"):
        ends = [_end(f"in{n}"), _end(f"out{n}")]
    thread = threading.Thread(target=_carry, args=(ends, lateness, stop), daemon=True)
    thread.start()
    country.route(isp, *long_way(isp, out=True))
    country.route("gateway", *long_way(isp, out=False))
    try:
        yield
    finally:
        country.route(isp, *default_routes(isp))
        country.route("gateway", *short_way_back(isp))
        stop.set()
        thread.join()
        for end in ends:
            end.close()


def _end(device: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    raw.bind((device, _ALL_PROTOCOLS))
    return raw


def _carry(ends: list[socket.socket], lateness: Lateness, stop: threading.Event) -> None:
    rng, order = Random(7), count()  # noqa: S311  # jitter
    late: list[tuple[float, int, socket.socket, bytes]] = []
    while not stop.is_set():
        now = time.monotonic()
        while late and late[0][0] <= now:
            _, _, sink, frame = heapq.heappop(late)
            sink.send(frame)
        wait_s = min(0.05, late[0][0] - now) if late else 0.05
        for end in select.select(ends, [], [], max(0.0, wait_s))[0]:
            frame, (_, _, kind, *_) = end.recvfrom(70_000)
            if kind == socket.PACKET_OUTGOING:
                continue
            sink = ends[1] if end is ends[0] else ends[0]
            swing = rng.uniform(-lateness.jitter_ms, lateness.jitter_ms)
            due = time.monotonic() + max(0.0, lateness.delay_ms + swing) / 1000
            heapq.heappush(late, (due, next(order), sink, frame))
