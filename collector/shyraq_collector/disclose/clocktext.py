"""Instants and intervals as people read them: on the country's clock and in UTC.

Minutes are enough. An interval's end is rounded up, so that the text never claims to know more
than the interval does; both ends on one minute are given as one time. The day is left out where it
is the day of the page.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from math import ceil
from typing import Final

from shyraq_collector.disclose.languages import Wording
from shyraq_collector.facts.fleet import Instant
from shyraq_collector.facts.incidents import Interval

_MINUTE_S: Final = 60


class ClockText:
    """Writes instants for one country and one language, as seen from one moment."""

    def __init__(self, *, zone: tzinfo, wording: Wording, now: Instant) -> None:
        """Keep the three.

        Args:
            zone: The country's clock.
            wording: The language.
            now: The page's own moment; times of its day are written without the day.
        """
        self._zone = zone
        self._say = wording
        self._now = now

    def offset(self) -> str:
        """The country's clock against UTC now, as "UTC+5" or "UTC+5:30"."""
        distance = _at(self._now, self._zone).utcoffset() or timedelta(0)
        minutes = int(distance.total_seconds()) // _MINUTE_S
        sign = "+" if minutes >= 0 else "−"
        hours, rest = divmod(abs(minutes), 60)
        return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")

    def local(self, at: Instant) -> str:
        """On the country's clock, with day and year."""
        return self._full(at, self._zone)

    def utc(self, at: Instant) -> str:
        """In UTC, without its name; with the day where it differs from the country's."""
        return self._short(at, UTC)

    def interval_local(self, interval: Interval) -> str:
        """An interval on the country's clock."""
        return self._interval(interval, self._zone)

    def interval_utc(self, interval: Interval) -> str:
        """An interval in UTC, named so."""
        return self._say("date.utc", moment=self._interval(interval, UTC))

    def both(self, interval: Interval) -> str:
        """An interval on both clocks, in one line."""
        local = f"{self._interval(interval, self._zone)} ({self.offset()})"
        return f"{local}, {self.interval_utc(interval)}"

    def both_at(self, at: Instant) -> str:
        """An instant on both clocks, in one line."""
        return self.both(Interval(earliest=at, latest=at))

    def _interval(self, interval: Interval, zone: tzinfo) -> str:
        begin = interval.earliest // _MINUTE_S * _MINUTE_S
        end = ceil(interval.latest / _MINUTE_S) * _MINUTE_S
        first = self._short(begin, zone)
        if interval.latest - interval.earliest < 1 or end == begin:
            return first
        same_day = _at(begin, zone).date() == _at(end, zone).date()
        last = _time(end, zone) if same_day else self._dated(end, zone)
        return self._say("date.range", first=first, last=last)

    def _short(self, at: Instant, zone: tzinfo) -> str:
        is_today = _at(at, zone).date() == _at(self._now, self._zone).date()
        return _time(at, zone) if is_today else self._dated(at, zone)

    def _dated(self, at: Instant, zone: tzinfo) -> str:
        moment = _at(at, zone)
        if moment.year != _at(self._now, self._zone).year:
            return self._full(at, zone)
        month = self._say(f"month.{moment.month}")
        return self._say("date.moment", day=moment.day, month=month, time=_time(at, zone))

    def _full(self, at: Instant, zone: tzinfo) -> str:
        moment = _at(at, zone)
        return self._say(
            "date.full",
            day=moment.day,
            month=self._say(f"month.{moment.month}"),
            year=moment.year,
            time=_time(at, zone),
        )


def _at(instant: Instant, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(instant, zone)


def _time(at: Instant, zone: tzinfo) -> str:
    return _at(at, zone).strftime("%H:%M")
