"""From errors to words: what a network can cause is data, all else is a bug."""

import errno
import socket
import ssl

import pytest

from shyraq_agent.measure.classify import StepFailed, failure_of
from shyraq_wire.failure import FAILURES


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (StepFailed("eof_error"), "eof_error"),
        (TimeoutError(), "generic_timeout_error"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "generic_timeout_error"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "connection_reset"),
        (ConnectionResetError("Connection lost"), "eof_error"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "connection_reset"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection_refused"),
        (ConnectionAbortedError(errno.ECONNABORTED, "aborted"), "connection_aborted"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "host_unreachable"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network_unreachable"),
        (OSError(errno.ENETDOWN, "Network is down"), "network_down"),
        (PermissionError(errno.EPERM, "Operation not permitted"), "permission_denied"),
        (OSError(errno.EAFNOSUPPORT, "no IPv6"), "address_family_not_supported"),
        (OSError(errno.EADDRNOTAVAIL, "no address"), "address_not_available"),
        (socket.gaierror(socket.EAI_NONAME, "unknown name"), "dns_nxdomain_error"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "dns_temporary_failure"),
        (socket.gaierror(socket.EAI_FAIL, "no hope"), "dns_non_recoverable_failure"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), "eof_error"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "ssl_failed_handshake"),
    ],
)
def test_each_error_has_its_word(error: Exception, failure: str) -> None:
    """The word is OONI's, and in the vocabulary."""
    assert failure_of(error) == failure
    assert failure in FAILURES


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files at 192.168.1.7:443"),
        socket.gaierror(-99, "odd answer from 192.168.1.7"),
    ],
)
def test_what_has_no_word_is_told_without_addresses(error: OSError) -> None:
    """The operating system's own text is kept, the host's network is not."""
    failure = failure_of(error)
    assert failure.startswith("unknown_failure: ")
    assert "192.168" not in failure


def test_a_bug_is_not_data() -> None:
    """What no network can cause is raised on."""
    with pytest.raises(TypeError, match="KeyError"):
        failure_of(KeyError("answers"))


def test_a_word_outside_the_vocabulary_is_a_bug() -> None:
    """A typing error in a probe cannot become a new failure."""
    with pytest.raises(ValueError, match="vocabulary"):
        StepFailed("connection_resett")
