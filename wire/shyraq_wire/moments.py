"""Moments on the wire: RFC 3339 in UTC with milliseconds, as integers of milliseconds inside.

One written form only, `2022-01-05T10:30:00.000Z`, so that equal moments are equal texts and
texts sort as moments do. Years 1970 to 9999. Leap seconds do not exist here.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from shyraq_wire.errors import MalformedPayload

_FORM = re.compile(
    r"(?:19[7-9]\d|[2-9]\d{3})-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{3}Z", re.ASCII
)
"""The hour is bounded because newer Pythons read 24:00 as the next day's midnight."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_EPOCH_MS: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z in milliseconds since 1970."""


def format_moment(epoch_ms: int) -> str:
    """The text for a moment.

    Args:
        epoch_ms: Milliseconds since 1970 in UTC, 0 to `MAX_EPOCH_MS`.

    Raises:
        OverflowError: The moment is outside the years 1970 to 9999.
    """
    if not 0 <= epoch_ms <= MAX_EPOCH_MS:
        raise OverflowError(f"{epoch_ms} ms is outside the years 1970 to 9999")
    text = (_EPOCH + timedelta(milliseconds=epoch_ms)).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def parse_moment(text: str) -> int:
    """Milliseconds since 1970 for a text that `format_moment` could have written.

    Raises:
        MalformedPayload: Any other form, a day that does not exist, or a year before 1970.
    """
    problem = "a moment like 2022-01-05T10:30:00.000Z is due, from 1970 on"
    if not _FORM.fullmatch(text):
        raise MalformedPayload(problem)
    try:
        elapsed = datetime.fromisoformat(text) - _EPOCH
    except ValueError as error:
        raise MalformedPayload(problem) from error
    return elapsed // timedelta(milliseconds=1)
