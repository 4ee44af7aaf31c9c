"""Our web measurements in OONI's format, so that their tools read them.

One measurement of probe `web` becomes one web_connectivity measurement (data format 0.2.0,
df-001, df-002, df-005, df-006, ts-017), in the shape of version 0.5: every lookup and every
address has a transaction of its own and every row its depth. The steps handshake and verify are
one TLS handshake there. The control is a measurement of one of our control nodes.

What identifies a host is left out: no node id, no address of the node, none of a home's router.
`blocking` and `accessible` say what our verdict says in OONI's words; what OONI has no word for
(throttling, certificates, doubts, rule, confidence) stands under `x_shyraq`. Page texts over
1 KiB were never kept: the body is then empty and marked as truncated, its size and hash are
under `x_shyraq_body_…`. Nothing is sent to OONI by this module or by default.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from shyraq_collector.facts.verdicts import Layer, Verdict
from shyraq_collector.judge.fields import as_number, as_object, as_text, objects
from shyraq_collector.judge.ooni.outcome import (
    ACCESSIBLE,
    DNS,
    DOWN,
    HTTP_DIFF,
    HTTP_FAILURE,
    TCP_IP,
    UNKNOWN,
    Outcome,
)
from shyraq_collector.judge.ooni.rows import Row, Rows, endpoint
from shyraq_wire.report import Json, Measurement

TEST_VERSION: Final = "0.5.28"
"""The version of web_connectivity whose shape is written."""

OTHER_PAGE: Final = "http.other-page"
"""The rule that OONI calls http-diff; other blocks at HTTP are http-failure."""

_BLOCKED: Final[Mapping[Layer, Outcome]] = {
    "dns": DNS,
    "tcp": TCP_IP,
    "tls": HTTP_FAILURE,
    "certificate": HTTP_FAILURE,
    "quic": HTTP_FAILURE,
    "http": HTTP_FAILURE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a measurement itself does not say."""

    started_ms: int
    """When it began, milliseconds since 1970 UTC."""
    country: str
    """ISO 3166-1 alpha-2 code; ZZ: not told."""
    network: str
    """AS number as in `AS9198`; AS0: not told."""
    network_name: str
    software: str
    """Name and version, such as `shyraq-agent/0.1.0`."""


def export_web(
    measurement: Measurement,
    context: Context,
    *,
    control: Measurement | None = None,
    verdict: Verdict | None = None,
) -> dict[str, Json]:
    """One measurement as OONI's JSON object; dump it on one line.

    Args:
        measurement: Of probe `web`.
        context: Where and when.
        control: A control's measurement of the same target; None: there was none.
        verdict: What our judge said of it; None: not judged.

    Raises:
        ValueError: The measurement is of another probe.
    """
    if measurement.probe != "web":
        raise ValueError(f"only probe 'web' can be exported, not {measurement.probe!r}")
    began = _moment(context.started_ms)
    name, _, version = context.software.partition("/")
    return {
        "annotations": {"engine_name": "shyraq", "engine_version": version, "platform": "linux"},
        "data_format_version": "0.2.0",
        "extensions": {"dnst": 0, "httpt": 0, "tcpconnect": 0, "tlshandshake": 0},
        "input": measurement.target,
        "measurement_start_time": began,
        "options": [],
        "probe_asn": context.network,
        "probe_cc": context.country,
        "probe_ip": "127.0.0.1",
        "probe_network_name": context.network_name,
        "report_id": "",
        "resolver_asn": "AS0",
        "resolver_ip": "127.0.0.2",
        "resolver_network_name": "",
        "software_name": name,
        "software_version": version,
        "test_helpers": {},
        "test_keys": _test_keys(measurement, control, verdict),
        "test_name": "web_connectivity",
        "test_runtime": round(measurement.duration_ms / 1000, 6),
        "test_start_time": began,
        "test_version": TEST_VERSION,
    }


def _test_keys(
    measurement: Measurement, control: Measurement | None, verdict: Verdict | None
) -> dict[str, Json]:
    rows = Rows(measurement)
    outcome = UNKNOWN if verdict is None else _in_their_words(verdict)
    return {
        "agent": "redirect",
        "client_resolver": "127.0.0.2",
        "retries": None,
        "socksproxy": None,
        "network_events": [],
        "queries": list[Json](rows.queries),
        "tcp_connect": list[Json](rows.connects),
        "tls_handshakes": list[Json](rows.handshakes),
        "requests": list[Json](rows.requests[::-1]),
        "x_control_request": {
            "http_request": measurement.target,
            "http_request_headers": {},
            "tcp_connect": list[Json](sorted({_endpoint(row) for row in rows.connects})),
        },
        "control": {} if control is None else _control(control),
        "control_failure": "unknown_failure: no control" if control is None else None,
        "blocking": outcome.blocking,
        "accessible": outcome.accessible,
        "x_shyraq": {} if verdict is None else _our_words(verdict),
    }


def _control(control: Measurement) -> dict[str, Json]:
    rows = Rows(control)
    found = sorted({address for row in rows.queries for address in _addresses(row)})
    lookup = next((row["failure"] for row in rows.queries if row["failure"] is not None), None)
    return {
        "dns": {"failure": None if found else lookup, "addrs": list[Json](found)},
        "tcp_connect": {
            _endpoint(row): {
                "status": as_object(row["status"]).get("success") is True,
                "failure": as_text(as_object(row["status"]).get("failure")) or None,
            }
            for row in rows.connects
        },
        "tls_handshake": {
            as_text(row["address"]): {
                "server_name": row["server_name"],
                "status": row["failure"] is None,
                "failure": row["failure"],
            }
            for row in rows.handshakes
        },
        "http_request": _control_page(rows),
    }


def _control_page(rows: Rows) -> dict[str, Json]:
    last = rows.requests[-1] if rows.requests else None
    if last is None or last["failure"] is not None:
        failure = "unknown_failure: no request" if last is None else last["failure"]
        return {
            "body_length": -1,
            "failure": failure,
            "headers": {},
            "status_code": -1,
            "title": "",
        }
    response = as_object(last["response"])
    return {
        "body_length": as_number(response.get("x_shyraq_body_bytes")),
        "failure": None,
        "headers": {name: as_text(text) for name, text in as_object(response["headers"]).items()},
        "status_code": as_number(response.get("code")),
        "title": as_text(response.get("x_shyraq_title")),
    }


def _addresses(query: Row) -> Iterator[str]:
    for answer in objects(query["answers"]):
        yield as_text(answer.get("ipv4")) or as_text(answer.get("ipv6"))


def _endpoint(connect: Row) -> str:
    return endpoint(as_text(connect["ip"]), connect["port"])


def _in_their_words(verdict: Verdict) -> Outcome:
    match verdict.state:
        case "ok" | "throttled":
            return ACCESSIBLE
        case "down":
            return DOWN
        case "unknown":
            return UNKNOWN
        case "blocked":
            return HTTP_DIFF if verdict.rule == OTHER_PAGE else _BLOCKED[verdict.layer or "http"]
        case _:
            assert_never(verdict.state)


def _our_words(verdict: Verdict) -> dict[str, Json]:
    slow = verdict.slowdown
    return {
        "state": verdict.state,
        "layer": verdict.layer,
        "doubt": verdict.doubt,
        "rule": verdict.rule,
        "confidence": verdict.confidence,
        "reason": verdict.reason,
        "slowdown": None
        if slow is None
        else {
            "ratio": slow.ratio,
            "low": slow.low,
            "high": slow.high,
            "p_value": slow.p_value,
            "pairs": slow.pairs,
        },
    }


def _moment(epoch_ms: int) -> str:
    """`YYYY-MM-DD HH:MM:SS` in UTC, as OONI writes it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
