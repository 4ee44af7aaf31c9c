"""`make crash`: kill agents, collector and broker; nothing may be lost, forked or doubled.

The last line says it all; the exit code is 0 only if every number that must be zero is. The seed
is printed first: the same seed kills in the same order, as far as a machine's own timing allows.
"""

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support.crash_trial import Trial
from support.crash_world import UnaskedDeath, running_world


def main() -> int:
    """Run one trial and print its line."""
    parser = argparse.ArgumentParser(prog="crash.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=120, help="at least so many (default 120)")
    parser.add_argument("--each-point", type=int, default=2, help="times each named point is met")
    parser.add_argument("--agents", type=int, default=3, help="agents, each a process of its own")
    parser.add_argument("--seed", type=int, help="moments of the kills; default: a new one")
    parser.add_argument("--keep", type=Path, help="directory for what is left; must be empty")
    asked = parser.parse_args()
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    _tell(f"seed {seed}")
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shyraq-crash-") as temporary:
        directory = asked.keep or Path(temporary)
        with running_world(directory, agents=asked.agents) as world:
            trial = Trial(
                world=world,
                seed=seed,
                kills_due=asked.kills,
                each_point=asked.each_point,
                say=_Progress(),
            )
            try:
                verdict = trial.run()
            except UnaskedDeath as death:
                _tell(str(death))
                return 1
    counted = ", ".join(f"{name} {count}" for name, count in sorted(trial.kills.items()))
    _tell(f"killed: {counted}")
    if verdict.unmet:
        _tell(f"never passed, so not tried: {', '.join(verdict.unmet)}")
    if verdict.undelivered:
        _tell(f"{verdict.undelivered} reports were safe in a spool and never reached the ledger")
    _tell(verdict.line())
    return 0 if verdict.passed and verdict.kills >= asked.kills else 1


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class _Progress:
    """One line at most every second."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= 1:
            _tell(f"{now - self._started:5.0f} s  {text}")
            self._last = now


if __name__ == "__main__":
    sys.exit(main())
