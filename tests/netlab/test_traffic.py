"""What `check-config` promises a host and what the meter counts is what the line carries."""

import pytest

from netlab.lab import run_lab
from netlab.sandbox import require_sandbox
from shyraq_agent.config.traffic import BYTES_OF

TOLERANCE = 0.1
"""What is on its way when a connection is dropped is on the line and no longer in the meter."""


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """Bytes of each action on the line and by the meter, counted in a fresh sandbox."""
    findings = run_lab(require_sandbox("user"), tmp_path_factory.mktemp("lab"), "netlab.costs")
    printed = findings["printed"]
    assert isinstance(printed, dict)
    return printed


ACTIONS = [
    "hello",
    "echo",
    "dns",
    "ping",
    "web",
    "web in clear",
    "tls",
    "tcp",
    "quic",
    "name_pair",
    "rate",
]


@pytest.mark.parametrize("action", ACTIONS)
def test_no_action_costs_more_than_is_promised(costs: dict[str, list[int]], action: str) -> None:
    """With certificate chains and pages larger than most; and the promise is not a fantasy."""
    assert BYTES_OF[action] / 4 <= costs[action][0] <= BYTES_OF[action]


# The page that `rate` reads is longer than that: what its server still sent is lost to the meter.
@pytest.mark.parametrize("action", [*(each for each in ACTIONS if each != "rate"), "trace"])
def test_the_meter_counts_what_the_line_carries(costs: dict[str, list[int]], action: str) -> None:
    """The kernel's counters of the cable and the agent's own meter agree."""
    line, metered = costs[action]
    assert metered == pytest.approx(line, rel=TOLERANCE)
