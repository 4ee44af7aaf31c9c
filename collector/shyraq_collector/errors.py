"""What can go wrong in the collector, by whose fault it is.

    CollectorError            never raised itself
    ├── ConfigError           the operator's: a setting, a flag, a registry entry
    │   └── InputError        the operator's: a file given to a command, with the line
    ├── LocalError            ours or this machine's: disk full, store from a newer version
    └── PeerError             the other side's: the broker refuses, an outside source lies

A refused frame is not an error: it is a `Rejection` value with a reason (see `facts`).
"""


class CollectorError(Exception):
    """Base of every error this package raises on purpose; never raised itself."""


class ConfigError(CollectorError):
    """A setting is wrong; the text names the file, the field and the remedy."""


class InputError(ConfigError):
    """A file given to a command is wrong; the text begins with `file:line:`."""

    def __init__(self, *, path: str, line: int, problem: str) -> None:
        """Keep the place beside the text.

        Args:
            path: The file as the operator named it ("-" for standard input).
            line: 1-based line number.
            problem: What is wrong and what would be right.
        """
        super().__init__(f"{path}:{line}: {problem}")
        self.path = path
        self.line = line


class LocalError(CollectorError):
    """This machine or this program is at fault; trying again may help."""


class PeerError(CollectorError):
    """The other side is at fault; the text says which side and what it answered."""
