"""The crash trial in short; `make crash` runs the long one."""

from pathlib import Path

import pytest

from support.crash_trial import Trial
from support.crash_world import running_world

SEED = 20_220_105


@pytest.mark.timeout(300)
def test_a_dozen_kills_lose_fork_and_double_nothing(tmp_path: Path) -> None:
    """Agents, collector and broker die by SIGKILL; every report made is in the ledger once."""
    with running_world(tmp_path, agents=2) as world:
        trial = Trial(world=world, seed=SEED, kills_due=12, each_point=0, say=lambda _: None)
        verdict = trial.run()
    assert verdict.passed, verdict
    assert verdict.kills >= 12
    assert verdict.made > 20
