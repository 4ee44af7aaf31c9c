"""What can go wrong in the agent, by whose fault it is.

    AgentError                never raised itself
    ├── ConfigError           the operator's: a setting, a key file, a target list
    ├── LocalError            ours or this machine's: disk full, spool from a newer version
    └── PeerError             the other side's: the broker refuses, a receipt is forged

A failed measurement is not an error: it is data (`Step.failure`) and never leaves `measure`
as an exception.
"""

from collections.abc import Sequence


class AgentError(Exception):
    """Base of every error this package raises on purpose; never raised itself."""


class ConfigError(AgentError):
    """The configuration cannot be used; every mistake is listed at once."""

    def __init__(self, path: str, mistakes: Sequence[str]) -> None:
        """Keep the list beside the text.

        Args:
            path: The file as the operator named it.
            mistakes: One sentence each: the field, what is wrong, what would be right.
        """
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        super().__init__(f"{path}: {len(mistakes)} mistake(s)\n{lines}")
        self.path = path
        self.mistakes = tuple(mistakes)


class LocalError(AgentError):
    """This machine or this program is at fault; trying again may help."""


class PeerError(AgentError):
    """The other side is at fault; the text says which side and what it answered."""
