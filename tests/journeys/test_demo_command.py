"""The demo's command line: usage mistakes are named at once, and Ctrl-C leaves nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DEMO = (sys.executable, "-m", "shyraq_demo")


def refused(*arguments: str) -> tuple[int, str]:
    """Exit code and complaint of a command that must not begin."""
    done = subprocess.run(
        [*DEMO, *arguments], capture_output=True, text=True, timeout=40, check=False
    )
    return done.returncode, done.stderr


def test_a_story_that_is_not_there_is_a_usage_mistake() -> None:
    """The file is named; exit code 2."""
    code, said = refused("check", "--story", "/nowhere.toml")
    assert code == 2
    assert "/nowhere.toml" in said


def test_a_directory_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    """`--keep` wants a new one."""
    code, said = refused("check", "--keep", str(tmp_path))
    assert code == 2
    assert "a new directory is due" in said


def test_a_taken_port_is_named_before_anything_is_built() -> None:
    """The remedy stands in the message."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = refused("play", "--port", str(taken.getsockname()[1]))
    assert code == 1
    assert "--port" in said


def begun(arguments: Sequence[str], temporary: Path) -> "subprocess.Popen[str]":
    """A demo with a temporary directory of its own, read up to the moment the story begins."""
    process = subprocess.Popen(
        [*DEMO, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "The page" in line:
            break
    return process


def test_ctrl_c_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    """Behind the exit code 130 nothing of the run is left, however often Ctrl-C is pressed."""
    process = begun(["check"], tmp_path)
    (run,) = tmp_path.iterdir()
    assert _processes_naming(run)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=40)
    assert process.returncode == 130, rest
    assert not list(tmp_path.iterdir())
    assert not _processes_naming(run)


def _processes_naming(path: Path) -> list[str]:
    """Command lines of running processes that hold a path."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(path) in line:
            found.append(line)
    return found
