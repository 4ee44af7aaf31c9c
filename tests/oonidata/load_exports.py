"""Loads every line of a file with `oonidata`; run by `make ooni-check` in its own environment.

Exits 1 when a line is refused, or is not taken for a web_connectivity measurement, or has lost
rows on the way; prints one line of figures.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oonidata.dataclient import (  # type: ignore[import-not-found]  # lives in its own environment
    load_measurement,
)

ROWS = ("queries", "tcp_connect", "tls_handshakes", "requests")


def problem(document: Mapping[str, Any]) -> str | None:
    """What is wrong with one measurement in the package's eyes; None: nothing."""
    try:
        loaded = load_measurement(msmt=dict(document))
    except Exception as error:  # noqa: BLE001  # whatever the package raises is its refusal
        return f"{type(error).__name__}: {error}"
    if type(loaded).__name__ != "WebConnectivity":
        return f"taken for {type(loaded).__name__}"
    for name in ROWS:
        written = document["test_keys"].get(name) or []
        if len(written) != len(getattr(loaded.test_keys, name) or []):
            return f"{name} lost rows"
    return None


def main() -> int:
    """Load the file named on the command line; the exit code."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    problems = {n: said for n, line in enumerate(lines, 1) if (said := problem(json.loads(line)))}
    for number, said in problems.items():
        sys.stderr.write(f"{sys.argv[1]}:{number}: {said}\n")
    sys.stdout.write(f"oonidata loaded {len(lines) - len(problems)} of {len(lines)} measurements\n")
    return 1 if problems or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
