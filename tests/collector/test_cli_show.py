"""Printing: what a node wrote moves no cursor and starts no formula."""

import json

import pytest

from shyraq_collector.cli.show import clean, harmless, print_json, print_json_rows

HOSTILE = "a\x1b[2Jb\x9b31mc\x7f\u2028\u202ed\x00e\r\n"


def test_a_cell_for_the_terminal_holds_no_control_characters() -> None:
    """Escape sequences of both sorts, line ends and reversals are replaced."""
    assert clean(HOSTILE).plain == "a�[2Jb�31mc���d�e��"


def test_json_for_programs_means_the_same_and_moves_no_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Control characters are escaped, letters of any alphabet are not."""
    value = {"target": HOSTILE, "name": "шырақ"}
    print_json(value)
    print_json_rows([value, value])
    out = capsys.readouterr().out
    assert not any(char in out for char in "\x1b\x9b\x7f\x00\r\u2028")
    assert "шырақ" in out
    one, many = out.split("}\n[", 1)
    assert json.loads(one + "}") == value
    assert json.loads("[" + many) == [value, value]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"])
def test_a_cell_for_a_spreadsheet_is_never_a_formula(sign: str) -> None:
    """Signs at the start are led by an apostrophe; numbers stay numbers."""
    assert harmless(f"{sign}cmd|'/c calc'!A1") == f"'{sign}cmd|'/c calc'!A1"
    assert harmless(-5) == -5
    assert harmless("kcell=1") == "kcell=1"
