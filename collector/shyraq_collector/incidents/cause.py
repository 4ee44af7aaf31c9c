"""What is proven of the cause, at first sight and after back-fill.

| seen | cause |
|---|---|
| one network, or some networks in some regions, while others stay | isp |
| one region on all its networks | unknown, until spools tell power from network |
| the whole country | cut-off: nothing reaches us, and that is all that is proven |
| back-fill: spools stop at onset | power |
| back-fill: spools go on and did not reach us | network (isp where one network is the scope) |
| back-fill: not even the country's own networks answered, and all of it is the scope | national |
| back-fill: domestic tiers alive, abroad dead | domestic-only; only official sites: white-list |
| back-fill: abroad was reached, only we were not | border |
| an outside source, or a second rendezvous | national, border, isp or power, as it says |

"Ordered" is never a cause.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, assert_never

from shyraq_collector.correlate.line import Line
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Cause, Entry, Grade, Scope
from shyraq_collector.facts.signals import Reach
from shyraq_collector.incidents.case import Case

DECIDED_SHARE = 2.0 / 3.0
POWERED_SHARE = 0.2
"""Of a whole country so many may run on batteries; where more tell, the rest keeps no spool."""

TELLERS_MIN = 2
CLIMBED_SHARE = 1.0 / 3.0
"""Where so many of those that told have climbed a full ladder, their word goes for all."""

WIDTHS: Final[dict[Reach, int]] = {
    "not_us": 0,
    "nowhere": 1,
    "white_list": 2,
    "domestic": 3,
    "everywhere": 4,
}
"""Of two words of one line the one that says more of what was reached stands."""


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


def listen(case: Case, line: Line, at: Instant, reach: Reach) -> None:
    """Keep what a line says it reached during its silence; the widest reach stands."""
    if line.last_case != case.id or not case.cut_at <= at <= (case.restored_at or at):
        return
    before = case.words.get(line)
    if before is None or WIDTHS[reach] > WIDTHS[before]:
        case.words[line] = reach
        case.news = True


def revise(case: Case, now: Instant, at: Instant) -> list[Entry]:
    """Say so where back-fill, or its absence after the return, decides the cause."""
    decides = case.news or case.just_restored
    if not decides or case.state in {"suspected", "dismissed"}:
        return []
    # Words that came while too few lines are back are weighed when more are.
    case.news = case.is_open and case.outside is None and not _enough_back(case)
    case.just_restored = False
    cause = _revised(case)
    if cause == case.cause:
        return []
    case.cause = cause
    note = f"back-fill of {len(case.words)} lines decides the cause"
    if case.outside not in {None, "none"}:
        note = "an outside source decides the cause"
    return [case.say("revise", at=now, published_at=at, note=note)]


def _revised(case: Case) -> Cause:
    if case.outside is not None and case.outside != "none":
        return case.outside
    if not _enough_back(case):
        return case.cause
    # A case that was wider before it was cut again still hears the lines it does not hold now.
    base = set(case.base)
    told = Counter(reach for line, reach in case.words.items() if line in base)
    back = _back(case)
    if told.total() >= DECIDED_SHARE * back:
        return _reached(case, told)
    silent = back - told.total()
    if case.scope.level == "nation" and told.total() > POWERED_SHARE * back:
        return case.cause
    if case.state == "restored" and case.spools and silent >= DECIDED_SHARE * back:
        return "power" if case.scope.level in {"region", "nation"} else case.cause
    return case.cause


def _back(case: Case) -> int:
    return sum(line.state == "up" for line in case.base)


def _enough_back(case: Case) -> bool:
    return _back(case) >= max(TELLERS_MIN, len(case.base) / 2.0)


def _reached(case: Case, told: Counter[Reach]) -> Cause:
    """The cause by what most of the lines that told could reach."""
    climbed = +told
    del climbed["not_us"]
    if climbed.total() >= max(TELLERS_MIN, CLIMBED_SHARE * told.total()):
        told = climbed
    reach, _ = max(told.items(), key=lambda item: (item[1], WIDTHS[item[0]]))
    match reach:
        case "domestic":
            return "domestic-only"
        case "white_list":
            return "white-list"
        case "everywhere" if case.scope.level == "nation":
            return "border"
        case "nowhere" if case.scope.level == "nation":
            return "national"
        case "everywhere" | "nowhere" | "not_us":
            return "isp" if case.scope.level in {"isp", "cell"} else "network"
        case _:
            assert_never(reach)
