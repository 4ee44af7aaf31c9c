"""A JSON object of any quality to evidence, or a refusal that says what is missing.

    1. Only `test_name` web_connectivity, and only with an object of `test_keys`: else refused.
    2. queries, tcp_connect, tls_handshakes and requests are read member by member; a member
       that is no object is skipped, a field of the wrong kind is absent.
    3. The control counts only if no `control_failure` is written and it says anything at all; a
       part of it that is missing (the lookup, the page) is unknown, not different.
    4. The generation of rules follows from `test_version`; where that is unreadable, from the
       shape: fetch_body tags came with the walk, transaction ids with 0.5.
    5. The probe's conclusions (blocking, accessible, dns_consistency, the x_ flags, the match
       fields) are never looked at.

Formats: OONI df-001 (HTTP), df-002 (DNS), df-005 (TCP), df-006 (TLS), ts-017 (the whole).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from shyraq_collector.facts.verdicts import OoniRefusal
from shyraq_collector.judge.addresses import canonical, canonical_endpoint
from shyraq_collector.judge.fields import (
    as_body,
    as_failure,
    as_number,
    as_object,
    as_text,
    objects,
    tag_value,
    texts,
)
from shyraq_collector.judge.ooni.evidence import (
    Connect,
    Control,
    Evidence,
    Generation,
    Handshake,
    Query,
    Request,
)
from shyraq_collector.judge.pages import Page

TEST_NAME: Final = "web_connectivity"

FIRST_WALK: Final = (0, 5, 27)
"""The first version that walks observations (probe-cli 3.20)."""

_TITLE: Final = re.compile(r"<title>([^<]{1,512})</title>", re.IGNORECASE)
_SHORT_NUMBER: Final = re.compile(r"\d{1,6}", re.ASCII)


def read_evidence(measurement: Mapping[str, object]) -> Evidence | OoniRefusal:
    """The evidence in one measurement, or why there is none."""
    name = measurement.get("test_name")
    if name != TEST_NAME:
        said = repr(name)[:60] if "test_name" in measurement else "missing"
        return OoniRefusal(problem=f"test_name is {said}; only {TEST_NAME!r} can be judged")
    keys = as_object(measurement.get("test_keys"))
    if not keys:
        return OoniRefusal(problem="test_keys is missing or empty; an object is due")
    target = measurement.get("input")
    url = as_text(as_object(keys.get("x_control_request")).get("http_request")) or as_text(target)
    version = _version(as_text(measurement.get("test_version")))
    return Evidence(
        input=target if isinstance(target, str) else None,
        domain=_domain(url),
        version=version,
        generation=_generation(version, keys),
        queries=tuple(_query(row) for row in objects(keys.get("queries"))),
        connects=tuple(_connect(row) for row in objects(keys.get("tcp_connect"))),
        handshakes=tuple(_handshake(row) for row in objects(keys.get("tls_handshakes"))),
        requests=tuple(_request(row) for row in objects(keys.get("requests"))),
        control=_control(keys),
        networks=_networks(keys),
    )


def ascii_host(host: str) -> str:
    """A host name in lower case and IDNA form, so that two spellings of one name are equal."""
    lowered = host.rstrip(".").lower()
    if lowered.isascii():
        return lowered
    try:
        return lowered.encode("idna").decode("ascii")
    except UnicodeError:
        return lowered


def _domain(url: str) -> str:
    try:
        return ascii_host(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def _version(text: str) -> tuple[int, ...]:
    parts = text.split("-", maxsplit=1)[0].split(".")
    if not all(_SHORT_NUMBER.fullmatch(part) for part in parts):
        return ()
    return tuple(int(part) for part in parts)


def _generation(version: tuple[int, ...], keys: Mapping[str, object]) -> Generation:
    connects = list(objects(keys.get("tcp_connect")))
    if any(tag_value(row.get("tags"), "fetch_body") for row in connects):
        return "v05_steps"
    if version:
        if version < (0, 5):
            return "v04"
        return "v05_flags" if version < FIRST_WALK else "v05_steps"
    rows = [*connects, *objects(keys.get("queries"))]
    return "v05_flags" if any(as_number(row.get("transaction_id")) for row in rows) else "v04"


def _query(row: Mapping[str, object]) -> Query:
    answers = list(objects(row.get("answers")))
    return Query(
        engine=as_text(row.get("engine")),
        hostname=ascii_host(as_text(row.get("hostname"))),
        query_type=as_text(row.get("query_type")),
        failure=as_failure(row.get("failure")),
        addresses=tuple(_answered(answers)),
        has_answers=bool(answers),
        depth=_depth(row),
        transaction=as_number(row.get("transaction_id")),
    )


def _answered(answers: list[Mapping[str, object]]) -> Iterator[str]:
    for answer in answers:
        address = as_text(answer.get("ipv4")) or as_text(answer.get("ipv6"))
        if address:
            yield canonical(address)


def _connect(row: Mapping[str, object]) -> Connect:
    status = as_object(row.get("status"))
    failure = as_failure(status.get("failure"))
    if failure is None and status.get("success") is False:
        failure = "unknown_failure: no success"
    ip = canonical(as_text(row.get("ip")))
    return Connect(
        ip=ip,
        endpoint=_endpoint(ip, row.get("port")),
        failure=failure,
        depth=_depth(row),
        fetches_body=_fetches_body(row),
        transaction=as_number(row.get("transaction_id")),
    )


def _endpoint(ip: str, port: object) -> str:
    host = f"[{ip}]" if ":" in ip else ip
    written = as_number(port)
    return f"{host}:{as_text(port) if written is None else written}"


def _handshake(row: Mapping[str, object]) -> Handshake:
    return Handshake(
        endpoint=canonical_endpoint(as_text(row.get("address"))),
        server_name=ascii_host(as_text(row.get("server_name"))),
        failure=as_failure(row.get("failure")),
        depth=_depth(row),
        fetches_body=_fetches_body(row),
        transaction=as_number(row.get("transaction_id")),
    )


def _request(row: Mapping[str, object]) -> Request:
    response = as_object(row.get("response"))
    body = as_body(response.get("body")) or b""
    return Request(
        url=as_text(as_object(row.get("request")).get("url")),
        endpoint=canonical_endpoint(as_text(row.get("address"))),
        failure=as_failure(row.get("failure")),
        page=Page(
            status=as_number(response.get("code")) or 0,
            body_bytes=len(body),
            title=_title(body),
            headers=_header_names(response),
            truncated=response.get("body_is_truncated") is True,
        ),
        depth=_depth(row),
        fetches_body=_fetches_body(row),
        transaction=as_number(row.get("transaction_id")),
    )


def _title(body: bytes) -> str:
    found = _TITLE.search(body.decode("utf-8", "replace"))
    return found[1] if found else ""


def _header_names(holder: Mapping[str, object]) -> frozenset[str]:
    names = list(as_object(holder.get("headers")))
    if not names:
        listed = holder.get("headers_list", holder.get("header_list"))
        pairs = listed if isinstance(listed, list) else []
        names = [name for pair in pairs for name in list(texts(pair))[:1]]
    return frozenset(name.lower() for name in names)


def _control(keys: Mapping[str, object]) -> Control | None:
    control = as_object(keys.get("control"))
    if as_failure(keys.get("control_failure")) is not None or not control:
        return None
    dns = as_object(control.get("dns"))
    http = as_object(control.get("http_request"))
    if not dns and not http:
        return None
    connects = as_object(control.get("tcp_connect"))
    handshakes = as_object(control.get("tls_handshake"))
    return Control(
        has_dns=bool(dns),
        dns_failure=as_failure(dns.get("failure")),
        dns_addresses=frozenset(map(canonical, texts(dns.get("addrs")))),
        connects={
            canonical_endpoint(key): _status_failure(as_object(row))
            for key, row in connects.items()
        },
        handshakes={
            canonical_endpoint(key): _control_handshake(as_object(row))
            for key, row in handshakes.items()
        },
        has_page=bool(http),
        http_failure=as_failure(http.get("failure")),
        page=Page(
            status=as_number(http.get("status_code")) or 0,
            body_bytes=as_number(http.get("body_length")) or 0,
            title=as_text(http.get("title")),
            headers=_header_names(http),
            truncated=False,
        ),
    )


def _control_handshake(row: Mapping[str, object]) -> tuple[str, str | None]:
    return ascii_host(as_text(row.get("server_name"))), _status_failure(row)


def _status_failure(row: Mapping[str, object]) -> str | None:
    """The control's failure of a connect or handshake; a status of false alone is one too."""
    failure = as_failure(row.get("failure"))
    if failure is None and row.get("status") is False:
        return "unknown_failure: no success"
    return failure


def _networks(keys: Mapping[str, object]) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for query in objects(keys.get("queries")):
        for answer in objects(query.get("answers")):
            for address in _answered([answer]):
                found.setdefault(address, set()).add(as_number(answer.get("asn")) or 0)
    for address, row in as_object(as_object(keys.get("control")).get("ip_info")).items():
        numbers = found.setdefault(canonical(address), set())
        numbers.add(as_number(as_object(row).get("asn")) or 0)
    return {address: frozenset(numbers - {0}) for address, numbers in found.items()}


def _fetches_body(row: Mapping[str, object]) -> bool | None:
    written = tag_value(row.get("tags"), "fetch_body")
    return None if written is None else written == "true"


def _depth(row: Mapping[str, object]) -> int | None:
    text = tag_value(row.get("tags"), "depth")
    return int(text) if text is not None and _SHORT_NUMBER.fullmatch(text) else None
