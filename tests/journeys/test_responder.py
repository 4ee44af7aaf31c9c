"""The two commands together: a responder as the operator starts it, a round as the host sees it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from shyraq_agent.cli.commands import run_command
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.sign.keyfile import write_new_key
from support.authority import Authority
from support.responder import write_pair

ARMS = {"neutral": "127.0.0.2", "target": "127.0.0.3", "rate": "127.0.0.4"}
HERE = "127.0.0.5"
"""Where a further arm stands in for the target's own server."""
RECEIPT_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def lenient(gateways: Sequence[str]) -> AddressPolicy:
    """The policy of this test's own entry point: loopback is admitted."""
    return AddressPolicy(gateways=gateways, admitted=("127.0.0.0/8",))


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The responder runs, in a process of its own, at this port of four addresses."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
    authority = Authority()
    authority.write_bundle(tmp_path / "bundle.pem")
    write_pair(tmp_path, authority.leaf("responder.example", HERE))
    arms = "".join(
        f'[[arm]]\nuse = "{use}"\naddress = "{address}"\nport = {port}\n'
        for use, address in (*ARMS.items(), ("rate", HERE))
    )
    configuration = tmp_path / "responder.toml"
    configuration.write_text(
        '[responder]\ncertificate_file = "responder.crt"\nkey_file = "responder.key"\n' + arms
    )
    command = "from shyraq_collector.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", command, "responder", "--config", str(configuration)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOTIFY_SOCKET": ""},
    ) as process:
        assert process.stderr is not None
        assert "event=responder-open" in process.stderr.readline()
        try:
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


@pytest.fixture
def configuration(tmp_path: Path, port: int) -> Path:
    """An agent that knows the responder, its host having agreed."""
    write_new_key(tmp_path / "evidence.pem")
    path = tmp_path / "agent.toml"
    path.write_text(
        f'[node]\nid = "kz-test-0001"\nstate_directory = "{tmp_path}/state"\n'
        f'key_file = "{tmp_path}/evidence.pem"\n[collector]\nreceipt_keys = ["{RECEIPT_KEY}"]\n'
        '[[broker]]\nhost = "127.0.0.1"\ntls = false\n[lists]\nshipped = false\n'
        f'[network]\ntrust_bundle = "{tmp_path}/bundle.pem"\n'
        '[responder]\nname = "responder.example"\nsend_names = true\n'
        + "".join(
            f'{use}_address = "{address}"\n{use}_port = {port}\n' for use, address in ARMS.items()
        )
    )
    return path


def measured(capture: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """The one measurement that `once` shows."""
    capture.readouterr()
    assert run_command(["once", "--json", *arguments], make_policy=lenient) == 0
    _ladder, found = json.loads(capture.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_a_round_of_a_name_pair_as_a_person_asks_for_it(
    configuration: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every step of both arms works against the service as it is installed."""
    target = ("--probe", "name_pair", "--config", str(configuration), f"{HERE}:{port}")
    found = measured(capsys, *target)
    assert found["result"] == {"rounds": 1, "answered": 2}
    assert isinstance(found["steps"], list)
    transfers = [step["data"] for step in found["steps"] if step["name"] == "transfer"]
    assert [each["arm"] for each in transfers] == ["neutral", "target"]
    assert all(each["size_bytes"] >= 131_072 for each in transfers)
    assert run_command(["once", "--explain", *target], make_policy=lenient) == 0
    shown = capsys.readouterr().out
    assert "name_pair 127.0.0.5" in shown
    assert "samples: " in shown


def test_a_rate_as_a_person_asks_for_it(
    configuration: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many bytes of the page as of the responder, which sends no more than was asked for."""
    page = f"https://{HERE}:{port}/"
    found = measured(capsys, "--probe", "rate", "--config", str(configuration), page)
    assert found["result"] == {"answered": 2}
    assert isinstance(found["steps"], list)
    sizes = [step["data"]["size_bytes"] for step in found["steps"] if step["name"] == "transfer"]
    assert all(65_536 <= size <= 65_536 + 16_384 for size in sizes)
