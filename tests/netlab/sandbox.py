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
from typing import Literal

import pytest

TESTS = Path(__file__).resolve().parents[1]
"""Where the lab's programs find their modules; goes into PYTHONPATH."""

_RESOLVER_FILE = Path("/etc/resolv.conf")


Privilege = Literal["root", "user"]
"""How a sandbox is entered: with the rights there are, or by a user namespace without any."""


def require_sandbox(privilege: Privilege) -> list[str]:
    """The command that enters a sandbox; the test is skipped where there is none.

    With `CI=true` a missing sandbox is a failure: a kernel that lost a feature must be noticed.
    Only root can do without a user namespace, so `root` is always skipped for others.
    """
    if privilege == "root" and os.geteuid() != 0:
        pytest.skip("not root")
    flags = "-nm" if privilege == "root" else "-Urnm"
    command = ["unshare", flags, "--pid", "--fork", "--kill-child"]
    if _works(command):
        return command
    reason = f"no network namespaces here for {privilege} (unshare {flags}, iproute2)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _works(command: list[str]) -> bool:
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return False
    probe = "mount --make-rprivate / && mount -t tmpfs none /run && ip netns add probe"
    tried = subprocess.run([*command, "sh", "-c", probe], capture_output=True, check=False)
    return tried.returncode == 0


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
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
