"""The table that gives a group its state word.

`RULES` is read top to bottom; the first row whose condition holds gives the word. Each row has a
stable id that is published beside the word (`rule`), so that a word can be argued with. Two words
are kept apart on purpose: "not-observable" is a fleet too small to ask, "unknown" is an answer that
is missing now. Neither is ever shown as fine, and both stand above every good word in the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from shyraq_collector.disclose import privacy
from shyraq_collector.disclose.coverage import Word
from shyraq_collector.disclose.reader import Hold
from shyraq_collector.facts.incidents import GroupStatus

StateWord: TypeAlias = Literal[
    "cut-off",
    "domestic-only",
    "degraded",
    "throttled",
    "blocked-sites",
    "reachable",
    "unknown",
    "not-observable",
]
"""The only words this project says of a network in a region, worst first, then the two doubts."""

Impairment: TypeAlias = Hold | Literal["no-view", "stale"]
"""Why nothing can be said now: no view was ever committed, or the newest one is too old, or why
the engine does not judge."""

CUT_SHARE: Final = 0.7
"""From this share of its lines silent, a group inside an outage is called cut off; below it and
above `CALM_SHARE` it is degraded. Four networks of which one is exempt are cut off at 0.75."""

CALM_SHARE: Final = 0.1
"""Up to this share silent, or up to one line, a group is as usual: sensors fail one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything the rules may look at for one group."""

    group: GroupStatus | None
    impaired: Impairment | None
    outage: Word | None
    is_covered: bool
    """Whether the outage takes in the whole group, not a part of it."""
    throttling: Word | None
    blocking: Word | None
    returned: Word | None
    silent_share: float
    silent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table.

    Attributes:
        id: Stable, published beside the word.
        word: What is said of the group.
        holds: When.
        behind: The incident it is said because of.
        is_silence: The word is dated by the silence of the group's own lines; an incident may
            have begun elsewhere, hours before it reached this group.
    """

    id: str
    word: StateWord
    holds: Callable[[Case], bool]
    behind: Callable[[Case], Word | None] = lambda _: None
    is_silence: bool = False


def _is_calm(case: Case) -> bool:
    return case.silent <= 1 or case.silent_share <= CALM_SHARE


def _is_inside(case: Case) -> bool:
    return case.outage is not None and case.is_covered


def _is_domestic_and_heard(case: Case) -> bool:
    return _is_domestic_only(case) and case.outage is not None and case.outage.is_heard


def _is_domestic_only(case: Case) -> bool:
    return case.outage is not None and case.outage.cause in {"domestic-only", "white-list"}


RULES: Final[tuple[Rule, ...]] = (
    Rule(id="few-sites", word="not-observable", holds=lambda c: not privacy.may_be_told(c.group)),
    Rule(id="our-view-is-impaired", word="unknown", holds=lambda c: c.impaired is not None),
    Rule(
        id="few-lines",
        word="not-observable",
        holds=lambda c: c.group is None or not c.group.observable,
    ),
    Rule(
        id="only-domestic-answers",
        word="domestic-only",
        holds=lambda c: _is_domestic_only(c) and not _is_calm(c),
        behind=lambda c: c.outage,
        is_silence=True,
    ),
    Rule(
        id="outage-most-silent",
        word="cut-off",
        holds=lambda c: _is_inside(c) and c.silent_share >= CUT_SHARE,
        behind=lambda c: c.outage,
        is_silence=True,
    ),
    Rule(
        id="outage-part-silent",
        word="degraded",
        holds=lambda c: c.outage is not None and not _is_calm(c),
        behind=lambda c: c.outage,
        is_silence=True,
    ),
    Rule(
        id="most-silent-not-judged-yet",
        word="unknown",
        holds=lambda c: not _is_calm(c) and c.silent_share >= CUT_SHARE,
        is_silence=True,
    ),
    Rule(
        id="part-silent",
        word="degraded",
        holds=lambda c: not _is_calm(c),
        is_silence=True,
    ),
    Rule(
        id="ladders-only-domestic",
        word="domestic-only",
        holds=lambda c: _is_domestic_and_heard(c) and c.is_covered,
        behind=lambda c: c.outage,
    ),
    Rule(
        id="ladders-part-domestic",
        word="degraded",
        holds=_is_domestic_and_heard,
        behind=lambda c: c.outage,
    ),
    Rule(
        id="throttling",
        word="throttled",
        holds=lambda c: c.throttling is not None,
        behind=lambda c: c.throttling,
    ),
    Rule(
        id="blocking",
        word="blocked-sites",
        holds=lambda c: c.blocking is not None,
        behind=lambda c: c.blocking,
    ),
    Rule(
        id="back",
        word="reachable",
        holds=lambda c: c.returned is not None,
        behind=lambda c: c.returned,
    ),
    Rule(id="heard", word="reachable", holds=lambda _: True),
)
"""Read top to bottom; the first that holds gives the word, and the last one always holds."""
