"""Countries as data: Kazakhstan complete, mistakes named, the unnamed still shown."""

from pathlib import Path

import pytest

from shyraq_collector.disclose.languages import LANGUAGES
from shyraq_collector.disclose.places import load_countries, parse, unnamed
from shyraq_collector.errors import ConfigError

KZ = load_countries()["KZ"]
GOOD = """
code = "XX"
zone = "Asia/Almaty"
name = { kk = "a", ru = "b", en = "c" }
inside = { kk = "a", ru = "b", en = "c" }
whole = { kk = "a", ru = "b", en = "c" }
network = [{ slug = "n", kk = "a", ru = "b", en = "c" }]
region = [{ code = "XX-1", kk = "a", ru = "b", en = "c" }]
"""


def test_kazakhstan_has_its_twenty_regions() -> None:
    """Seventeen provinces and three cities, by ISO 3166-2, as since June 2022."""
    assert len(KZ.regions) == 20
    assert all(code.startswith("KZ-") for code in KZ.regions)
    young = {code for code, region in KZ.regions.items() if region.since}
    assert young == {"KZ-79", "KZ-10", "KZ-33", "KZ-62"}
    assert all(KZ.regions[code].carved_from in KZ.regions for code in young)


def test_names_are_complete_and_different() -> None:
    """No two regions bear the same name in any language."""
    for language in LANGUAGES:
        names = [region.names[language] for region in KZ.regions.values()]
        assert len(set(names)) == 20
        assert all(names)


def test_what_is_not_named_is_shown_by_its_code() -> None:
    """A forgotten line in the file never hides a network or a region."""
    assert KZ.network("new-isp", "kk") == "new-isp"
    assert KZ.region("KZ-99", "ru") == "KZ-99"
    assert unnamed("QQ").names["en"] == "QQ"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("code = ", "XX.toml: not TOML"),
        (GOOD.replace('code = "XX"\n', "", 1), "'code' is missing"),
        (GOOD.replace('ru = "b", ', ""), "'ru' is missing"),
        (GOOD.replace("Asia/Almaty", "Asia/Nowhere"), "zone:"),
        (GOOD.replace("Asia/Almaty", "../etc/passwd"), "zone:"),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_field(text: str, problem: str) -> None:
    """An operator's country file says what is wrong with it."""
    with pytest.raises(ConfigError, match=problem):
        parse(text, source="XX.toml")


def test_an_operator_may_bring_a_country(tmp_path: Path) -> None:
    """A directory of files of the same form adds countries; one that is not there is refused."""
    (tmp_path / "xx.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "README").write_text("not a country", encoding="utf-8")
    found = load_countries(tmp_path)
    assert set(found) == {"KZ", "XX"}
    assert found["XX"].networks["n"]["en"] == "c"
    with pytest.raises(ConfigError, match="countries_directory: cannot be read"):
        load_countries(tmp_path / "missing")


def test_an_operator_s_own_names_win(tmp_path: Path) -> None:
    """A file for a country of the package takes its place."""
    text = GOOD.replace('code = "XX"', 'code = "KZ"', 1)
    (tmp_path / "kz.toml").write_text(text, encoding="utf-8")
    assert load_countries(tmp_path)["KZ"].names["en"] == "c"
