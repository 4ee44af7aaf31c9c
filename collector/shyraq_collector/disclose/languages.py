"""The three languages of the pages, and how one is chosen.

1. `?lang=` when it names one of them.
2. Else the best of `Accept-Language` (RFC 9110, section 12.5.4), by quality, then by order.
3. Else English.

A `Wording` is one language's table from `text/*.toml`: keys with dots, texts with `{slots}`. A key
that is missing is a bug and raises; a test keeps the three tables complete and their slots equal.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final, Literal, TypeAlias, get_args

Language: TypeAlias = Literal["kk", "ru", "en"]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

DEFAULT_LANGUAGE: Final[Language] = "en"

_MAX_HEADER_CHARS: Final = 400
"""An Accept-Language longer than this is read no further."""


class Wording:
    """The texts of one language."""

    def __init__(self, language: Language, texts: Mapping[str, str]) -> None:
        """Keep a flat table of texts by key."""
        self.language = language
        self.texts = texts

    def __call__(self, key: str, /, **slots: object) -> str:
        """The text of a key with its slots filled.

        Raises:
            KeyError: The key or a slot is missing: a bug.
        """
        return self.texts[key].format(**slots)


def load_wordings() -> Mapping[Language, Wording]:
    """All tables of the package."""
    return {language: Wording(language, _table(language)) for language in LANGUAGES}


def choose(asked: str | None, accept_language: str | None) -> Language:
    """The language of an answer.

    Args:
        asked: The value of `?lang=`.
        accept_language: The header.
    """
    named = _known(asked or "")
    if named is not None:
        return named
    best: tuple[float, Language] | None = None
    for part in (accept_language or "")[:_MAX_HEADER_CHARS].split(","):
        tag, _, parameters = part.partition(";")
        language = _known(tag.strip().partition("-")[0].lower())
        quality = _quality(parameters)
        if language is not None and quality > (best[0] if best else 0.0):
            best = (quality, language)
    return best[1] if best else DEFAULT_LANGUAGE


def _known(text: str) -> Language | None:
    return next((language for language in LANGUAGES if language == text), None)


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


def _table(language: Language) -> Mapping[str, str]:
    path = files("shyraq_collector.disclose") / "text" / f"{language}.toml"
    nested = tomllib.loads(path.read_text(encoding="utf-8"))
    return dict(_flat("", nested))


def _flat(prefix: str, table: Mapping[str, object]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            found += _flat(f"{prefix}{key}.", value)
        else:
            found.append((f"{prefix}{key}", str(value)))
    return found
