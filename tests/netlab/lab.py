"""From a test into the lab and back: one sandbox, one program of the agent's, what came of it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netlab.sandbox import TESTS


def run_lab(
    sandbox: Sequence[str], folder: Path, program: str, arguments: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a program in the agent's namespace of a fresh lab.

    Args:
        sandbox: The command that enters one.
        folder: For the lab's files; empty.
        program: Its module; gets the folder and the arguments.
        arguments: What else it takes.

    Returns:
        `printed`, its JSON; `packets` that left the agent's namespace, by destination.
    """
    done = subprocess.run(
        [*sandbox, sys.executable, "-m", "netlab.inside", str(folder), program],
        input="\n".join(arguments),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found
