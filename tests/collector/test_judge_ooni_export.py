"""Exporting our web measurements in OONI's format."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import (  # type: ignore[import-untyped]  # ships no types
    Draft202012Validator,
    FormatChecker,
)

from shyraq_collector.facts.verdicts import OoniVerdict
from shyraq_collector.judge.ooni import judge_lines, judge_ooni
from shyraq_collector.judge.ooni.export import export_web
from shyraq_collector.judge.ooni.lines import Judged
from support.exports import CLEAR, CONTEXT, GOOD, MEASUREMENTS, SCHEMA, exported
from support.web import RIGHT, https, lookup, page, step, web

VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


def _plain(value: object) -> dict[str, Any]:
    """What a reader of the file gets."""
    return dict(json.loads(json.dumps(value)))


def _problems(value: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(value)]


def test_every_export_passes_the_strict_schema() -> None:
    """Whatever a measurement saw, its export has exactly the published form."""
    VALIDATOR.check_schema(SCHEMA)
    documents = [_plain(document) for document in exported()]
    assert len(documents) > 30
    assert [problem for document in documents for problem in _problems(document)] == []


MISTAKES: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown key": lambda d: d.update(surprise=1),
    "missing key": lambda d: d.pop("input"),
    "country": lambda d: d.update(probe_cc="kz"),
    "network": lambda d: d.update(probe_asn=9198),
    "moment": lambda d: d.update(test_start_time="2022-11-20T07:00:00Z"),
    "host address": lambda d: d.update(probe_ip="198.51.100.7"),
    "blocking": lambda d: d["test_keys"].update(blocking="tls"),
    "failure": lambda d: d["test_keys"].update(control_failure="oops"),
    "queries": lambda d: d["test_keys"].update(queries={}),
    "test name": lambda d: d.update(test_name="urlgetter"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_schema_is_strict(mistake: str) -> None:
    """One mistake anywhere is found."""
    document = _plain(export_web(GOOD, CONTEXT))
    assert _problems(document) == []
    MISTAKES[mistake](document)
    assert _problems(document) != []


def test_an_export_can_be_judged_again() -> None:
    """What we write, our own reader of OONI files understands."""
    lines = [json.dumps(document) for document in exported()]
    results = list(judge_lines(lines))
    assert len(results) == len(lines)
    assert all(isinstance(result, Judged) for result in results)


@pytest.mark.parametrize(
    ("number", "blocking", "accessible"),
    [
        (0, False, True),
        (1, "dns", False),
        (3, "tcp_ip", False),
        (4, "http-failure", False),
        (5, "http-failure", False),
        (6, "http-failure", False),
    ],
)
def test_oonis_rules_agree_on_an_export(
    number: int, blocking: str | bool, accessible: bool
) -> None:
    """Beside a good control, OONI's own method says of our rows what ours means."""
    document = export_web(MEASUREMENTS[number], CONTEXT, control=GOOD)
    verdict = judge_ooni(document)
    assert isinstance(verdict, OoniVerdict)
    assert (verdict.blocking, verdict.accessible) == (blocking, accessible)


def test_our_verdicts_in_their_words() -> None:
    """Each state has its pair of values; what OONI has no word for is kept beside."""
    written = [_plain(document)["test_keys"] for document in exported()]
    pairs = {
        (ours["state"], ours["layer"]): (keys["blocking"], keys["accessible"])
        for keys in written
        if (ours := keys["x_shyraq"])
    }
    assert pairs[("blocked", "dns")] == ("dns", False)
    assert pairs[("blocked", "tcp")] == ("tcp_ip", False)
    assert pairs[("blocked", "tls")] == ("http-failure", False)
    assert pairs[("blocked", "certificate")] == ("http-failure", False)
    assert pairs[("blocked", "http")] == ("http-diff", False)
    assert pairs[("down", None)] == (False, False)
    assert pairs[("throttled", None)] == (False, True)
    assert pairs[("ok", None)] == (False, True)
    assert pairs[("unknown", None)] == (None, None)


def test_redirects_come_last_first_with_their_depth() -> None:
    """ts-017: the last request stands first."""
    steps = [
        lookup(RIGHT),
        *https(status=302),
        step("connect", address=RIGHT, port=80, depth=1),
        page(CLEAR, RIGHT, depth=1),
    ]
    requests = _plain(export_web(web(steps), CONTEXT))["test_keys"]["requests"]
    assert [each["request"]["url"][:5] for each in requests] == ["http:", "https"]
    assert [each["tags"][1] for each in requests] == ["depth=1", "depth=0"]
    assert requests[0]["address"] == f"{RIGHT}:80"
    assert requests[0]["transaction_id"] != requests[1]["transaction_id"]


def test_nothing_of_the_home_is_exported() -> None:
    """Neither the node nor its local network is named."""
    text = "\n".join(json.dumps(document) for document in exported())
    assert "192.168." not in text
    assert "node-0001" not in text
    assert '"127.0.0.1"' in text  # OONI's stand-in for an address that is not told
    assert text.count('"127.0.0.1"') == text.count('"probe_ip": "127.0.0.1"')


def test_other_probes_are_refused() -> None:
    """There is no web_connectivity in a DNS measurement."""
    with pytest.raises(ValueError, match="web"):
        export_web(web([], probe="dns"), CONTEXT)
