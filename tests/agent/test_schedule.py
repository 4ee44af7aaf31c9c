"""The schedule: never drifts, never bursts, spreads nodes, keeps its distance from targets."""

from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.schedule import LATE_MS, Job, Schedule, random_phase_ms

MINUTE_MS = 60_000


def run(
    schedule: Schedule, until_ms: int, *, lateness_ms: list[int] | None = None
) -> list[tuple[int, str]]:
    """Take what is due at each due moment, as late as told; gives (taken at, key)."""
    taken: list[tuple[int, str]] = []
    late = iter(lateness_ms or [])
    now_ms = 0
    while (due_ms := schedule.next_due_ms()) is not None and due_ms < until_ms:
        now_ms = max(now_ms, due_ms) + next(late, 0)
        taken += [(now_ms, job.key) for job in schedule.take_due(now_ms)]
    return taken


def one_job(job: Job, *, seed: str = "node-0001", start_ms: int = 0) -> Schedule:
    """A schedule of one job."""
    return Schedule([job], seed=seed, start_ms=start_ms, spacing_ms=MINUTE_MS)


@given(
    period_ms=st.integers(1_000, 10**7),
    jitter=st.floats(0, 0.5),
    seed=st.text(max_size=8),
    lateness=st.lists(st.integers(0, 900), max_size=200),
)
def test_a_job_never_drifts(period_ms: int, jitter: float, seed: str, lateness: list[int]) -> None:
    """Occurrence n lies within its jitter of start + phase + n periods, however late each ran."""
    job = Job(key="a", period_ms=period_ms, jitter=jitter)
    schedule = one_job(job, seed=seed, start_ms=500)
    phase_ms = random_phase_ms(seed, "a", period_ms)
    late = [min(each, int(period_ms * (1 - jitter)) - 1) for each in lateness]
    late = [max(0, each) for each in late]
    for n, (at_ms, _) in enumerate(run(schedule, 500 + period_ms * 100, lateness_ms=late)):
        behind_ms = at_ms - (500 + phase_ms + n * period_ms)
        assert -1 <= behind_ms <= period_ms * jitter + (late[n] if n < len(late) else 0) + 1


@given(seed=st.text(max_size=8), key=st.text(max_size=8), period_ms=st.integers(1, 10**9))
def test_the_first_start_lies_within_one_period_and_follows_from_the_seed(
    seed: str, key: str, period_ms: int
) -> None:
    """The phase is a fixed part of the period for one seed and key."""
    phase_ms = random_phase_ms(seed, key, period_ms)
    assert 0 <= phase_ms < period_ms
    assert phase_ms == random_phase_ms(seed, key, period_ms)


def test_a_thousand_nodes_spread_over_the_whole_period() -> None:
    """No tenth of the minute holds more than a sixth of the nodes."""
    tenths: defaultdict[int, int] = defaultdict(int)
    for number in range(1000):
        tenths[random_phase_ms(f"node-{number:04}", "pulse", MINUTE_MS) // 6000] += 1
    assert len(tenths) == 10
    assert max(tenths.values()) < 167


def test_missed_occurrences_are_not_made_up() -> None:
    """After an hour of sleep a job runs once, then on its old grid."""
    schedule = one_job(Job(key="a", period_ms=MINUTE_MS, phase_ms=7_000))
    assert len(schedule.take_due(7_000)) == 1
    assert len(schedule.take_due(3_600_000)) == 1
    assert schedule.take_due(3_600_000) == ()
    assert schedule.next_due_ms() == 3_607_000


@given(
    periods=st.lists(st.integers(MINUTE_MS, 20 * MINUTE_MS), min_size=1, max_size=6),
    lateness=st.lists(st.integers(0, 5_000), max_size=100),
    hasten_at=st.lists(st.integers(0, 40), max_size=6),
)
def test_no_target_is_touched_twice_in_a_minute(
    periods: list[int], lateness: list[int], hasten_at: list[int]
) -> None:
    """Whatever the jobs, delays and hastening, starts on one target keep the spacing."""
    jobs = [
        Job(key=str(n), period_ms=period, jitter=0.1, targets=frozenset({"a", f"b{n % 2}"}))
        for n, period in enumerate(periods)
    ]
    schedule = Schedule(jobs, seed="s", start_ms=0, spacing_ms=MINUTE_MS)
    touched: defaultdict[str, list[int]] = defaultdict(list)
    now_ms, late = 0, iter(lateness)
    for turn in range(60):
        due_ms = schedule.next_due_ms()
        assert due_ms is not None
        now_ms = max(now_ms, due_ms) + next(late, 0)
        if turn in hasten_at:
            schedule.hasten("0", now_ms)
        for job in schedule.take_due(now_ms):
            for target in job.targets:
                touched[target].append(now_ms)
    for moments in touched.values():
        assert all(b - a >= MINUTE_MS - LATE_MS for a, b in pairwise(moments))


def test_jobs_on_one_target_take_turns() -> None:
    """The one that waited longest goes first, so none starves."""
    jobs = [
        Job(key=key, period_ms=MINUTE_MS, phase_ms=0, targets=frozenset({"one"}))
        for key in ("a", "b", "c")
    ]
    schedule = Schedule(jobs, seed="s", start_ms=0, spacing_ms=MINUTE_MS)
    keys = [key for _, key in run(schedule, 30 * MINUTE_MS)]
    assert {keys.count(each) for each in "abc"} == {10}


def test_a_hastened_job_runs_at_once_and_keeps_its_grid() -> None:
    """Hastening adds a run now and moves no later one."""
    schedule = one_job(Job(key="a", period_ms=10 * MINUTE_MS, phase_ms=0))
    assert len(schedule.take_due(0)) == 1
    schedule.hasten("a", 90_000)
    assert len(schedule.take_due(90_000)) == 1
    assert schedule.take_due(90_001) == ()
    assert schedule.next_due_ms() == 10 * MINUTE_MS


def test_a_hastened_job_still_keeps_its_distance() -> None:
    """A change seen ten seconds after the last ladder waits until the minute is over."""
    schedule = one_job(Job(key="a", period_ms=10 * MINUTE_MS, phase_ms=0, targets=frozenset({"x"})))
    schedule.take_due(0)
    schedule.hasten("a", 10_000)
    assert schedule.take_due(59_999) == ()
    assert len(schedule.take_due(60_000)) == 1


@given(claims=st.lists(st.integers(0, 90_000), max_size=40), period_ms=st.integers(5_000, 200_000))
def test_claims_and_jobs_keep_their_distance_from_one_another(
    claims: list[int], period_ms: int
) -> None:
    """Whoever starts beside the jobs waits as they do, and they wait for him."""
    job = Job(key="a", period_ms=period_ms, phase_ms=0, targets=frozenset({"t"}))
    schedule, touched, now_ms = one_job(job), list[int](), 0
    for pause_ms in claims:
        now_ms += pause_ms
        touched += [now_ms for _ in schedule.take_due(now_ms)]
        wait_ms = schedule.claim("t", now_ms)
        if wait_ms == 0:
            touched.append(now_ms)
        else:
            assert 0 < wait_ms <= MINUTE_MS
    for earlier, later in pairwise(sorted(touched)):
        assert later - earlier >= MINUTE_MS - LATE_MS


def test_an_empty_schedule_has_nothing_due() -> None:
    """Without jobs there is no next moment."""
    schedule = Schedule([], seed="s", start_ms=0, spacing_ms=MINUTE_MS)
    assert schedule.next_due_ms() is None
    assert schedule.take_due(10**9) == ()


def test_an_exchange_keeps_what_stays_and_begins_what_is_new_at_its_next_place() -> None:
    """The beat does not move; another period of a job runs on that period's grid from now on."""
    beat = Job(key="beat", period_ms=MINUTE_MS, phase_ms=7_000)
    schedule = Schedule(
        [beat, Job(key="probe", period_ms=10 * MINUTE_MS, phase_ms=0)],
        seed="s",
        start_ms=0,
        spacing_ms=0,
    )
    run(schedule, 25 * MINUTE_MS)
    fast = Job(key="probe", period_ms=2 * MINUTE_MS, phase_ms=0)
    schedule.exchange([beat, fast], 25 * MINUTE_MS)
    taken = run(schedule, 30 * MINUTE_MS)
    assert [at for at, key in taken if key == "beat"] == [
        n * MINUTE_MS + 7_000 for n in range(25, 30)
    ]
    assert [at for at, key in taken if key == "probe"] == [26 * MINUTE_MS, 28 * MINUTE_MS]
    schedule.exchange([beat], 30 * MINUTE_MS)
    assert {key for _, key in run(schedule, 40 * MINUTE_MS)} == {"beat"}


def test_the_distance_to_a_target_holds_across_an_exchange() -> None:
    """A target that was touched just before is not touched again too soon."""
    slow = Job(key="a", period_ms=10 * MINUTE_MS, phase_ms=0, targets=frozenset({"t"}))
    schedule = one_job(slow)
    run(schedule, MINUTE_MS)
    schedule.exchange(
        [Job(key="b", period_ms=MINUTE_MS, phase_ms=1_000, targets=frozenset({"t"}))], 500
    )
    assert run(schedule, 2 * MINUTE_MS)[0] == (MINUTE_MS, "b")
