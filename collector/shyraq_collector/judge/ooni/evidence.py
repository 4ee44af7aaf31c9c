"""The raw observations of one web_connectivity measurement and its control, as plain values.

Nothing here is a conclusion: no consistency, no match, no flag of the probe is kept. A
failure of None is success throughout. Depth counts redirects from 0; None where the probe
wrote no depth tag (before 0.5.2x).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shyraq_collector.judge.pages import Page

Generation = Literal["v04", "v05_flags", "v05_steps"]
"""Which rules the probe of that version followed; see `verdict`."""


Known = Literal["absent", "worked", "failed"]
"""What the control says of something; absent: it did not try it, or did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One DNS lookup."""

    engine: str
    hostname: str
    query_type: str
    failure: str | None
    addresses: tuple[str, ...]
    has_answers: bool
    """Answers of any kind, also CNAME alone."""
    depth: int | None
    transaction: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """One TCP connect."""

    ip: str
    endpoint: str
    """address:port, with brackets around IPv6, as the control writes it."""
    failure: str | None
    depth: int | None
    fetches_body: bool | None
    """Whether this connection was made to fetch the page; None: the probe did not say."""
    transaction: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One TLS handshake."""

    endpoint: str
    server_name: str
    failure: str | None
    depth: int | None
    fetches_body: bool | None
    """As for `Connect`."""
    transaction: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP round trip."""

    url: str
    endpoint: str
    """Empty where the probe did not write it."""
    failure: str | None
    page: Page
    depth: int | None
    fetches_body: bool | None
    """As for `Connect`."""
    transaction: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the test helper saw of the same URL."""

    has_dns: bool
    """Whether it says anything of the lookup; without that, addresses cannot disagree."""
    dns_failure: str | None
    dns_addresses: frozenset[str]
    connects: Mapping[str, str | None]
    """Failure by endpoint."""
    handshakes: Mapping[str, tuple[str, str | None]]
    """Server name and failure by endpoint."""
    has_page: bool
    """Whether it says anything of the page; without that, pages cannot differ."""
    http_failure: str | None
    page: Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One measurement, without anybody's conclusions."""

    input: str | None
    domain: str
    """The host of the input, lower case and in ASCII form; an address for address URLs."""
    version: tuple[int, ...]
    """test_version as numbers; empty: unreadable."""
    generation: Generation
    queries: tuple[Query, ...]
    connects: tuple[Connect, ...]
    handshakes: tuple[Handshake, ...]
    requests: tuple[Request, ...]
    """Last redirect first (ts-017)."""
    control: Control | None
    """None: the test helper was not reached or said nothing."""
    networks: Mapping[str, frozenset[int]]
    """AS numbers by address, as the probe or the test helper wrote them."""


def known(failure: str | None) -> Known:
    """What a failure says of something that was tried."""
    return "worked" if failure is None else "failed"


def control_page(control: Control | None) -> Known:
    """What the control says of the page at the end of the chain."""
    return known(control.http_failure) if control is not None and control.has_page else "absent"
