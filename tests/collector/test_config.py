"""The configuration file: every mistake at once, every key documented."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shyraq_collector.config import load_config, parse_config
from shyraq_collector.config.keys import make_key_file, read_key_file
from shyraq_collector.config.reference import render_reference
from shyraq_collector.config.settings import Settings
from shyraq_collector.consume.tls import Tls
from shyraq_collector.errors import ConfigError

LEAST = """
[collector]
data_directory = "state"
key_file = "collector.pem"
[broker]
host = "localhost"
tls = false
"""
PATH = Path("/somewhere/collector.toml")
REFERENCE = Path(__file__).parents[2] / "docs/reference/collector-configuration.md"


def mistakes(text: str) -> str:
    """What is said of a text that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, PATH)
    return str(caught.value)


def test_the_least_configuration_is_enough() -> None:
    """Defaults fill the rest; relative paths count from the file."""
    config = parse_config(LEAST, PATH)
    assert config.ledger_file == Path("/somewhere/state/ledger.db")
    assert config.key_file == Path("/somewhere/collector.pem")
    assert (config.heartbeat_s, config.broker.port, config.broker.tls) == (60, 8883, None)
    assert config.broker.client_id != config.canary.client_id


def test_a_whole_configuration_reaches_every_room() -> None:
    """TLS for both connections, limits in bytes, one policy a target."""
    config = parse_config(
        """
[collector]
data_directory = "/var/lib/shyraq"
key_file = "/etc/shyraq/collector.pem"
ledger_file = "/mnt/fast/ledger.db"
heartbeat_s = 30
[broker]
host = "broker.example.org"
port = 443
protocol = "3.1.1"
ca_file = "ca.pem"
certificate_file = "c.pem"
key_file = "c.key"
answer_timeout_s = 2.5
[canary]
certificate_file = "canary.pem"
key_file = "canary.key"
[http]
enabled = false
[limits]
stored_mib_per_day = 2
inbox_mib = 3
[[target]]
name = "https://example.org/"
cadence_s = 300
neutral = true
""",
        PATH,
    )
    base = PATH.parent
    assert config.ledger_file == Path("/mnt/fast/ledger.db")
    assert config.broker.tls == Tls(
        ca_file=base / "ca.pem", certificate_file=base / "c.pem", key_file=base / "c.key"
    )
    assert config.canary.tls == Tls(
        ca_file=base / "ca.pem", certificate_file=base / "canary.pem", key_file=base / "canary.key"
    )
    assert (config.broker.protocol, config.broker.answer_timeout_ms) == ("3.1.1", 2500)
    assert config.limits.stored_bytes_per_day == 2 * 1024 * 1024
    assert config.inbox_size_bytes == 3 * 1024 * 1024
    assert config.policy.of("https://example.org/").cadence_ms == 300_000
    assert config.policy.of("https://example.org/").neutral


def test_every_mistake_is_listed_at_once() -> None:
    """Unknown keys with a guess, wrong types, ranges, missing keys, wrong tables."""
    said = mistakes(
        """
collectors = 1
[collector]
data_directory = ""
heartbeat_s = 5
key_fil = "x"
[broker]
port = "1883"
tls = "no"
protocol = "4"
session_expiry_s = true
[http]
port = 70000
[[target]]
cadence_s = 1.5
[limits]
messages_per_s = 0
"""
    )
    for expected in (
        "/somewhere/collector.toml: 14 mistake(s)",
        "- collectors: there is no such key; did you mean collector?",
        "- collector.data_directory: a text is due",
        "- collector.heartbeat_s: a whole number from 10 to 3600 is due",
        "- collector.key_fil: there is no such key; did you mean key_file?",
        "- collector.key_file: missing, and it has no default",
        "- broker.host: missing, and it has no default",
        "- broker.port: a whole number from 1 to 65535 is due",
        "- broker.tls: true or false is due",
        '- broker.protocol: one of "5", "3.1.1" is due',
        "- broker.session_expiry_s: a whole number from 60 to 4294967294 is due",
        "- http.port: a whole number from 1 to 65535 is due",
        "- target[0].name: missing, and it has no default",
        "- target[0].cadence_s: a whole number from 10 to 86400 is due",
        "- limits.messages_per_s: a number from 1 to 100000 is due",
    ):
        assert expected in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('ca_file = "x"', "broker.tls: true is due"),
        ('certificate_file = "x"', "broker.certificate_file and broker.key_file"),
        ('client_id = "shyraq-canary"', "canary.client_id"),
        ("[canary]\nkey_file = 'x'", "canary.certificate_file and canary.key_file"),
        ("[[target]]\nname = 'a'\n[[target]]\nname = 'a'", "target: each name once"),
    ],
)
def test_keys_that_contradict_each_other_are_named(more: str, said: str) -> None:
    """Each rule between keys, with the remedy."""
    assert said in mistakes(LEAST + more)


def test_tls_needs_a_certificate_of_the_broker_and_two_of_ours() -> None:
    """One certificate for two connections would end one of them."""
    tls = LEAST.replace("tls = false", "tls = true")
    assert "broker.ca_file: needed with tls" in mistakes(tls)
    both = tls + 'ca_file = "ca"\ncertificate_file = "c"\nkey_file = "k"\n'
    assert "canary.certificate_file: needed" in mistakes(both)


@pytest.mark.parametrize(
    ("text", "said"),
    [("a = ", "not TOML"), ("broker = 3", "broker: a table"), ("target = 1", r"\[\[tables\]\]")],
)
def test_what_is_no_configuration_is_refused(text: str, said: str) -> None:
    """With the file's name."""
    with pytest.raises(ConfigError, match=f"collector.toml.*(\n.*)*{said}"):
        parse_config(text, PATH)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Absent, or not text."""
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        load_config(tmp_path / "absent.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"odd\.toml: cannot be read"):
        load_config(tmp_path / "odd.toml")
    (tmp_path / "good.toml").write_text(LEAST)
    assert load_config(tmp_path / "good.toml").heartbeat_s == 60


def test_a_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    """What was made is what is read; a second key never takes its place."""
    path = tmp_path / "collector.pem"
    made = make_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key_file(path).private_bytes_raw() == made.private_bytes_raw()
    with pytest.raises(ConfigError, match="never overwritten"):
        make_key_file(path)
    with pytest.raises(ConfigError, match="cannot be written"):
        make_key_file(tmp_path / "absent" / "collector.pem")


def test_a_key_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """Absent, open to others, not a key, another kind of key."""
    path = tmp_path / "collector.pem"
    with pytest.raises(ConfigError, match="keygen"):
        read_key_file(path)
    make_key_file(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_key_file(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(ConfigError, match="not an unencrypted PEM key"):
        read_key_file(path)
    path.write_text(EC_KEY)
    with pytest.raises(ConfigError, match="Ed25519"):
        read_key_file(path)


def test_the_reference_names_every_key() -> None:
    """The page in docs is exactly what the settings' docstrings give."""
    assert REFERENCE.read_text(encoding="utf-8") == render_reference()
    text = REFERENCE.read_text(encoding="utf-8")
    for name in _names(Settings):
        assert f"`{name}`" in text


def _names(kind: type[Any]) -> list[str]:
    names: list[str] = []
    for each in fields(kind):
        hint = get_type_hints(kind)[each.name]
        inner = hint if is_dataclass(hint) else next(iter(get_args(hint)), None)
        names += _names(cast("type[Any]", inner)) if is_dataclass(inner) else [each.name]
    return names


def _ec_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


EC_KEY = _ec_key()
