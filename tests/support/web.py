"""Web measurements for tests: the steps that the agent's probes write, built by hand.

The shapes are those of the probes in `shyraq_agent.measure`; a story is told by saying which
step fails.
"""

from collections.abc import Iterable, Mapping, Sequence

from shyraq_wire.report import Json, Measurement, Step

SITE = "https://courier.example.org/"
RIGHT = "192.0.2.10"


def step(name: str, failure: str | None = None, *, took_ms: float = 20.0, **data: Json) -> Step:
    """One step; the fields of its data by keyword."""
    return _made(name, failure, took_ms, data)


def _made(name: str, failure: str | None, took_ms: float, data: Mapping[str, Json]) -> Step:
    return Step(name=name, started_offset_ms=0, duration_ms=took_ms, failure=failure, data=data)


def lookup(*answers: str, failure: str | None = None, **data: Json) -> Step:
    """A lookup by the system's resolver; `data` replaces what is usual."""
    usual: dict[str, Json] = {
        "hostname": "courier.example.org",
        "engine": "system",
        "query": "ANY",
        "answers": answers,
    }
    return _made("lookup", failure, 20.0, {**usual, **data})


def page(url: str, address: str, **data: Json) -> Step:
    """A request that got a page; `data` replaces what is usual."""
    usual: dict[str, Json] = {
        "url": url,
        "address": address,
        "method": "GET",
        "status": 200,
        "body_size_bytes": 4000,
        "body_sha256": "ab" * 32,
        "body_truncated": False,
        "title": "Evening Courier",
        "header_names": ["date", "x-courier"],
    }
    return _made("request", None, 20.0, {**usual, **data})


def https(
    address: str = RIGHT,
    *,
    connect: str | None = None,
    handshake: str | None = None,
    verify: str | None = None,
    request: str | None = None,
    took_ms: float = 60.0,
    codes: Sequence[int] = (),
    chain: Sequence[Json] = (),
    **changes: Json,
) -> list[Step]:
    """The steps of one address, up to the first failure; `changes` are the page's."""
    place: dict[str, Json] = {"address": address, "port": 443}
    tls: dict[str, Json] = {**place, "server_name": "courier.example.org"}
    steps = [_made("connect", connect, 20.0, place)]
    if connect is None:
        steps.append(_made("handshake", handshake, took_ms, tls))
    if connect is handshake is None:
        steps.append(_made("verify", verify, 1.0, {**tls, "codes": codes, "chain": chain}))
    if connect is handshake is verify is None:
        failed = step("request", request, url=SITE, address=address)
        steps.append(failed if request else page(SITE, address, **changes))
    return steps


def web(
    steps: Iterable[Step], target: str = SITE, probe: str = "web", *, asked: int | None = None
) -> Measurement:
    """One measurement of the probe `web`, unless another is named; `asked`: the ask's number."""
    return Measurement(
        probe=probe,
        target=target,
        started_offset_ms=0,
        duration_ms=0.0,
        steps=tuple(steps),
        result={} if asked is None else {"asked": asked},
    )
