"""The test country on the wire: namespaces built from `geography`, and how to act inside them.

`Country.build` makes everything, in about a second; `inside` takes the calling thread into a
place, with all sockets it opens and programs it starts there; `rules` and `shape` add kernel
rules and take them back. All of it lives in the sandbox of `netlab.sandbox` and goes with it.
"""

import ctypes
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from netlab import geography
from netlab.sandbox import build, run

_CLONE_NEWNET: Final = 0x40000000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NAMESPACES: Final = Path("/run/netns")

_SETTINGS: Final = {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    # No packet waits a second for a duplicate address that cannot be.
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/dad_transmits": "0",
    # A router that may answer only once a second makes faults look like silence.
    "ipv4/icmp_ratelimit": "0",
    "ipv6/icmp/ratelimit": "0",
    # A new namespace allows no one to ping, not even root; the agent has no capability to lose.
    "ipv4/ping_group_range": "0 0",
}

Family = tuple[str, ...]
IPTABLES: Final[Family] = ("iptables", "ip6tables")
"""One rule for both families."""


class Country:
    """The built country."""

    def __init__(self) -> None:
        """Nothing is built yet."""
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._shaping = threading.Lock()

    def build(self) -> None:
        """Make every place, lay every cable and route; inside a prepared sandbox."""
        build(*(f"netns add {place}" for place in geography.PLACES))
        for place in geography.PLACES:
            with self.inside(place):
                for name, value in _SETTINGS.items():
                    Path("/proc/sys/net", name).write_text(value)
        cables = geography.cables()
        build(
            *(
                f"link add {each.here_device} netns {each.here} type veth"
                f" peer name {each.there_device} netns {each.there}"
                for each in cables
            )
        )
        lines: dict[str, list[str]] = {place: ["link set lo up"] for place in geography.PLACES}
        lines["exchange"] += ["link add bridge type bridge", "link set bridge up"]
        for each in cables:
            for place, device, addresses in (
                (each.here, each.here_device, each.here_addresses),
                (each.there, each.there_device, each.there_addresses),
            ):
                lines[place] += [f"address add {address} dev {device}" for address in addresses]
                if place == "exchange":
                    lines[place].append(f"link set {device} master bridge")
                lines[place].append(f"link set {device} up")
        # A route is refused while its cable's other end is still down: so links first, everywhere.
        for place, commands in lines.items():
            build(*commands, namespace=place)
        for place, commands in geography.routes().items():
            build(*commands, namespace=place)
        # Packets no larger than a line carries: else shapers and policers count giants.
        build("link set border gso_max_segs 1", namespace="world")

    @contextmanager
    def inside(self, place: str) -> Iterator[None]:
        """The calling thread stands in a place: its sockets, threads and programs too."""
        namespace = os.open(_NAMESPACES / place, os.O_RDONLY)
        try:
            _enter(namespace)
        finally:
            os.close(namespace)
        try:
            yield
        finally:
            _enter(self._home)

    def hold(self, place: str, *addresses: str) -> None:
        """Give a place further addresses of its own."""
        # An address that is still tentative cannot be listened at.
        build(
            *(f"address replace {each} dev lo{' nodad' * (':' in each)}" for each in addresses),
            namespace=place,
        )

    @contextmanager
    def rules(self, place: str, *rules: str, families: Family = IPTABLES) -> Iterator[None]:
        """Kernel rules for the time of the context; the first one given is met first.

        Args:
            place: Where.
            rules: `chain …`, or `-t table chain …`, as iptables takes them after -I.
            families: Which of the two programs.
        """
        with ExitStack() as undo:
            for rule in reversed(rules):
                for program in families:
                    self._rule(place, program, "-I", rule)
                    undo.callback(self._rule, place, program, "-D", rule)
            yield

    def _rule(self, place: str, program: str, verb: str, rule: str) -> None:
        words = rule.split()
        table = words[:2] if words[0] == "-t" else []
        with self.inside(place):
            run(program, "-w", *table, verb, *words[len(table) :])

    @contextmanager
    def shape(self, place: str, device: str, *commands: str) -> Iterator[None]:
        """Traffic control on one device for the time of the context.

        Args:
            place: Where.
            device: Its name there.
            commands: What follows `tc`; `DEV` stands for the device.
        """
        try:
            with self.inside(place):
                for command in commands:
                    run("tc", *command.replace("DEV", f"dev {device}").split())
            yield
        finally:
            with self.inside(place):
                run("tc", "qdisc", "del", "dev", device, "root")

    def route(self, place: str, *commands: str) -> None:
        """Change routes or links: what follows `ip`."""
        build(*commands, namespace=place)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def only(family: int) -> Family:
    """The program for one family: 4 or 6."""
    return (IPTABLES[0 if family == 4 else 1],)


def lans(commands: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Each command on each of a provider's two customer devices."""
    return [(device, command) for device in ("lan1", "lan2") for command in commands]
