"""The lab's entry point to `shyraq-agent once`: the only one that admits the lab's prefixes.

The command is the product's, from its arguments to what it prints; only the address policy is
built here, and it admits exactly `addresses.ADMITTED`. Started as a program with a folder that
holds the lab's `bundle.pem`, and targets; it makes a key and a configuration there first.
"""

import sys
from pathlib import Path

from netlab.addresses import ABROAD, ADMITTED, ECHO_PORT, NAME_SERVER, ROUTER, SITE
from shyraq_agent.cli.commands import run_command
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.sign.keyfile import raw_public_key, write_new_key

CONFIGURATION = """
broker = [{{ host = "{abroad}", port = 1883, tls = false }}]
lists = {{ shipped = false }}

[node]
id = "lab-node-1"
state_directory = "{folder}/state"
key_file = "{folder}/node.pem"

[collector]
receipt_keys = ["{receipt_key}"]

[network]
gateways = ["{router}"]
trust_bundle = "{folder}/bundle.pem"

[limits]
late_answer_ms = 30
connect_ms = 1500
handshake_ms = 1000
request_ms = 1500
ladder_ms = 2000

[[resolver]]
role = "isp"
address = "{name_server}"

[[ladder]]
tier = "gateway"
host = "{router}"
port = 0
proof = "ping"

[[ladder]]
tier = "resolver"
host = "{name_server}"
port = 53
proof = "dns"

[[ladder]]
tier = "domestic"
host = "{site[0]}"
server_name = "orda.example"

[[ladder]]
tier = "domestic"
host = "{site[1]}"
server_name = "orda.example"

[[ladder]]
tier = "abroad"
host = "{abroad}"
port = {echo_port}
proof = "echo"

[[ladder]]
tier = "abroad"
host = "silent.example"
"""


def main(folder: Path, targets: list[str]) -> int:
    """Measure the targets and print what was seen as JSON; gives the command's exit code."""
    key = write_new_key(folder / "node.pem")
    config = folder / "agent.toml"
    config.write_text(
        CONFIGURATION.format(
            folder=folder,
            receipt_key=raw_public_key(key).hex(),
            router=ROUTER[0],
            name_server=NAME_SERVER,
            site=SITE,
            abroad=ABROAD,
            echo_port=ECHO_PORT,
        )
    )
    return run_command(
        ["once", "--json", "--config", str(config), *targets],
        make_policy=lambda gateways: AddressPolicy(gateways=gateways, admitted=ADMITTED),
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
