"""What is measured: targets from lists and configuration, and the rungs of the ladder.

The way in which a target is written says which probe it is for:

    https://orda.kz/          url        fetched step by step (probe `web`)
    orda.kz:443               endpoint   connect, handshake and certificate (probe `tls`)
    tcp://149.154.167.51:443  listener   connect only: it speaks no TLS (probe `tcp`)
    orda.kz                   name       asked of every resolver (probe `dns`)
    quic://orda.kz:443        quic       HTTP/3 beside TLS at the same address (probe `quic`)
    trace://orda.kz:443       route      the routers on the way (probe `trace`)
    messenger:telegram        service    each endpoint of a messenger (probe `messengers`)

Lists are CSV in the Citizen Lab's columns: url, category_code, category_description,
date_added, source, notes. Host names are kept in their ASCII form (IDNA 2008).
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from ipaddress import ip_address
from typing import Final, Literal, get_args

import httpx

from shyraq_wire.report import Tier

TargetKind = Literal["url", "endpoint", "listener", "name", "quic", "route", "service"]

Messenger = Literal[
    "telegram", "telegram-web", "whatsapp", "whatsapp-web", "signal", "facebook-messenger"
]
"""Services of the probe `messengers`; `messengers.csv` names the endpoints of each."""

Proof = Literal["tls", "echo", "dns", "ping"]
"""What shows that a rung's endpoint is alive. `tls`: a ServerHello. `echo`: our own nonce came
back over UDP. `dns`: an answer with our query id. `ping`: ICMP echo, or any answer to a TCP
connect; for the gateway only."""

COLUMNS: Final = (
    "url",
    "category_code",
    "category_description",
    "date_added",
    "source",
    "notes",
)

MAX_RUNGS: Final = 24
"""A lookup, a connect and a hello each, at two addresses of a few, fit one measurement."""

_SCHEMES: Final[Mapping[str, TargetKind]] = {
    "tcp://": "listener",
    "quic://": "quic",
    "trace://": "route",
}
_MESSENGER: Final = "messenger:"
_MAX_TEXT_LENGTH = 2048
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to measure."""

    text: str
    """As configured; names the target in reports."""
    kind: TargetKind
    host: str
    """Name in ASCII, or an IP address without brackets; of a service its own name."""
    port: int | None
    """None for a name and for a service."""
    category: str = ""
    """Category code of the list, such as NEWS; "" when none was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One endpoint on a tier of the ladder."""

    tier: Tier
    host: str
    """An IP address, so that the ladder still stands when no resolver answers; a name is looked
    up, and the addresses it last had are used when that fails."""
    port: int
    """0 for `ping` by ICMP where allowed."""
    proof: Proof
    server_name: str | None = None
    """Name in the ClientHello or the DNS question; None: `host`, and none at all when that is an
    address."""

    def __post_init__(self) -> None:
        """Refuse a host or a name that cannot be asked for."""
        for text in (self.host.partition("%")[0], self.server_name):
            if text is not None:
                check_host(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Every rung there is; the tier `link` needs none, it is read from the host."""

    rungs: tuple[Rung, ...]

    def __post_init__(self) -> None:
        """Refuse more rungs than one measurement has steps for."""
        if len(self.rungs) > MAX_RUNGS:
            raise ValueError(f"a ladder has at most {MAX_RUNGS} rungs, not {len(self.rungs)}")


def parse_target(text: str, *, category: str = "") -> Target:
    """The target that a text names.

    Args:
        text: A URL with http or https, host:port (IPv6 in brackets), the same after tcp://,
            quic:// or trace://, messenger: and a service, or a bare name.
        category: Category code to keep beside it.

    Raises:
        ValueError: None of these; the text says what is wrong and what would be right.
    """
    if not text or len(text) > _MAX_TEXT_LENGTH:
        raise ValueError(f"a target has 1 to {_MAX_TEXT_LENGTH} characters")
    if any(each.isspace() or not each.isprintable() for each in text):
        raise ValueError("a target has no spaces or control characters")
    if text.startswith(_MESSENGER):
        return _service(text, category)
    scheme = next((each for each in _SCHEMES if text.startswith(each)), "")
    kind = _SCHEMES.get(scheme, "endpoint")
    place = text.removeprefix(scheme)
    if "://" in place:
        host, port = split_url(text)
        return Target(text=text, kind="url", host=host, port=port, category=category)
    parsed = _parse(f"//{place}")
    if parsed.path not in ("", "/") or parsed.query or parsed.fragment or parsed.userinfo:
        raise ValueError("write https://host/path for a page, host:port or a name for the rest")
    host = check_host(parsed.raw_host.decode("ascii"))
    if parsed.port is None:
        if scheme or is_address(host):
            raise ValueError("a port is due, as in 192.0.2.1:443 or [2001:db8::1]:443")
        return Target(text=text, kind="name", host=host, port=None, category=category)
    return Target(text=text, kind=kind, host=host, port=_port(parsed.port), category=category)


def split_url(url: str) -> tuple[str, int]:
    """Host and port of a URL that this agent may fetch.

    Args:
        url: With scheme http or https, and no user name or password.

    Raises:
        ValueError: Another scheme, a user name, or no valid host or port.
    """
    parsed = _parse(url)
    if parsed.scheme not in _DEFAULT_PORTS:
        raise ValueError("only http and https are fetched")
    if parsed.userinfo:
        raise ValueError("a URL with a user name or password is not fetched")
    port = _DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
    return check_host(parsed.raw_host.decode("ascii")), _port(port)


def check_host(text: str) -> str:
    """A host name or address in the form in which it is asked for.

    Args:
        text: A name of letters, digits, hyphens, underscores and dots, or an address.

    Raises:
        ValueError: It is neither.
    """
    host = text.lower().rstrip(".")
    if not is_address(host) and (len(host) > 253 or not _NAME.fullmatch(host)):
        raise ValueError("a host is an address, or a name of letters, digits, hyphens and dots")
    return host


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def read_target_list(text: str) -> tuple[Target, ...]:
    """The targets of a list in CSV.

    Args:
        text: With the header line of `COLUMNS`; further columns are passed over.

    Raises:
        ValueError: The header or a row is wrong; the text names the line.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS[:2] if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"line 1: the column {missing[0]} is missing")
    targets: list[Target] = []
    for row in rows:
        try:
            target = parse_target(row["url"] or "", category=row["category_code"] or "")
        except ValueError as error:
            raise ValueError(f"line {rows.line_num}: {error}") from error
        targets.append(target)
    return _unique(targets)


def load_shipped_targets() -> tuple[Target, ...]:
    """Our own short list: names in the letter, neutral controls, domestic services."""
    folder = resources.files("shyraq_agent.measure")
    return read_target_list(folder.joinpath("targets.csv").read_text(encoding="utf-8"))


def _service(text: str, category: str) -> Target:
    name = text.removeprefix(_MESSENGER)
    if name not in get_args(Messenger):
        known = ", ".join(get_args(Messenger))
        raise ValueError(f"a messenger is one of {known}")
    return Target(text=text, kind="service", host=name, port=None, category=category)


def _parse(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"not a URL, host:port or name: {error}") from error


def _port(number: int) -> int:
    if not 1 <= number <= 65535:
        raise ValueError("a port is 1 to 65535")
    return number


def _unique(targets: Iterable[Target]) -> tuple[Target, ...]:
    return tuple({target.text: target for target in targets}.values())
