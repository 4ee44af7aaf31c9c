"""`make lab`: the whole table in the test country, then the journey of real agents.

The table runs as root and as an ordinary user, side by side. Each row is printed as it ends, and
at the end a confusion matrix for each way in. The exit code is 0 only if every row is exactly as
the table says, no innocent row is called blocked or throttled, at least 95 of 100 guilty ones are
found out, and the journey is as its story says. What this machine cannot run is told and
skipped; with `CI=true` it is a failure.
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
    """The table, run one way in."""

    title: str
    table: dict[str, Any] | None
    """What the trial found; None: it broke off."""
    took_s: float


def main() -> int:
    """Run both; print; say whether all is well."""
    parts: list[Part] = []
    is_good = True
    threads = []
    sandboxes: list[list[str]] = []
    for privilege in get_args(Privilege):
        sandbox = find_sandbox(privilege, rules=True)
        if isinstance(sandbox, str):
            _tell(f"skipped for {privilege}: {sandbox}")
            is_good &= os.environ.get("CI") != "true" or sandbox == _NOT_HERE
            continue
        sandboxes.append(sandbox)
        threads.append(
            threading.Thread(target=lambda p=privilege, s=sandbox: parts.append(_run(p, s)))
        )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if sandboxes:
        # One journey, by the way with the fewest rights: two at once would wait for each other.
        is_good &= _show_journey(_program(sandboxes[-1], "netlab.journey"))
    for part in parts:
        is_good &= _show(part)
    if not parts:
        _tell("nothing could be run here: nothing is proved")
        return 1
    _tell("all as the table says" if is_good else "NOT as the table says")
    return 0 if is_good else 1


def _run(privilege: str, sandbox: list[str]) -> Part:
    began = time.monotonic()
    table = _program(sandbox, "netlab.trial", "all")
    return Part(title=privilege, table=table, took_s=time.monotonic() - began)


def _program(sandbox: list[str], module: str, *arguments: str) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory(prefix="shyraq-lab-") as folder:
        done = subprocess.run(
            [*sandbox, sys.executable, "-m", module, folder, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _show(part: Part) -> bool:
    _tell(f"\n== as {part.title}, {part.took_s:.0f} s ==")
    return _show_table(part.table)


def _show_table(table: dict[str, Any] | None) -> bool:
    if table is None:
        _tell("the table broke off")
        return False
    _tell(table["confusion"])
    score = table["score"]
    _tell(
        f"guilty found {score['found']} of {score['guilty']};"
        f" innocent accused {score['accused']} of {score['innocent']};"
        f" rows not as expected {score['wrong']}; mechanisms proved {table['deeds']} times"
    )
    for ratio in table["ratios"]:
        _tell(f"throttle {ratio}")
    for trace in table["traces"]:
        _tell(f"trace beside {trace['trace']}: {trace['problem'] or 'the hop is found'}")
    for row in table["rows"]:
        if row["problem"]:
            _tell(f"FAIL {row['row']}: {row['problem']}")
    return bool(table["is_good"])


def _show_journey(journey: dict[str, Any] | None) -> bool:
    if journey is None:
        _tell("the journey broke off")
        return False
    for found in journey["found"]:
        beats = "MISS" if found["beats"] is None else f"{found['beats']:.1f} heartbeats"
        _tell(f"journey: {found['what']}: {beats}")
    return all(found["beats"] is not None for found in journey["found"])


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
