"""The nonce echo: one datagram there and one back, to show that a path carries more than SYNs.

    question    b"shyraq?1" and 24 random bytes
    answer      b"shyraq!1" and the same 24 bytes

An answer is as long as its question, so a forged source gains nothing; an answer is no
question, so two responders never talk to each other; and who did not see the question cannot
answer it. This module holds no state.
"""

from typing import Final

NONCE_BYTES: Final = 24
_QUESTION: Final = b"shyraq?1"
_ANSWER: Final = b"shyraq!1"


def ask(nonce: bytes) -> bytes:
    """The datagram to send.

    Args:
        nonce: 24 fresh random bytes.

    Raises:
        ValueError: Another length.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return _QUESTION + nonce


def answer(datagram: bytes) -> bytes | None:
    """What a responder sends back; None: not a question, and silence is due."""
    if len(datagram) != len(_QUESTION) + NONCE_BYTES or not datagram.startswith(_QUESTION):
        return None
    return _ANSWER + datagram[len(_QUESTION) :]


def is_answer(datagram: bytes, nonce: bytes) -> bool:
    """Whether a datagram answers the question with this nonce."""
    return datagram == _ANSWER + nonce
