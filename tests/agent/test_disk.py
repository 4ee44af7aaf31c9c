"""Small files: whole or not at all, private, and never in the way of a start."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.disk import create, read_facts, replace, write_facts


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


@given(facts=st.dictionaries(st.text(max_size=8), st.integers() | st.none() | st.text(max_size=8)))
def test_facts_come_back(tmp_path_factory: pytest.TempPathFactory, facts: dict[str, int]) -> None:
    """What is written is what is read."""
    path = tmp_path_factory.mktemp("facts") / "facts.json"
    write_facts(path, facts)
    assert read_facts(path) == facts


@pytest.mark.parametrize("text", [None, b"", b"{", b"[1]", b"\xff"])
def test_what_cannot_be_read_counts_as_nothing(tmp_path: Path, text: bytes | None) -> None:
    """A missing or damaged file never keeps the agent from starting."""
    path = tmp_path / "facts.json"
    if text is not None:
        path.write_bytes(text)
    assert read_facts(path) == {}
