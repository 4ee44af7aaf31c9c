"""The nonce echo: what is asked, what is answered, and what proves nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.echo import NONCE_BYTES, answer, ask, is_answer

NONCES = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)


@given(NONCES)
def test_a_question_is_answered_in_its_own_length(nonce: bytes) -> None:
    """The answer proves that the question was seen, and is no longer than it."""
    reply = answer(ask(nonce))
    assert reply is not None
    assert is_answer(reply, nonce)
    assert len(reply) == len(ask(nonce))


@given(NONCES)
def test_an_answer_is_no_question(nonce: bytes) -> None:
    """Two responders never talk to each other."""
    reply = answer(ask(nonce))
    assert reply is not None
    assert answer(reply) is None


@given(NONCES, st.binary(max_size=64))
def test_who_did_not_see_the_question_cannot_answer_it(nonce: bytes, guess: bytes) -> None:
    """Only the very answer counts; an echo of the question itself does not."""
    assert not is_answer(ask(nonce), nonce)
    assert is_answer(guess, nonce) == (guess == answer(ask(nonce)))


@given(st.binary(max_size=64))
def test_what_is_no_question_is_met_with_silence(datagram: bytes) -> None:
    """A responder answers nothing else, whatever arrives."""
    reply = answer(datagram)
    if reply is not None:
        assert ask(datagram[8:]) == datagram


def test_a_short_nonce_is_refused() -> None:
    """A caller that saves on randomness is told."""
    with pytest.raises(ValueError, match="24 bytes, not 3"):
        ask(b"abc")
