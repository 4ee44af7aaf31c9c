"""`make lab-nodes`: a fleet of booted Debian machines under the real playbooks.

Outside, as root: the Debian root and the releases are made, by this machine's ordinary clients.
Inside, in namespaces of its own with no route out: machines boot, cases run in order, a table says
what was tried, what was seen and how long it took. The exit code is 0 only if every case went well.
When it ends, all that it started has ended, and its folder is gone; `--keep` leaves the folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from field.cases import CASES
from field.control import COLLECTOR, Control
from field.debian import debian_root
from field.fleet import Fleet
from field.machines import Machine, Yard, boot_all, enter, remove_groups
from field.releases import REPOSITORY, build_releases
from netlab.sandbox import TESTS

_NODES: Final = 8
_JOURNAL: Final = "journalctl --no-pager --quiet -n 30 -u 'shyraq-*' -u mosquitto"
_BUILT: Final = REPOSITORY / "build"
_SANDBOX: Final = ("unshare", "-nm", "--pid", "--fork", "--kill-child", "--mount-proc")


def main() -> int:
    """Prepare outside, run inside, leave nothing."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--keep", type=Path, help="work in this new folder and leave it")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside is not None:
        return _inside(given.inside)
    if os.geteuid() != 0:
        sys.stderr.write("make lab-nodes boots machines and needs root\n")
        return 1 if os.environ.get("CI") == "true" else 0
    began = time.monotonic()
    debian_root(_BUILT / "field")
    if given.keep is not None:
        given.keep.mkdir(parents=True)
        return _outside(given.keep, began)
    with tempfile.TemporaryDirectory(prefix="shyraq-field-") as folder:
        return _outside(Path(folder), began)


def _outside(folder: Path, began: float) -> int:
    build_releases(folder / "releases", _BUILT / "wheels")
    _tell(f"Debian and three releases are ready after {time.monotonic() - began:.0f} s")
    group = _group(folder)
    try:
        done = subprocess.run(
            [*_SANDBOX, sys.executable, "-m", "field.run", f"--inside={folder}"],
            check=False,
            env={**os.environ, "PYTHONPATH": str(TESTS), "PATH": f"{os.environ['PATH']}:/usr/sbin"},
        )
    finally:
        remove_groups(group)
    _tell(f"the whole run took {time.monotonic() - began:.0f} s")
    return done.returncode


def _inside(folder: Path) -> int:
    began = time.monotonic()
    enter()
    yard = Yard(root=debian_root(_BUILT / "field"), folder=folder / "yard", group=_group(folder))
    yard.prepare()
    server = Machine(yard=yard, name=COLLECTOR, number=10)
    spare = Machine(yard=yard, name=f"{COLLECTOR}-two", number=11)
    nodes = [
        Machine(yard=yard, name=f"node-field-{number}", number=20 + number)
        for number in range(1, _NODES + 1)
    ]
    responder = Machine(yard=yard, name="responder-field", number=12, further=(13, 14, 15))
    boot_all([server, spare, responder, *nodes])
    _tell(f"{len(nodes) + 3} machines let us in after {time.monotonic() - began:.0f} s")
    control = Control(yard=yard, releases=folder / "releases", folder=folder / "control")
    fleet = Fleet(
        server=server,
        spare=spare,
        responder=responder,
        nodes=nodes,
        control=control,
        inventory=control.write_inventory(server, nodes, responder),
    )
    return _try_all(fleet)


def _try_all(fleet: Fleet) -> int:
    """Run every case; later ones build on earlier ones, so the first failure ends it."""
    for name, case in CASES:
        began = time.monotonic()
        try:
            seen = case(fleet)
        except (RuntimeError, ValueError, KeyError) as error:
            took_s = time.monotonic() - began
            for machine in (fleet.server, *fleet.nodes):
                _tell(f"--- {machine.name}\n{machine.try_command(_JOURNAL).stdout}")
            # Last, because the end of a long log is what is kept and read.
            _tell(f"WRONG  {name:28} {took_s:4.0f} s  {error}")
            return 1
        _tell(f"ok     {name:28} {time.monotonic() - began:4.0f} s  {seen}")
    return 0


def _group(folder: Path) -> str:
    return folder.name


def _tell(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
