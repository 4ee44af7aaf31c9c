"""The watchers together: canaries on the collector's host and controls abroad.

What all of them say is one stream. While any of them speaks, our side of the path works, so only a
gap in the whole stream says something about us. Its leash is the larger of 1.25 of the watchers'
usual gaps and 1.3 times the second longest of its last 128 gaps: shorter than any node's, so our
own fault is always seen first, and one rebooting control hides nothing.

A shorter gap of the stream goes unseen, and a fault of ours may hide in it. The longest gaps are
therefore kept with their ends: nobody's silence is proof before it has outlasted what may hide in
the gaps since its own last word (see `Watch.gap_since`).

Watchers known only by a log of connections (`down` words, no beats) are blind when all are down.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from heapq import nlargest

from shyraq_collector.correlate.line import LEASH_TAIL, NEVER, Line
from shyraq_collector.facts.fleet import Instant, NodeId

LEASH_GAPS = 1.25
GAPS_KEPT = 128


@dataclass(slots=True, kw_only=True)
class Watch:
    """What canaries and controls say together.

    Attributes:
        lines: One for each watcher.
        newest: Newest instant at which any of them was up.
        gaps: The last gaps of the stream.
        leash_s: Silence of all longer than this is ours; 0 while unknown.
        stumbles: Gaps longer than the leash that have ended, as (begin, end); taken by `Health`.
        ends: When each of the longest gaps ended, oldest first; `longest`: how long they were. A
            gap stands there until one as long has ended after it.
    """

    lines: dict[NodeId, Line] = field(default_factory=dict)
    newest: Instant = NEVER
    gaps: list[float] = field(default_factory=list)
    leash_s: float = 0.0
    stumbles: list[tuple[Instant, Instant]] = field(default_factory=list)
    ends: list[Instant] = field(default_factory=list)
    longest: list[float] = field(default_factory=list)

    @property
    def beats(self) -> bool:
        """Whether any watcher has a habit: silence can be judged."""
        return self.leash_s > 0.0

    @property
    def logs(self) -> bool:
        """Whether the watchers are known only by `down` words: silence says nothing."""
        return not self.beats and any(line.last_heard != NEVER for line in self.lines.values())

    @property
    def all_down(self) -> bool:
        """Whether every watcher that was ever up is known to be down."""
        seen = [line for line in self.lines.values() if line.last_heard != NEVER]
        return bool(seen) and all(line.known_down for line in seen)

    def heard(self, line: Line, at: Instant, known_at: Instant) -> None:
        """One watcher was up at `at`."""
        own_gap, gap = known_at - line.last_heard, known_at - self.newest
        line.last_heard, line.known_down = max(line.last_heard, at), False
        line.last_word = known_at
        if line.tiny_s < own_gap < float("inf"):
            line.recent.append(own_gap)
            if len(line.recent) >= line.wanted:
                line.learn()
                self.learn()
        if self.beats and gap > self.leash_s:
            self.stumbles.append((self.newest, known_at))
        if gap < float("inf"):
            self.gaps.append(gap)
            out = self.gaps.pop(0) if len(self.gaps) > GAPS_KEPT else 0.0
            self._keep(known_at, gap)
            # The leash stands on the second longest gap: few gaps move that.
            if max(gap, out) * LEASH_TAIL >= self.leash_s:
                self.learn()
        self.newest = max(self.newest, at)

    def gap_since(self, at: Instant) -> float:
        """The longest gap of the stream since `at`, when somebody was heard; 0: nobody watches.

        Of a gap in which `at` lies only the rest counts: at `at` our side of the path worked.
        """
        index = bisect_right(self.ends, at)
        if index == len(self.ends):
            return 0.0
        rest = min(self.longest[index], self.ends[index] - at)
        return max(rest, *self.longest[index + 1 : index + 2], 0.0)

    def _keep(self, end: Instant, gap: float) -> None:
        while self.longest and self.longest[-1] <= gap:
            self.longest.pop()
            self.ends.pop()
        self.ends.append(end)
        self.longest.append(gap)
        if len(self.ends) > GAPS_KEPT:
            del self.ends[0], self.longest[0]

    def down(self, line: Line, at: Instant) -> None:
        """One watcher was known unreachable at `at`."""
        if at >= line.last_heard:
            line.known_down = True

    def learn(self) -> None:
        """Renew the leash from the watchers' habits and the stream's own gaps."""
        usual = sorted(line.median_s for line in self.lines.values() if line.learned)
        if usual:
            tail = LEASH_TAIL * nlargest(2, self.gaps)[1] if len(self.gaps) > 1 else 0.0
            self.leash_s = max(LEASH_GAPS * usual[len(usual) // 2], tail)
