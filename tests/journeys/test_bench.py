"""The bench itself: it runs, and its rows can be read by a program."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_bench_prints_rows_as_json() -> None:
    """Each row has a name, a figure, a unit, and a ratio to its bare baseline."""
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--only", "crypto", "--json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=50)
    rows = json.loads(done.stdout)
    assert [row["what"] for row in rows] == ["seal", "open", "open and read the report"]
    assert all(row["ours"] > 0 and row["ratio"] > 0 and row["unit"] for row in rows)


def test_the_bench_refuses_an_unknown_part() -> None:
    """Usage, exit code 2, and the parts there are."""
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--only", "luck"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=50)
    assert done.returncode == 2
    assert b"crypto" in done.stderr
