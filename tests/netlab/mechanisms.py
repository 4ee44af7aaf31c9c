"""What a mechanism is, and how it is proved: no fault counts that has not shown itself.

    1. The canary sings in a node of the provider: its word must be the healthy one.
    2. The mechanism is applied, and the canary's word must become the effect's.
    3. The ground truth is logged while the context lasts.
    4. It is undone, and the healthy word must return.

A canary's word is made of what it met, parted by " / ": the thing aimed at first, then what must
be spared.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from netlab.geography import nodes_of
from netlab.sites import SITES
from netlab.stage import Stage
from netlab.truth import now_ms

_SETTLES_IN_S: Final = 6.0
"""What was undone may take a moment to be so: neighbours are met again, queues drain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a mechanism works, and at what it is aimed."""

    stage: Stage
    isp: str
    name: str = "news.example"
    """A site; mechanisms without an aim pass it over."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The site's own."""
        return next(each.addresses for each in SITES if each.name == self.name)

    @property
    def edges(self) -> tuple[str, ...]:
        """What the home view gives in their place."""
        return next(each.elsewhere for each in SITES if each.name == self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """One way to meddle with a network, or to break it."""

    id: str
    what: str
    """One sentence: what happens to packets."""
    recipe: str
    """How the lab does it."""
    apply: Callable[[Scene], AbstractContextManager[None]]
    canary: Callable[[Scene], str]
    effect: str
    """The canary's word while it works."""
    healthy: str = "ok / ok"
    """The canary's word before and after."""


class NotProved(Exception):  # noqa: N818  # not an error of the program: the lab cannot be trusted
    """A mechanism did not do what it says, or was not undone."""


@contextmanager
def working(mechanism: Mechanism, scene: Scene) -> Iterator[float]:
    """A mechanism at work, proved before and after.

    Yields:
        When it had been applied, in seconds of the monotonic clock.

    Raises:
        NotProved: The canary said something else than it should.
    """
    _expect(mechanism, scene, mechanism.healthy, "before")
    with mechanism.apply(scene):
        began, start_ms = time.monotonic(), now_ms()
        _expect(mechanism, scene, mechanism.effect, "during")
        target = f"{scene.isp} {scene.name}"
        with scene.stage.truth.doing(mechanism.id, target, start_ms=start_ms):
            yield began
    _expect(mechanism, scene, mechanism.healthy, "after")


def _expect(mechanism: Mechanism, scene: Scene, word: str, when: str) -> None:
    deadline = time.monotonic() + _SETTLES_IN_S
    while (heard := _listen(mechanism, scene)) != word:
        if time.monotonic() > deadline:
            raise NotProved(
                f"{mechanism.id} at {scene.isp}, {when}: the canary says {heard!r}, not {word!r}"
            )


def _listen(mechanism: Mechanism, scene: Scene) -> str:
    node, _ = nodes_of(scene.isp)
    with scene.stage.country.inside(node.name):
        return mechanism.canary(scene)
