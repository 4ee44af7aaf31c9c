"""The command `keygen`: both keys of a node, each made here and never sent."""

import json
from pathlib import Path

import click

from shyraq_agent.cli.options import json_option
from shyraq_agent.publish.request import make_tls_key, renew_request
from shyraq_agent.sign.keyfile import raw_public_key, write_new_key
from shyraq_wire.errors import WireError
from shyraq_wire.keys import key_id
from shyraq_wire.topics import check_node_id


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--tls", is_flag=True, help="Make a TLS key and a request for its certificate.")
@click.option("--node", help="With --tls: the node's id, the request's common name.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --tls: where the request goes; else beside the key, ending in .csr.",
)
@click.option("--renew", is_flag=True, help="With --tls: a new request for the key in PATH.")
@json_option
def keygen(
    path: Path, *, tls: bool, node: str | None, out: Path | None, renew: bool, as_json: bool
) -> None:
    """Make this node's evidence key in PATH (mode 0600) and print its public half.

    The private key never leaves the node; the public key goes into the collector's registry.

    With --tls it is the key for the broker: P-256, and beside it the request that
    `shyraq-collector ca issue` takes, whose path is printed. Nothing is ever overwritten but, with
    --renew, the request: before a certificate ends, the same key is asked for again. A new key is
    made in another PATH, so that the old one works until its certificate is there.
    """
    if tls:
        told = _make_request(path, node, out or path.with_suffix(".csr"), renew=renew)
    elif node is not None or out is not None or renew:
        raise click.UsageError("--node, --out and --renew go with --tls")
    else:
        public = raw_public_key(write_new_key(path))
        told = {"public_key": public.hex(), "key_id": str(key_id(public))}
    width = max(map(len, told))
    lines = (f"{name.replace('_', ' '):<{width}}  {value}" for name, value in told.items())
    click.echo(json.dumps(told) if as_json else "\n".join(lines))


def _make_request(key_file: Path, node: str | None, out: Path, *, renew: bool) -> dict[str, str]:
    if node is None:
        raise click.UsageError("--node is due with --tls: the id that the registry has")
    try:
        node_id = check_node_id(node)
    except WireError as error:
        raise click.UsageError(f"--node: {error}") from error
    made = (renew_request if renew else make_tls_key)(key_file, node_id, out)
    return {
        "request": str(made.path),
        "key": str(key_file),
        "node": node,
        "public_key_sha256": made.public_key_sha256,
    }
