"""The list of messengers' endpoints."""

from typing import get_args

import pytest

from shyraq_agent.egress import AddressPolicy
from shyraq_agent.measure.services import MAX_ENDPOINTS, Endpoint, load_services, read_services
from shyraq_agent.measure.target import Messenger, parse_target

HEAD = "service,host,port,proof,notes\n"


def test_every_messenger_that_can_be_named_has_endpoints() -> None:
    """What a configuration may ask for is in the list, and nothing else is."""
    services = load_services()
    assert set(services) == set(get_args(Messenger))
    assert all(1 <= len(endpoints) <= MAX_ENDPOINTS for endpoints in services.values())


def test_the_shipped_addresses_are_public() -> None:
    """None would be refused by the product's own policy."""
    policy = AddressPolicy()
    literal = [
        each.host
        for endpoints in load_services().values()
        for each in endpoints
        if not each.host[0].isalpha()
    ]
    assert literal
    assert all(policy.check(address) is None for address in literal)


def test_a_row_is_an_endpoint() -> None:
    """Host in ASCII, port, and how far it is asked."""
    assert read_services(HEAD + "signal,Chat.Signal.Org,443,hello,\n") == {
        "signal": (Endpoint(host="chat.signal.org", port=443, proof="hello"),)
    }


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("icq,icq.example,443,hello,", "line 2: no such service: icq"),
        ("signal,a.example,443,ping,", "line 2: no such proof: ping"),
        ("signal,a.example,0,hello,", "line 2: a port is 1 to 65535"),
        ("signal,a.example,x,hello,", "line 2"),
        ("signal,a b,443,hello,", "line 2: a host"),
        ("\n".join(["signal,a.example,443,hello,"] * 9), "signal: at most 8"),
    ],
)
def test_a_wrong_row_is_named(row: str, says: str) -> None:
    """The line and what is wrong with it."""
    with pytest.raises(ValueError, match=says):
        read_services(HEAD + row + "\n")


@pytest.mark.parametrize("text", ["messenger:icq", "messenger:", "messenger:Signal"])
def test_a_messenger_that_is_not_in_the_list_is_refused(text: str) -> None:
    """The text names those that are."""
    with pytest.raises(ValueError, match="telegram"):
        parse_target(text)
