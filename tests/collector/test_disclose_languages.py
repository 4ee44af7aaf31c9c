"""Wording: complete in three languages, every text used, the language chosen as asked."""

import re
import string
from pathlib import Path

import pytest

import shyraq_collector.disclose as room
from shyraq_collector.disclose.languages import LANGUAGES, choose, load_wordings
from shyraq_collector.disclose.rules import StateWord

ROOM = Path(room.__file__).parent
WORDINGS = load_wordings()
FAMILIES = ("word.", "meaning.", "impaired.", "head.", "cause.", "grade.", "state.", "kind.")


def slots(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_texts_with_the_same_slots(language: str) -> None:
    """Nothing is left untranslated, and no slot is forgotten."""
    mine, english = WORDINGS[language].texts, WORDINGS["en"].texts  # type: ignore[index]
    assert set(mine) == set(english)
    assert {key for key in mine if slots(mine[key]) != slots(english[key])} == set()
    assert all(text.strip() for text in mine.values())


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_translations_are_translations(language: str) -> None:
    """No English sentence has been left standing in another language."""
    allowed = {"page.name", "date.day", "date.moment", "date.utc", "date.range", "date.full"}
    allowed |= {"fact.share", "fact.percent", "who.in_regions"}
    mine, english = WORDINGS[language].texts, WORDINGS["en"].texts  # type: ignore[index]
    assert {key for key in mine if mine[key] == english[key]} <= allowed


def test_kazakh_is_written_with_its_own_letters() -> None:
    """The Kazakh table is Kazakh: its own nine letters occur in most sentences."""
    long_texts = [text for text in WORDINGS["kk"].texts.values() if len(text) > 30]
    assert sum(bool(re.search("[әғқңөұүһі]", text)) for text in long_texts) > 0.95 * len(long_texts)


def test_every_text_is_used() -> None:
    """A key that no template and no module names is dead wording."""
    sources = [*ROOM.glob("*.py"), *(ROOM / "templates").glob("*")]
    used = "".join(path.read_text(encoding="utf-8") for path in sources)
    families = ("entry.", "month.", "access.", "fact.", "who.", *FAMILIES)
    dead = [
        key for key in WORDINGS["en"].texts if f'"{key}"' not in used and f"'{key}'" not in used
    ]
    assert [key for key in dead if not key.startswith(families)] == []


def test_every_state_word_has_a_name_and_a_meaning() -> None:
    """The closed set of words and the tables agree."""
    texts = WORDINGS["en"].texts
    for family in ("word.", "meaning."):
        named = {key.removeprefix(family) for key in texts if key.startswith(family)}
        assert named == set(StateWord.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("asked", "header", "language"),
    [
        ("kk", "ru", "kk"),
        (None, "kk-KZ,kk;q=0.9,ru;q=0.8,en;q=0.7", "kk"),
        (None, "de-DE,de;q=0.9,ru;q=0.5", "ru"),
        (None, "en;q=0.1, ru;q=0.2", "ru"),
        (None, "ru;q=0, en", "en"),
        (None, "ru;q=abc", "en"),
        (None, "*", "en"),
        (None, None, "en"),
        ("xx", None, "en"),
        (None, "ru," * 10_000, "ru"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_readers_best(
    asked: str | None, header: str | None, language: str
) -> None:
    """`?lang=` first, then Accept-Language by quality, then English."""
    assert choose(asked, header) == language
