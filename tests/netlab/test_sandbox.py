"""A machine without sandboxes: tests are skipped with the reason, and fail where CI counts on them.

Such a machine is made here: a user namespace that may hold no network namespaces at all.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netlab.sandbox import TESTS, require_sandbox

_NO_NAMESPACES = 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"'


def run_without_sandboxes(*command: str, ci: str | None) -> "subprocess.CompletedProcess[str]":
    """Run one of our own programs where no network namespace can be made."""
    require_sandbox("user")
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        ["unshare", "-Ur", "sh", "-c", _NO_NAMESPACES, "sh", sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS.parent,
        env={**kept, "PYTHONPATH": str(TESTS)} | ({} if ci is None else {"CI": ci}),
    )


@pytest.fixture(params=["root", "user"])
def a_test_of_the_lab(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A test that needs a sandbox, entered one way."""
    path = tmp_path / "test_of_the_lab.py"
    path.write_text(
        "from netlab.sandbox import require_sandbox\n\n\n"
        f"def test_it() -> None:\n    assert require_sandbox({request.param!r}, rules=True)\n"
    )
    return path


@pytest.mark.parametrize(("ci", "code", "word"), [(None, 0, "1 skipped"), ("true", 1, "1 failed")])
def test_a_missing_sandbox_skips_here_and_fails_in_ci(
    a_test_of_the_lab: Path, ci: str | None, code: int, word: str
) -> None:
    """The same test, the same kernel; either way it says why."""
    done = run_without_sandboxes(
        "pytest",
        "-rs",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        str(a_test_of_the_lab),
        ci=ci,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert word in done.stdout
    assert "no sandbox here for" in done.stdout


@pytest.mark.parametrize("ci", [None, "true"])
def test_the_lab_itself_never_calls_nothing_a_success(ci: str | None) -> None:
    """`make lab` tells what it had to leave out, and that nothing was proved."""
    done = run_without_sandboxes("netlab.run", ci=ci)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "skipped for user: no sandbox here for user" in done.stdout
    assert done.stdout.rstrip().endswith("nothing could be run here: nothing is proved")
