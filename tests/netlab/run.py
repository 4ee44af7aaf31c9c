"""`make lab`: the whole table in the test country, as root and as an ordinary user, side by side.

Prints each row as it ends, and at the end a confusion matrix for each way in. The exit code is 0
only if every row is exactly as the table says, no innocent row is called blocked or throttled, at
least 95 of 100 guilty ones are found out, and the journey of real agents, broker and collector is
as its story says. What this machine cannot run is told and skipped; with `CI=true` it is a failure.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any, Final, get_args

from netlab.sandbox import TESTS, Privilege, find_sandbox

_NOT_HERE: Final = "not root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One program that ran in a sandbox of its own."""

    title: str
    found: dict[str, Any]
    problem: str
    took_s: float


def main() -> int:
    """Run both; print; say whether all is well."""
    parts: list[Part] = []
    is_good = True
    threads = []
    for privilege in get_args(Privilege):
        sandbox = find_sandbox(privilege, rules=True)
        if isinstance(sandbox, str):
            _tell(f"skipped for {privilege}: {sandbox}")
            is_good &= os.environ.get("CI") != "true" or sandbox == _NOT_HERE
            continue
        threads.append(
            threading.Thread(target=lambda p=privilege, s=sandbox: parts.append(_run(p, s)))
        )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part in parts:
        is_good &= _show(part)
    _tell("all as the table says" if is_good and parts else "NOT as the table says")
    return 0 if is_good and parts else 1


def _run(privilege: str, sandbox: list[str]) -> Part:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shyraq-lab-") as folder:
        done = subprocess.run(
            [*sandbox, sys.executable, "-m", "netlab.trial", folder, "all"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
    took_s = time.monotonic() - began
    if done.returncode:
        return Part(title=privilege, found={}, problem="the trial broke off", took_s=took_s)
    return Part(title=privilege, found=json.loads(done.stdout), problem="", took_s=took_s)


def _show(part: Part) -> bool:
    _tell(f"\n== as {part.title}, {part.took_s:.0f} s ==")
    if part.problem:
        _tell(part.problem)
        return False
    _tell(part.found["confusion"])
    score = part.found["score"]
    _tell(
        f"guilty found {score['found']} of {score['guilty']};"
        f" innocent accused {score['accused']} of {score['innocent']};"
        f" rows not as expected {score['wrong']}; mechanisms proved {part.found['deeds']} times"
    )
    for row in part.found["rows"]:
        if row["problem"]:
            _tell(f"FAIL {row['row']}: {row['problem']}")
    return bool(part.found["is_good"])


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
