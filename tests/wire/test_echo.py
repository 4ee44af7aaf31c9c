"""The nonce echo: only who saw the question can answer it, and nothing answers an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_wire.echo import NONCE_BYTES, answer, ask, is_answer

nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)


@given(nonces)
def test_an_answer_fits_its_question_and_is_no_longer(nonce: bytes) -> None:
    """The echo proves the path and multiplies nothing."""
    reply = answer(ask(nonce))
    assert reply is not None
    assert is_answer(reply, nonce)
    assert len(reply) == len(ask(nonce))


@given(nonces, nonces)
def test_an_answer_fits_no_other_question(nonce: bytes, other: bytes) -> None:
    """A replayed or guessed answer does not count."""
    assert is_answer(answer(ask(nonce)) or b"", other) == (nonce == other)


@given(nonces)
def test_two_responders_never_talk_to_each_other(nonce: bytes) -> None:
    """An answer is met with silence."""
    assert answer(answer(ask(nonce)) or b"") is None


@given(st.binary(max_size=64))
def test_arbitrary_datagrams_are_met_with_silence(datagram: bytes) -> None:
    """Only a whole question is answered."""
    assert answer(datagram) is None
    assert answer(ask(bytes(NONCE_BYTES)) + datagram[:1] + b"\x00") is None


@pytest.mark.parametrize("size", [0, 1, 23, 25, 70_000])
def test_a_nonce_of_another_length_is_our_own_mistake(size: int) -> None:
    """Twenty-four bytes, no fewer to guess and no more to carry."""
    with pytest.raises(ValueError, match="24 bytes"):
        ask(bytes(size))
