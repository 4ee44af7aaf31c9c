"""The score: it can be split and added up, and nothing is lost on the way."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from support.simulator import canaries, lattice_fleet
from support.simulator_faults import OWN_FAULTS, FaultKind, Saboteur
from support.simulator_noise import Span

ROOT = Path(__file__).resolve().parents[2]
SCORE = [sys.executable, str(ROOT / "bench" / "score.py")]


def scored(*words: str, code: int = 0) -> str:
    """What the score prints; it must end with this exit code."""
    done = subprocess.run([*SCORE, *words], capture_output=True, check=False, timeout=50, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_runs_that_were_kept_add_up(tmp_path: Path) -> None:
    """Two short runs, kept by seed: the totals hold the faults and the days of both."""
    for seed, kinds in (("1", "nation,blocked"), ("2", "nation")):
        words = ("--fleets", "5", "--faults", "1", "--quiet-days", "0", "--kinds", kinds)
        scored(*words, "--seed", seed, "--into", str(tmp_path))
    files = sorted(tmp_path.iterdir())
    runs = [json.loads(file.read_text()) for file in files]
    assert [run["rows"]["nation"]["laid"] for run in runs] == [1, 1]
    told = scored("--merge", *map(str, files))
    assert f"{sum(run['days'] for run in runs):.0f} simulated days" in told
    assert "nation           2" in told
    assert "blocked          1" in told


def test_unknown_fleets_and_faults_are_refused() -> None:
    """Usage, exit code 2, and the names there are."""
    assert "10000" in scored("--fleets", "49", code=2)
    assert "half_isp" in scored("--kinds", "weather", code=2)


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    """A file with something else in it is named."""
    file = tmp_path / "other.json"
    file.write_text("[]")
    assert "other.json" in scored("--merge", str(file), code=2)


@pytest.mark.parametrize("kind", sorted(OWN_FAULTS))
def test_a_fault_of_ours_is_held_against_us_only_while_it_lasts(kind: FaultKind) -> None:
    """It ends when the last node is back: a street that fails an hour later is no fault of ours."""
    fleet = [*lattice_fleet(4, 4, 3), *canaries()]
    spans: dict[str, list[Span]] = {placement.node: [] for placement in fleet}
    chance = random.Random(7)  # noqa: S311 - laid by lot, the same each time
    truth = Saboteur(fleet, spans, chance).commit(kind, 1000.0)
    last = max(end for silences in spans.values() for _, end, _ in silences)
    assert last - 60.0 <= truth.end <= last + 60.0
