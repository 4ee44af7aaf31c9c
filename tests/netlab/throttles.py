"""Mechanisms about speed, on a line whose own speed is known; and congestion, which is nobody's."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from netlab import canary
from netlab.arms import BODY_BYTES, address_of_arm
from netlab.censors import marking, sort_marked_into
from netlab.geography import nodes_of
from netlab.mechanisms import Mechanism, Scene

LINE_KBIT_S: Final = 1024
NAME_KBIT_S: Final = 128
"""Slow, because a policer lets a second's worth through at once: little of a body it must be."""
SET_RATIO: Final = LINE_KBIT_S / NAME_KBIT_S
"""How much slower the name is made than everything else on the line."""

_BURST_BYTES: Final = 48_000
"""Left out by the canary: a policer lets a second's worth through at once."""
_PLAN_KBIT_S: Final = 256
_BUCKET_KB: Final = 80
_TOLERANCE: Final = 0.2
_OTHER: Final = "neutral.example"
_UNEVEN: Final = 1.5
_LOOKS: Final = 5
_DATAGRAM_BYTES: Final = 1200
_FLOOD_KBIT_S: Final = 3 * LINE_KBIT_S
_LULL_S: Final = (0.03, 0.5)


@contextmanager
def _line(scene: Scene) -> Iterator[None]:
    """Both customers' cables carry `LINE_KBIT_S`."""
    country = scene.stage.country
    shaped = f"qdisc add DEV root tbf rate {LINE_KBIT_S}kbit burst 8kb latency 300ms"
    with country.shape(scene.isp, "lan1", shaped), country.shape(scene.isp, "lan2", shaped):
        yield


@contextmanager
def _line_with_burst(scene: Scene) -> Iterator[None]:
    """Whoever comes first after a rest has all of it."""
    country = scene.stage.country
    shaped = f"qdisc add DEV root tbf rate {_PLAN_KBIT_S}kbit burst {_BUCKET_KB}kb latency 2s"
    with country.shape(scene.isp, "lan1", shaped), country.shape(scene.isp, "lan2", shaped):
        yield


@contextmanager
def _queue_on_line(scene: Scene) -> Iterator[None]:
    country = scene.stage.country
    commands = (
        "qdisc add DEV root handle 1: htb default 20",
        f"class add DEV parent 1: classid 1:10 htb rate {NAME_KBIT_S}kbit burst 1600 cburst 1600",
        f"class add DEV parent 1: classid 1:20 htb rate {LINE_KBIT_S}kbit burst 1600 cburst 1600",
    )
    with (
        country.shape(scene.isp, "lan1", *commands),
        country.shape(scene.isp, "lan2", *commands),
        country.rules(scene.isp, *marking(scene), sort_marked_into("1:10")),
    ):
        yield


@contextmanager
def _police_on_line(scene: Scene) -> Iterator[None]:
    bytes_s = NAME_KBIT_S * 125
    limit = f"--hashlimit-above {bytes_s}b/s --hashlimit-burst {bytes_s}b"
    drop = (
        f"FORWARD -m connmark --mark 0x51 -i wan -m hashlimit {limit}"
        f" --hashlimit-name {scene.isp}l --hashlimit-mode dstip -j DROP"
    )
    with _line(scene), scene.stage.country.rules(scene.isp, *marking(scene), drop):
        yield


@contextmanager
def _congest(scene: Scene) -> Iterator[None]:
    """Other people's traffic comes and goes on the same cable."""
    over = threading.Event()
    visitors = [
        threading.Thread(target=_flood, args=(scene, node.addresses[0], over))
        for node in nodes_of(scene.isp)
    ]
    with ExitStack() as stack:
        stack.enter_context(_line(scene))
        for each in visitors:
            each.start()
            stack.callback(each.join)
        stack.callback(over.set)
        yield


def _flood(scene: Scene, address: str, over: threading.Event) -> None:
    chance = random.Random()  # noqa: S311  # traffic of strangers
    pause_s = _DATAGRAM_BYTES * 8 / 1000 / _FLOOD_KBIT_S
    with (
        scene.stage.country.inside("world"),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        while not over.is_set():
            until = time.monotonic() + chance.uniform(*_LULL_S)
            while time.monotonic() < until and not over.is_set():
                udp.sendto(bytes(_DATAGRAM_BYTES), (address, 9))
                time.sleep(pause_s)
            over.wait(chance.uniform(*_LULL_S))


def _speed(scene: Scene, name: str) -> float:
    family = 6 if all(":" in each for each in scene.addresses) else 4
    return canary.rate_kbit_s(
        address_of_arm("rate", family),
        name,
        scene.stage.trusted,
        path="/",
        size_bytes=BODY_BYTES,
        skip=_BURST_BYTES,
    )


def _second_speed(scene: Scene) -> str:
    """Of the second of two downloads."""
    _speed(scene, _OTHER)
    kbit_s = _speed(scene, _OTHER)
    return "the plan's" if abs(kbit_s / _PLAN_KBIT_S - 1) <= _TOLERANCE else _word(kbit_s)


def _two_known_speeds(scene: Scene) -> str:
    return f"{_word(_speed(scene, scene.name))} / {_word(_speed(scene, _OTHER))}"


def _word(kbit_s: float) -> str:
    for word, due in (("name's", NAME_KBIT_S), ("line's", LINE_KBIT_S)):
        if abs(kbit_s / due - 1) <= _TOLERANCE:
            return word
    return "fast" if kbit_s > 8 * LINE_KBIT_S else f"{kbit_s:.0f} kbit/s"


def _unevenness(scene: Scene) -> str:
    speeds = [_speed(scene, _OTHER) for _ in range(_LOOKS)]
    if min(speeds) > 8 * LINE_KBIT_S:
        return "fast"
    is_uneven = max(speeds) >= _UNEVEN * min(speeds) and min(speeds) <= LINE_KBIT_S
    return "uneven" if is_uneven else " ".join(f"{speed:.0f}" for speed in speeds)


def _mechanism(id_: str, what: str, recipe: str, apply: Callable[..., object]) -> Mechanism:
    return Mechanism(
        id=id_,
        what=what,
        recipe=recipe,
        apply=apply,  # type: ignore[arg-type]  # a context manager's maker
        canary=_two_known_speeds,
        healthy="fast / fast",
        effect="name's / line's",
    )


THROTTLES: Final = (
    _mechanism(
        "line-name-queue",
        f"A line of {LINE_KBIT_S} kbit/s; connections with the name share {NAME_KBIT_S} of them.",
        "string match → CONNMARK → CLASSIFY → htb, with one more class for the rest",
        _queue_on_line,
    ),
    _mechanism(
        "line-name-police",
        f"A line of {LINE_KBIT_S} kbit/s; packets of connections with the name are dropped above"
        f" {NAME_KBIT_S}. Handshakes pass.",
        "tc tbf; string match → CONNMARK → hashlimit → DROP",
        _police_on_line,
    ),
    Mechanism(
        id="line-burst",
        what=f"A line of {_PLAN_KBIT_S} kbit/s, which lets {_BUCKET_KB} kB through after a rest.",
        recipe="tc tbf with a large burst",
        apply=_line_with_burst,
        canary=_second_speed,
        healthy="fast",
        effect="the plan's",
    ),
    Mechanism(
        id="congestion",
        what=f"A line of {LINE_KBIT_S} kbit/s, on which other people's traffic comes and goes.",
        recipe="tc tbf; datagrams in bursts of random length",
        apply=_congest,
        canary=_unevenness,
        healthy="fast",
        effect="uneven",
    ),
)
