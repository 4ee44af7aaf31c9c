"""Targets: four ways of writing, lists in the Citizen Lab's columns, clear refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_agent.measure.target import (
    MAX_RUNGS,
    Ladder,
    Rung,
    TargetKind,
    check_host,
    load_shipped_targets,
    parse_target,
    read_target_list,
    split_url,
)

HEADER = "url,category_code,category_description,date_added,source,notes\n"


@pytest.mark.parametrize(
    ("text", "kind", "host", "port"),
    [
        ("https://orda.kz/", "url", "orda.kz", 443),
        ("http://orda.kz", "url", "orda.kz", 80),
        ("HTTPS://Orda.KZ:8443/a?b=c#d", "url", "orda.kz", 8443),
        ("https://[2001:db8::1]/", "url", "2001:db8::1", 443),
        ("https://қазақстан.example/", "url", "xn--80aaa0a6awh12ed.example", 443),
        ("orda.kz:443", "endpoint", "orda.kz", 443),
        ("192.0.2.1:8883", "endpoint", "192.0.2.1", 8883),
        ("[2001:db8::1]:443", "endpoint", "2001:db8::1", 443),
        ("tcp://192.0.2.1:443", "listener", "192.0.2.1", 443),
        ("tcp://[2001:db8::1]:5222", "listener", "2001:db8::1", 5222),
        ("quic://orda.kz:443", "quic", "orda.kz", 443),
        ("trace://[2001:db8::1]:443", "route", "2001:db8::1", 443),
        ("messenger:telegram", "service", "telegram", None),
        ("orda.kz", "name", "orda.kz", None),
        ("orda.kz.", "name", "orda.kz", None),
        ("e1.whatsapp.net", "name", "e1.whatsapp.net", None),
    ],
)
def test_the_way_of_writing_says_the_kind(
    text: str, kind: TargetKind, host: str, port: int | None
) -> None:
    """Seven ways; the host is in the form that goes on the wire."""
    target = parse_target(text, category="NEWS")
    assert (target.text, target.kind, target.category) == (text, kind, "NEWS")
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "1 to 2048 characters"),
        ("https://" + "a" * 2048, "1 to 2048 characters"),
        ("https://orda.kz/ a", "no spaces"),
        ("https://orda.kz/\n", "no spaces"),
        ("https://orda.kz/\x00", "no spaces"),
        ("ftp://orda.kz/", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("quic://orda.kz", "a port is due"),
        ("trace://orda.kz", "a port is due"),
        ("quic://https://orda.kz/", "only http and https"),
        ("messenger:icq", "a messenger is one of telegram"),
        ("https://user:word@orda.kz/", "user name or password"),
        ("https:///path", "a host is"),
        ("https://a..kz/", "a host is"),
        ("https://-%41/", "a host is"),
        ("https://" + "a" * 64 + ".kz/", "a host is"),
        ("https://orda.kz:99999/", "a port is 1 to 65535"),
        ("https://orda.kz:0/", "a port is 1 to 65535"),
        ("https://[::1/", "not a URL"),
        ("orda.kz/path", "write https://host/path"),
        ("user@orda.kz", "write https://host/path"),
        ("192.0.2.1", "a port is due"),
        ("tcp://orda.kz", "a port is due"),
        ("tcp://https://orda.kz/", "not a URL|only http"),
        ("orda.kz:0", "a port is 1 to 65535"),
        ("orda.kz:x", "not a URL"),
    ],
)
def test_what_is_none_of_these_is_refused_with_a_reason(text: str, complaint: str) -> None:
    """The text says what is wrong or what would be right."""
    with pytest.raises(ValueError, match=complaint):
        parse_target(text)


@given(st.text(max_size=80))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    """Whatever a list holds, the answer is a target or a ValueError."""
    for candidate in (text, f"https://{text}/", f"https://orda.kz/{text}"):
        try:
            target = parse_target(candidate)
        except ValueError:
            continue
        assert check_host(target.host) == target.host


def test_a_list_keeps_each_target_once_in_order() -> None:
    """Rows become targets with their category; a second mention is dropped."""
    rows = "https://a.kz/,NEWS,,,,\nb.kz,GRP,,,,\nhttps://a.kz/,NEWS,,,,\n"
    targets = read_target_list(HEADER + rows)
    assert [(each.text, each.category) for each in targets] == [
        ("https://a.kz/", "NEWS"),
        ("b.kz", "GRP"),
    ]


def test_a_bad_row_is_named_by_its_line() -> None:
    """The operator finds the line without counting."""
    with pytest.raises(ValueError, match=r"line 3: only http and https"):
        read_target_list(HEADER + "https://a.kz/,NEWS,,,,\nftp://b.kz/,NEWS,,,,\n")


@pytest.mark.parametrize("text", ["", "host,category_code\n", "url\n"])
def test_a_list_without_its_columns_is_refused(text: str) -> None:
    """A file that is not such a list is not read as an empty one."""
    with pytest.raises(ValueError, match=r"line 1: the column (url|category_code) is missing"):
        read_target_list(text)


def test_the_shipped_list_can_be_read_and_is_harmless() -> None:
    """Categories that a host need not fear, and nothing in clear text."""
    targets = load_shipped_targets()
    assert {"NEWS", "COMT", "GOVT", "ECON", "CTRL"} <= {each.category for each in targets}
    assert not {"PORN", "GMB", "ANON", "MILX", "HATE"} & {each.category for each in targets}
    assert all(each.port == 443 for each in targets if each.kind != "service")
    texts = {each.text for each in targets}
    assert {"https://orda.kz/", "https://kaztag.kz/", "example.com:443"} <= texts


@pytest.mark.parametrize("url", ["gopher://a.kz/", "https://u@a.kz/", "//a.kz/", "https://a b/"])
def test_a_url_that_may_not_be_fetched_is_refused(url: str) -> None:
    """The same rule holds for targets and for redirects."""
    with pytest.raises(ValueError, match=r"only http|user name|a host|not a URL"):
        split_url(url)


def test_a_ladder_fits_one_measurement() -> None:
    """More rungs than a report has steps for are refused at once."""
    rung = Rung(tier="abroad", host="192.0.2.1", port=443, proof="tls")
    assert Ladder(rungs=(rung,) * MAX_RUNGS).rungs
    with pytest.raises(ValueError, match="at most 24 rungs, not 25"):
        Ladder(rungs=(rung,) * (MAX_RUNGS + 1))


@pytest.mark.parametrize(("host", "name"), [("a..kz", None), ("192.0.2.1", "a b"), ("", None)])
def test_a_rung_that_cannot_be_asked_for_is_refused(host: str, name: str | None) -> None:
    """A wrong name is found when the ladder is built, not at the first beat."""
    with pytest.raises(ValueError, match="a host is"):
        Rung(tier="abroad", host=host, port=443, proof="tls", server_name=name)
