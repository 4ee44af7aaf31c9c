"""Three releases of the product for the field tests, each as a wheelhouse.

`first` is what stands in the tree. `second` differs by its version alone. `third` starts,
says that it is ready, measures and never delivers: a fault that only the collector can see.
"""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

Release = Literal["first", "second", "third"]

REPOSITORY: Final = Path(__file__).resolve().parents[2]
VERSIONS: Final[dict[Release, str]] = {"first": "", "second": "0.8.0", "third": "0.9.0"}
"""Empty: as it stands in the tree."""

_PARTS: Final = ("wire", "agent", "collector", "requirements")
_FILES: Final = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md")
_MUTE_FILE: Final = "agent/shyraq_agent/publish/publisher.py"
_MUTE_AT: Final = "    async def run(self) -> NoReturn:\n"
_MUTE: Final = _MUTE_AT + "        await asyncio.sleep(1e9)\n"


def build_releases(folder: Path, fetched: Path) -> None:
    """Make the wheelhouses `folder/first`, `second` and `third`.

    Args:
        folder: Emptied first.
        fetched: Where wheels of others are kept between runs.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for release, version in VERSIONS.items():
        source = folder / f"{release}.source"
        _copy(source)
        if version:
            _change(source / "pyproject.toml", r'(?m)^version = ".*"$', f'version = "{version}"')
        if release == "third":
            _change(source / _MUTE_FILE, re.escape(_MUTE_AT), _MUTE)
        subprocess.run(
            [
                sys.executable,
                str(REPOSITORY / "ansible/wheelhouse.py"),
                str(folder / release),
                f"--source={source}",
                f"--fetched={fetched}",
                f"--architecture={platform.machine()}",
                "--python=3.11",
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        shutil.rmtree(source)


def _copy(source: Path) -> None:
    source.mkdir(parents=True)
    for part in _PARTS:
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / part, source / part, ignore=skip)
    for name in _FILES:
        shutil.copy(REPOSITORY / name, source / name)


def _change(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, lambda _: replacement, path.read_text())
    if count != 1:
        raise RuntimeError(f"{path}: {pattern!r} stands there {count} times, once is due")
    path.write_text(text)
