"""`make bench`: speed and memory of this build, as ratios to bare baselines in the same run.

    crypto      seal and open a frame / bare Ed25519
    spool       append with fsync / bare SQLite loop
    wear        what the spool writes to its card in a day
    footprint   memory of a running agent, time to import it
    ingest      end to end, verified, stored and receipted / bare aiomqtt, verify, SQLite by hand

Exit code: 0, whatever the figures: they depend on the machine and are for reading. 2: usage.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0:1] = [str(ROOT), str(ROOT / "tests")]

from bench import crypto, footprint, ingest, spool, wear  # noqa: E402
from bench.table import Row, render  # noqa: E402

PARTS: Mapping[str, Callable[[], list[Row]]] = {
    "crypto": crypto.rows,
    "spool": spool.rows,
    "wear": wear.rows,
    "footprint": footprint.rows,
    "ingest": ingest.rows,
}


def main() -> int:
    """Run the parts that were asked for and print one table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.run",
        description="Speed and memory as ratios to bare baselines in the same run.",
    )
    parser.add_argument(
        "--only", action="append", choices=sorted(PARTS), help="this part; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    asked = parser.parse_args()
    rows = [row for name in asked.only or PARTS for row in PARTS[name]()]
    if asked.json:
        print(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))
    else:
        print(render(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
