"""The numbers of the asks that were obeyed, on the disk: none is obeyed twice.

One small file holds the highest number under each collector key. It is committed, with fsync,
before an ask is obeyed; an agent that dies between the two does not obey at all. Under a key
that the file does not know, because it is new or the file was lost, only asks made after this
program started are obeyed. A file that cannot be read counts as lost.
"""

import json
import logging
from pathlib import Path
from typing import Final

from shyraq_agent import disk
from shyraq_agent.errors import LocalError
from shyraq_wire.ask import Ask
from shyraq_wire.moments import parse_moment

FILE_NAME: Final = "asks.json"

_LOGGER = logging.getLogger(__name__)


class Obeyed:
    """The highest number obeyed under each key."""

    def __init__(self, directory: Path, *, started_ms: int) -> None:
        """Read the file; blocks.

        Args:
            directory: Of the node's state; it exists.
            started_ms: Wall clock at the start of this program, milliseconds since 1970.
        """
        self._path = directory / FILE_NAME
        self._started_ms = started_ms
        self._highest = _read(self._path)

    def is_new(self, ask: Ask) -> bool:
        """Whether it cannot have been obeyed before."""
        highest = self._highest.get(ask.key)
        if highest is None:
            return parse_moment(ask.at) >= self._started_ms
        return ask.number > highest

    def commit(self, ask: Ask) -> None:
        """Remember it, to the disk; blocks.

        Raises:
            LocalError: The file cannot be written; the ask may not be obeyed.
        """
        highest = {**self._highest, ask.key: ask.number}
        try:
            disk.replace(self._path, json.dumps(highest).encode())
        except OSError as error:
            raise LocalError(f"{self._path}: {error.strerror}") from error
        self._highest = highest


def _read(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _LOGGER.warning("asks obeyed before are not known: %s: %s", path, error)
        return {}
    if not isinstance(found, dict) or not all(type(each) is int for each in found.values()):
        _LOGGER.warning("asks obeyed before are not known: %s holds something else", path)
        return {}
    return found
