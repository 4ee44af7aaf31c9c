"""`ca` and `broker-config`: who may open a session, and what the broker lets them say.

The authority's folder needs neither the ledger nor a running collector; `broker-config` reads the
registry and writes two files, each whole or not at all.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from shyraq_collector.broker_config import BrokerFiles, access_list, mosquitto_configuration
from shyraq_collector.ca.authority import Authority, Issued
from shyraq_collector.ca.requests import make_request
from shyraq_collector.cli.options import config_option, json_option, moment_text, reading
from shyraq_collector.cli.show import print_json, print_table
from shyraq_collector.clock import RealPace
from shyraq_collector.errors import ConfigError
from shyraq_collector.registry import Registry

DEFAULT_FOLDER: Final = Path("/etc/shyraq/ca")
_KEY_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644
_ACCESS_MODE: Final = 0o640

_folder_option = click.option(
    "--ca",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="The authority's folder.",
)
_file = click.Path(path_type=Path, dir_okay=False)


@click.group()
def ca() -> None:
    """Certificates for the broker: init, request, issue, renew, server, revoke, list."""


@ca.command()
@click.option("--name", required=True, help="Whose authority it is, such as 'Shyraq Almaty'.")
@_folder_option
def init(name: str, folder: Path) -> None:
    """Make root, intermediate and an empty revocation list."""
    Authority(folder).init(name, _now_ms())
    click.echo(
        f"{folder}: made. Now move {folder / 'root.key'} to a medium that is kept offline;\n"
        f"brokers trust {folder / 'chain.crt'}, nodes trust {folder / 'root.crt'}."
    )


@ca.command()
@click.argument("name")
@click.option("--key", "key_file", type=_file, required=True, help="Made here, mode 0600.")
@click.option("--out", type=_file, required=True, help="Where the signing request goes.")
def request(name: str, key_file: Path, out: Path) -> None:
    """Make a key on this host and a signing request for NAME.

    For the collector's own sessions: shyraq-collector and shyraq-canary. Nodes make theirs with
    `shyraq-agent keygen`.
    """
    key, pem = make_request(name)
    if key_file.exists():
        raise ConfigError(f"{key_file}: exists; a key is never replaced, name another file")
    _write(key_file, key, _KEY_MODE)
    _write(out, pem, _PUBLIC_MODE)
    click.echo(f"{out}: give this to `ca issue {name}`")


def _answering(command: Callable[..., Any]) -> Callable[..., Any]:
    """Arguments of the commands that answer a signing request."""
    command = click.option("--out", type=_file, required=True, help="The certificate.")(command)
    command = click.option(
        "--request", "request_file", type=_file, required=True, help="What the node sent, PEM."
    )(command)
    return click.argument("node")(_folder_option(command))


@ca.command()
@_answering
def issue(node: str, request_file: Path, out: Path, folder: Path) -> None:
    """Answer NODE's first signing request: 90 days."""
    pem = Authority(folder).issue(node, _read(request_file), _now_ms())
    _write(out, pem, _PUBLIC_MODE)


@ca.command()
@_answering
def renew(node: str, request_file: Path, out: Path, folder: Path) -> None:
    """Answer a further signing request of NODE; the old certificate runs out by itself."""
    pem = Authority(folder).renew(node, _read(request_file), _now_ms())
    _write(out, pem, _PUBLIC_MODE)


@ca.command()
@click.argument("hosts", nargs=-1, required=True)
@click.option("--cert", type=_file, required=True, help="The certificate with its chain.")
@click.option("--key", "key_file", type=_file, required=True, help="Its new key, mode 0600.")
@_folder_option
def server(hosts: tuple[str, ...], cert: Path, key_file: Path, folder: Path) -> None:
    """Make key and certificate for a server under HOSTS (names and addresses)."""
    key, pem = Authority(folder).issue_server(hosts, _now_ms())
    _write(key_file, key, _KEY_MODE)
    _write(cert, pem, _PUBLIC_MODE)


@ca.command()
@click.argument("name")
@_folder_option
def revoke(name: str, folder: Path) -> None:
    """End every certificate of NAME; then run broker-config and reload the broker."""
    ended = Authority(folder).revoke(name, _now_ms())
    click.echo(
        f"{name}: {len(ended)} certificate(s) revoked in {folder / 'crl.pem'}.\n"
        "An open session goes on until the broker's access list leaves the node out:\n"
        f"nodes revoke {name}, then broker-config, then reload the broker (SIGHUP)."
    )


@ca.command(name="list")
@_folder_option
@json_option
def list_issued(folder: Path, as_json: bool) -> None:
    """What was issued, until when, and what is due for renewal."""
    now_ms = _now_ms()
    listing = Authority(folder).listing()
    if as_json:
        print_json([_as_json(each, now_ms) for each in listing])
        return
    print_table(
        f"Issued by {folder}",
        ("name", "kind", "state", "until", "revoked", "serial"),
        [_row(each, now_ms) for each in listing],
        empty="Nothing was issued yet.",
    )


@click.command(name="broker-config")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for mosquitto.conf and acl.",
)
@click.option("--cert", type=_file, required=True, help="The broker's certificate.")
@click.option("--key", "key_file", type=_file, required=True, help="The broker's key.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/mosquitto"),
    show_default=True,
    help="Where the broker keeps sessions.",
)
@click.option("--port", type=click.IntRange(1, 65_535), default=8883, show_default=True)
@click.option("--address", help="Listen on this one only.  [default: all]")
@_folder_option
@config_option
@json_option
def broker_config(
    *,
    out: Path,
    cert: Path,
    key_file: Path,
    state: Path,
    port: int,
    address: str | None,
    folder: Path,
    config_path: Path,
    as_json: bool,
) -> None:
    """Write mosquitto's configuration and access list from the registry.

    Reload the broker (SIGHUP) when the access list has changed, restart it when mosquitto.conf has.
    """
    now_ms = _now_ms()
    with reading(config_path) as (_, connection):
        ring = Registry(connection).key_ring()
    nodes = [node for node, keys in ring.items() if any(key.is_trusted(now_ms) for key in keys)]
    files = BrokerFiles(
        access_list=out / "acl",
        trust_chain=folder / "chain.crt",
        certificate=cert,
        key=key_file,
        revocation_list=folder / "crl.pem",
        state_directory=state,
    )
    text = mosquitto_configuration(files, port=port, address=address, nodes=len(nodes))
    changed = {
        "mosquitto.conf": _write(out / "mosquitto.conf", text.encode(), _PUBLIC_MODE),
        "acl": _write(out / "acl", access_list(nodes).encode(), _ACCESS_MODE),
    }
    if as_json:
        print_json({"nodes": len(nodes), "changed": changed})
    else:
        for name, is_new in changed.items():
            click.echo(f"{out / name}: {'written' if is_new else 'unchanged'}")


def _write(path: Path, data: bytes, mode: int) -> bool:
    """Replace a file whole; False when it already says the same."""
    try:
        if path.exists() and path.read_bytes() == data:
            return False
        temporary = path.with_name(f".{path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _now_ms() -> int:
    return RealPace().now_ms()


def _as_json(issued: Issued, now_ms: int) -> dict[str, object]:
    return {
        "name": issued.name,
        "kind": issued.kind,
        "state": issued.state(now_ms),
        "serial": f"{issued.serial:x}",
        "sha256": issued.sha256,
        "not_after": moment_text(issued.not_after_ms),
        "revoked": moment_text(issued.revoked_ms),
    }


def _row(issued: Issued, now_ms: int) -> Sequence[object]:
    return (
        issued.name,
        issued.kind,
        issued.state(now_ms),
        moment_text(issued.not_after_ms),
        moment_text(issued.revoked_ms),
        f"{issued.serial:x}",
    )
