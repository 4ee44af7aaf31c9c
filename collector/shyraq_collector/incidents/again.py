"""Is a new cut an old incident cut again?

A restored incident that is not yet closed is reopened, and keeps its id, where the new cut

1. has the same scope: more than half of the lines that lie in either lie in both; or
2. lies inside it: nearly all lines of the new scope, and nearly all that fell with it, belong to
   the old one. Lines of one cut fall within a leash of each other, not at one instant, so the
   first tick often proves a part only; and a part cut again is the same incident too.

A cut that spreads beyond the old scope from its first minute is another incident. Not here: when
a cut is proven (`tracker`).
"""

from collections.abc import Iterable

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.line import Line
from shyraq_collector.incidents.case import Case
from shyraq_collector.incidents.story import Story

SAME_SHARE = 0.5
INSIDE_SHARE = 0.8


def same_incident(
    cases: Iterable[Case], story: Story, country: Country, free: Iterable[Line]
) -> Case | None:
    """The restored case that a new cut reopens; None where it is an incident of its own.

    Args:
        cases: All cases of the country.
        story: The new cut as told now.
        country: Where.
        free: Missing lines that no case has claimed.

    Returns:
        Of several, the one most like the new cut.
    """
    restored = [case for case in cases if case.state == "restored"]
    if not restored:
        return None
    lines = list(country.lines.values())
    new = {line for line in lines if story.holds(line)}
    fell = {line for line in free if line.missing_since >= story.onset.earliest}
    best, best_share = None, 0.0
    for case in restored:
        old = {line for line in lines if case.holds(line)}
        share = len(new & old) / max(len(new | old), 1)
        inside = _mostly(new, old) and _mostly(fell, old)
        if (share > SAME_SHARE or inside) and share > best_share:
            best, best_share = case, share
    return best


def _mostly(part: set[Line], whole: set[Line]) -> bool:
    return len(part & whole) >= INSIDE_SHARE * len(part)
