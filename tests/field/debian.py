"""The Debian that the field tests boot: made once by the machine's own apt, kept beside the builds.

A root is a directory that nobody changes: each host boots from an overlay on it. Its name carries a
digest of everything that went into it, so that a change of this file makes another one.

It holds what an operator's empty server or a fresh Raspberry Pi image holds: systemd, sshd, sudo,
Python, and the Debian packages that the roles ask for, because no way leads out of the sandbox. It
holds nothing of ours.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

SUITE: Final = "bookworm"
OPERATOR: Final = "keeper"
"""The user that Ansible logs in as; may use sudo without a password, as on a Raspberry Pi image."""

_PACKAGES: Final = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "python3",
    "python3-venv",
    "python3-apt",
    "iproute2",
    "openssl",
    "ca-certificates",
    "mosquitto",
    "nftables",
    "acl",
)
_LEFT_OUT: Final = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
_CUSTOMIZE: Final = (
    f'chroot "$1" useradd --create-home --shell /bin/bash {OPERATOR}',
    f'echo "{OPERATOR} ALL=(ALL) NOPASSWD: ALL" > "$1/etc/sudoers.d/{OPERATOR}"',
    'rm -f "$1"/etc/ssh/ssh_host_*_key* "$1"/etc/resolv.conf "$1"/etc/hostname',
    ': > "$1/etc/machine-id"',
    # Installed, as apt would; what runs and how is the roles' to say.
    'chroot "$1" systemctl disable mosquitto.service apt-daily.timer apt-daily-upgrade.timer',
    'chroot "$1" systemctl mask systemd-networkd-wait-online.service e2scrub_all.timer',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin',
)


def debian_root(folder: Path) -> Path:
    """The directory of the root; made on the first call, which takes about a minute.

    Args:
        folder: Where roots are kept.
    """
    recipe = repr((SUITE, _PACKAGES, _LEFT_OUT, _CUSTOMIZE))
    root = folder / f"{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if root.is_dir():
        return root
    unfinished = root.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join(_PACKAGES)}",
            *(f"--dpkgopt=path-exclude={each}" for each in _LEFT_OUT),
            *(f"--customize-hook={each}" for each in _CUSTOMIZE),
            SUITE,
            str(unfinished),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    unfinished.rename(root)
    return root
