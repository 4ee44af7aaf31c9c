"""The country's messengers: the product's probe with endpoints of the lab."""

from functools import partial
from typing import Final

from netlab.sites import address_of
from shyraq_agent.measure import PROBES, Probe, messengers
from shyraq_agent.measure.services import Endpoint, Services

CHAT: Final = "chat.example"
OTHER: Final = f"b.{CHAT}"
"""Bears the other's name within its own, so that who looks for that one meets both."""

SERVICES: Final[Services] = {
    "telegram": tuple(
        Endpoint(host=address_of(CHAT, family), port=443, proof="connect") for family in (4, 6)
    ),
    "whatsapp-web": (Endpoint(host=CHAT, port=443, proof="verify"),),
    "signal": (
        Endpoint(host=CHAT, port=443, proof="hello"),
        Endpoint(host=OTHER, port=443, proof="hello"),
    ),
    "facebook-messenger": (Endpoint(host="refused.example", port=443, proof="verify"),),
}
"""The last one is out of order for everybody."""


def probe_named(name: str) -> Probe:
    """The product's probe; where it has endpoints of its own, those of the lab."""
    if name == "messengers":
        return partial(messengers.measure, services=SERVICES)
    return PROBES[name]
