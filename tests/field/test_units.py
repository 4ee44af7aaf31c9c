"""The systemd units, as systemd itself reads them: nothing is started here.

What they do at run time (watchdog, memory, psutil behind the walls) is tried by `make lab-nodes`.
"""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

from shyraq_agent.cli.running import PATIENCE_S

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
NAMES = sorted(path.name for path in UNITS.glob("*.service"))
CURRENT = "/opt/shyraq/current/bin"


def service(name: str) -> configparser.SectionProxy:
    """The [Service] part of a unit."""
    # Directives may stand twice (SystemCallFilter does); the last is enough for these tests.
    read = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    read.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way
    read.read(UNITS / name, encoding="utf-8")
    return read["Service"]


def command(name: str) -> list[str]:
    """What a unit starts, from this environment instead of the installed one."""
    return service(name)["ExecStart"].replace(CURRENT, str(Path(sys.executable).parent)).split()


def test_there_is_a_unit_for_each_program() -> None:
    """Agent, collector and responder."""
    programs = ("agent", "collector", "responder")
    assert set(NAMES) == {f"shyraq-{each}.service" for each in programs}


@pytest.mark.parametrize("name", NAMES)
def test_its_exposure_is_two_at_most(name: str) -> None:
    """`systemd-analyze security` finds no more than 2.0 of 10 open."""
    asked = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager"]
    done = subprocess.run([*asked, str(UNITS / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.stdout.write(done.stdout.splitlines()[-1] + "\n")


@pytest.mark.parametrize("name", NAMES)
def test_systemd_understands_every_line(name: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` complains of nothing once the program is where the unit says."""
    text = (UNITS / name).read_text().replace(CURRENT, str(Path(sys.executable).parent))
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", NAMES)
def test_the_command_it_starts_exists(name: str) -> None:
    """Program, subcommand and --config are known to the command line."""
    program, subcommand, option, path = command(name)
    done = subprocess.run([program, subcommand, "--help"], capture_output=True, check=True)
    assert option.encode() in done.stdout
    assert path.startswith("/etc/shyraq/")


@pytest.mark.parametrize("name", NAMES)
def test_it_reports_readiness_and_is_watched(name: str) -> None:
    """Type=notify, a watchdog, its own user, a cap on memory, and back after every end."""
    said = service(name)
    assert said["Type"] == "notify"
    assert int(said["WatchdogSec"]) > 0
    assert said["User"] == name.removesuffix(".service")
    assert said["MemoryMax"]
    assert said["Restart"] == "always"


def test_the_agent_has_no_capability_and_its_memory_is_small() -> None:
    """Probes need no privilege; 96 MB; the program's patience is the unit's."""
    said = service("shyraq-agent.service")
    assert said["CapabilityBoundingSet"] == ""
    assert said["AmbientCapabilities"] == ""
    assert said["MemoryMax"] == "96M"
    assert int(said["WatchdogSec"]) == PATIENCE_S


def test_the_agent_still_sees_its_host() -> None:
    """ProcSubset=pid would hide /proc/stat and /proc/net from psutil."""
    assert "ProcSubset" not in service("shyraq-agent.service")


def test_the_agent_does_not_wait_for_a_network() -> None:
    """A node that boots into a blackout measures the blackout."""
    assert "network-online" not in (UNITS / "shyraq-agent.service").read_text().replace(
        "# Not network-online.target", ""
    )
