"""The command line: answers for people and programs, exit codes, clear refusals."""

import csv
import gzip
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from shyraq_collector.cli.main import cli, run_command
from shyraq_collector.cli.running import notifier
from shyraq_collector.clock import RealPace
from shyraq_collector.facts.reports import FLAGS, REASONS
from shyraq_collector.judge.judge import Judge
from shyraq_collector.judge.policy import Policy
from shyraq_collector.store.history import frames
from support.broker import free_port, running_broker
from support.clock import STORY_START_MS
from support.collectors import House
from support.findings import commit, entry, findings, verdict
from support.signing import SigningNode, measurement
from support.stored import StoredLedger, placement

VECTORS = Path(__file__).parent.parent / "vectors" / "ooni"

NOW_MS = STORY_START_MS
INCIDENT = "i" * 16
OWN = {"run", "status", "nodes", "incidents", "query", "judge", "replay", "keygen", "check-config"}
"""Commands of this file; certificates and the broker's configuration have tests of their own."""


class Shell:
    """Runs commands in this process, against one house."""

    def __init__(self, house: House, capture: pytest.CaptureFixture[str]) -> None:
        """Keep where to look.

        Args:
            house: Its configuration is given to every command.
            capture: What was printed.
        """
        self.house = house
        self._capture = capture

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command; its standard output.

        Args:
            arguments: Without the program's name and `--config`.
            code: The exit code that is due.
        """
        self._capture.readouterr()
        got = run_command([*arguments, "--config", str(self.house.configuration)])
        out, self.complaints = self._capture.readouterr()
        assert got == code, (out, self.complaints)
        return out

    def json(self, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401  # JSON is what it is
        """Run a command with `--json`; what it answered."""
        return json.loads(self(*arguments, "--json", code=code))

    def add(self, node: SigningNode, *, region: str = "KZ-75") -> str:
        """Register a node through the command."""
        return self(
            *("nodes", "add", node.id, "--public-key", node.public_key.hex(), "--isp", "isp-a"),
            *("--region", region, "--country", "KZ", "--access", "fixed", "--site", "site-1"),
            *("--from", "2022-01-01", "--note", "roof"),
        )


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A house without a running collector."""
    return Shell(House(tmp_path, broker_port=free_port()), capsys)


@pytest.fixture
def stored(shell: Shell) -> Iterator[tuple[StoredLedger, SigningNode]]:
    """A ledger with one node that has reported two measurements."""
    node = SigningNode()
    ledger = StoredLedger(shell.house.ledger_file.parent, node)
    good = measurement("tls", "https://a.example/")
    bad = measurement("tls", '=HYPERLINK("x")\x1b[2J', failure="connection_reset")
    ledger.take(node, node.frame(node.report(measurements=(good, bad))))
    with ledger:
        yield ledger, node


# -- nodes -----------------------------------------------------------------------------------------


def test_a_node_is_added_listed_moved_and_revoked(shell: Shell) -> None:
    """The whole life of an entry, as people and as programs see it."""
    node, new = SigningNode(), SigningNode(seed="new")
    assert "node node-0001 is registered" in shell.add(node)
    assert "node-0001" in shell("nodes", "list")
    (listed,) = shell.json("nodes", "list", "--role", "sensor")
    assert (listed["isp"], listed["region"], listed["heard"]) == ("isp-a", "KZ-75", None)
    assert listed["keys"][0]["id"] == node.key_id
    shell(
        *("nodes", "move", node.id, "--isp", "isp-b", "--region", "KZ-71", "--country", "KZ"),
        *("--site", "site-2"),
    )
    shell("nodes", "add-key", node.id, "--public-key", new.public_key.hex())
    shown = shell("nodes", "show", node.id)
    assert "note: roof" in shown
    assert "isp-b" in shown
    assert shell.json("nodes", "revoke", node.id, "--why", "lost")["revoked_keys"] == 2
    assert "not trusted" in shell("nodes", "show", node.id)
    assert shell.json("nodes", "list", "--role", "canary") == []
    assert "No node is registered" in shell("nodes", "list", "--role", "canary")


@pytest.mark.parametrize(
    ("group", "usual"), [("nodes", "list"), ("incidents", "list"), ("query", "measurements")]
)
def test_a_group_without_a_command_asks_its_usual_question(
    shell: Shell, stored: tuple[StoredLedger, SigningNode], group: str, usual: str
) -> None:
    """`incidents --json` is `incidents list --json`; `--help` stays the group's."""
    assert stored
    assert shell(group) == shell(group, usual)
    assert shell.json(group) == shell.json(group, usual)
    assert run_command([group, "--help"]) == 0
    shell(group, "no-such-question", code=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nodes", "show", "node-0009"), "node-0009: not registered"),
        (("nodes", "revoke", "node-0009", "--why", "x"), "node-0009: not registered"),
        (("nodes", "add-key", "node-0001", "--public-key", "zz"), "64 hexadecimal digits"),
        (
            ("nodes", "revoke", "node-0001", "--why", "x", "--at", "yesterday"),
            "2022-01-05T10:30:00Z or an age",
        ),
        (("nodes", "add", "node-0001"), "Missing option"),
        (("query", "measurements", "--limit", "0"), "0 is not in the range"),
        (("judge",), "either --format ooni with FILES, or --since"),
        (("nonsense",), "No such command"),
    ],
)
def test_wrong_usage_is_told_with_what_is_due(
    shell: Shell, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, one sentence, no traceback."""
    shell(*arguments, code=2)
    assert said in shell.complaints
    assert "Traceback" not in shell.complaints


def test_a_missing_configuration_or_ledger_is_named(shell: Shell, tmp_path: Path) -> None:
    """Each with the file and the remedy."""
    shell.house.ledger_file.unlink()
    shell("status", code=1)
    assert "there is no ledger here; `run` makes one" in shell.complaints
    shell.house.configuration.write_text("[collector]\n")
    shell("status", code=2)
    assert f"{tmp_path}/collector.toml: 3 mistake(s)" in shell.complaints
    assert shell("check-config", code=2) == ""


# -- status, incidents, query ----------------------------------------------------------------------


def test_status_tells_what_is_wrong_and_what_was_refused(
    shell: Shell, stored: tuple[StoredLedger, SigningNode]
) -> None:
    """Counts by reason with their meaning; an old view is a fault, and the exit code says so."""
    ledger, node = stored
    assert "no view yet" in shell.json("status", code=1)["wrong"][0]
    ledger.store([ledger.verified(node, SigningNode(seed="forged").frame())])
    said = (entry(0, "suspected"), entry(1, "confirmed"))
    commit(ledger, findings(NOW_MS, entries=said))
    answer = shell.json("status", code=1)
    assert answer["counts"]["refused:bad-signature"] == 1
    assert answer["incidents"] == [INCIDENT]
    assert answer["view_at"] == "2022-01-05T10:00:00.000Z"
    assert len(answer["ledger"]) == 32
    text = shell("status", code=1)
    assert REASONS["bad-signature"][:30] in text
    assert "the collector does not run, or hangs" in shell.complaints


def test_status_is_quiet_when_all_is_well(
    shell: Shell, stored: tuple[StoredLedger, SigningNode]
) -> None:
    """A fresh view of a connected collector: exit code 0, nothing to complain of."""
    ledger, _ = stored
    commit(ledger, findings(RealPace().now_ms()))
    assert "canary 2 ms" in shell("status")
    assert shell.complaints == ""


def test_incidents_are_listed_and_shown_with_their_reasons(
    shell: Shell, stored: tuple[StoredLedger, SigningNode]
) -> None:
    """One line each; then the timeline; then test, score and counts behind every entry."""
    ledger, _ = stored
    said = (entry(0, "suspected"), entry(1, "confirmed", at=NOW_MS / 1000 + 60))
    gone = entry(0, "dismissed", incident="d" * 16)
    commit(ledger, findings(NOW_MS, entries=said), findings(NOW_MS + 1, entries=(gone,)))
    assert [each["id"] for each in shell.json("incidents", "list")] == [INCIDENT]
    assert len(shell.json("incidents", "list", "--all")) == 2
    assert INCIDENT in shell("incidents", "list")
    shown = shell.json("incidents", "show", INCIDENT, "--why")
    assert [each["state"] for each in shown["history"]] == ["suspected", "confirmed"]
    assert shown["why"]["entries"][0]["score"] == 17.25
    text = shell("incidents", "show", INCIDENT, "--why")
    for words in ("KZ isp-a mobile not isp-b", "8 of 9 lines are silent", "17.2", "edge"):
        assert words in text
    shell("incidents", "show", "0000", code=1)
    assert "no such incident" in shell.complaints


def test_measurements_are_printed_as_table_json_and_csv(
    shell: Shell, stored: tuple[StoredLedger, SigningNode]
) -> None:
    """Nothing that a node wrote moves the cursor or becomes a formula."""
    _, node = stored
    table = shell("query", "measurements")
    assert "https://a.example/" in table
    assert "\x1b" not in table
    rows = shell.json("query", "measurements", "--node", node.id)
    assert {row["target"] for row in rows} == {"https://a.example/", '=HYPERLINK("x")\x1b[2J'}
    text = shell("query", "measurements", "--failed", "--csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["target"].startswith("'=HYPERLINK")
    assert row["failure"] == "connection_reset"
    assert shell.json("query", "measurements", "--since", "1h") == []
    assert "Nothing was found" in shell("query", "measurements", "--probe", "dns")


def test_verdicts_are_found_by_their_words(
    shell: Shell, stored: tuple[StoredLedger, SigningNode]
) -> None:
    """By node, state and target."""
    ledger, node = stored
    commit(ledger, findings(verdicts=(verdict(node), verdict(node, target="https://b/"))))
    assert len(shell.json("query", "verdicts", "--state", "throttled")) == 2
    assert shell.json("query", "verdicts", "--state", "ok") == []
    (row,) = shell.json("query", "verdicts", "--target", "//b", "--limit", "1")
    assert (row["node"], row["rule"], row["at_ms"]) == (node.id, "tls.slowed", NOW_MS)
    assert (row["ratio"], row["low"], row["high"], row["pairs"]) == (4.0, 3.0, 5.0, 12)
    assert row["rate_bps"] is None
    assert "tls.slowed" in shell("query", "verdicts")


# -- judge, replay, keygen -------------------------------------------------------------------------


def test_stored_reports_are_judged_again(
    shell: Shell, stored: tuple[StoredLedger, SigningNode]
) -> None:
    """The same rules say the same; what was never said, or is said otherwise, is a difference."""
    ledger, node = stored
    judge = Judge(Policy())
    report = ledger.verified(node, node.frame(), received_ms=NOW_MS + 7_200_000)
    ledger.store([report])
    said: list[Any] = []
    for each in frames(ledger.connection, ledger.registry.key_ring()):
        said += judge.observe_report(placement(node.id), each.report)
    said += judge.advance(NOW_MS + 7_200_000)
    assert len(said) == 2
    differing = shell.json("judge", "--since", "2022-01-01", code=1)
    assert {row["then"] for row in differing["differences"]} == {None}
    commit(ledger, findings(verdicts=tuple(said)))
    assert shell.json("judge", "--since", "2022-01-01") == {"same": 2, "differences": []}
    assert "all the same" in shell("judge", "--since", "2022-01-01")


def test_ooni_measurements_are_judged_from_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON object for each; what cannot be judged is named with its line, the rest goes on."""
    good = {
        "test_name": "web_connectivity",
        "input": "https://a.example/",
        "test_keys": {"accessible": True, "blocking": False},
    }
    path = tmp_path / "ooni.jsonl"
    path.write_text(f"nonsense\n{json.dumps(good)}\n")
    assert run_command(["judge", "--format", "ooni", str(path)]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["input"] == "https://a.example/"
    assert f"{path}:1: " in err
    assert run_command(["judge", "--format", "ooni", str(tmp_path / "absent")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_ooni_files_may_be_gzipped_and_a_missing_one_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Packed files are unpacked, torn or missing ones are named, all others are judged."""
    line = json.dumps(json.loads((VECTORS / "v04-http-diff.json").read_text("utf-8")))
    packed, torn = tmp_path / "packed.jsonl.gz", tmp_path / "torn.jsonl.gz"
    packed.write_bytes(gzip.compress(f"{line}\n{line}\n".encode()))
    torn.write_bytes(gzip.compress(f"{line}\n".encode())[:-12])
    files = [str(tmp_path / "missing.jsonl"), str(torn), str(packed)]
    assert run_command(["judge", "--format", "ooni", *files]) == 2
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) >= 2
    assert captured.err.count("cannot be read") == 2
    assert run_command(["judge", "--format", "ooni", str(packed)]) == 0


def test_an_ooni_line_without_end_is_named_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only its beginning is held in memory; the lines after it keep their numbers."""
    line = json.dumps(json.loads((VECTORS / "v04-http-diff.json").read_text("utf-8")))
    monkeypatch.setattr("shyraq_collector.cli.judging.MAX_MEASUREMENT_CHARACTERS", 20_000)
    monkeypatch.setattr("shyraq_collector.judge.ooni.lines.MAX_MEASUREMENT_CHARACTERS", 20_000)
    file = tmp_path / "long.jsonl"
    file.write_text(f"{'a' * 65_000}\n{line}\nnot json\n", encoding="utf-8")
    assert run_command(["judge", "--format", "ooni", str(file)]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert f"{file}:1: this line is longer" in captured.err
    assert f"{file}:3: not readable" in captured.err


def test_an_ooni_input_that_no_terminal_can_show_is_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lone surrogate in a file's URL does not stop the command."""
    value = json.loads((VECTORS / "v04-http-diff.json").read_text("utf-8"))
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(value | {"input": "http://\ud800.example.org/"}), encoding="utf-8")
    assert run_command(["judge", "--format", "ooni", str(file)]) == 0
    assert "\\ud800" in capsys.readouterr().out


def test_ooni_measurements_come_from_standard_input_too() -> None:
    """A dash is standard input, and an empty one is no fault."""
    done = subprocess.run(
        [sys.executable, "-m", "shyraq_collector", "judge", "--format", "ooni", "-"],
        input=b"\xff\xfe not json\n",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"-:1: ")


def test_a_recorded_fleet_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is written, and its number of incidents told."""
    fleet, observations, out = (tmp_path / name for name in ("fleet.csv", "obs.csv", "out.json"))
    fleet.write_text("node,isp,region,country,access,site,role\nn1,a,KZ-75,KZ,fixed,s1,sensor\n")
    observations.write_text("at,node,state\n2022-01-05T10:00:00Z,n1,up\n")
    files = ["--fleet", str(fleet), "--observations", str(observations), "--out", str(out)]
    assert run_command(["replay", *files]) == 0
    assert "0 incident(s) written" in capsys.readouterr().out
    assert json.loads(out.read_text()) == []
    assert run_command(["replay", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["incidents"] == 0
    observations.write_text("at,node,state\nnever,n1,up\n")
    assert run_command(["replay", *files]) == 2
    assert "obs.csv:2:" in capsys.readouterr().err


def test_a_key_is_made_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The public part is what agents are given; a second key is refused."""
    path = tmp_path / "collector.pem"
    assert run_command(["keygen", str(path), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert run_command(["keygen", str(path), "--show"]) == 0
    assert f"public key {made['public_key']}" in capsys.readouterr().out
    assert run_command(["keygen", str(path)]) == 2


def test_a_good_configuration_is_told_so(shell: Shell) -> None:
    """With the ledger that it means."""
    assert "no mistake found" in shell("check-config")
    assert shell.json("check-config")["ledger"] == str(shell.house.ledger_file)


# -- every command ---------------------------------------------------------------------------------


def _commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)
        else:
            yield (*path, name), command


@pytest.mark.parametrize(("path", "command"), list(_commands(cli)))
def test_every_command_and_option_explains_itself(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sentence each; and JSON wherever there is a table."""
    assert run_command([*path, "--help"]) == 0
    assert command.help is not None
    assert command.help.splitlines()[0] in " ".join(capsys.readouterr().out.split())
    options = [each for each in command.params if isinstance(each, click.Option)]
    if path[0] in OWN:
        assert [option.name for option in options if not option.help] == []
    if path[0] in OWN - {"run"}:
        assert any("--json" in option.opts for option in options)


def test_every_reason_and_flag_has_a_sentence() -> None:
    """`status` prints them."""
    assert all(text.endswith(".") for text in (*REASONS.values(), *FLAGS.values()))


def test_a_reader_that_has_enough_is_no_fault(
    shell: Shell, stored: tuple[StoredLedger, SigningNode]
) -> None:
    """`… | head` ends without a traceback; the code says that not all was read."""
    ledger, node = stored
    many = tuple(measurement("tls", f"https://{n}.example/{'x' * 700}") for n in range(60))
    for _ in range(20):
        ledger.take(node, node.frame(node.report(measurements=many)))
    command = [sys.executable, "-m", "shyraq_collector", "query", "measurements", "--json"]
    with subprocess.Popen(
        [*command, "--config", str(shell.house.configuration)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        complaints = process.stderr.read()
    assert (process.returncode, complaints) == (1, b"")


# -- run -------------------------------------------------------------------------------------------


def test_run_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """As systemd starts and stops it: ready, stopping, exit code 0, nothing left in the log."""
    (tmp_path / "house").mkdir()
    with (
        running_broker(tmp_path) as broker,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
    ):
        house = House(tmp_path / "house", broker_port=broker.port)
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(20)
        with subprocess.Popen(
            [*_RUN, "--config", str(house.configuration)],
            stderr=subprocess.PIPE,
            env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
        ) as process:
            heard = {notified.recv(100), notified.recv(100)}
            assert heard == {b"READY=1", b"WATCHDOG=1"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            while (word := notified.recv(100)) == b"WATCHDOG=1":
                pass
            assert word == b"STOPPING=1"


_RUN = [sys.executable, "-m", "shyraq_collector", "run"]


def test_run_says_in_one_sentence_why_it_cannot(tmp_path: Path) -> None:
    """A taken port, an open key file: exit code 2, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        house = House(tmp_path, broker_port=free_port())
        text = house.configuration.read_text()
        port = taken.getsockname()[1]
        house.configuration.write_text(text.replace("enabled = false", f"port = {port}"))
        done = subprocess.run(
            [*_RUN, "--config", str(house.configuration)], capture_output=True, check=False
        )
    assert done.returncode == 2
    assert b"http.host, http.port" in done.stderr
    assert b"Traceback" not in done.stderr


def test_without_systemd_there_is_nobody_to_tell() -> None:
    """And an abstract address is understood."""
    notifier(None)("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind("\0shyraq-test-notify")
        notifier("@shyraq-test-notify")("READY=1")
        assert notified.recv(100) == b"READY=1"
