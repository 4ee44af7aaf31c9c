"""The steps of one web measurement as OONI's rows: df-001, df-002, df-005 and df-006.

Every lookup is a transaction of its own; so is every address at every depth. Steps that never
touched the network, or that asked an address which runs no resolver, have no row.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from shyraq_collector.judge.fields import as_number, as_object, as_text, objects, texts
from shyraq_wire.report import Json, Measurement, Step

Row = dict[str, Json]

_ENGINES: Final[Mapping[str, str]] = {"system": "getaddrinfo"}
_HIDDEN: Final = frozenset({"egress_forbidden", "interrupted"})
"""Steps that never touched the network, or did not end."""


class Rows:
    """The rows of one measurement, with their transactions."""

    def __init__(self, measurement: Measurement) -> None:
        """Turn the steps into rows.

        Args:
            measurement: Of probe `web`.
        """
        self.queries: list[Row] = []
        self.connects: list[Row] = []
        self.handshakes: list[Row] = []
        self.requests: list[Row] = []
        self._start_ms = measurement.started_offset_ms
        self._transactions: dict[tuple[int, str], int] = {}
        self._handshakes: dict[tuple[int, str], Row] = {}
        for step in measurement.steps:
            if step.failure not in _HIDDEN:
                self._take(step)

    def _take(self, step: Step) -> None:
        place = (as_number(step.data.get("depth")) or 0, as_text(step.data.get("address")))
        match step.name:
            case "lookup":
                if step.data.get("resolver") != "silent":
                    self.queries.append(_query(step) | self._frame(step, None))
            case "connect":
                self.connects.append(_connect(step) | self._frame(step, place))
            case "handshake":
                self._handshakes[place] = _handshake(step) | self._frame(step, place)
                self.handshakes.append(self._handshakes[place])
            case "verify":
                self._verify(step, self._handshakes.get(place))
            case "request":
                self.requests.append(_request(step) | self._frame(step, place))
            case _:
                pass

    def _verify(self, step: Step, handshake: Row | None) -> None:
        if handshake is None:
            return
        handshake["failure"] = step.failure
        handshake["peer_certificates"] = [
            {"data": der, "format": "base64"}
            for entry in objects(step.data.get("chain"))
            if (der := as_text(entry.get("der")))
        ]

    def _frame(self, step: Step, place: tuple[int, str] | None) -> Row:
        """Times, tags and transaction of a row; a lookup is a transaction by itself."""
        depth = as_number(step.data.get("depth")) or 0
        key = place if place is not None else (-1 - len(self._transactions), "")
        transaction = self._transactions.setdefault(key, len(self._transactions) + 1)
        began = (step.started_offset_ms - self._start_ms) / 1000
        tags: list[Json] = ["classic", f"depth={depth}"]
        return {
            "t0": round(began, 6),
            "t": round(began + step.duration_ms / 1000, 6),
            "tags": tags if place is None else [*tags, "fetch_body=true"],
            "transaction_id": transaction,
        }


def _query(step: Step) -> Row:
    engine = as_text(step.data.get("engine"))
    # A local answer may be the address of something in the home: the failure tells enough.
    answers = [] if step.failure == "dns_bogon_error" else texts(step.data.get("answers"))
    return {
        "answers": [_answer(address) for address in answers],
        "engine": _ENGINES.get(engine, engine),
        "failure": step.failure,
        "hostname": as_text(step.data.get("hostname")),
        "query_type": as_text(step.data.get("query")) or "ANY",
        "resolver_hostname": None,
        "resolver_port": None,
        "resolver_address": as_text(step.data.get("resolver_address")),
    }


def _answer(address: str) -> Row:
    kind, field = ("AAAA", "ipv6") if ":" in address else ("A", "ipv4")
    return {"answer_type": kind, field: address, "ttl": None}


def _connect(step: Step) -> Row:
    return {
        "ip": as_text(step.data.get("address")),
        "port": as_number(step.data.get("port")) or 0,
        "status": {"failure": step.failure, "success": step.failure is None},
    }


def _handshake(step: Step) -> Row:
    return {
        "network": "tcp",
        "address": endpoint(as_text(step.data.get("address")), step.data.get("port")),
        "cipher_suite": as_text(step.data.get("cipher")),
        "failure": step.failure,
        "negotiated_protocol": as_text(step.data.get("alpn")),
        "no_tls_verify": False,
        "peer_certificates": [],
        "server_name": as_text(step.data.get("server_name")),
        "tls_version": as_text(step.data.get("version")),
    }


def _request(step: Step) -> Row:
    url = as_text(step.data.get("url"))
    headers = _headers(step)
    body = step.data.get("body")
    size = as_number(step.data.get("body_size_bytes")) or 0
    kept = body if isinstance(body, str) else ""
    return {
        "network": "tcp",
        "address": endpoint(as_text(step.data.get("address")), _port(url)),
        "failure": step.failure,
        "request": {
            "body": "",
            "body_is_truncated": False,
            "headers": {},
            "headers_list": [],
            "method": as_text(step.data.get("method")) or "GET",
            "tor": {"exit_ip": None, "exit_name": None, "is_tor": False},
            "url": url,
            "x_transport": "tcp",
        },
        "response": {
            "body": kept,
            "body_is_truncated": step.data.get("body_truncated") is True or (size > 0 and not kept),
            "code": as_number(step.data.get("status")) or 0,
            "headers": headers,
            "headers_list": [[name, text] for name, text in sorted(headers.items())],
            "x_shyraq_body_bytes": size,
            "x_shyraq_body_sha256": as_text(step.data.get("body_sha256")),
            "x_shyraq_title": as_text(step.data.get("title")),
        },
    }


def _headers(step: Step) -> dict[str, str]:
    """All header names that came; values only of the few that were kept."""
    kept = as_object(step.data.get("headers"))
    return {name: as_text(kept.get(name)) for name in texts(step.data.get("header_names"))}


def endpoint(address: str, port: object) -> str:
    """address:port, with brackets around IPv6."""
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{as_number(port) or 0}"


def _port(url: str) -> int:
    try:
        written = urlsplit(url).port
    except ValueError:
        return 0
    return written or (443 if url.lower().startswith("https:") else 80)
