"""The lab's addresses: documentation prefixes only, and who has which.

These prefixes, and no others, are admitted by the lab's own entry point.
"""

from netlab.arms import ADDRESSES as ARMS

ADMITTED = (
    "192.0.2.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
)

AGENT = ("198.18.0.2", "2001:db8:1::2")
ROUTER = ("198.18.0.1", "2001:db8:1::1")

NAME_SERVER = "192.0.2.53"
SITE = ("192.0.2.10", "2001:db8::10")
DEAD = "192.0.2.66"
RESETTING = "192.0.2.67"
FORGED = "192.0.2.68"
REDIRECTOR = "192.0.2.80"
BIG = ("192.0.2.90", "2001:db8::90")
ABROAD = "198.51.100.10"

WORLD = (NAME_SERVER, *SITE, DEAD, RESETTING, FORGED, REDIRECTOR, *BIG, ABROAD, *ARMS)
"""All that the world's namespace answers for."""

ECHO_PORT = 7007
"""Of the nonce echo at ABROAD."""

CANARY = "10.99.99.99"
"""Forbidden; the capture itself sends one datagram there."""
