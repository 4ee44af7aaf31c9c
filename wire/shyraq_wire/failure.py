"""The closed vocabulary of failures: what a step of a measurement may say went wrong.

The words are OONI's (data format df-007), so that results compare. Which step failed is the
step's own name, so a time-out of a TCP connect and of a TLS handshake never look alike.
What is not in the table is written `unknown_failure: …` with addresses scrubbed.
"""

import re
from types import MappingProxyType
from typing import Final, NewType

Failure = NewType("Failure", str)
"""One key of `FAILURES`, or `unknown_failure: …`."""

UNKNOWN_PREFIX: Final = "unknown_failure: "

FAILURES: Final = MappingProxyType(
    {
        "generic_timeout_error": "No answer within the step's time limit.",
        "connection_refused": "The other side answered that nothing listens there.",
        "connection_reset": "The connection was torn down by a reset.",
        "connection_aborted": "This host's own stack gave the connection up.",
        "eof_error": "The other side closed where an answer was due.",
        "host_unreachable": "A router said that the host cannot be reached.",
        "network_unreachable": "There is no route to the network.",
        "network_down": "The interface or its network is down.",
        "network_reset": "The network dropped the connection on reset.",
        "address_not_available": "The local address cannot be used.",
        "address_family_not_supported": "This host has no such address family.",
        "permission_denied": "The local system or its firewall forbade the action.",
        "interrupted": "The measurement was stopped before the step ended.",
        "dns_nxdomain_error": "The resolver says that the name does not exist.",
        "dns_servfail_error": "The resolver failed to resolve.",
        "dns_refused_error": "The resolver refuses to answer.",
        "dns_no_answer": "The name exists but has no address of this family.",
        "dns_bogon_error": "The answer is an address that cannot be public.",
        "dns_server_misbehaving": "The resolver's answer is not a valid DNS message.",
        "dns_temporary_failure": "The system resolver failed for now.",
        "dns_non_recoverable_failure": "The system resolver failed for good.",
        "dns_reply_with_wrong_query_id": "An answer carried another query's id.",
        "ssl_failed_handshake": "The TLS handshake failed otherwise than below.",
        "ssl_invalid_hostname": "The certificate is for another name.",
        "ssl_unknown_authority": "The certificate's issuer is not in the agent's own bundle.",
        "ssl_invalid_certificate": "The certificate is expired, not yet valid or malformed.",
        "quic_incompatible_version": "No common QUIC version.",
        "http_invalid_redirect_location_host": "The redirect points nowhere valid.",
        "http_request_failed": "The answer is not valid HTTP.",
        "http_unexpected_status_code": "The answer has a status this probe cannot use.",
        "http_unexpected_redirect_url": "The redirect leads where it should not.",
        "egress_forbidden": "The address policy forbids this address; no packet was sent.",
    }
)
"""Each failure with one sentence for people; `egress_forbidden` is our own addition."""

_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_ZONE_AND_PORT = r"(?:%[\w.-]+)?\]?(?::\d+)?"
_ADDRESS = re.compile(
    rf"\[?[0-9A-Fa-f]{{0,4}}(?::[0-9A-Fa-f]{{0,4}}){{1,6}}:{_IPV4}{_ZONE_AND_PORT}"
    rf"|\[?[0-9A-Fa-f]{{0,4}}(?::[0-9A-Fa-f]{{0,4}}){{2,7}}{_ZONE_AND_PORT}"
    rf"|{_IPV4}(?::\d+)?"
)
"""IPv6 with an IPv4 tail first, so that no tail is left over; hardware addresses match too."""
_MAX_TEXT_LENGTH = 200


def is_failure(text: str) -> bool:
    """Whether a text is in the vocabulary."""
    return text in FAILURES or text.startswith(UNKNOWN_PREFIX)


def unknown_failure(text: str) -> Failure:
    """The failure for what the table does not name.

    Args:
        text: The error's own words; addresses and ports in it are scrubbed, because it may
            name the host's own network, and it is cut at 200 characters.
    """
    scrubbed = _ADDRESS.sub("[scrubbed]", " ".join(text.split()))
    return Failure(UNKNOWN_PREFIX + scrubbed[:_MAX_TEXT_LENGTH])
