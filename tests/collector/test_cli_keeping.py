"""`backup`, `restore`, `window` and `query reports`, as an operator types them."""

import json
from pathlib import Path
from typing import Any

import pytest

from shyraq_collector.cli.main import run_command
from support.broker import free_port
from support.clock import STORY_START_MS
from support.collectors import House
from support.signing import SigningNode, measurement
from support.stored import StoredLedger


class Shell:
    """Runs commands against one house; keeps what was printed."""

    def __init__(self, house: House, capture: pytest.CaptureFixture[str]) -> None:
        """Take the house whose configuration every command gets."""
        self.house = house
        self._capture = capture

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command; output and complaints together."""
        self._capture.readouterr()
        got = run_command([*arguments, "--config", str(self.house.configuration)])
        out, complaints = self._capture.readouterr()
        assert got == code, (out, complaints)
        return out + complaints

    def json(self, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401  # JSON is what it is
        """Run a command with `--json`; what it answered."""
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A house whose ledger holds one report."""
    shell = Shell(House(tmp_path, broker_port=free_port()), capsys)
    node = SigningNode()
    with StoredLedger(shell.house.ledger_file.parent, node) as ledger:
        ledger.take(node, node.frame(node.report(measurements=(measurement("tls", "a:443"),))))
    return shell


def test_a_backup_becomes_another_ledger(shell: Shell, tmp_path: Path) -> None:
    """Both ways of printing; a ledger in the way is refused with the remedy."""
    told = shell.json("backup", str(tmp_path / "one"))
    assert told["bytes"] == (tmp_path / "one").stat().st_size
    assert "a copy of" in shell("backup", str(tmp_path / "two"))
    assert "move it away" in shell("restore", str(tmp_path / "one"), code=2)
    before = shell.json("status", code=1)["ledger"]
    shell.house.ledger_file.unlink()
    assert shell.json("restore", str(tmp_path / "one"))["ledger"] != before
    shell.house.ledger_file.unlink()
    assert "restored from" in shell("restore", str(tmp_path / "two"))


def test_a_window_stands_until_it_ends_or_is_cleared(shell: Shell) -> None:
    """Set, shown, told by status, replaced, cleared."""
    assert "may be changed" in shell("window", "show")
    assert shell.json("window", "show") == {"window": None}
    set_ = shell.json("window", "set", "--until", "3d", "--why", "election")
    assert shell.json("window", "show") == set_
    assert set_["window"]["why"] == "election"
    assert shell.json("status", code=1)["window"] == set_["window"]
    assert "election" in shell("status", code=1)
    assert "until 2090" in shell("window", "set", "--until", "2090-01-01", "--why", "long")
    assert "is cleared" in shell("window", "clear")
    assert shell.json("window", "clear") == {"cleared": False}


@pytest.mark.parametrize(
    ("until", "why", "due"),
    [
        ("2020-01-01", "late", "a moment to come"),
        ("1h", " ", "1 to 200 characters"),
        ("soon", "why", "a span such as"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(
    shell: Shell, until: str, why: str, due: str
) -> None:
    """The text says what is due."""
    assert due in shell("window", "set", "--until", until, "--why", why, code=2)


def test_reports_are_listed_with_their_software(shell: Shell) -> None:
    """For people without the hashes; for programs with them."""
    assert "shyraq-agent/" in shell("query", "reports")
    (row,) = shell.json("query", "reports", "--node", SigningNode().id)
    assert row["received_ms"] >= STORY_START_MS
    assert row["software"].startswith("shyraq-agent/")
    assert shell("query", "reports", "--csv").count("\n") == 2
