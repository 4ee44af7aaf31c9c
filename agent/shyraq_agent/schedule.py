"""What is due when. Pure: boot-clock times in, jobs out.

1. Occurrence n of a job is due at start + phase + n × period + jitter(n). The sum starts from
   n, never from the last run, so a late run moves nothing and the grid never drifts.
2. The phase is a random part of the period, so that a thousand nodes that start together do
   not beat together; it and the jitter follow from the seed and the job's key alone.
3. Occurrences that were missed, because the host slept or stood still, are not made up: the
   job runs once and goes on at its next place on the grid.
4. Two starts that touch the same target are at least the spacing apart, whatever the jobs;
   the one that has waited longest goes first.
   A start beside the jobs (`claim`) is one of them.
5. A job can be hastened: it is due at once, still within rule 4, and its grid stays.
6. Jobs can be exchanged: who stays as it was keeps its place, a new one begins at its grid's
   next place, and rule 4 holds across the change.

What this module does not do: run anything, or know what a job means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

LATE_MS: Final = 1_000
"""A start up to this late counts as on time for rule 4, so that the event loop's own delay
does not push a job whose period is the spacing itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something that happens again and again."""

    key: str
    """Unique in its schedule."""
    period_ms: int
    jitter: float = 0.0
    """Share of the period, below 1, by which an occurrence may come late."""
    targets: frozenset[str] = frozenset()
    """What each run touches, for rule 4."""
    phase_ms: int | None = None
    """Where in the period the grid lies; None: random."""


@dataclass(slots=True)
class _Entry:
    job: Job
    grid_start_ms: int
    occurrence: int
    due_ms: int
    hastened_ms: int | None = None

    @property
    def wanted_ms(self) -> int:
        return self.due_ms if self.hastened_ms is None else min(self.due_ms, self.hastened_ms)


class Schedule:
    """The jobs of one node and when each is due next. Times are boot-clock milliseconds."""

    def __init__(self, jobs: Sequence[Job], *, seed: str, start_ms: int, spacing_ms: int) -> None:
        """Lay each job's grid.

        Args:
            jobs: With unique keys.
            seed: Same seed, same phases and jitter.
            start_ms: Now.
            spacing_ms: At least this lies between two starts that touch one target.
        """
        self._seed = seed
        self._start_ms = start_ms
        self._spacing_ms = spacing_ms
        self._last_start_ms: dict[str, int] = {}
        self._entries = {job.key: self._begin(job, start_ms) for job in jobs}

    def next_due_ms(self) -> int | None:
        """When `take_due` will next give something; None: there are no jobs."""
        return min((self._allowed_ms(each) for each in self._entries.values()), default=None)

    def take_due(self, now_ms: int) -> tuple[Job, ...]:
        """The jobs to start now, longest waiting first; each is then due at its next place."""
        taken: list[Job] = []
        for entry in sorted(self._entries.values(), key=lambda each: each.wanted_ms):
            allowed_ms = self._allowed_ms(entry)
            if allowed_ms > now_ms:
                continue
            started_ms = allowed_ms if now_ms - allowed_ms <= LATE_MS else now_ms
            self._last_start_ms.update(dict.fromkeys(entry.job.targets, started_ms))
            entry.hastened_ms = None
            if entry.due_ms <= now_ms:
                self._move_on(entry, now_ms)
            taken.append(entry.job)
        return tuple(taken)

    def hasten(self, key: str, now_ms: int) -> None:
        """Make a job due at once."""
        self._entries[key].hastened_ms = now_ms

    def claim(self, target: str, now_ms: int) -> int:
        """Touch a target beside the jobs, within rule 4.

        Returns:
            0: it may be touched now, and counts as touched. Else how long to wait, in ms.
        """
        last_ms = self._last_start_ms.get(target)
        if last_ms is not None and last_ms + self._spacing_ms > now_ms:
            return last_ms + self._spacing_ms - now_ms
        self._last_start_ms[target] = now_ms
        return 0

    def exchange(self, jobs: Sequence[Job], now_ms: int) -> None:
        """Go on with other jobs.

        Args:
            jobs: With unique keys; all there are from now on.
            now_ms: Nothing new is due before.
        """
        before, self._entries = self._entries, {}
        for job in jobs:
            entry = before.get(job.key)
            if entry is None or entry.job != job:
                entry = self._begin(job, self._start_ms)
                if entry.due_ms < now_ms:
                    self._move_on(entry, now_ms)
            self._entries[job.key] = entry

    def _begin(self, job: Job, start_ms: int) -> _Entry:
        phase_ms = job.phase_ms
        if phase_ms is None:
            phase_ms = random_phase_ms(self._seed, job.key, job.period_ms)
        entry = _Entry(job=job, grid_start_ms=start_ms + phase_ms, occurrence=0, due_ms=0)
        entry.due_ms = self._grid_ms(entry)
        return entry

    def _move_on(self, entry: _Entry, now_ms: int) -> None:
        """To the first occurrence behind both the present one and now."""
        passed = (now_ms - entry.grid_start_ms) // entry.job.period_ms
        entry.occurrence = max(entry.occurrence, passed) + 1
        entry.due_ms = self._grid_ms(entry)

    def _grid_ms(self, entry: _Entry) -> int:
        job = entry.job
        jitter = _share(f"{self._seed}/{job.key}/{entry.occurrence}") * job.jitter
        return entry.grid_start_ms + round((entry.occurrence + jitter) * job.period_ms)

    def _allowed_ms(self, entry: _Entry) -> int:
        spaced = [
            self._last_start_ms[target] + self._spacing_ms
            for target in entry.job.targets
            if target in self._last_start_ms
        ]
        return max([entry.wanted_ms, *spaced])


def random_phase_ms(seed: str, key: str, period_ms: int) -> int:
    """A place in the period that follows from seed and key."""
    return int(_share(f"{seed}/{key}") * period_ms)


def _share(seed: str) -> float:
    """From 0 to below 1; it spreads load and guards nothing."""
    return Random(seed).random()  # noqa: S311  # nosec B311
