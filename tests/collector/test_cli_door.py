"""`ca` and `broker-config`, as an operator types them."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_collector.cli.main import run_command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh authority."""
    assert run_command(["ca", "init", "--name", "Test", "--ca", str(tmp_path / "ca")]) == 0
    return tmp_path / "ca"


def test_from_request_to_revocation(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Request, issue, list, revoke: each says what it did, and the key stays private."""
    name, ca = "shyraq-collector", ["--ca", str(folder)]
    key, request, out = tmp_path / "key.pem", tmp_path / "csr.pem", tmp_path / "cert.pem"
    asked = ["ca", "request", name, "--key", str(key), "--out", str(request)]
    answer = ["--request", str(request), "--out", str(out), *ca]

    assert run_command(asked) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert run_command(asked) == 2
    assert run_command(["ca", "issue", name, *answer]) == 0
    assert out.read_bytes().count(b"BEGIN CERTIFICATE") == 2
    assert run_command(["ca", "issue", name, *answer]) == 2
    assert run_command(["ca", "renew", name, *answer]) == 0
    capsys.readouterr()
    assert run_command(["ca", "list", "--json", *ca]) == 0
    assert [each["state"] for each in json.loads(capsys.readouterr().out)] == ["valid", "valid"]
    assert run_command(["ca", "revoke", name, *ca]) == 0
    assert run_command(["ca", "revoke", name, *ca]) == 2
    capsys.readouterr()
    assert run_command(["ca", "list", *ca]) == 0
    assert capsys.readouterr().out.count("revoked") >= 2


def test_a_server_gets_key_and_chain(folder: Path, tmp_path: Path) -> None:
    """The broker's own certificate comes with a key nobody else reads."""
    key, cert = tmp_path / "server.key", tmp_path / "server.crt"
    hosts = ["broker.example", "192.0.2.1"]
    files = ["--cert", str(cert), "--key", str(key)]
    assert run_command(["ca", "server", *hosts, *files, "--ca", str(folder)]) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert cert.read_bytes().count(b"BEGIN CERTIFICATE") == 2


def test_broker_files_follow_the_registry(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A registered node is in the list, a revoked one is not, and nothing else is rewritten."""
    assert run_command(["keygen", str(tmp_path / "receipt.key")]) == 0
    config = tmp_path / "collector.toml"
    config.write_text(
        f'[collector]\ndata_directory = "{tmp_path}"\nkey_file = "{tmp_path / "receipt.key"}"\n'
        '[broker]\nhost = "127.0.0.1"\ntls = false\n'
    )
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    node = ["node-0001", "--public-key", key]
    place = ["--isp", "beeline", "--region", "KZ-75", "--country", "KZ", "--site", "s1"]
    place += ["--config", str(config)]
    write = ["broker-config", "--out", str(tmp_path), "--cert", "c", "--key", "k", "--json"]
    write += ["--ca", str(folder), "--config", str(config)]

    assert run_command(["nodes", "add", *node, *place]) == 0
    capsys.readouterr()
    assert run_command(write) == 0
    first = json.loads(capsys.readouterr().out)
    assert "user node-0001" in (tmp_path / "acl").read_text()
    assert run_command(write) == 0
    again = json.loads(capsys.readouterr().out)
    revoke = ["nodes", "revoke", "node-0001", "--why", "test", "--config", str(config)]
    assert run_command(revoke) == 0
    capsys.readouterr()
    assert run_command(write) == 0
    last = json.loads(capsys.readouterr().out)

    assert first == {"nodes": 1, "changed": {"mosquitto.conf": True, "acl": True}}
    assert again == {"nodes": 1, "changed": {"mosquitto.conf": False, "acl": False}}
    assert last == {"nodes": 0, "changed": {"mosquitto.conf": False, "acl": True}}
    assert "node-0001" not in (tmp_path / "acl").read_text()
