"""What happens inside the sandbox: build two namespaces, start the world, measure, count packets.

Started as a program with a folder of its own and a module to run in the agent's namespace, which
gets the folder and the lines of the input as arguments; prints one JSON object: `printed`, the
JSON of that module, and `packets` that left the agent's namespace, by destination.
"""

import subprocess
import sys
from pathlib import Path

from netlab.addresses import AGENT, CANARY, NAME_SERVER, ROUTER, WORLD
from netlab.sandbox import build, prepare, run, run_in


def build_country() -> None:
    """Two namespaces and one cable; the agent's default route leads into the world."""
    build(
        "netns add agent",
        "netns add world",
        "link add wan netns agent type veth peer name lan netns world",
    )
    for namespace, device, (ipv4, ipv6) in (("agent", "wan", AGENT), ("world", "lan", ROUTER)):
        build(
            "link set lo up",
            f"link set {device} up",
            f"address add {ipv4}/24 dev {device}",
            f"address add {ipv6}/64 dev {device} nodad",
            namespace=namespace,
        )
    build(*(f"route add default via {router}" for router in ROUTER), namespace="agent")
    build(*(f"address add {address} dev lo" for address in WORLD), namespace="world")
    # A new namespace allows no one to ping, not even root; the agent has no capability to lose.
    allow_ping = "echo 0 0 > /proc/sys/net/ipv4/ping_group_range"
    run("ip", "netns", "exec", "agent", "sh", "-c", allow_ping)


def wait_for_ready(program: "subprocess.Popen[str]") -> None:
    """Return when a program of the lab says that it is up."""
    assert program.stdout is not None
    if program.stdout.readline().strip() != "ready":
        raise RuntimeError("a program of the lab did not come up")


def main(folder: Path, program: str, arguments: list[str]) -> None:
    """Run it all and print the findings."""
    prepare(name_server=NAME_SERVER, folder=folder)
    build_country()
    world = run_in("world", "netlab.world", str(folder))
    capture = run_in("agent", "netlab.capture", CANARY)
    for each in (world, capture):
        wait_for_ready(each)
    printed, _ = run_in("agent", program, str(folder), *arguments).communicate()
    packets, _ = capture.communicate()
    world.communicate()
    print(f'{{"printed": {printed}, "packets": {packets}}}')  # noqa: T201  # the findings


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.stdin.read().split())
