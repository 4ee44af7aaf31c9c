"""Configuration: every mistake at once, nothing above a ceiling, every key documented."""

import os
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shyraq_agent.config import load_config, parse_config
from shyraq_agent.config.plan import (
    endpoints_of,
    ladder_of,
    limits_of,
    pairing_of,
    resolvers_of,
    responder_of,
)
from shyraq_agent.config.probing import LimitSettings, TraceSettings
from shyraq_agent.config.reader import read_table
from shyraq_agent.config.reference import render_reference, undocumented
from shyraq_agent.config.settings import Settings
from shyraq_agent.config.traffic import BYTES_OF, expected_traffic, terms_of
from shyraq_agent.errors import ConfigError
from shyraq_agent.measure import PROBES
from shyraq_agent.measure.limits import MAX_TARGETS, MIN_TARGET_PERIOD_S, Limits
from shyraq_agent.measure.responder import Arm
from shyraq_agent.sign.keyfile import write_new_key

PUBLIC_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"""Of RFC 8032's first test vector."""
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "agent-configuration.md"


@pytest.fixture
def good(tmp_path: Path) -> str:
    """The least that a configuration needs."""
    write_new_key(tmp_path / "evidence.pem")
    return f"""
[node]
id = "kz-test-0001"
state_directory = "{tmp_path}/state"
key_file = "{tmp_path}/evidence.pem"
[collector]
receipt_keys = ["{PUBLIC_KEY}"]
[[broker]]
host = "127.0.0.1"
tls = false
"""


def mistakes_in(text: str) -> tuple[str, ...]:
    """What `parse_config` has to say."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode(), name="agent.toml")
    assert str(caught.value).startswith("agent.toml: ")
    return caught.value.mistakes


def test_the_least_configuration_is_enough(good: str) -> None:
    """Everything else has a default, and the defaults fit their own budget."""
    config = parse_config(good.encode(), name="agent.toml")
    assert config.settings.node.heartbeat_s == 60
    assert config.settings.broker[0].port == 8883
    assert config.traffic.fits
    assert config.ref.version == 1
    assert {each.probe for each in config.plan} <= set(PROBES)
    assert len(config.plan) > 10


def test_the_hash_is_of_the_files_bytes(good: str, tmp_path: Path) -> None:
    """Reports quote SHA-256 of the file, so a changed comment is another configuration."""
    path = tmp_path / "agent.toml"
    path.write_text(good)
    first = load_config(path).ref
    path.write_text(good + "# another\n")
    assert load_config(path).ref.sha256 != first.sha256


def test_every_mistake_is_reported_at_once() -> None:
    """Wrong type, range, word, unknown key and missing key in one go, each by its path."""
    found = mistakes_in(
        """
version = true
haertbeat = 1
[node]
id = 5
heartbeat_s = 9
key_fil = "x"
[collector]
receipt_keys = "abc"
[[broker]]
port = 70000
protocol = "4"
transport = "tpc"
tls = 1
connect_timeout_s = "soon"
[[broker]]
host = ""
[lists]
files = [1]
[network]
gateways = 3
[cadence]
web_s = 59
[limits]
body_bytes = 65537
"""
    )
    for start in (
        "version: a whole number is due",
        "haertbeat: there is no such key",
        "node.id: text is due",
        "node.heartbeat_s: 10 to 3600, not 9, is due",
        "node.key_fil: there is no such key; did you mean key_file?",
        "node.state_directory: missing",
        "node.key_file: missing",
        "collector.receipt_keys: a list is due",
        "broker[0].host: missing",
        "broker[0].port: 1 to 65535, not 70000, is due",
        "broker[0].protocol: one of 5, 3.1.1 is due",
        "broker[0].transport: one of tcp, websocket is due; did you mean tcp?",
        "broker[0].tls: true or false is due",
        "broker[0].connect_timeout_s: a number is due",
        "broker[1].host: text is due",
        "lists.files[0]: text is due",
        "network.gateways: a list is due",
        f"cadence.web_s: {MIN_TARGET_PERIOD_S} to 86400, not 59, is due",
        "limits.body_bytes: 1 to 65536, not 65537, is due",
    ):
        assert any(each.startswith(start) for each in found), (start, found)


def test_rules_between_keys_are_reported_together(good: str) -> None:
    """What types cannot say: ids, keys, TLS, rungs, targets."""
    text = good.replace("kz-test-0001", "Two Words").replace(PUBLIC_KEY, "00" * 32)
    text = text.replace("tls = false", 'tls = false\ntls_key_file = "x"')
    found = mistakes_in(
        text
        + """
[[broker]]
host = "b"
[network]
gateways = ["router"]
[[resolver]]
role = "isp"
address = "dns.example"
[[ladder]]
tier = "link"
host = "192.0.2.1"
port = 0
[[ladder]]
tier = "abroad"
host = "192.0.2.1"
proof = "ping"
[[ladder]]
tier = "abroad"
host = "192.0.2.1"
proof = "dns"
[[ladder]]
tier = "gateway"
host = "192.168.1.9"
proof = "ping"
[[target]]
target = "ftp://x/"
"""
    )
    for start in (
        "node.id:",
        "collector.receipt_keys[0]:",
        "broker[0].tls: false, yet",
        "broker[0].tls_key_file: a key without",
        "broker[1].tls_ca_file: the broker's issuer is due",
        "network.gateways[0]:",
        "resolver[0].address:",
        "ladder[0].tier: link needs no rung",
        "ladder[0].port:",
        "ladder[1].proof: ping proves only the gateway",
        "ladder[2].proof: dns proves only the resolver",
        "ladder[3].host: not one of network.gateways",
        "target[0].target: only http and https",
    ):
        assert any(each.startswith(start) for each in found), (start, found)


def test_files_are_checked_with_their_permissions(good: str, tmp_path: Path) -> None:
    """A key that others can read, missing lists and bundles, a file where a directory is due."""
    (tmp_path / "evidence.pem").chmod(0o644)
    (tmp_path / "state").write_text("")
    found = mistakes_in(
        good
        + f'[network]\ntrust_bundle = "{tmp_path}/none.pem"\n'
        + f'[lists]\nfiles = ["{tmp_path}/none.csv"]\n'
    )
    assert [each.split(":")[0] for each in found] == [
        "node.key_file",
        "node.state_directory",
        "network.trust_bundle",
        "lists.files[0]",
    ]
    assert "chmod 600" in found[0]


def test_tls_files_are_tried(good: str, tmp_path: Path) -> None:
    """A missing issuer, a certificate that is none, a key that others can read."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf = authority.issue_cert(common_name="kz-test-0001")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "node.pem"))
    (tmp_path / "node.pem").chmod(0o600)
    (tmp_path / "bad.pem").write_text("nothing")

    def with_tls(ca: str, cert: str) -> str:
        return good.replace(
            "tls = false", f'tls_ca_file = "{tmp_path}/{ca}"\ntls_cert_file = "{tmp_path}/{cert}"'
        )

    config = parse_config(with_tls("ca.pem", "node.pem").encode(), name="x")
    (endpoint,) = endpoints_of(config.settings)
    assert endpoint.tls is not None
    assert endpoint.tls.cert_file == tmp_path / "node.pem"
    assert mistakes_in(with_tls("none.pem", "node.pem"))[0].startswith("broker[0].tls_ca_file")
    assert mistakes_in(with_tls("ca.pem", "bad.pem"))[0].startswith("broker[0].tls_cert_file")
    (tmp_path / "node.pem").chmod(0o640)
    assert "chmod 600" in mistakes_in(with_tls("ca.pem", "node.pem"))[0]


def test_targets_come_from_tables_files_and_the_shipped_list(good: str, tmp_path: Path) -> None:
    """Tables win over lists, each target has the probe of its kind or those asked for."""
    listed = tmp_path / "list.csv"
    listed.write_text(
        "url,category_code,category_description,date_added,source,notes\n"
        "https://one.example/,NEWS,,,,\nhttps://two.example/,NEWS,,,,\n"
    )
    config = parse_config(
        (
            good + f'[lists]\nshipped = false\nfiles = ["{listed}"]\n'
            '[[target]]\ntarget = "https://one.example/"\nprobes = ["web", "dns"]\n'
            '[[target]]\ntarget = "three.example:443"\n[cadence]\ndns_s = 600\n'
        ).encode(),
        name="x",
    )
    planned = {(each.probe, each.target.text, each.period_s) for each in config.plan}
    assert planned == {
        ("web", "https://one.example/", 1800),
        ("dns", "https://one.example/", 600),
        ("web", "https://two.example/", 1800),
        ("tls", "three.example:443", 1800),
    }


def test_a_bad_list_and_too_many_targets_are_mistakes(good: str, tmp_path: Path) -> None:
    """The line is named; the ceiling cannot be raised."""
    listed = tmp_path / "list.csv"
    listed.write_text("nothing\n")
    text = good + f'[lists]\nshipped = false\nfiles = ["{listed}"]\n'
    assert mistakes_in(text)[0].startswith("lists.files[0]")
    rows = "".join(f"{n}.example,CTRL\n" for n in range(MAX_TARGETS + 1))
    listed.write_text("url,category_code\n" + rows)
    assert f"at most {MAX_TARGETS}" in mistakes_in(text)[0]


def test_a_profile_that_cannot_fit_is_refused_with_what_costs_most(good: str) -> None:
    """A full ladder of ten rungs each minute does not fit a mobile budget."""
    rung = '[[ladder]]\ntier = "abroad"\nhost = "192.0.2.1"\n'
    text = good + "[budget]\nmonthly_bytes = 300000000\n[cadence]\nladder_s = 60\n" + rung * 10
    (found,) = mistakes_in(text)
    assert found.startswith("budget.monthly_bytes: ")
    assert "full ladder" in found
    assert "[cadence]" in found


@pytest.mark.parametrize(
    ("text", "month_bytes"),
    [
        ("", 2_000_000_000),
        ('[budget]\naccess = "mobile"\n', 300_000_000),
        ('[budget]\naccess = "mobile"\nmonthly_bytes = 500000000\n', 500_000_000),
    ],
)
def test_a_mobile_line_has_a_smaller_budget(good: str, text: str, month_bytes: int) -> None:
    """300 MB unless another figure was agreed; 30 % of it is kept for events."""
    config = parse_config((good + "[lists]\nshipped = false\n" + text).encode(), name="x")
    terms = terms_of(config.settings, config.traffic)
    assert terms.monthly_bytes == month_bytes
    assert config.traffic.allowed_bytes == int(month_bytes * 0.7)
    assert terms.beat_bytes == config.traffic.beat_bytes > 100_000_000


def test_event_windows_are_carried_over(good: str) -> None:
    """As moments; the everyday plan does not hold what an event will cost."""
    window = '[[window]]\nbegins = "2022-11-19T00:00:00.000Z"\nends = "2022-11-21T00:00:00.000Z"\n'
    config = parse_config((good + window).encode(), name="x")
    (found,) = terms_of(config.settings, config.traffic).windows
    assert (found.begins_ms, found.ends_ms) == (1_668_816_000_000, 1_668_988_800_000)
    assert config.traffic == parse_config(good.encode(), name="x").traffic


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        ("2022-11-19", "2022-11-21T00:00:00.000Z", "window[0].begins: a moment like"),
        ("2022-11-19T00:00:00.000Z", "soon", "window[0].ends: a moment like"),
        ("2022-11-19T00:00:00.000Z", "2022-11-19T00:00:00.000Z", "window[0].ends: it must come"),
    ],
)
def test_a_window_that_is_none_is_refused(good: str, begins: str, ends: str, words: str) -> None:
    """Each mistake names the key."""
    (found,) = mistakes_in(good + f'[[window]]\nbegins = "{begins}"\nends = "{ends}"\n')
    assert found.startswith(words)


def test_expected_traffic_adds_up(good: str) -> None:
    """Each line is runs times bytes; doubling the cadence doubles the line."""
    text = good + '[lists]\nshipped = false\n[[target]]\ntarget = "https://a.example/"\n'
    slow = parse_config(text.encode(), name="x")
    fast = parse_config((text + "[cadence]\nweb_s = 900\n").encode(), name="x")
    lines = {each.what: each for each in slow.traffic.lines}
    assert lines["web"].runs == 30 * 48
    assert lines["web"].month_bytes == 30 * 48 * BYTES_OF["web"]
    assert lines["pulse"].runs == 30 * 1440
    faster = {each.what: each for each in fast.traffic.lines}
    assert faster["web"].month_bytes == 2 * lines["web"].month_bytes
    again = expected_traffic(slow.settings, slow.plan)
    assert again.month_bytes == sum(each.month_bytes for each in again.lines)


RESPONDER = """
[responder]
name = "r.example"
neutral_address = "192.0.2.1"
target_address = "192.0.2.2"
rate_address = "192.0.2.3"
rate_port = 8443
send_names = true
[name_pair]
neutral_name = "neutral.example"
washout_s = 120
rounds = 2
"""


PAIR_OF = '[[target]]\ntarget = "{}.example:443"\nprobes = ["name_pair"]\n'


def test_the_responder_and_the_pairs_are_carried_over(good: str) -> None:
    """Every key arrives; without a name there is no responder."""
    config = parse_config((good + RESPONDER).encode(), name="x")
    ours = responder_of(config.settings.responder)
    assert ours is not None
    assert (ours.name, ours.neutral.address, ours.target.address) == (
        "r.example",
        "192.0.2.1",
        "192.0.2.2",
    )
    assert (ours.rate, ours.may_send_names) == (Arm(address="192.0.2.3", port=8443), True)
    pairing = pairing_of(config.settings.name_pair)
    assert (pairing.neutral_name, pairing.rounds("any")) == ("neutral.example", 2)
    assert responder_of(parse_config(good.encode(), name="x").settings.responder) is None


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('[responder]\nname = "r.example"\n', "responder.rate_address: needed with"),
        ("[responder]\nsend_names = true\n", "responder.send_names: there is no"),
        (RESPONDER.replace("192.0.2.2", "192.0.2.1"), "responder.target_address: not neutral"),
        (RESPONDER.replace("192.0.2.3", "r.example"), "responder.rate_address: an IP address"),
        (RESPONDER.replace("r.example", "r example"), "responder.name: "),
        (RESPONDER.replace("neutral.example", "a b"), "name_pair.neutral_name: "),
        (
            '[[target]]\ntarget = "tcp://192.0.2.1:443"\nprobes = ["name_pair"]\n',
            "target[0].probes: name_pair is for a URL or a name or host:port, not for tcp://",
        ),
        (
            '[[target]]\ntarget = "https://a.example/"\nprobes = ["rate"]\n',
            "target[0].probes: rate needs [responder]",
        ),
        (
            '[[target]]\ntarget = "a.example"\nprobes = ["rate"]\n',
            "target[0].probes: rate is for a URL",
        ),
        (
            "[cadence]\nname_pair_s = 500\n" + PAIR_OF.format("a") + PAIR_OF.format("b"),
            "cadence.name_pair_s: 2 targets",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(good: str, text: str, mistake: str) -> None:
    """Rules between the responder, the pairs and the targets."""
    assert any(each.startswith(mistake) for each in mistakes_in(good + text))


def test_what_pairs_and_rates_cost_follows_from_their_bodies(good: str) -> None:
    """One event target by name costs what the design says; without consent next to nothing."""
    target = PAIR_OF.format("a")
    rate = '[[target]]\ntarget = "https://a.example/"\nprobes = ["rate"]\n'
    lists = "[lists]\nshipped = false\n"
    config = parse_config((good + RESPONDER + lists + target + rate).encode(), name="x")
    lines = {each.what: each for each in config.traffic.lines}
    assert lines["name_pair"].runs == 30 * 48
    assert 290e6 < lines["name_pair"].month_bytes < 460e6
    assert lines["rate"].runs == 30 * 24
    assert lines["rate"].month_bytes < 170e6
    quiet = RESPONDER.replace("send_names = true", "send_names = false")
    config = parse_config((good + quiet + lists + target).encode(), name="x")
    lines = {each.what: each for each in config.traffic.lines}
    assert lines["name_pair"].month_bytes < 20e6


def test_services_quic_and_traces_have_their_cadence_and_cost(good: str) -> None:
    """Each way of writing its probe; what a host did not consent to costs nothing."""
    text = good + "[lists]\nshipped = false\n"
    for target in ("messenger:whatsapp-web", "quic://a.example:443", "trace://a.example:443"):
        text += f'[[target]]\ntarget = "{target}"\n'
    config = parse_config(text.encode(), name="x")
    assert {(each.probe, each.period_s) for each in config.plan} == {
        ("messengers", 900),
        ("quic", 3600),
        ("trace", 21_600),
    }
    costs = {each.what: each.month_bytes for each in config.traffic.lines}
    assert costs["messenger:whatsapp-web"] == 30 * 96 * 2 * BYTES_OF["tls"]
    assert costs["quic"] == 30 * 24 * 2 * BYTES_OF["quic"]
    assert costs["trace"] == 30 * 4 * 2 * BYTES_OF["trace"]
    assert config.settings.trace == TraceSettings(hello=False, at_edges=False)
    agreed = parse_config((text + "[trace]\nhello = true\nat_edges = true\n").encode(), name="x")
    dearer = {each.what: each.month_bytes for each in agreed.traffic.lines}
    assert dearer["trace"] > 5 * costs["trace"]
    assert agreed.settings.trace == TraceSettings(hello=True, at_edges=True)


@pytest.mark.parametrize(
    "target", ["messenger:whatsapp-web", "quic://a.example:443", "trace://a.example:443"]
)
def test_a_target_for_one_probe_takes_no_other(good: str, target: str) -> None:
    """The judge would take one probe's word for another's."""
    text = good + f'[[target]]\ntarget = "{target}"\nprobes = ["tls"]\n'
    (mistake,) = mistakes_in(text)
    assert mistake.startswith("target[0].probes: this way of writing stands for one probe")


def test_what_is_not_toml_and_what_is_not_there(tmp_path: Path) -> None:
    """The file itself can be the mistake."""
    assert mistakes_in("[node")[0].startswith("not TOML")
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.toml")


def test_no_environment_variable_is_read(good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes give the same configuration, whatever the environment says."""
    before = parse_config(good.encode(), name="x")
    for name in list(os.environ):
        if name.startswith(("SHYRAQ", "HTTP", "http", "SSL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SHYRAQ_HEARTBEAT_S", "1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    assert parse_config(good.encode(), name="x") == before


def test_limits_are_those_of_the_probes_and_only_lower() -> None:
    """Every limit of `measure` has a key whose default is its ceiling."""
    assert [each.name for each in fields(LimitSettings)] == [each.name for each in fields(Limits)]
    assert limits_of(LimitSettings()) == Limits()
    for each in fields(LimitSettings):
        assert each.metadata["bounds"] == (1, getattr(Limits(), each.name))


def test_ladder_and_resolvers_are_carried_over(good: str) -> None:
    """Every key of a rung and a resolver arrives."""
    config = parse_config(
        (
            good + '[network]\ngateways = ["192.168.1.1"]\n'
            '[[ladder]]\ntier = "gateway"\nhost = "192.168.1.1"\nport = 0\nproof = "ping"\n'
            '[[ladder]]\ntier = "domestic"\nhost = "192.0.2.1"\nserver_name = "a.example"\n'
            '[[resolver]]\nrole = "isp"\naddress = "192.0.2.53"\n'
        ).encode(),
        name="x",
    )
    gateway, domestic = ladder_of(config.settings).rungs
    assert (gateway.proof, gateway.port) == ("ping", 0)
    assert (domestic.server_name, domestic.port, domestic.proof) == ("a.example", 443, "tls")
    (resolver,) = resolvers_of(config.settings.resolver)
    assert (resolver.role, resolver.address, resolver.port) == ("isp", "192.0.2.53", 53)


def test_every_key_has_a_docstring_and_stands_in_the_reference() -> None:
    """The page in docs is what the program prints."""
    assert undocumented() == ()
    assert REFERENCE.read_text(encoding="utf-8") == render_reference(), (
        "print it again: shyraq-agent check-config --keys > docs/reference/agent-configuration.md"
    )


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_KEYS = st.sampled_from([each.name for each in fields(Settings)]) | st.text(max_size=5)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(table=st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_whatever_stands_in_the_file_gives_mistakes_and_no_crash(table: dict[str, object]) -> None:
    """Reading never raises; without the required tables it never succeeds."""
    mistakes: list[str] = []
    assert read_table(table, Settings, mistakes) is None or not mistakes
    assert mistakes


def test_the_example_in_the_documentation_reads() -> None:
    """TOML in the reference, where there is any, is TOML."""
    for block in render_reference().split("```toml")[1:]:
        tomllib.loads(block.split("```")[0])
