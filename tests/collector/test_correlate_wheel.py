"""Who is to be looked at, and who need not be."""

import math

from shyraq_collector.correlate.line import Line
from shyraq_collector.correlate.wheel import Wheel
from shyraq_collector.facts.fleet import LineKey

BUCKET_S = 5.0


def line(last_heard: float, leash_s: float = 120.0) -> Line:
    """A line that is up."""
    key = LineKey("XX", None, f"s{last_heard}", None, None)
    return Line(key=key, state="up", last_heard=last_heard, leash_s=leash_s)


def test_a_line_comes_up_within_a_bucket_of_its_due() -> None:
    """Not before, and once."""
    wheel, silent = Wheel(BUCKET_S), line(1000.0)
    wheel.seat(silent, 1120.0)
    assert list(wheel.turn(1119.0)) == []
    assert list(wheel.turn(1119.0 + BUCKET_S)) == [silent]
    assert list(wheel.turn(2000.0)) == []


def test_a_line_that_was_heard_again_keeps_its_seat() -> None:
    """It is moved to the end of its new leash without a word."""
    wheel, heard = Wheel(BUCKET_S), line(1000.0)
    wheel.seat(heard, 1120.0)
    heard.last_heard = 1060.0
    assert list(wheel.turn(1130.0)) == []
    assert heard.bucket is not None
    assert list(wheel.turn(1185.0)) == [heard]


def test_one_seat_is_enough_and_the_past_is_now() -> None:
    """A second seat changes nothing; what was due before the last turn comes at the next."""
    wheel, late = Wheel(BUCKET_S), line(1000.0)
    list(wheel.turn(5000.0))
    wheel.seat(late, 1120.0)
    wheel.seat(late, 9000.0)
    wheel.seat(line(0.0), math.inf)
    assert list(wheel.turn(5005.0)) == [late]


def test_a_line_that_fell_meanwhile_gives_up_its_seat() -> None:
    """Who is missing already is not looked at."""
    wheel, fallen = Wheel(BUCKET_S), line(1000.0)
    wheel.seat(fallen, 1120.0)
    fallen.state = "missing"
    assert list(wheel.turn(2000.0)) == []
    assert fallen.bucket is None
