"""Names of a country, its regions and its networks, in three languages; and its clock.

A country is a TOML file: `code` (ISO 3166-1), `zone` (tz database name), the tables `name`,
`inside` ("in Kazakhstan") and `whole` ("all of Kazakhstan"), then `[[network]]` with `slug` and
`[[region]]` with `code` (ISO 3166-2). Each has its name under `kk`, `ru` and `en`. A region that is
younger than the list says `since` and `from` which unit it was carved.

What a file does not name is shown by its own code, so that a forgotten line never hides an outage.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shyraq_collector.disclose.languages import LANGUAGES, Language
from shyraq_collector.errors import ConfigError

Names: TypeAlias = Mapping[Language, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One unit of a country's first division.

    Attributes:
        code: ISO 3166-2.
        names: In each language.
        since: First day of the unit; None where it is older than the list.
        carved_from: Code of the unit it was part of before.
    """

    code: str
    names: Names
    since: date | None
    carved_from: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """Everything the pages need to name a country.

    Attributes:
        code: ISO 3166-1 alpha-2.
        zone: The clock its people use.
        names: "Kazakhstan".
        inside: "in Kazakhstan".
        whole: "all of Kazakhstan".
        networks: Names by slug, in the order of the file.
        regions: By code, in the order of the file.
    """

    code: str
    zone: tzinfo
    names: Names
    inside: Names
    whole: Names
    networks: Mapping[str, Names]
    regions: Mapping[str, Region]

    def network(self, slug: str, language: Language) -> str:
        """A network's name, or its slug."""
        names = self.networks.get(slug)
        return names[language] if names else slug

    def region(self, code: str, language: Language) -> str:
        """A region's name, or its code."""
        region = self.regions.get(code)
        return region.names[language] if region else code


def unnamed(code: str) -> Country:
    """A country without a file: everything is shown by its code, in UTC."""
    names = dict.fromkeys(LANGUAGES, code)
    return Country(
        code=code, zone=UTC, names=names, inside=names, whole=names, networks={}, regions={}
    )


def load_countries(directory: Path | None = None) -> Mapping[str, Country]:
    """The countries of the package and of an operator's directory, by code; the operator's win.

    Raises:
        ConfigError: The directory cannot be read, or a file in it breaks a rule of this module.
    """
    folder = files("shyraq_collector.disclose") / "country"
    texts = [(item.name, item.read_text(encoding="utf-8")) for item in folder.iterdir()]
    return _by_code(parse(text, source=name) for name, text in sorted(texts) + _texts(directory))


def parse(text: str, *, source: str) -> Country:
    """A country from the text of a file.

    Raises:
        ConfigError: The text is no TOML or breaks a rule of this module; names file and field.
    """
    try:
        table = tomllib.loads(text)
        return Country(
            code=table["code"],
            zone=ZoneInfo(table["zone"]),
            names=_names(table["name"]),
            inside=_names(table["inside"]),
            whole=_names(table["whole"]),
            networks={row["slug"]: _names(row) for row in table["network"]},
            regions={row["code"]: _region(row) for row in table["region"]},
        )
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not TOML: {error}") from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"{source}: zone: {error}; name one of the tz database, and install the tzdata package "
            "where the system has none"
        ) from error
    except KeyError as error:
        raise ConfigError(f"{source}: the field {error} is missing") from error


def _texts(directory: Path | None) -> list[tuple[str, str]]:
    """Every file of an operator's directory, by name."""
    if directory is None:
        return []
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".toml")
        return [(str(path), path.read_text(encoding="utf-8")) for path in paths]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"http.countries_directory: cannot be read: {error}") from error


def _region(row: Mapping[str, object]) -> Region:
    since, carved_from = row.get("since"), row.get("from")
    return Region(
        code=str(row["code"]),
        names=_names(row),
        since=since if isinstance(since, date) else None,
        carved_from=carved_from if isinstance(carved_from, str) else None,
    )


def _names(row: Mapping[str, object]) -> Names:
    return {language: str(row[language]) for language in LANGUAGES}


def _by_code(countries: Iterable[Country]) -> Mapping[str, Country]:
    return {country.code: country for country in countries}
