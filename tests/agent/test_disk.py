"""Small files: whole or not at all, and private."""

import stat
from pathlib import Path

import pytest

from shyraq_agent.disk import create, replace


def test_a_new_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    """Mode 0600, and a second one is refused with the first untouched."""
    path = tmp_path / "key"
    create(path, b"first")
    with pytest.raises(FileExistsError):
        create(path, b"second")
    assert path.read_bytes() == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_replaced_file_is_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Also over the half-written leftovers of a power cut."""
    (tmp_path / ".facts.new").write_bytes(b"half of an old att")
    for text in (b"one", b"two"):
        replace(tmp_path / "facts", text)
        assert (tmp_path / "facts").read_bytes() == text
    assert [each.name for each in tmp_path.iterdir()] == ["facts"]
