"""The address policy: public unicast, named exceptions, and nothing else."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.egress import AddressPolicy, is_home_name
from support.hostile_addresses import (
    DOCUMENTATION_ADDRESSES,
    FORBIDDEN_ADDRESSES,
    NOT_ADDRESSES,
    PUBLIC_ADDRESSES,
)

PUBLIC_ONLY = AddressPolicy()


@pytest.mark.parametrize("address", [*FORBIDDEN_ADDRESSES, *DOCUMENTATION_ADDRESSES])
def test_what_is_not_public_unicast_is_refused_with_its_class(address: str) -> None:
    """No address of the table passes, and the refusal says what it is."""
    refusal = PUBLIC_ONLY.check(address)
    assert refusal is not None
    assert refusal.address == address
    assert refusal.reason


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_text_that_only_some_library_takes_for_an_address_is_refused(text: str) -> None:
    """Only one plain address passes: no short, octal, hexadecimal, bracketed or zoned form."""
    assert PUBLIC_ONLY.check(text) is not None


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_unicast_passes(address: str) -> None:
    """Neighbours of forbidden prefixes are not caught with them."""
    assert PUBLIC_ONLY.check(address) is None


@given(st.ip_addresses(v=4))
def test_nothing_private_passes_in_any_dress(inner: IPv4Address) -> None:
    """An IPv4 address that is refused is refused in every IPv6 form that carries it."""
    carried = int(inner)
    forms = [
        IPv6Address(int(IPv6Address(prefix)) + (carried << shift))
        for prefix, shift in (
            ("::", 0),
            ("::ffff:0:0", 0),
            ("::ffff:0:0:0", 0),
            ("64:ff9b::", 0),
            ("64:ff9b:1::", 0),
            ("2002::", 80),
        )
    ]
    if PUBLIC_ONLY.check(str(inner)) is not None:
        assert [str(form) for form in forms if PUBLIC_ONLY.check(str(form)) is None] == []


@given(st.ip_addresses())
def test_what_passes_is_global_by_the_standard_library_too(
    address: IPv4Address | IPv6Address,
) -> None:
    """The table is stricter than `is_global`, never laxer, NAT64 apart."""
    if PUBLIC_ONLY.check(str(address)) is None and address not in IPv6Network("64:ff9b::/96"):
        assert address.is_global
        assert not address.is_multicast


def test_admitted_prefixes_widen_the_policy_by_exactly_themselves() -> None:
    """A lab that admits a prefix reaches it and still nothing else."""
    lab = AddressPolicy(admitted=["192.0.2.0/24", "2001:db8::/32"])
    assert lab.check("192.0.2.7") is None
    assert lab.check("2001:db8::7") is None
    assert lab.check("198.51.100.7") is not None
    assert lab.check("::ffff:192.0.2.7") is not None
    assert [each for each in FORBIDDEN_ADDRESSES if lab.check(each) is None] == []


def test_the_gateway_passes_only_where_it_is_asked_for() -> None:
    """A target that names the host's router is refused; the ladder's gateway rung is not."""
    policy = AddressPolicy(gateways=["192.168.1.1", "fe80::1%eth0"])
    assert policy.check("192.168.1.1") is not None
    assert policy.check_gateway("192.168.1.1") is None
    assert policy.check_gateway("fe80::1%eth0") is None
    assert policy.check_gateway("fe80::1") is not None
    assert policy.check_gateway("192.168.1.2") is not None
    assert policy.check_gateway("gateway") is not None


def test_a_policy_is_not_built_from_what_is_no_prefix() -> None:
    """A typing error in an entry point is an error, not a hole."""
    with pytest.raises(ValueError, match="does not appear"):
        AddressPolicy(admitted=["everything"])
    with pytest.raises(ValueError, match="does not appear"):
        AddressPolicy(gateways=["router"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "router",
        "2130706433",
        "0x7f000001",
        "nas.local",
        "NAS.Local.",
        "a.localhost",
        "b.home.arpa",
        "c.internal",
        "duckduckgo.onion",
        "",
        ".",
    ],
)
def test_a_name_that_can_only_be_of_the_home_is_told(host: str) -> None:
    """One label, or below a suffix that the public DNS never has."""
    assert is_home_name(host)


@pytest.mark.parametrize(
    "host", ["orda.kz", "xn--80ao21a.kz", "local.example.org", "8.8.8.8", "2606:4700::1111", "a.b."]
)
def test_public_names_and_addresses_are_not_of_the_home(host: str) -> None:
    """What the public DNS may have is looked up; addresses are the policy's matter."""
    assert not is_home_name(host)
