"""The operator's guide is true: every command, as it stands, on a machine that has nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netlab.sandbox import TESTS, require_sandbox


@pytest.mark.timeout(600)
def test_every_block_of_the_operators_guide_runs_as_it_stands(tmp_path: Path) -> None:
    """From certificates to a node that is heard, and on to one that is revoked."""
    command = [*require_sandbox("root"), "--mount-proc", sys.executable, "-m", "field.guide"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    played = subprocess.run(
        [*command, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(TESTS)},
    )
    assert played.returncode == 0, played.stdout + played.stderr
