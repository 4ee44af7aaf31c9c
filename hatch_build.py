"""Writes into the agent's package when it was made: a moment that has certainly passed.

A node without a clock chip wakes in 1970; the moment is the least it knows (`clock.built_at_ms`).
Two builds of one commit hold the same one:

1. `SOURCE_DATE_EPOCH`, as reproducible builds set it;
2. else the time of the commit that the working copy stands at;
3. else, as in a source archive, the file that an earlier build left there;
4. else none.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "shyraq_agent/built_at"
FOLDER = {"wheel": "", "sdist": "agent/"}


class MomentHook(BuildHookInterface[Any]):
    """Called by hatchling, for the source archive and for the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # type: ignore[explicit-override]  # `override` comes with Python 3.12
        """Add the file; an editable install needs none."""
        seconds = os.environ.get("SOURCE_DATE_EPOCH") or _commit_time(self.root)
        if version == "editable" or seconds is None:
            return
        with tempfile.NamedTemporaryFile("w", delete=False) as made:
            made.write(f"{int(seconds)}\n")
        self._made = Path(made.name)
        self._made.chmod(0o644)
        build_data["force_include"][made.name] = FOLDER[self.target_name] + NAME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # type: ignore[explicit-override]  # noqa: ARG002
        """Take the temporary file away."""
        if hasattr(self, "_made"):
            self._made.unlink()


def _commit_time(root: str) -> str | None:
    """Seconds since 1970; None: no git, or no working copy."""
    if not (Path(root) / ".git").exists():
        return None
    asked = ["git", "-C", root, "log", "-1", "--format=%ct"]
    done = subprocess.run(asked, capture_output=True, check=False, text=True)  # noqa: S603
    return done.stdout.strip() or None
