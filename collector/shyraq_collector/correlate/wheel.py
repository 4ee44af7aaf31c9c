"""Lines by when they must be looked at: a wheel of buckets, so that quiet lines cost nothing.

Each line sits in it once at most. A line whose turn comes has nearly always been heard since it was
seated; it is then seated again, and nobody hears of it. Not here: what a leash is (`line`).
"""

import math
from collections.abc import Iterator

from shyraq_collector.correlate.line import Line
from shyraq_collector.facts.fleet import Instant


class Wheel:
    """The buckets.

    Attributes:
        at: The bucket whose turn is next; None before the first turn.
    """

    def __init__(self, bucket_s: float) -> None:
        """Start empty; a bucket is so long."""
        self.at: int | None = None
        self._bucket_s = bucket_s
        self._buckets: dict[int, list[Line]] = {}

    def seat(self, line: Line, due: Instant) -> None:
        """Look at a line at `due`, or at the next turn; nothing changes if it has a seat."""
        if line.bucket is not None or not math.isfinite(due):
            return
        line.bucket = math.ceil(due / self._bucket_s)
        if self.at is not None:
            line.bucket = max(line.bucket, self.at)
        self._buckets.setdefault(line.bucket, []).append(line)

    def turn(self, horizon: Instant) -> Iterator[Line]:
        """Lines that are up whose leash ended at or before `horizon`, or that give `down` words."""
        buckets, bucket_s = self._buckets, self._bucket_s
        last = math.floor(horizon / bucket_s)
        first = min(buckets, default=last + 1) if self.at is None else self.at
        self.at = max(first, last + 1)
        for bucket in range(first, last + 1):
            for line in buckets.pop(bucket, ()):
                due = line.last_heard + line.leash_s
                if line.state == "up" and due > horizon and not line.explicit:
                    # By the million: not a call of `seat`.
                    line.bucket = again = max(math.ceil(due / bucket_s), last + 1)
                    buckets.setdefault(again, []).append(line)
                else:
                    line.bucket = None
                    if line.state == "up":
                        yield line

    def resume(self, at: int | None) -> None:
        """Empty it, to seat the lines of a snapshot where they sat."""
        self._buckets.clear()
        self.at = at

    def put_back(self, line: Line) -> None:
        """A line of a snapshot takes its seat again."""
        if line.bucket is not None:
            self._buckets.setdefault(line.bucket, []).append(line)
