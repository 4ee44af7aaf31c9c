"""What is proven of the cause, at first sight and after back-fill.

| seen | cause |
|---|---|
| one network, or some networks in some regions, while others stay | isp |
| one region on all its networks | unknown, until spools tell power from network |
| the whole country | cut-off: nothing reaches us, and that is all that is proven |
| back-fill: spools stop at onset | power |
| back-fill: spools go on, nodes reached something | border (whole country), network (a region) |
| back-fill: spools go on, nodes reached nothing | isp, network |

"Ordered" is never a cause.
"""

from collections.abc import Iterable

from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.roster import Late
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Cause, Entry, Grade, Scope
from shyraq_collector.incidents.case import Case

DECIDED_SHARE = 2.0 / 3.0
TELLERS_MIN = 2


def first_cause(scope: Scope) -> Cause:
    """The cause as far as silence alone proves it."""
    match scope.level:
        case "isp" | "cell":
            return "isp"
        case "region":
            return "unknown"
        case "nation":
            return "cut-off"


def first_grade(lines: Iterable[Line]) -> Grade:
    """A: three lines of one network, or three sites on two networks. B: two sites. Else C."""
    down = [line for line in lines if line.state == "missing"]
    sites = {line.key.site for line in down}
    networks = {line.key.isp for line in down if line.key.isp}
    most = max((sum(x.key.isp == isp for x in down) for isp in networks), default=0)
    if len(sites) >= 3 and (len(networks) >= 2 or most >= 3 or not networks):
        return "A"
    return "B" if len(sites) >= 2 else "C"


def listen(case: Case, late: Late) -> None:
    """Keep what a line says of its own silence, once it can: only words from inside the cut."""
    if late.line in case.base_set and late.at >= case.onset.earliest:
        case.words[late.line] = case.words.get(late.line, False) or late.up
        case.news = True


def revise(case: Case, now: Instant, at: Instant) -> list[Entry]:
    """Say so where back-fill, or its absence after the return, decides the cause."""
    decides = case.news or case.just_restored
    case.news = case.just_restored = False
    if not decides or case.state in {"suspected", "dismissed"}:
        return []
    cause = _revised(case)
    if cause == case.cause:
        return []
    case.cause = cause
    note = f"back-fill of {len(case.words)} lines decides the cause"
    return [case.say("revise", at=now, published_at=at, note=note)]


def _revised(case: Case) -> Cause:
    told = len(case.words)
    back = sum(line.state == "up" for line in case.base)
    if back < max(TELLERS_MIN, len(case.base) / 2.0):
        return case.cause
    if told >= DECIDED_SHARE * back:
        reached = sum(case.words.values())
        if case.scope.level == "nation":
            return "border" if 2 * reached >= told else "network"
        return "isp" if case.scope.level in {"isp", "cell"} else "network"
    if case.state == "restored" and case.spools and back - told >= DECIDED_SHARE * back:
        return "power" if case.scope.level in {"region", "nation"} else case.cause
    return case.cause
