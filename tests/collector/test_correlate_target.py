"""Verdicts per network and target, and rates against the same hours of the day."""

import pytest

from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.pace import Pace
from shyraq_collector.correlate.target import QualityBook, TargetBook
from shyraq_collector.facts.fleet import LineKey
from shyraq_collector.facts.signals import Metric, QualitySample, TargetState

PACE = Pace()
LINES = [Line(key=LineKey("XX", "R0", f"s{n}", "isp0", None)) for n in range(4)]


def rounds(*states: TargetState, lines: int = 4) -> TargetBook:
    """Every line says the same each ten minutes."""
    book = TargetBook()
    for turn, state in enumerate(states):
        for line in LINES[:lines]:
            book.say(line, "news.example", state, 600.0 * turn)
    return book


def test_two_lines_that_repeat_themselves_pass() -> None:
    """Two rounds of two lines are beyond chance; one round is not."""
    assert rounds("ok", "blocked", lines=2).findings(10.0) == []
    (finding,) = rounds("ok", "blocked", "blocked", lines=2).findings(10.0)
    assert (finding.isp, finding.state, finding.repeated) == ("isp0", "blocked", 2)
    assert finding.since == 600.0


def test_lines_that_say_ok_speak_against_it() -> None:
    """The score falls with each line of the network that reaches the target."""
    book = rounds("blocked", "blocked", lines=2)
    before = book.findings(0.0)[0].score
    for line in LINES[2:]:
        book.say(line, "news.example", "ok", 700.0)
    assert book.findings(0.0)[0].score < before


def test_a_slow_target_is_not_a_blocked_one() -> None:
    """Two lines with a filter of their own, among lines that are slowed, prove no block."""
    book = rounds("blocked", "blocked", "blocked", lines=2)
    alone = book.findings(0.0)[0].score
    for line in LINES[2:]:
        book.say(line, "news.example", "throttled", 700.0)
    blocked = [f.score for f in book.findings(0.0) if f.state == "blocked"]
    assert blocked == [pytest.approx(alone - 2 * 1.877, abs=0.01)]


def test_down_and_unknown_are_nobody_s_fault() -> None:
    """A dead site and a missing control leave no view behind."""
    assert rounds("down", "unknown").views == {}


def test_old_words_are_forgotten() -> None:
    """A day later nothing is left to speak for now."""
    book = rounds("blocked", "blocked")
    book.forget(2 * PACE.day_s, PACE)
    assert book.findings(0.0) == []


def sample(at: float, value: float, metric: Metric = "rate_bps") -> QualitySample:
    """One throughput of the first line."""
    return QualitySample(node="n", at=at, metric=metric, value=value, target="t")


CONTROL = Line(key=LineKey("DE", None, "control", "abroad", None), watcher=True)


def well(book: QualityBook, at: float, *values: float, metric: Metric = "rate_bps") -> None:
    """A control finds the target as usual, or as the last value says."""
    for turn, value in enumerate(values or (50e6,)):
        for again in range(60 if turn == 0 else 1):
            when = at - 3600.0 + 60.0 * again if turn == 0 else at
            book.note_control(CONTROL, sample(when, value, metric), PACE)


def test_a_rate_far_under_its_own_past_is_throttled() -> None:
    """Six tenths lost against the same slot of the day; an ordinary dip is not."""
    book = QualityBook()
    for turn in range(60):
        book.judge(LINES[0], sample(60.0 * turn, 10e6 + 1e5 * (turn % 7)), PACE)
    well(book, 4000.0)
    assert book.judge(LINES[0], sample(4000.0, 8e6), PACE) == "ok"
    assert book.judge(LINES[0], sample(4060.0, 1e6), PACE) == "throttled"
    assert book.judge(LINES[0], sample(4060.0, 1e6, "rtt_ms"), PACE) == "unknown"


def test_slowness_without_a_control_or_with_a_slow_one_is_unknown() -> None:
    """Nobody is accused where nobody abroad has looked, or where it is slow from abroad too."""
    book = QualityBook()
    for turn in range(60):
        book.judge(LINES[0], sample(60.0 * turn, 10e6), PACE)
    assert book.judge(LINES[0], sample(4000.0, 1e6), PACE) == "unknown"
    well(book, 4000.0, 50e6, 1e6)
    assert book.judge(LINES[0], sample(4060.0, 1e6), PACE) == "unknown"
    assert book.judge(LINES[0], sample(9000.0, 1e6), PACE) == "unknown"


def test_a_few_milliseconds_more_are_no_throttling() -> None:
    """A handshake of 4 ms that takes 40 is a busy machine; one of 100 that takes 1,000 is not."""
    for usual_ms, slow_ms, word in ((4.0, 40.0, "ok"), (100.0, 1000.0, "throttled")):
        book = QualityBook()
        for turn in range(60):
            book.judge(LINES[0], sample(60.0 * turn, usual_ms, "handshake_ms"), PACE)
        well(book, 4000.0, usual_ms, metric="handshake_ms")
        assert book.judge(LINES[0], sample(4060.0, slow_ms, "handshake_ms"), PACE) == word


def test_every_evening_s_congestion_is_usual_for_the_evening() -> None:
    """Each six-hour slot has a past of its own."""
    book = QualityBook()
    for day in range(30):
        for hour, rate in ((3.0, 20e6), (20.0, 4e6)):
            book.judge(LINES[0], sample(day * PACE.day_s + hour * PACE.hour_s, rate), PACE)
    evening = 31 * PACE.day_s + 20.5 * PACE.hour_s
    night = 31 * PACE.day_s + 3.5 * PACE.hour_s
    well(book, night)
    assert book.judge(LINES[0], sample(evening, 4e6), PACE) == "ok"
    assert book.judge(LINES[0], sample(night, 4e6), PACE) == "throttled"


def test_back_fill_says_nothing_of_now() -> None:
    """A word from before the newest changes neither state nor streak."""
    book = rounds("ok", "blocked", "blocked", lines=2)
    before = book.findings(0.0)
    for line in LINES[:2]:
        book.say(line, "news.example", "ok", 300.0)
    assert book.findings(0.0) == before
    assert (before[0].before, before[0].since) == (0.0, 600.0)
