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
from shyraq_collector.correlate.roster import Country
from shyraq_collector.facts.incidents import Cause, Grade, Scope
from shyraq_collector.incidents.case import Case

DECIDED_SHARE = 2.0 / 3.0
TELLERS_MIN = 2


def first_cause(scope: Scope, country: Country) -> Cause:
    """The cause as far as silence alone proves it."""
    del country
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


def revised_cause(case: Case, *, spools_known: bool) -> Cause:
    """The cause after the lines that returned have, or have not, told of the gap.

    Args:
        case: With `words` of those that told and `returned` for all that came back.
        spools_known: Back-fill has been seen in this fleet: its absence means something.
    """
    told = len(case.words)
    back = len(case.returned)
    if back < max(TELLERS_MIN, len(case.base) / 2.0):
        return case.cause
    if told >= DECIDED_SHARE * back:
        reached = sum(case.words.values())
        if case.scope.level == "nation":
            return "border" if 2 * reached >= told else "network"
        return case.cause if case.cause == "isp" else "network"
    silent = back - told
    if spools_known and silent >= DECIDED_SHARE * back:
        return "power"
    return case.cause
