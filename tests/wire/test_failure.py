"""The vocabulary of failures: closed, explained, and free of addresses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.failure import FAILURES, UNKNOWN_PREFIX, is_failure, unknown_failure


def test_every_word_is_plain_and_explained_in_one_sentence() -> None:
    """The table is what people read: lower-case words, a sentence each."""
    for word, sentence in FAILURES.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]+", word)
        assert re.fullmatch(r"[A-Z].*\.", sentence)
        assert is_failure(word)


@given(st.text(max_size=500))
def test_whatever_is_not_in_the_table_is_a_short_unknown_failure(text: str) -> None:
    """Any text becomes a word that readers accept, on one line, within 200 characters."""
    failure = unknown_failure(text)
    assert is_failure(failure)
    assert len(failure) <= len(UNKNOWN_PREFIX) + 200
    assert len(failure.splitlines()) == 1


def test_a_word_outside_the_table_is_no_failure() -> None:
    """Nor is an empty one, nor one in another case."""
    assert not any(is_failure(word) for word in ("", "timeout", "CONNECTION_RESET", "eof_error "))


ADDRESSES = [
    "192.0.2.7",
    "192.0.2.7:443",
    "2001:db8::7",
    "2001:db8:1:2:3:4:5:6",
    "[2001:db8::7]:443",
    "::1",
    "fe80::1%wlan0",
    "fe80::1%eth0.100",
    "::ffff:192.0.2.7",
    "::ffff:192.0.2.7:443",
    "[::ffff:192.0.2.7]:443",
    "64:ff9b::192.0.2.7",
    "2001:db8:1:2:3:4:192.0.2.7",
    "b8:27:eb:01:02:03",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("sentence", ["{}", "cannot reach {}: it is down", "({})", "to={},", "{}."])
def test_no_address_is_left_in_an_unknown_failure(address: str, sentence: str) -> None:
    """IPv4, IPv6 in every form, ports, zones and hardware addresses are scrubbed whole."""
    failure = unknown_failure(sentence.format(address))
    assert failure.rstrip(".") in (
        UNKNOWN_PREFIX + sentence.format("[scrubbed]").replace("]:", mark).rstrip(".")
        for mark in ("]:", "]")
    )


@given(st.ip_addresses(), st.text("abc xyz", max_size=20), st.sampled_from(["{}", "[{}]:8883"]))
def test_no_generated_address_is_left(address: object, words: str, form: str) -> None:
    """The text form of any address disappears, also in brackets with a port."""
    failure = unknown_failure(f"{words} {form.format(address)} {words}")
    assert str(address) not in failure
    assert "[scrubbed]" in failure


def test_words_of_an_ordinary_error_stay_readable() -> None:
    """Scrubbing leaves numbers, times of errors and names alone."""
    words = "[Errno 104] Connection reset by peer (_ssl.c:1006)"
    assert unknown_failure(words) == UNKNOWN_PREFIX + words
