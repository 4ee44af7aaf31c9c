"""Machines: Debian booted by systemd-nspawn, each in a network namespace of its own.

1. `enter` turns this process's mounts private and makes the one network there is: a bridge with the
   control machine's address. No route leads out; the process runs in namespaces of its own already
   (see `run`), so that everything here ends with it.
2. A machine's disk is an overlay on the Debian root, so a dozen share it and a power cut keeps what
   was written. Host keys and the run's own login key are laid in before the first boot.
3. nspawn runs with `--keep-unit --register=no`: no systemd is needed outside. Each machine gets a
   control group of its own, or two of them would end each other's services.

Limits of memory and processor in units are shown by systemd here but not enforced by the kernel.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from field.debian import OPERATOR
from netlab.sandbox import build, run

CONTROL_ADDRESS: Final = "10.77.0.1"
_PREFIX: Final = "10.77.0."
_BRIDGE: Final = "field"
_BOOT_S: Final = 60.0
_END_S: Final = 10.0
_POLL_S: Final = 0.1
_GROUPS: Final = Path("/sys/fs/cgroup")


def enter() -> None:
    """Make mounts private and the bridge ready; call once, as the first thing in the sandbox."""
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "none", "/run")
    build(
        "link set lo up",
        f"link add {_BRIDGE} type bridge",
        f"address add {CONTROL_ADDRESS}/24 dev {_BRIDGE}",
        f"link set {_BRIDGE} up",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """Where machines are made."""

    root: Path
    """The Debian root they share."""
    folder: Path
    """For disks and keys; gone after the run."""
    group: str
    """Name of the control group below which each machine gets its own, in every hierarchy."""

    @property
    def login_key(self) -> Path:
        """The private half of the key that opens every machine of this run."""
        return self.folder / "login"

    @property
    def known_hosts(self) -> Path:
        """The machines' host keys, as a provider's panel would show them."""
        return self.folder / "known_hosts"

    def prepare(self) -> None:
        """Make the login key."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _make_key(self.login_key)
        self.known_hosts.touch()


@dataclass(slots=True, kw_only=True)
class Machine:
    """One machine; `boot` it."""

    yard: Yard
    name: str
    number: int
    """Last part of the address, 2 to 254."""
    further: tuple[int, ...] = ()
    """Last parts of further addresses of the same card."""
    _process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def address(self) -> str:
        """Where it is reached."""
        return f"{_PREFIX}{self.number}"

    @property
    def disk(self) -> Path:
        """Its root as it stands."""
        return self.yard.folder / self.name / "disk"

    @property
    def console(self) -> Path:
        """What it printed while it ran."""
        return self.yard.folder / self.name / "console"

    def install(self) -> None:
        """Plug it into the network, make its disk, lay in its keys; it is not booted yet."""
        self._plug_in()
        own = self.yard.folder / self.name
        layers = [own / each for each in ("upper", "work", "disk")]
        for layer in layers:
            layer.mkdir(parents=True)
        upper, work, disk = map(str, layers)
        options = f"lowerdir={self.yard.root},upperdir={upper},workdir={work}"
        run("mount", "-t", "overlay", "overlay", "-o", options, disk)
        (self.disk / "etc/hostname").write_text(f"{self.name}\n")
        (self.disk / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        # Nobody here answers for names: programs must learn that at once, not after time-outs.
        (self.disk / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        # The packages that roles ask for are in the root; no list of a mirror is needed.
        stamp = self.disk / "var/lib/apt/periodic/update-success-stamp"
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
        run("ssh-keygen", "-q", "-A", "-f", disk)
        host_key = (self.disk / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        with self.yard.known_hosts.open("a") as known:
            known.write(f"{self.address} {' '.join(host_key)}\n")
        home = self.disk / "home" / OPERATOR
        (home / ".ssh").mkdir(mode=0o700)
        login = self.yard.login_key.with_suffix(".pub").read_text()
        (home / ".ssh/authorized_keys").write_text(login)
        shutil.chown(home / ".ssh", *_owner(home))
        shutil.chown(home / ".ssh/authorized_keys", *_owner(home))

    def _plug_in(self) -> None:
        build(
            f"netns add {self.name}",
            f"link add to-{self.number} type veth peer name host0 netns {self.name}",
            f"link set to-{self.number} master {_BRIDGE} up",
        )
        build(
            "link set lo up",
            *(
                f"address add {_PREFIX}{number}/24 dev host0"
                for number in (self.number, *self.further)
            ),
            "link set host0 up",
            f"route add default via {CONTROL_ADDRESS}",
            namespace=self.name,
        )

    def boot(self) -> None:
        """Switch it on; returns at once."""
        groups = [each / self.yard.group / self.name for each in hierarchies()]
        for group in groups:
            group.mkdir(parents=True, exist_ok=True)
        command = [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--link-journal=no",
            "--console=pipe",
            "--resolv-conf=off",
            f"--machine={self.name}",
            f"--directory={self.disk}",
            f"--network-namespace-path=/run/netns/{self.name}",
        ]
        joining = "".join(f"echo $$ > {each}/cgroup.procs && " for each in groups)
        script = f'{joining}exec "$@"'
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                ["sh", "-c", script, "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    def await_login(self) -> None:
        """Return when somebody can log in."""
        deadline = time.monotonic() + _BOOT_S
        while time.monotonic() < deadline:
            if self.try_command("true").returncode == 0:
                return
            time.sleep(_POLL_S)
        raise RuntimeError(f"{self.name} did not boot; see {self.console}")

    def cut_power(self) -> None:
        """Switch it off without a word, not even to those it talks to; its disk stays as it is."""
        assert self._process is not None
        self.cut_line()
        nspawn = self._process.pid
        # Its first process, and with it all others. Were nspawn killed alone, they would go on.
        for child in Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self._process.wait(_END_S)  # it ends when that process has ended, not before
        self._process = None

    def cut_line(self) -> None:
        """Pull the network cable; the machine goes on."""
        run("ip", "link", "set", f"to-{self.number}", "down")

    def mend_line(self) -> None:
        """Put the cable back."""
        run("ip", "link", "set", f"to-{self.number}", "up")

    def command(self, line: str) -> str:
        """What a shell command prints when run as root; it must succeed."""
        done = self.try_command(line)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {line}: rc {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def try_command(self, line: str) -> "subprocess.CompletedProcess[str]":
        """Run a shell command as root over ssh."""
        return subprocess.run(
            [
                "ssh",
                *ssh_options(self.yard),
                f"{OPERATOR}@{self.address}",
                f"sudo sh -c {_quote(line)}",
            ],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )


def boot_all(machines: Iterable[Machine]) -> None:
    """Install and boot machines side by side; returns when each lets one in."""
    booting = list(machines)
    for machine in booting:
        machine.install()
        machine.boot()
    for machine in booting:
        machine.await_login()


def hierarchies() -> list[Path]:
    """Where systemd keeps control groups on this kernel: one place, or two that must agree."""
    mixed = [_GROUPS / each for each in ("unified", "systemd")]
    found = [each for each in mixed if (each / "cgroup.procs").exists()]
    return found or [_GROUPS]


def remove_groups(name: str) -> None:
    """Remove the control groups of a run whose processes are ending; the last take a moment."""
    for hierarchy in hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            _remove_group(Path(folder))


def _remove_group(folder: Path) -> None:
    deadline = time.monotonic() + _END_S
    while True:
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return


def ssh_options(yard: Yard) -> list[str]:
    """Options of ssh under which only this run's keys count."""
    return [
        "-F/dev/null",
        f"-i{yard.login_key}",
        "-oIdentitiesOnly=yes",
        "-oBatchMode=yes",
        "-oConnectTimeout=5",
        "-oStrictHostKeyChecking=yes",
        f"-oUserKnownHostsFile={yard.known_hosts}",
    ]


def _make_key(path: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "field test", "-f", str(path))


def _owner(home: Path) -> tuple[int, int]:
    status = home.stat()
    return status.st_uid, status.st_gid


def _quote(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"
