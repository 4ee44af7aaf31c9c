"""The endpoints of each messenger: our own list, shipped beside this module.

A service works if any of its endpoints does, because its app tries them all; so only endpoints
that stand in for each other share a service. `proof` says how far one is asked:

    connect   TCP only: the service speaks a protocol of its own
    hello     to the ServerHello: its certificate is of an authority of its own
    verify    the whole handshake, and the certificate against the agent's own bundle
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Final, Literal, cast, get_args

from shyraq_agent.measure.target import Messenger, check_host

EndpointProof = Literal["connect", "hello", "verify"]

MAX_ENDPOINTS: Final = 8
"""Of one service: a lookup and three steps for each of two families fit one measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One place where a service answers."""

    host: str
    """Name in ASCII, or an IP address."""
    port: int
    proof: EndpointProof


Services = Mapping[str, tuple[Endpoint, ...]]
"""By service, as `target.Messenger` names them."""


def load_services() -> Services:
    """The shipped list."""
    folder = resources.files("shyraq_agent.measure")
    return read_services(folder.joinpath("messengers.csv").read_text(encoding="utf-8"))


def read_services(text: str) -> Services:
    """The services of a list in CSV with the columns service, host, port and proof.

    Raises:
        ValueError: A row names an unknown service or proof, or no host and port, or a service
            has too many endpoints; the text names the line or the service.
    """
    services: dict[str, tuple[Endpoint, ...]] = {}
    rows = csv.DictReader(io.StringIO(text, newline=""))
    for row in rows:
        try:
            service, endpoint = _read_row(row)
        except (KeyError, ValueError) as error:
            raise ValueError(f"line {rows.line_num}: {error}") from error
        services[service] = (*services.get(service, ()), endpoint)
    for service, endpoints in services.items():
        if len(endpoints) > MAX_ENDPOINTS:
            raise ValueError(f"{service}: at most {MAX_ENDPOINTS} endpoints")
    return MappingProxyType(services)


def _read_row(row: Mapping[str, str]) -> tuple[str, Endpoint]:
    service, proof, port = row["service"], row["proof"], int(row["port"])
    if service not in get_args(Messenger):
        raise ValueError(f"no such service: {service}")
    if proof not in get_args(EndpointProof):
        raise ValueError(f"no such proof: {proof}")
    if not 1 <= port <= 65_535:
        raise ValueError("a port is 1 to 65535")
    endpoint = Endpoint(host=check_host(row["host"]), port=port, proof=cast("EndpointProof", proof))
    return service, endpoint
