"""The demo's story files: read strictly, every mistake named with its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_demo.errors import StoryError
from shyraq_demo.story import Cell, Fault, Where, cells, covers, moment_of
from shyraq_demo.story_toml import load, parse

STORIES = Path(__file__).parents[2] / "deploy" / "demo" / "stories"

SMALL = """
[story]
id = "small"
title = "One cut"
starts_at = 2022-01-04T12:00:00Z
heartbeat_s = 60
length = 30
compression = 30
country = "KZ"
nodes_per_cell = 3

[[network]]
isp = "kcell"
name = "Kcell"
access = "mobile"

[[region]]
code = "KZ-75"
name = "Almaty"

[[abroad]]
isp = "hetzner"
name = "Hetzner"
country = "DE"

[[abroad]]
isp = "ovh"
name = "OVH"
country = "FR"

[[site]]
name = "orda.kz"
place = "abroad"
role = "target"
rtt_ms = 20

[[fault]]
id = "cut"
says = "Kcell is cut."
kind = "cut"
where = { isps = ["kcell"] }
begins = 10
ends = 20
"""


@pytest.mark.parametrize("path", sorted(STORIES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_story_in_the_repository_is_sound(path: Path) -> None:
    """The stories that ship can be told."""
    story = load(path)
    assert story.id == path.stem
    assert story.incidents


def test_a_small_story_reads_as_written() -> None:
    """Times, places and references come out as they stand in the file."""
    story = parse(SMALL, source="small.toml")
    assert story.starts_at_ms == 1_641_297_600_000
    assert cells(story) == (Cell(isp="kcell", region="KZ-75", access="mobile"),)
    assert moment_of(story, "cut begins") == 10
    assert moment_of(story, "cut ends") == 20


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('kind = "cut"', 'kind = "cat"', "fault[0].kind: one of border-cut,"),
        ("begins = 10", "begin = 10", "fault[0].begin: no such key here; did you mean 'begins'?"),
        ("ends = 20", "ends = 9", "fault[0].ends: a number from 10 to 30 is due"),
        ("ends = 20", "ends = 31", "fault[0].ends: a number from 10 to 30 is due"),
        ('isps = ["kcell"]', 'isps = ["kcel"]', "'kcel' is not known here; did you mean 'kcell'?"),
        ('kind = "cut"', 'kind = "slow"\ndelay_ms = 5', "fault[0].site: one of orda.kz is due"),
        ('kind = "cut"', 'kind = "slow"\nsite = "orda.kz"', "fault[0].delay_ms: an integer"),
        ('isp = "ovh"', 'isp = "hetzner"', "network: 'hetzner' stands there twice"),
        ("2022-01-04T12:00:00Z", "2022-01-04T12:00:00", "story.starts_at: a moment like"),
        ("length = 30", 'length = "30"', "story.length: a number from 1 to"),
        ("heartbeat_s = 60", "heartbeat_s = true", "story.heartbeat_s: an integer from"),
        ("[story]", "[[story]]", "story: a table is due"),
        ("[[region]]", "[region]", "region: a list of tables is due"),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, complaint: str) -> None:
    """A wrong story is refused with the place and the remedy."""
    assert old in SMALL
    with pytest.raises(StoryError) as refusal:
        parse(SMALL.replace(old, new, 1), source="small.toml")
    assert complaint in str(refusal.value)


def test_all_mistakes_are_told_at_once() -> None:
    """Three mistakes are three lines, not three attempts."""
    text = SMALL.replace("begins = 10", "begins = -1").replace("KZ-75", "").replace("Kcell\n", "")
    with pytest.raises(StoryError) as refusal:
        parse(text.replace('says = "Kcell is cut."', ""), source="small.toml")
    assert len(refusal.value.mistakes) == 3


def test_a_stage_must_name_a_known_edge() -> None:
    """An expectation that hangs on a fault that is not there is refused."""
    stage = """
[[incident]]
name = "it"
kind = "outage"
[[incident.stage]]
after = "cut starts"
within = 4
states = ["confirmed"]
"""
    with pytest.raises(StoryError) as refusal:
        parse(SMALL + stage, source="small.toml")
    expected = "incident[0].stage[0].after: one of cut begins, cut ends is due"
    assert expected in str(refusal.value)


def test_what_is_not_toml_is_refused() -> None:
    """A broken file is one mistake with the parser's own place."""
    with pytest.raises(StoryError, match="not TOML"):
        parse("[story", source="broken.toml")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(StoryError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


ISPS = ["a", "b", "c"]
CELL = st.builds(
    Cell, isp=st.sampled_from(ISPS), region=st.sampled_from("xy"), access=st.sampled_from(["fixed"])
)


@given(cell=CELL, isps=st.frozensets(st.sampled_from(ISPS)))
def test_a_fault_covers_exactly_what_it_names(cell: Cell, isps: frozenset[str]) -> None:
    """`where` limits only the dimensions that it names."""
    assert covers(Where(), cell)
    assert covers(Where(isps=isps), cell) == (cell.isp in isps)
    assert not covers(Where(access="mobile"), cell)


def test_faults_of_a_story_lie_within_it() -> None:
    """The flagship ends with a whole country, so that a final return can be found."""
    story = load(STORIES / "january.toml")
    cuts: list[Fault] = [fault for fault in story.faults if fault.kind == "cut"]
    assert max(fault.ends_heartbeats for fault in cuts) < story.length_heartbeats - 12
