"""One TOML table, read strictly: every mistake is noted with its place, and reading goes on.

Each `take_*` marks its key as known and returns a value of the right type; where the file has
none, a mistake is noted and a harmless value returned. `finish` notes the keys that nobody
took, with the nearest known one. The caller throws everything away once there is a mistake,
so a harmless value is never used.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Table:
    """A table of the file with its place in it, for messages."""

    def __init__(self, source: Mapping[str, object], place: str, mistakes: list[str]) -> None:
        """Read from a table.

        Args:
            source: The table as TOML gave it.
            place: How to name it in messages, e.g. `fault[2]`; empty for the whole file.
            mistakes: Where to note; shared by all tables of a file.
        """
        self._source = source
        self._place = place
        self._mistakes = mistakes
        self._known: set[str] = set()

    def note(self, key: str, problem: str) -> None:
        """Note a mistake at a key of this table."""
        place = f"{self._place}.{key}" if self._place and key else self._place or key
        self._mistakes.append(f"{place}: {problem}")

    def take_text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._take(key)
        if isinstance(value, str) and value.strip():
            return value
        self.note(key, "a text is due")
        return "?"

    def take_optional_text(self, key: str) -> str | None:
        """A string, or None where the key is absent."""
        return self.take_text(key) if self._has(key) else None

    def take_word(self, key: str, words: Collection[str]) -> str:
        """One word of a closed set."""
        value = self._take(key)
        if isinstance(value, str) and value in words:
            return value
        self.note(key, f"one of {', '.join(sorted(words))} is due")
        return min(words)

    def take_optional_word(self, key: str, words: Collection[str]) -> str | None:
        """One word of a closed set, or None where the key is absent."""
        return self.take_word(key, words) if self._has(key) else None

    def take_number(self, key: str, *, lo: float, hi: float) -> float:
        """A number from lo to hi, both included."""
        value = self._take(key)
        if type(value) in (int, float) and lo <= cast("float", value) <= hi:
            return float(cast("float", value))
        self.note(key, f"a number from {lo:g} to {hi:g} is due")
        return lo

    def take_integer(self, key: str, *, lo: int, hi: int) -> int:
        """An integer from lo to hi, both included."""
        value = self._take(key)
        if type(value) is int and lo <= value <= hi:
            return value
        self.note(key, f"an integer from {lo} to {hi} is due")
        return lo

    def take_moment(self, key: str) -> int:
        """A TOML date-time with its offset, as milliseconds since 1970."""
        value = self._take(key)
        if isinstance(value, datetime) and value.tzinfo is not None:
            return (value - _EPOCH) // timedelta(milliseconds=1)
        self.note(key, "a moment like 2022-01-04T12:00:00Z is due, without quotes")
        return 0

    def take_words(self, key: str, words: Collection[str]) -> frozenset[str] | None:
        """A list of words of a closed set, or None where the key is absent."""
        if not self._has(key):
            return None
        value = self._take(key)
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            for word in cast("list[str]", value):
                if word not in words:
                    near = _nearest(word, words)
                    self.note(key, f"{word!r} is not known here{near}")
            return frozenset(cast("list[str]", value))
        self.note(key, "a list of texts is due")
        return None

    def take_table(self, key: str) -> "Table":
        """A table within this one; an absent one is empty."""
        value = self._take(key) if self._has(key) else {}
        place = f"{self._place}.{key}" if self._place else key
        if not isinstance(value, dict):
            self.note(key, "a table is due")
            value = {}
        return Table(cast("dict[str, object]", value), place, self._mistakes)

    def take_tables(self, key: str) -> Iterator["Table"]:
        """Each table of a list of tables; an absent list is empty."""
        value = self._take(key) if self._has(key) else []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.note(key, f"a list of tables is due: [[{key}]]")
            return
        for index, item in enumerate(cast("list[dict[str, object]]", value)):
            place = f"{self._place}.{key}[{index}]" if self._place else f"{key}[{index}]"
            yield Table(item, place, self._mistakes)

    def finish(self) -> None:
        """Note every key that was never taken."""
        for key in self._source:
            if key not in self._known:
                self.note(key, f"no such key here{_nearest(key, self._known)}")

    def _take(self, key: str) -> object:
        self._known.add(key)
        return self._source.get(key)

    def _has(self, key: str) -> bool:
        self._known.add(key)
        return key in self._source


def _nearest(word: str, words: Collection[str]) -> str:
    near = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(words))}"
