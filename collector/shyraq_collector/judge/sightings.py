"""One of our measurements as what each side of a comparison needs: the walk and the outcomes.

lookup      DNS     hostname engine resolver query answers datagrams depth
connect     TCP     address port depth
hello       TLS     address port hostname: to the ServerHello only
handshake   TLS     address server_name depth
verify      TLS     the same, codes (OpenSSL's, of the agent's own bundle)
quic        QUIC    address port tries
request     HTTP    url address depth status body_size_bytes body_truncated title header_names

1. Steps of one address and redirect are one observation, named after the last thing
   tried: it can fail only once, and what comes after a failure does not undo it. A lookup
   is an observation of its own; and where a measurement has several names at one address, as
   a messenger has, so is each name and port.
2. Order of the walk: last redirect first; then HTTP, QUIC, TLS, TCP, DNS; then injected answers,
   then successes. So a messenger is met when any of its endpoints is.
3. What failed by this host's own doing (no IPv6, forbidden, interrupted) is nobody's fault
   and no observation; nor is the silence of an address that runs no resolver, nor a name
   without addresses of one family, nor, beside the host's own resolvers, a foreign one. Nor is
   what a router says that keeps its household from foreign resolvers: "no such name" from where
   no resolver runs, while the host's own resolver finds the name, or any other refusal.
4. Steps of other names, and data of other kinds, are passed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from shyraq_collector.judge.addresses import is_address, is_ipv6
from shyraq_collector.judge.fields import as_number, as_text, objects, texts
from shyraq_collector.judge.pages import Page
from shyraq_wire.report import Json, Measurement, Step

Tried = Literal["dns", "tcp", "tls", "quic", "http"]
"""Layers of the walk."""

WALK_ORDER: Final[tuple[Tried, ...]] = ("http", "quic", "tls", "tcp", "dns")

OF_ADDRESS: Final[frozenset[Tried]] = frozenset({"tcp", "tls", "quic"})
"""Layers at which only what was tried at the very address can be compared."""

PROBES: Final[Mapping[str, Tried]] = {
    "web": "http",
    "tls": "tls",
    "tcp": "tcp",
    "dns": "dns",
    "quic": "quic",
    "messengers": "tls",
}
"""Probes whose measurements are judged, with the layer at which they are complete; a messenger
whose endpoints speak no TLS says so in its result."""

OWN_FAILURES: Final = frozenset(
    {
        "egress_forbidden",
        "permission_denied",
        "interrupted",
        "network_down",
        "address_not_available",
        "address_family_not_supported",
    }
)
"""Failures that tell of this host, never of the target."""

_LAYERS: Final[Mapping[str, Tried]] = {
    "lookup": "dns",
    "connect": "tcp",
    "handshake": "tls",
    "hello": "tls",
    "verify": "tls",
    "quic": "quic",
    "request": "http",
}
_Place = tuple[int, str, str]
"""Redirects before, address, and the name and port where one address may have several."""

_NO_ROUTE: Final = frozenset({"network_unreachable", "host_unreachable"})
_INTO_THE_HOME: Final = frozenset({"egress_forbidden", "dns_bogon_error"})
_SAID_BY_LIARS: Final = frozenset({None, "dns_nxdomain_error", "dns_bogon_error"})
"""Other words from where no resolver runs are a router's that lets nobody ask elsewhere."""

_DATE_CODES: Final = frozenset({9, 10})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One observation."""

    tried: Tried
    depth: int
    """Redirects before it."""
    failure: str | None
    address: str | None = None
    """None for a lookup."""
    answers: tuple[str, ...] = ()
    """Of a lookup."""
    resolver: str = ""
    """Role of the resolver asked: system, isp, foreign, silent; empty: no lookup."""
    injected: bool = False
    """The lookup was answered by somebody who is no resolver, or with two words."""
    later: tuple[str, ...] = ()
    """Of such a lookup: the addresses in answers after the first."""
    secure: bool = False
    """A handshake with a good certificate came before."""
    greeted: bool = False
    """The handshake was followed to its ServerHello, and no certificate was asked for."""
    tries: int = 0
    """Of a QUIC handshake."""
    handshake_ms: float | None = None
    """Duration of a handshake that worked."""
    dates_only: bool = False
    """The certificate is refused for its dates and nothing else."""
    page: Page | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One measurement, ready to be judged or to be a control."""

    target: str
    at_ms: int
    """When it finished, milliseconds since 1970 UTC."""
    goal: Tried
    """The layer at which this probe is complete."""
    walk: tuple[Seen, ...]
    private_answer: bool
    """A lookup of the target's own name gave only addresses that the agent may not reach."""
    portal: bool
    """A redirect led to such addresses: into the network of the home."""
    asked: bool = False
    """The addresses were named by an ask of the collector, not by a lookup: it tells of them
    only."""

    any_of: bool = False
    """Its places stand in for each other: it is met where any of them is."""

    @property
    def end(self) -> Seen | None:
        """The observation that stands for the whole: the first of the walk."""
        return self.walk[0] if self.walk else None

    @property
    def succeeded(self) -> bool:
        """Whether the probe got as far as it goes."""
        end = self.end
        return end is not None and end.tried == self.goal and end.failure is None


def sight(measurement: Measurement, *, at_ms: int) -> Sighting | None:
    """What a measurement saw; None for probes that are not judged by target.

    Args:
        measurement: As reported.
        at_ms: When it finished.
    """
    goal = PROBES.get(measurement.probe)
    if goal is None:
        return None
    if measurement.probe == "messengers" and measurement.result.get("goal") == "tcp":
        goal = "tcp"
    steps = measurement.steps
    walk = sorted(
        _observations(steps),
        key=lambda seen: (
            -seen.depth,
            WALK_ORDER.index(seen.tried),
            not seen.injected,
            seen.failure or "",
        ),
    )
    return Sighting(
        target=measurement.target,
        at_ms=at_ms,
        goal=goal,
        walk=tuple(walk),
        private_answer=any(
            step.failure == "dns_bogon_error" and _depth(step) == 0 for step in steps
        ),
        portal=any(step.failure in _INTO_THE_HOME and _depth(step) > 0 for step in steps),
        asked="asked" in measurement.result,
        any_of=measurement.probe == "messengers",
    )


def _observations(steps: Sequence[Step]) -> list[Seen]:
    reached: dict[_Place, Seen] = {}
    lookups: list[Seen] = []
    for step in steps:
        if step.failure in OWN_FAILURES or step.name not in _LAYERS:
            continue
        if step.name == "lookup":
            lookups.append(_lookup(step))
            continue
        place = _place(step)
        seen = _further(step, place, reached.get(place))
        if seen is not None:
            reached[place] = seen
    return [*reached.values(), *_telling(lookups)]


def _lookup(step: Step) -> Seen:
    return Seen(
        tried="dns",
        depth=_depth(step),
        failure="dns_no_answer_of_family" if _no_such_family(step) else step.failure,
        answers=tuple(text for text in texts(step.data.get("answers")) if is_address(text)),
        resolver=as_text(step.data.get("resolver")) or as_text(step.data.get("engine")),
        injected=_injected(step),
        later=tuple(address for reply in _replies(step)[1:] for address in reply),
    )


def _no_such_family(step: Step) -> bool:
    return step.failure == "dns_no_answer" and step.data.get("query") in ("A", "AAAA")


def _injected(step: Step) -> bool:
    """Whether answers came from nowhere, or two that share nothing."""
    answers = _replies(step)
    if step.data.get("resolver") == "silent":
        return step.failure in _SAID_BY_LIARS and bool(answers or step.failure is None)
    first = answers[0] if answers else frozenset()
    return bool(first) and any(later and not later & first for later in answers[1:])


def _replies(step: Step) -> list[frozenset[str]]:
    """The addresses in each answer that came."""
    replies = (row for row in objects(step.data.get("datagrams")) if row.get("id_matches") is True)
    return [frozenset(texts(reply.get("answers"))) for reply in replies]


def _telling(lookups: Sequence[Seen]) -> list[Seen]:
    """The lookups that say something: injected ones, and those the household's browsers use."""
    found = any(seen.failure is None and not seen.injected for seen in lookups)
    kept = [
        seen
        for seen in lookups
        if (seen.injected and not (found and seen.failure == "dns_nxdomain_error"))
        or (seen.resolver != "silent" and seen.failure != "dns_no_answer_of_family")
    ]
    own = [seen for seen in kept if seen.injected or seen.resolver != "foreign"]
    return own or kept


def _place(step: Step) -> _Place:
    name, port = as_text(step.data.get("hostname")), as_number(step.data.get("port"))
    return _depth(step), as_text(step.data.get("address")), f"{name}:{port}" if name else ""


def _further(step: Step, place: _Place, earlier: Seen | None) -> Seen | None:
    depth, address, _ = place
    if earlier is not None and earlier.failure is not None:
        return None
    if step.failure in _NO_ROUTE and is_ipv6(address):
        return None
    layer, succeeded = _LAYERS[step.name], step.failure is None
    handshake_ms = earlier.handshake_ms if earlier is not None else None
    return Seen(
        tried=layer,
        depth=depth,
        failure=step.failure,
        address=address,
        secure=(step.name == "verify" and succeeded) or (earlier is not None and earlier.secure),
        greeted=step.name == "hello",
        tries=as_number(step.data.get("tries")) or 0,
        handshake_ms=step.duration_ms if step.name == "handshake" and succeeded else handshake_ms,
        dates_only=_dates_only(step),
        page=_page(step.data) if layer == "http" and succeeded else None,
    )


def _dates_only(step: Step) -> bool:
    codes = step.data.get("codes")
    numbers = {as_number(code) for code in codes} if isinstance(codes, list | tuple) else set()
    return bool(numbers) and numbers <= _DATE_CODES


def _page(data: Mapping[str, Json]) -> Page:
    return Page(
        status=as_number(data.get("status")) or 0,
        body_bytes=as_number(data.get("body_size_bytes")) or 0,
        title=as_text(data.get("title")),
        headers=frozenset(name.lower() for name in texts(data.get("header_names"))),
        truncated=data.get("body_truncated") is True,
    )


def _depth(step: Step) -> int:
    return as_number(step.data.get("depth")) or 0
