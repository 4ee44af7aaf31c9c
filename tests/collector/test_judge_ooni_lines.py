"""Reading OONI measurements from lines of text."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shyraq_collector.judge.ooni import judge_lines
from shyraq_collector.judge.ooni.lines import MAX_MEASUREMENT_CHARACTERS, Judged, Refused

VECTORS = Path(__file__).parent.parent / "vectors" / "ooni"
PRETTY = (VECTORS / "v04-http-diff.json").read_text(encoding="utf-8")
LINE = json.dumps(json.loads(PRETTY))


def _lines_of(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _shape(text: str) -> list[tuple[str, int]]:
    """What came of a text: judged or refused, and where."""
    return [(type(result).__name__, result.line) for result in judge_lines(_lines_of(text))]


def test_one_object_over_many_lines() -> None:
    """A file that is one pretty-printed measurement is judged as one."""
    [result] = judge_lines(_lines_of(PRETTY))
    assert isinstance(result, Judged)
    assert result.line == 1
    assert result.verdict.as_json() == {
        "input": "http://courier.example.org/",
        "blocking": "http-diff",
        "accessible": False,
        "rule": "ooni.v04.other-page",
        "reason": "Another page than the control's came from the right addresses.",
    }


def test_json_lines_with_blank_lines_and_a_byte_order_mark() -> None:
    """One measurement a line, blanks and a byte order mark allowed."""
    assert _shape(f"\ufeff{LINE}\n\n{LINE}\r\n{LINE}") == [
        ("Judged", 1),
        ("Judged", 3),
        ("Judged", 4),
    ]


def test_several_pretty_objects() -> None:
    """Measurements printed over several lines may follow each other."""
    count = len(_lines_of(PRETTY))
    assert _shape(PRETTY + PRETTY) == [("Judged", 1), ("Judged", count + 1)]


def test_an_array_of_measurements_counts_as_its_members() -> None:
    """On one line, a line each with commas before or after, or printed over many lines."""
    value = json.loads(PRETTY)
    together = [
        (json.dumps([value, value]), [1, 1]),
        (f"[\n{LINE},\n{LINE}\n]\n", [2, 3]),
        (f"[{LINE},\n{LINE}]\n", [1, 2]),
        (f"[\n{LINE}\n,{LINE}\n]\n", [2, 3]),
    ]
    for text, lines in together:
        assert _shape(text) == [("Judged", line) for line in lines]
    for indent in (0, 2):
        pretty = json.dumps([value, value, value], indent=indent)
        assert [kind for kind, _ in _shape(pretty)] == ["Judged"] * 3
    assert _shape("[]") == [("Refused", 1)]


def test_what_is_wrong_in_an_array_is_refused_and_the_rest_is_judged() -> None:
    """A member that is no object, a broken one, and an end that never comes."""
    assert _shape(f"[{LINE}, 3, {LINE}]") == [("Judged", 1), ("Refused", 1), ("Judged", 1)]
    assert _shape(f"[\n{LINE},\n{LINE[:-40]}\n{LINE}\n]") == [
        ("Judged", 2),
        ("Refused", 3),
        ("Judged", 4),
    ]
    text = f"\n[\n{LINE},\n{LINE},\n"
    assert _shape(text) == [("Judged", 3), ("Judged", 4), ("Refused", 4)]
    [*_, last] = judge_lines(_lines_of(text))
    assert isinstance(last, Refused)
    assert "line 2" in last.problem


def test_a_line_that_is_too_long_is_refused() -> None:
    """Its length alone refuses it; the lines around it are judged."""
    line = '{"a": "' + "a" * MAX_MEASUREMENT_CHARACTERS + '"}\n'
    kinds = [type(result).__name__ for result in judge_lines([f"{LINE}\n", line, LINE])]
    assert kinds == ["Judged", "Refused", "Judged"]


def test_bad_lines_are_refused_and_the_rest_is_judged() -> None:
    """Each broken line is named; every good line still gets its verdict."""
    text = "\n".join(
        [
            LINE,
            "not json",
            LINE[:-40],  # torn inside a text
            LINE,
            '{"test_name": "web_connectivity",',  # torn between two fields
            LINE,
            "[1, 2]",
            '{"test_name": "signal", "test_keys": {"x": 1}}',
            "}",
            LINE,
        ]
    )
    assert _shape(text) == [
        ("Judged", 1),
        ("Refused", 2),
        ("Refused", 3),
        ("Judged", 4),
        ("Refused", 5),
        ("Judged", 6),
        ("Refused", 7),
        ("Refused", 8),
        ("Refused", 9),
        ("Judged", 10),
    ]


def test_refusals_say_what_is_wrong() -> None:
    """The text of a refusal names the cause."""
    unfinished, nested = '{"a": [', "[" * 100_000
    problems = [
        result.problem
        for text in ("nonsense", "3", '{"test_name": "dash"}', unfinished, nested, '{"a": 1e5x}')
        for result in judge_lines([text])
        if isinstance(result, Refused)
    ]
    assert len(problems) == 6
    assert "JSON" in problems[0]
    assert "object" in problems[1]
    assert "dash" in problems[2]
    assert "never ends" in problems[3]


def test_an_endless_object_is_given_up() -> None:
    """An object that outgrows the limit is refused and its memory freed."""
    line = '"' + "a" * (1 << 22) + '",\n'
    results = list(judge_lines(["{\n", *[line] * 17, LINE]))
    assert isinstance(results[0], Refused)
    assert "64 Mi" in results[0].problem
    assert isinstance(results[-1], Judged)


def test_an_empty_file_is_refused() -> None:
    """Nothing to judge is said, not passed over."""
    assert _shape("") == _shape("\n \n") == [("Refused", 1)]


@settings(deadline=None)  # loaded machines
@given(st.lists(st.text(alphabet='{}[]",:\\ \n1a'), max_size=8))
def test_arbitrary_text_never_crashes(texts: list[str]) -> None:
    """Any lines give judged or refused results with rising line numbers."""
    results = list(judge_lines(texts))
    assert [result.line for result in results] == sorted(result.line for result in results)
    assert all(1 <= result.line <= max(1, len(texts)) for result in results)


@settings(deadline=None)  # loaded machines
@given(st.lists(st.sampled_from([LINE, PRETTY]), min_size=1, max_size=5))
def test_every_measurement_gives_one_result(documents: list[str]) -> None:
    """However measurements are written and mixed, each gives exactly one verdict."""
    results = list(judge_lines(_lines_of("\n".join(documents))))
    assert len(results) == len(documents)
    assert all(isinstance(result, Judged) for result in results)
