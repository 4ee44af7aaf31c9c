"""Whether the page that a node got is the page that the control got.

OONI ts-017, "http-diff": the same page has the same status and agrees in at least one of body
length, headers and title. The versions of OONI's probe differ in small things, `ours` in one more:

- headers: all take a shared uncommon name for agreement, and `ours` does not call uncommon what
  any server or middlebox adds, such as Content-Length; up to 0.5.26 equal sets of names agree too
  (`cautious`, which is 0.4.0 to 0.4.2 and the flags of 0.5, needs a name). For us only where the
  lengths of the bodies do not contradict: a block page may carry the few headers of any server;
- title: `cautious` and `ours` need one on both sides, `v043` one on the probe's; for `walk`
  (from 0.5.27) two pages without a title agree.

A truncated body's length is never compared, and its title only by `walk`.
"""

from dataclasses import dataclass
from typing import Final, Literal

Style = Literal["cautious", "v043", "walk", "ours"]
"""Which version's comparison."""

BODY_PROPORTION: Final = 0.7
"""ts-017: shorter over longer must exceed this."""

LONG_WORD_BYTES: Final = 5
"""Shorter title words say nothing."""

COMMON_HEADERS: Final = frozenset(
    {
        "accept-ranges",
        "age",
        "cache-control",
        "cf-ray",
        "content-encoding",
        "content-language",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "link",
        "location",
        "p3p",
        "pragma",
        "server",
        "set-cookie",
        "strict-transport-security",
        "vary",
        "via",
        "x-content-type-options",
        "x-frame-options",
        "x-powered-by",
        "x-varnish",
        "x-xss-protection",
    }
)
"""Names that OONI leaves out: sharing one proves nothing."""

_COMMON_TO_US: Final = COMMON_HEADERS | {
    "alt-svc",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "x-cache",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What can be compared of a page."""

    status: int
    """HTTP status; zero or less: none was received."""
    body_bytes: int
    """Length of the body; zero or less: none was received."""
    title: str
    """Text of the first title element; empty: none."""
    headers: frozenset[str]
    """Header names in lower case."""
    truncated: bool
    """The body is only a beginning."""


def same_page(probe: Page, control: Page, style: Style) -> bool:
    """Whether status and at least one of length, headers and title agree."""
    if not _same_status(probe, control):
        return False
    return (
        _similar_length(probe, control)
        or _similar_headers(probe, control, style)
        or _similar_title(probe, control, style)
    )


def _same_status(probe: Page, control: Page) -> bool:
    return probe.status > 0 and probe.status == control.status


def _similar_length(probe: Page, control: Page) -> bool:
    return _can_compare_lengths(probe, control) and _proportion(probe, control) > BODY_PROPORTION


def _can_compare_lengths(probe: Page, control: Page) -> bool:
    return min(probe.body_bytes, control.body_bytes) > 0 and not probe.truncated


def _proportion(probe: Page, control: Page) -> float:
    short, long = sorted((probe.body_bytes, control.body_bytes))
    return short / long


def _similar_headers(probe: Page, control: Page, style: Style) -> bool:
    common = _COMMON_TO_US if style == "ours" else COMMON_HEADERS
    if (probe.headers & control.headers) - common:
        return True
    if style not in ("cautious", "v043") or (style == "cautious" and not probe.headers):
        return False
    return probe.headers == control.headers and not _can_compare_lengths(probe, control)


def _similar_title(probe: Page, control: Page, style: Style) -> bool:
    if style != "walk" and (probe.truncated or not probe.title):
        return False
    if style in ("cautious", "ours") and not control.title:
        return False
    return _long_words(probe.title) == _long_words(control.title)


def _long_words(title: str) -> frozenset[str]:
    """The words of five bytes or more; a byte count, so that two Cyrillic letters are four."""
    return frozenset(
        word.lower()
        for word in title.split(" ")
        if len(word.encode("utf-8", "surrogatepass")) >= LONG_WORD_BYTES
    )
