"""What can go wrong in the demo, by whose fault it is.

DemoError                 never raised itself
├── StoryError            the story's file is wrong; every mistake is named at once
├── WorldError            this machine: no broker, no free addresses, a process that died
└── EffectError           a switch did not do what it says: the story must not go on
"""

from collections.abc import Sequence


class DemoError(Exception):
    """Base of every error this package raises on purpose; never raised itself."""


class StoryError(DemoError):
    """The story cannot be told; the text lists every mistake with its place."""

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        """Keep the list beside the text.

        Args:
            source: The file as it was named.
            mistakes: One sentence each: the place, what is wrong, what would be right.
        """
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        super().__init__(f"{source}: {len(mistakes)} mistake(s)\n{lines}")
        self.mistakes = tuple(mistakes)


class WorldError(DemoError):
    """This machine cannot hold the country, or a part of it died."""


class EffectError(DemoError):
    """A fault was switched and its canary did not see it."""
