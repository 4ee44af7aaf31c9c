"""From what the operating system, OpenSSL and the resolver say to one word of the vocabulary.

Only errors that a network can cause are translated. Anything else is a bug and is raised
again: a failed measurement is data, a bug is an exception.

A peer's FIN where an answer was due is `eof_error`, never `connection_reset`: the readers
in this package see an empty read and raise `StepFailed`. asyncio itself reports a write after
such a FIN as ConnectionResetError without an errno; a real reset has one.
"""

import errno
import socket
import ssl
from types import MappingProxyType
from typing import Final

from shyraq_wire.failure import FAILURES, Failure, unknown_failure


class StepFailed(Exception):  # noqa: N818  # not a fault of the program: an observation on its way
    """A step saw a failure that no system error stands for; never leaves this package."""

    def __init__(self, failure: str) -> None:
        """Keep the word.

        Args:
            failure: A key of `FAILURES`; anything else is a bug of the caller.
        """
        super().__init__(failure)
        self.failure = _word(failure)


NETWORK_ERRORS: Final = (StepFailed, OSError)
"""All that a network can raise: TimeoutError, ssl.SSLError and socket.gaierror are OSErrors."""


def failure_of(error: BaseException) -> Failure:
    """The failure that an error of `NETWORK_ERRORS` stands for.

    Args:
        error: As raised inside a step.

    Raises:
        TypeError: The error is not one that a network can cause.
    """
    if isinstance(error, StepFailed):
        return error.failure
    if not isinstance(error, OSError):
        raise TypeError(f"{type(error).__name__} is not a network error") from error
    if isinstance(error, socket.gaierror):
        return _RESOLVER_ERRORS.get(error.errno or 0) or unknown_failure(str(error))
    if isinstance(error, ConnectionError) and error.errno is None:
        return _word("eof_error")
    for kind, failure in _KINDS:
        if isinstance(error, kind):
            return failure
    return _SYSTEM_ERRORS.get(error.errno or 0) or unknown_failure(str(error))


def _word(failure: str) -> Failure:
    if failure not in FAILURES:
        raise ValueError(f"{failure!r} is not in the vocabulary of failures")
    return Failure(failure)


_KINDS: Final = (
    (TimeoutError, _word("generic_timeout_error")),
    (ssl.SSLEOFError, _word("eof_error")),
    (ssl.SSLZeroReturnError, _word("eof_error")),
    (ssl.SSLError, _word("ssl_failed_handshake")),
)
"""First match wins; OpenSSL's errors carry numbers of their own in errno."""

_SYSTEM_ERRORS: Final = MappingProxyType(
    {
        errno.ECONNREFUSED: _word("connection_refused"),
        errno.ECONNRESET: _word("connection_reset"),
        errno.EPIPE: _word("connection_reset"),
        errno.ECONNABORTED: _word("connection_aborted"),
        errno.EHOSTUNREACH: _word("host_unreachable"),
        errno.EHOSTDOWN: _word("host_unreachable"),
        errno.ENETUNREACH: _word("network_unreachable"),
        errno.ENETDOWN: _word("network_down"),
        errno.ENETRESET: _word("network_reset"),
        errno.ETIMEDOUT: _word("generic_timeout_error"),
        errno.EADDRNOTAVAIL: _word("address_not_available"),
        errno.EAFNOSUPPORT: _word("address_family_not_supported"),
        errno.EACCES: _word("permission_denied"),
        errno.EPERM: _word("permission_denied"),
    }
)
"""errno(3); a router's ICMP arrives as one of these."""

_RESOLVER_ERRORS: Final = MappingProxyType(
    {
        socket.EAI_NONAME: _word("dns_nxdomain_error"),
        socket.EAI_NODATA: _word("dns_no_answer"),
        socket.EAI_AGAIN: _word("dns_temporary_failure"),
        socket.EAI_FAIL: _word("dns_non_recoverable_failure"),
        socket.EAI_ADDRFAMILY: _word("dns_no_answer"),
    }
)
"""getaddrinfo(3), glibc."""
