"""Build the wheelhouse: everything a host needs of Python, so that no host asks a registry.

1. Our own wheel is built from a source tree, with the build tools of the environment that runs.
2. For each architecture and each Python of the fleet, the locked requirements of both wings are
   fetched as wheels; pip refuses what is not in the lock by hash.
3. Each architecture becomes one flat archive: the wheels the lock names, `agent.txt` and
   `collector.txt`, which are the locks with our own wheel and its hash at the end.
4. `release.json` comes last and says version and digest; without it the folder is no wheelhouse.

The same inputs give the same bytes. What is fetched stays in a folder beside, so that the next
build asks only for what changed.
"""

import argparse
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ARCHITECTURES: Final = ("x86_64", "aarch64")
"""As `uname -m` says. 32-bit ARM has no wheels of psutil and cffi."""

PYTHONS: Final = ("3.11", "3.13")
"""Of Debian 12 and 13, and of Raspberry Pi OS that is made from them."""

WINGS: Final = ("agent", "collector")
_GLIBC: Final = range(5, 37)
"""Minor versions up to Debian 12's 2.36."""

_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_REPOSITORY: Final = Path(__file__).resolve().parents[1]


def main() -> int:
    """Build from the command line; 0 when the wheelhouse stands."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path, help="what shyraq_wheelhouse will name")
    parser.add_argument("--source", type=Path, default=_REPOSITORY, help="tree to build from")
    parser.add_argument("--architecture", action="append", choices=ARCHITECTURES)
    parser.add_argument("--python", action="append", choices=PYTHONS)
    parser.add_argument(
        "--fetched", type=Path, default=_REPOSITORY / "build" / "wheels", help="kept for next time"
    )
    given = parser.parse_args()
    try:
        release = build(
            given.folder,
            source=given.source,
            fetched=given.fetched,
            architectures=given.architecture or ARCHITECTURES,
            pythons=given.python or PYTHONS,
        )
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{' '.join(error.cmd[:6])} … failed; its words stand above\n")
        return 1
    sys.stdout.write(f"{given.folder}: {release['version']}, digest {release['sha256'][:16]}…\n")
    return 0


def build(
    folder: Path,
    *,
    source: Path,
    fetched: Path,
    architectures: Iterable[str] = ARCHITECTURES,
    pythons: Iterable[str] = PYTHONS,
) -> dict[str, str]:
    """Make a wheelhouse.

    Args:
        folder: Where it is made; emptied first.
        source: The tree that our own wheel is built from; its `requirements` are the locks.
        fetched: Where wheels of others are kept between builds.
        architectures: Of the fleet.
        pythons: Of the fleet.

    Returns:
        What `release.json` says.

    Raises:
        subprocess.CalledProcessError: pip failed; it has said why.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as built:
        _pip("wheel", "--no-deps", "--no-build-isolation", "-w", built, str(source))
        (own,) = Path(built).glob("*.whl")
        version = own.name.split("-")[1]
        locks = {wing: _lock(source, wing, own, version) for wing in WINGS}
        digest = hashlib.sha256()
        for architecture in architectures:
            for wing in WINGS:
                for python in pythons:
                    _fetch(source, wing, architecture, python, fetched / architecture)
            named = set(_HASH.findall("".join(locks.values())))
            wheels = [each for each in fetched.glob(f"{architecture}/*.whl") if _sha(each) in named]
            archive = folder / f"{architecture}.tar"
            _pack(archive, [*wheels, own], {f"{wing}.txt": locks[wing] for wing in WINGS})
            digest.update(bytes.fromhex(_sha(archive)))
    release = {"version": version, "sha256": digest.hexdigest()}
    (folder / "release.json").write_text(json.dumps(release) + "\n")
    return release


def _lock(source: Path, wing: str, own: Path, version: str) -> str:
    lock = (source / "requirements" / f"{wing}.txt").read_text()
    return f"{lock.rstrip()}\nshyraq=={version} --hash=sha256:{_sha(own)}\n"


def _fetch(source: Path, wing: str, architecture: str, python: str, folder: Path) -> None:
    """Fetch the wheels of one wing for one kind of host."""
    folder.mkdir(parents=True, exist_ok=True)
    tags = [f"manylinux_2_{minor}_{architecture}" for minor in _GLIBC]
    tags += [f"{name}_{architecture}" for name in ("manylinux1", "manylinux2010", "manylinux2014")]
    abis = (f"cp{python.replace('.', '')}", "abi3", "none")
    _pip(
        *("download", "--no-deps", "--only-binary=:all:", "--require-hashes"),
        *(f"--platform={tag}" for tag in tags),
        *(f"--abi={abi}" for abi in abis),
        *("--implementation=cp", f"--python-version={python}", f"--dest={folder}"),
        f"--requirement={source / 'requirements' / wing}.txt",
    )


def _pack(archive: Path, files: Iterable[Path], texts: dict[str, str]) -> None:
    """A flat archive in which nothing depends on who made it when."""
    contents = {each.name: each.read_bytes() for each in files}
    contents |= {name: text.encode() for name, text in texts.items()}
    with tarfile.open(archive, "w") as tar:
        for name, data in sorted(contents.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))


def _pip(*arguments: str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", *arguments, *quiet], check=True)  # noqa: S603


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
