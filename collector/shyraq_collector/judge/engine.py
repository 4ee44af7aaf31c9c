"""What a rule is, and how a table of them is asked.

    1. A rule is data: a stable id, a condition over one kind of facts, what it concludes, how
       sure it is, and one sentence that says why.
    2. A table is asked in order; the first rule whose condition holds speaks, alone.
    3. A walk asks a table about several facts in turn and stops at the first that any rule
       recognises; so the order of the facts (last redirect first, HTTP before TLS before TCP
       before DNS) is part of the method, and the caller's.

Ids are public words: they stand beside verdicts for years and are never given a new meaning.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

F = TypeVar("F")
"""The facts a rule looks at."""

C = TypeVar("C")
"""What it concludes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Generic[F, C]):
    """One line of a rule table."""

    id: str
    """Stable, lower case, dotted."""
    when: Callable[[F], bool]
    """The condition; it never raises."""
    concludes: C
    reason: str
    """One sentence for people, naming what was seen and why it means this."""
    confidence: float = 1.0
    """0 to 1: how often the rule is expected to be right when it fires."""


def first_match(rules: Sequence[Rule[F, C]], facts: F) -> Rule[F, C] | None:
    """The first rule whose condition holds for the facts; None if none does."""
    return next((rule for rule in rules if rule.when(facts)), None)


def walk(rules: Sequence[Rule[F, C]], seen: Iterable[F]) -> tuple[Rule[F, C], F] | None:
    """The first facts that any rule recognises, with that rule; None if there are none."""
    for facts in seen:
        rule = first_match(rules, facts)
        if rule is not None:
            return rule, facts
    return None
