"""Vitals: numbers with units, nothing that identifies a host, nothing that must be there."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shyraq_agent.vitals import read_vitals
from support.clock import FakePace

UNITS = ("_bytes", "_s", "_c", "_1min", "_count", "_errors")
STATES = {"link_is_up", "under_voltage_now", "under_voltage_since_boot", "throttled_now"}


def test_every_number_says_its_unit(tmp_path: Path) -> None:
    """Names end in a unit, or the value is a plain yes or no."""
    vitals = read_vitals(tmp_path, FakePace(uptime_ms=61_999))
    assert vitals["uptime_s"] == 61
    assert {"memory_total_bytes", "disk_free_bytes", "load_1min"} <= set(vitals)
    for name, value in vitals.items():
        if name in STATES:
            assert isinstance(value, bool)
        else:
            assert name.endswith(UNITS)
            assert isinstance(value, int | float)


def test_there_is_no_text_that_could_identify_a_host(tmp_path: Path) -> None:
    """Names, addresses and serial numbers are texts; vitals are numbers and yes or no."""
    values = read_vitals(tmp_path, FakePace()).values()
    assert {type(value) for value in values} <= {int, float, bool}


def test_a_table_that_is_hidden_is_left_out(tmp_path: Path) -> None:
    """Absent is unknown: a missing directory takes the disk's numbers away and nothing else."""
    there = read_vitals(tmp_path, FakePace())
    gone = read_vitals(tmp_path / "gone", FakePace())
    assert set(there) - set(gone) == {"disk_total_bytes", "disk_free_bytes"}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("0", (False, False, False)),
        ("0x50005\n", (True, True, True)),
        ("50000", (False, True, False)),
        ("1", (True, False, False)),
    ],
)
def test_a_pi_that_starves_says_so(
    tmp_path: Path, flags: str, expected: tuple[bool, bool, bool]
) -> None:
    """Bits 0, 2 and 16 of the firmware's flags."""
    path = tmp_path / "get_throttled"
    path.write_text(flags)
    vitals = read_vitals(tmp_path, FakePace(), firmware_flags=path)
    names = ("under_voltage_now", "under_voltage_since_boot", "throttled_now")
    assert tuple(vitals[name] for name in names) == expected


def test_flags_that_are_no_number_are_left_out(tmp_path: Path) -> None:
    """A firmware that answers otherwise takes nothing else down."""
    path = tmp_path / "get_throttled"
    path.write_text("not here")
    assert "under_voltage_now" not in read_vitals(tmp_path, FakePace(), firmware_flags=path)


@pytest.fixture
def no_proc(tmp_path: Path) -> Iterator[None]:
    """The kernel's tables out of sight, as in a tight sandbox; psutil has a setting for it."""
    before = psutil.PROCFS_PATH
    psutil.PROCFS_PATH = str(tmp_path)
    yield
    psutil.PROCFS_PATH = before


@pytest.mark.usefixtures("no_proc")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tables of Linux")
def test_a_sandbox_that_hides_proc_costs_its_numbers_only(tmp_path: Path) -> None:
    """What does not need /proc is still there, and nothing is raised."""
    vitals = read_vitals(tmp_path, FakePace())
    assert "memory_total_bytes" not in vitals
    assert {"uptime_s", "load_1min", "disk_free_bytes"} <= set(vitals)
