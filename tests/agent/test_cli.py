"""The command line: help, exit codes, JSON, and words that help."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from shyraq_agent.app import SOFTWARE
from shyraq_agent.cli.commands import public_policy, run_command
from shyraq_agent.cli.running import notifier
from shyraq_agent.cli.show import render_status, what_is_wrong
from shyraq_agent.config import load_config
from shyraq_agent.egress import AddressPolicy
from shyraq_agent.sign.keyfile import raw_public_key, read_key
from shyraq_wire.keys import key_id, load_evidence_key
from support.agents import make_agent, write_config
from support.broker import running_broker
from support.clock import FakePace, until
from support.ledger import Ledger, collecting


def run(*arguments: str) -> int:
    """One command as `main` runs it."""
    return run_command(arguments, make_policy=public_policy)


def lenient(gateways: Sequence[str]) -> AddressPolicy:
    """The policy of this test's own entry point: loopback is admitted."""
    return AddressPolicy(gateways=gateways, admitted=("127.0.0.0/8",))


@pytest.mark.parametrize(
    "command", ["", "run", "once", "status", "check-config", "keygen", "pause", "resume"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help says what a command does and exits 0."""
    assert run(*([command] if command else []), "--help") == 0
    assert len(capsys.readouterr().out) > 100


def test_the_version_is_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names program and version."""
    assert run("--version") == 0
    assert SOFTWARE.replace("/", ", version ") in capsys.readouterr().out


def test_the_console_script_and_the_module_start() -> None:
    """`python -m shyraq_agent` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "shyraq_agent", "--version"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert "shyraq-agent" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["run", "--no-such"],
        ["once", "ftp://x/"],
        ["once", "--probe", "rate", "a.example"],
    ],
)
def test_wrong_usage_is_exit_code_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown command, an unknown option, a target that is none."""
    assert run(*arguments) == 2
    assert "Error" in capsys.readouterr().err


def test_keygen_makes_a_key_and_prints_its_public_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed is the key in the file; a second time it is refused with exit code 1."""
    path = tmp_path / "evidence.pem"
    assert run("keygen", str(path), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    public = raw_public_key(read_key(path))
    assert told == {"public_key": public.hex(), "key_id": key_id(public)}
    load_evidence_key(public)
    assert run("keygen", str(path)) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert run("keygen", str(tmp_path / "second.pem")) == 0
    assert "public key" in capsys.readouterr().out


def test_check_config_prints_what_it_will_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table for people, the same as JSON for programs, the reference with --keys."""
    with running_broker(tmp_path) as broker:
        path = write_config(tmp_path / "n", Ledger(), [broker])
    assert run("check-config", str(path)) == 0
    table = capsys.readouterr().out
    assert re.search(r"^pulse +43,200 +[\d,]+$", table, re.MULTILINE)
    assert run("check-config", str(path), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["month_bytes"] == sum(line["month_bytes"] for line in told["lines"])
    assert run("check-config", "--keys") == 0
    assert "heartbeat_s" in capsys.readouterr().out


def test_a_bad_configuration_is_exit_code_two_with_every_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """run, status and check-config all say the same."""
    path = tmp_path / "agent.toml"
    path.write_text("[node]\nid = 5\nhartbeat_s = 1\n")
    for command in (
        ["run", "--config", str(path)],
        ["status", "--config", str(path)],
        ["check-config", str(path)],
    ):
        assert run(*command) == 2
        said = capsys.readouterr().err
        assert "node.id: text is due" in said
        assert "did you mean heartbeat_s?" in said


def test_status_of_no_agent_is_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that none runs there."""
    assert run("status", "--state", str(tmp_path)) == 1
    assert "no agent runs" in capsys.readouterr().err


async def test_status_of_a_running_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 and a table, or JSON with nothing wrong."""
    ledger = Ledger()
    with running_broker(tmp_path) as broker:
        path = write_config(tmp_path / "n", ledger, [broker])
        pace = FakePace()
        task = asyncio.create_task(make_agent(load_config(path), pace).run())
        async with collecting(ledger, broker):
            await until(
                lambda: len(ledger.reports("kz-test-0001")) >= 2,
                moving=lambda: pace.run_for(2_000),
            )
            state = tmp_path / "n" / "state"

            async def healthy() -> bool:
                return await asyncio.to_thread(run, "status", "--state", str(state)) == 0

            while not await healthy():  # the last receipt may still be on its way
                await pace.run_for(100)
            assert re.search(r"^broker +127", capsys.readouterr().out, re.MULTILINE)
            code = await asyncio.to_thread(run, "status", "--config", str(path), "--json")
            assert code == 0
            assert json.loads(capsys.readouterr().out)["wrong"] == []
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_everything_that_can_be_wrong_has_its_sentence() -> None:
    """Each fault alone gives exactly one sentence, and the table shows it."""
    good = {
        "node": "kz-test-0001",
        "software": SOFTWARE,
        "config": {"version": 1, "sha256": "0" * 64},
        "heartbeat_s": 60,
        "last_pulse": None,
        "last_receipt_age_ms": None,
        "spool": {"held": 0, "held_bytes": 0, "refused": 0, "dropped": 0},
        "spool_failing": None,
        "probe_bugs": 0,
        "paused": None,
        "budget": {
            "used_bytes": 5_000_000,
            "monthly_bytes": 300_000_000,
            "level": "full",
            "event_window": False,
        },
        "publish": {
            "endpoint": None,
            "failing": None,
            "sent": 0,
            "resent": 0,
            "refused_by_broker": 0,
            "bad_receipts": 0,
            "foreign_intervals": 0,
        },
    }
    assert what_is_wrong(good) == ()
    assert "none yet" in render_status(good)
    assert "5,000,000 of 300,000,000 bytes this month (2%)" in render_status(good)
    faults: list[tuple[tuple[str, ...], object]] = [
        (("publish", "failing"), "no route"),
        (("last_receipt_age_ms",), 400_000),
        (("spool_failing",), "disk full"),
        (("publish", "refused_by_broker"), 1),
        (("publish", "bad_receipts"), 1),
        (("publish", "foreign_intervals"), 1),
        (("spool", "refused"), 1),
        (("spool", "dropped"), 1),
        (("probe_bugs",), 1),
        (("budget", "level"), "beat"),
    ]
    for path, value in faults:
        told = json.loads(json.dumps(good))
        inner = told[path[0]] if len(path) == 2 else told
        inner[path[-1]] = value
        assert len(what_is_wrong(told)) == 1, path
        assert "wrong" in render_status(told)

    paused = {**good, "paused": {"left_s": 1_800, "for_s": 3_600}, "last_receipt_age_ms": 400_000}
    assert what_is_wrong(paused) == ()
    assert "paused for 30 more minutes" in render_status(paused)


async def test_pause_and_resume_speak_to_the_running_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each says how it stands now; without an agent both say so."""
    ledger = Ledger()
    with running_broker(tmp_path) as broker:
        path = write_config(tmp_path / "n", ledger, [broker])
        pace, ready = FakePace(), asyncio.Event()
        task = asyncio.create_task(make_agent(load_config(path), pace, on_ready=ready.set).run())
        await ready.wait()

        async def said(*arguments: str) -> str:
            asking = asyncio.create_task(asyncio.to_thread(run, *arguments, "--config", str(path)))
            await until(asking.done, moving=lambda: pace.run_for(200))
            assert await asking == 0
            return capsys.readouterr().out

        assert re.fullmatch(r"paused for (59|60) more minutes\n", await said("pause"))
        assert await said("pause", "until-resumed") == "paused until resumed\n"
        assert json.loads(await said("resume", "--json")) == {"paused": None}
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert await asyncio.to_thread(run, "pause", "--config", str(path)) == 1
    assert "no agent runs" in capsys.readouterr().err
    assert run("pause", "3h", "--config", str(path)) == 2


def test_once_measures_without_broker_or_key(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused port is a measurement like any other: shown, explained, exit code 1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
    assert run_command(["once", target, "--json"], make_policy=lenient) == 1
    (measured,) = json.loads(capsys.readouterr().out)
    assert measured["steps"][-1]["failure"] == "connection_refused"
    assert run_command(["once", target], make_policy=lenient) == 1
    assert "connection_refused" in capsys.readouterr().out
    assert run_command(["once", target, "--explain"], make_policy=lenient) == 1
    assert "connect" in capsys.readouterr().out


def test_once_never_touches_what_the_public_policy_forbids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the product's own policy a loopback target gets no packet."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0)
        port = listener.getsockname()[1]
        assert run("once", f"127.0.0.1:{port}", "--json") == 1
        with pytest.raises(BlockingIOError):
            listener.accept()
    (measured,) = json.loads(capsys.readouterr().out)
    assert measured["steps"][-1]["failure"] == "egress_forbidden"


def test_once_takes_targets_and_ladder_from_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without targets on the line, those of the file are measured, and the ladder climbed."""
    more = '[[target]]\ntarget = "127.0.0.1:9"\n'
    with running_broker(tmp_path) as broker:
        path = write_config(tmp_path / "n", Ledger(), [broker], more=more)
    run_command(["once", "--config", str(path), "--json"], make_policy=lenient)
    measured = json.loads(capsys.readouterr().out)
    assert [each["probe"] for each in measured] == ["ladder", "tls"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_stops_in_order_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """The last report says stopped, and the exit code is 0."""
    ledger = Ledger()
    with running_broker(tmp_path) as broker:
        path = write_config(tmp_path / "n", ledger, [broker])
        notified = tmp_path / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(notified))
            async with collecting(ledger, broker):
                child = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "shyraq_agent",
                    "run",
                    "--config",
                    str(path),
                    env={**os.environ, "NOTIFY_SOCKET": str(notified)},
                )
                try:
                    await until((tmp_path / "n" / "state" / "status.sock").exists)
                    child.send_signal(number)
                    assert await child.wait() == 0
                finally:
                    if child.returncode is None:
                        child.kill()
                        await child.wait()
                await until(lambda: bool(ledger.reports("kz-test-0001")))
            systemd.settimeout(0)
            assert systemd.recv(100) == b"READY=1\nWATCHDOG_USEC=300000000"
    events = [e.kind for r in ledger.reports("kz-test-0001") for e in r.events]
    assert events[-1] == "stopped"


def test_systemd_is_told_through_its_socket(tmp_path: Path) -> None:
    """A path, an abstract name, and no systemd at all."""
    path = tmp_path / "notify"
    for address, bound in ((str(path), str(path)), ("@shyraq-test", "\0shyraq-test")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(bound)
            notifier(address)("WATCHDOG=1")
            assert systemd.recv(100) == b"WATCHDOG=1"
    notifier(None)("READY=1")
