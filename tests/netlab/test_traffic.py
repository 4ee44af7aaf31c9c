"""What `check-config` promises a host is what the line carries."""

import pytest

from netlab.lab import run_lab
from netlab.sandbox import require_sandbox
from shyraq_agent.config.traffic import BYTES_OF


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Bytes on the line of each action, counted in a fresh sandbox."""
    findings = run_lab(require_sandbox("user"), tmp_path_factory.mktemp("lab"), "netlab.costs")
    printed = findings["printed"]
    assert isinstance(printed, dict)
    return printed


@pytest.mark.parametrize(
    "action", ["hello", "echo", "dns", "ping", "web", "web in clear", "tls", "tcp"]
)
def test_no_action_costs_more_than_is_promised(costs: dict[str, int], action: str) -> None:
    """With certificate chains and pages larger than most; and the promise is not a fantasy."""
    assert BYTES_OF[action] / 4 <= costs[action] <= BYTES_OF[action]
