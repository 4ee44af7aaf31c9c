"""A private sandbox of namespaces: made by one command, gone when that command ends.

`find_sandbox` tells how to enter one on this machine: as root, else as an ordinary user through a
user namespace. `prepare` runs inside: mounts become private and /run a fresh tmpfs, so that
`ip netns add` works in both cases and nothing leaks out. `run_in` starts a program in one of the
namespaces made there.

No route leads out of a sandbox: it starts with a loopback that is down, and nothing else.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

import pytest

TESTS = Path(__file__).resolve().parents[1]
"""Where the lab's programs find their modules; goes into PYTHONPATH."""

_RESOLVER_FILE = Path("/etc/resolv.conf")
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""Where Debian keeps ip, tc and iptables, whoever asks."""
_NOT_ROOT: Final = "not root"


Privilege = Literal["root", "user"]
"""How a sandbox is entered: with the rights there are, or by a user namespace without any."""


_NAMESPACES: Final = "mount --make-rprivate / && mount -t tmpfs none /run && ip netns add probe"

_RULES: Final = " && ".join(
    (
        _NAMESPACES,
        "ip link set lo up",
        *(
            f"{program} -w {rule}"
            for program in ("iptables", "ip6tables")
            for rule in (
                "-I FORWARD -p tcp -m string --string x --algo bm -j DROP",
                "-I FORWARD -p tcp -j REJECT --reject-with tcp-reset",
                "-t mangle -I FORWARD -j CONNMARK --set-mark 1",
                "-t mangle -I POSTROUTING -m connmark --mark 1 -j CLASSIFY --set-class 1:1",
                "-I FORWARD -m hashlimit --hashlimit-above 1/sec --hashlimit-name x -j DROP",
                "-I FORWARD -m statistic --mode random --probability 0.1 -j DROP",
                "-t nat -I PREROUTING -p tcp --dport 1 -j REDIRECT --to-ports 2",
            )
        ),
        "tc qdisc add dev lo root tbf rate 1mbit burst 4kb latency 1s",
        "tc qdisc replace dev lo root handle 1: htb",
    )
)
"""Each kernel feature that a mechanism needs, tried."""


def require_sandbox(privilege: Privilege, *, rules: bool = False) -> list[str]:
    """The command that enters a sandbox; the test is skipped where there is none.

    With `CI=true` a missing sandbox is a failure: a kernel that lost a feature must be noticed.
    Only root can do without a user namespace, so `root` is always skipped for others.

    Args:
        privilege: How it is entered.
        rules: Whether packet rules and traffic control are needed too.
    """
    found = find_sandbox(privilege, rules=rules)
    if isinstance(found, list):
        return found
    if os.environ.get("CI") == "true" and found != _NOT_ROOT:
        pytest.fail(found)
    pytest.skip(found)


def find_sandbox(privilege: Privilege, *, rules: bool = False) -> list[str] | str:
    """The command that enters a sandbox, or why there is none."""
    if privilege == "root" and os.geteuid() != 0:
        return _NOT_ROOT
    flags = "-nm" if privilege == "root" else "-Urnm"
    command = ["unshare", flags, "--pid", "--fork", "--kill-child"]
    needed = ("unshare", "ip", *(("iptables", "ip6tables", "tc") if rules else ()))
    missing = [name for name in needed if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"missing programs: {', '.join(missing)}"
    probe = _RULES if rules else _NAMESPACES
    tried = subprocess.run(
        [*command, "sh", "-c", probe],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": _PATH},
    )
    if tried.returncode == 0:
        return command
    return f"no sandbox here for {privilege} (unshare {flags}): {tried.stderr.strip()[:200]}"


def prepare(*, name_server: str, folder: Path) -> None:
    """Make this process's mounts private and point its resolver at a name server of the lab.

    Args:
        name_server: Address for resolv.conf.
        folder: Where the file that stands in for it may lie.
    """
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "none", "/run")
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {name_server}\noptions timeout:1 attempts:1\n")
    run("mount", "--bind", str(resolver), str(_RESOLVER_FILE))


def build(*lines: str, namespace: str | None = None) -> None:
    """Apply commands of iproute2, each without the word ip.

    Args:
        lines: What would follow `ip`.
        namespace: Where; None: here.
    """
    where = () if namespace is None else ("-netns", namespace)
    run("ip", *where, "-batch", "-", text="\n".join(lines) + "\n")


def run_in(namespace: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start a Python program in a namespace; what it prints can be read as text.

    Args:
        namespace: As made by `ip netns add`.
        arguments: Module of the program, and what it takes.
    """
    return subprocess.Popen(
        ["ip", "netns", "exec", namespace, sys.executable, "-m", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(*command: str, text: str = "") -> None:
    """Run a system tool; it must succeed."""
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": _PATH},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
