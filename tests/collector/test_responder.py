"""The responder on real sockets: the same bytes under every name, ceilings, and no memory."""

import asyncio
import hashlib
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shyraq_collector.cli.main import run_command
from shyraq_collector.config.reference import render_responder_reference
from shyraq_collector.config.responder import load_responder
from shyraq_collector.errors import ConfigError, InputError, LocalError
from shyraq_collector.responder.allowance import Allowance
from shyraq_collector.responder.doors import Doors
from shyraq_collector.responder.echoes import answer_datagrams
from shyraq_collector.responder.networks import Networks, read_networks
from shyraq_collector.responder.plan import Ceilings
from shyraq_wire.echo import ask, is_answer
from support.authority import Authority
from support.broker import free_port
from support.clock import FakeStopwatch
from support.responder import CEILINGS, Running, responder, write_pair

REFERENCE = Path(__file__).parents[2] / "docs/reference/responder-configuration.md"
NONCE = bytes(range(24))


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Signs the responder's certificate."""
    return Authority()


async def fetch(
    served: Running, *, arm: int = 0, name: str = "any.example", request: bytes = b"GET / HTTP/1.1"
) -> tuple[str, bytes]:
    """Status and body of one request under a name; the certificate is taken as it comes."""
    place = served.plan.arms[arm]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        place.address, place.port, ssl=context, server_hostname=name
    )
    try:
        writer.write(request + b"\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        return head.split(b" ", 2)[1].decode(), await reader.read()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_every_arm_serves_the_same_bytes_under_every_name(
    authority: Authority, tmp_path: Path
) -> None:
    """Only the name differs; 100 kB at least."""
    async with responder(authority, tmp_path) as served:
        bodies = [
            await fetch(served, arm=arm, name=name)
            for arm, name in ((0, "neutral.example"), (1, "orda.example"), (2, "x.example"))
        ]
    assert {status for status, _ in bodies} == {"200"}
    assert len({hashlib.sha256(body).digest() for _, body in bodies}) == 1
    assert len(bodies[0][1]) == served.plan.body_bytes >= 100_000


async def test_a_part_of_the_body_can_be_asked_for(authority: Authority, tmp_path: Path) -> None:
    """Its beginning; never more than there is, whatever the path says."""
    async with responder(authority, tmp_path) as served:
        whole = (await fetch(served))[1]
        for path, due in (
            (b"5000", 5_000),
            (b"0", 0),
            (b"999999999", 100_000),
            (b"9" * 5_000, 100_000),
            (b"-1", 100_000),
        ):
            status, body = await fetch(served, request=b"GET /" + path + b" HTTP/1.1")
            assert (status, body) == ("200", whole[:due])


async def test_only_get_is_answered_and_nonsense_is_dropped(
    authority: Authority, tmp_path: Path
) -> None:
    """Another method gets 405; what is neither TLS nor HTTP gets nothing."""
    async with responder(authority, tmp_path) as served:
        assert (await fetch(served, request=b"POST / HTTP/1.1"))[0] == "405"
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await fetch(served, request=b"x" * 20_000)
        plain, writer = await asyncio.open_connection(*_place(served))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionError):
            assert b"HTTP" not in await plain.read()
        writer.close()
        assert (await fetch(served))[0] == "200"


async def test_a_nonce_comes_back_over_both_transports(
    authority: Authority, tmp_path: Path
) -> None:
    """And what is no question is met with silence."""
    loop = asyncio.get_running_loop()
    async with responder(authority, tmp_path) as served:
        udp_echo, tcp_echo = served.plan.echoes
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)
            udp.connect((udp_echo.address, udp_echo.port))
            await loop.sock_sendall(udp, b"hello" * 100)
            await loop.sock_sendall(udp, ask(NONCE))
            async with asyncio.timeout(5):
                assert is_answer(await loop.sock_recv(udp, 64), NONCE)
        for question, due in ((ask(NONCE), True), (b"x" * 32, False)):
            reader, writer = await asyncio.open_connection(tcp_echo.address, tcp_echo.port)
            writer.write(question)
            assert is_answer(await reader.read(), NONCE) is due
            writer.close()


async def test_datagrams_that_wait_do_not_keep_the_others_waiting() -> None:
    """Whoever floods an echo port slows nobody else: every datagram gives the loop away."""
    count, turns = 50, 0
    stopwatch = FakeStopwatch()
    allowance = Allowance(
        bytes_per_minute=10**6, sources=9, stopwatch=stopwatch, new_salt=lambda: bytes(16)
    )
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as visitor,
    ):
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        for _ in range(count):
            visitor.sendto(ask(NONCE), udp.getsockname())
        visitor.setblocking(False)
        answering = asyncio.create_task(answer_datagrams(udp, Doors(CEILINGS, allowance)))
        answered = 0
        while answered < count:
            await asyncio.sleep(0)
            turns += 1
            with suppress(BlockingIOError):
                while visitor.recv(64):
                    answered += 1
        answering.cancel()
    assert turns >= count


async def test_a_visitor_is_told_its_network_and_nothing_finer(
    authority: Authority, tmp_path: Path
) -> None:
    """By the operator's table; without it, a truncated prefix."""
    table = tmp_path / "networks.csv"
    table.write_text("prefix,asn\n127.0.0.0/8,64500\n")
    async with responder(authority, tmp_path, networks_file=table) as served:
        status, body = await fetch(served, request=b"GET /network HTTP/1.1")
    assert (status, json.loads(body)) == (
        "200",
        {"family": "ipv4", "prefix": "127.0.0.0/8", "asn": 64500},
    )
    async with responder(authority, tmp_path) as served:
        _, body = await fetch(served, request=b"GET /network HTTP/1.1")
    assert json.loads(body) == {"family": "ipv4", "prefix": "127.0.0.0/24", "asn": None}


async def test_bytes_of_a_source_are_counted_and_forgotten_after_a_minute(
    authority: Authority, tmp_path: Path
) -> None:
    """Beyond the allowance 429, then not even a handshake; a minute later all is forgotten."""
    stopwatch = FakeStopwatch()
    few = Ceilings(connections=8, connections_per_source=8, bytes_per_minute=210_000, sources=16)
    async with responder(authority, tmp_path, ceilings=few, stopwatch=stopwatch) as served:
        assert [(await fetch(served))[0] for _ in range(2)] == ["200", "429"]
        for _ in range(16):
            assert (await fetch(served))[0] == "429"
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await fetch(served)
        stopwatch.advance(60_000)
        assert (await fetch(served))[0] == "200"


async def test_connections_beyond_the_ceiling_are_closed_at_once(
    authority: Authority, tmp_path: Path
) -> None:
    """Two of one source may be open; the third is closed, and a slot comes back when one ends."""
    two = Ceilings(connections=64, connections_per_source=2, bytes_per_minute=10**9, sources=16)
    async with responder(authority, tmp_path, ceilings=two) as served:
        held = [await asyncio.open_connection(*_place(served)) for _ in range(2)]
        reader, writer = await asyncio.open_connection(*_place(served))
        with suppress(ConnectionError):
            assert await reader.read() == b""
        for _, each in (*held, (reader, writer)):
            each.close()
        async with asyncio.timeout(5):
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    assert (await fetch(served))[0] == "200"
                    break
                await asyncio.sleep(0.01)


async def test_no_address_of_a_visitor_is_ever_logged(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a visitor does, at the most talkative level; and no exception is left behind."""
    caplog.set_level(logging.DEBUG)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    async with responder(authority, tmp_path) as served:
        await fetch(served)
        for nonsense in (b"", b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n"):
            _, writer = await asyncio.open_connection(*_place(served))
            writer.write(nonsense)
            await writer.drain()
            writer.transport.abort()
        await fetch(served)
    assert "127.0.0.1" not in caplog.text
    assert "event=responder-open" in caplog.text
    assert complaints == []


async def test_a_flood_of_datagrams_keeps_nobody_else_out(
    authority: Authority, tmp_path: Path
) -> None:
    """Downloads go on, and the flooder is answered up to its allowance only."""
    few = Ceilings(connections=8, connections_per_source=8, bytes_per_minute=300_000, sources=16)
    async with responder(authority, tmp_path, ceilings=few) as served:
        echo = served.plan.echoes[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.9", 0))
            udp.setblocking(False)
            udp.connect((echo.address, echo.port))
            for _ in range(5):
                for _ in range(3_000):
                    with suppress(OSError):
                        udp.send(ask(NONCE))
                async with asyncio.timeout(10):
                    status, _ = await fetch(served, request=b"GET /1000 HTTP/1.1")
                assert status == "200"
            answered = 0
            with suppress(BlockingIOError):
                while udp.recv(64):
                    answered += 1
    assert answered <= 300_000 / len(ask(NONCE))


async def test_a_new_certificate_is_taken_without_a_restart(
    authority: Authority, tmp_path: Path
) -> None:
    """`reload` changes what the next handshake shows; a broken file changes nothing."""
    async with responder(authority, tmp_path) as served:
        before = await _certificate(served)
        write_pair(tmp_path, authority.leaf("new.example"))
        served.responder.reload()
        after = await _certificate(served)
        served.plan.certificate_file.write_text("broken")
        with pytest.raises(LocalError, match="responder"):
            served.responder.reload()
        assert await _certificate(served) == after != before


async def test_an_address_that_cannot_be_used_is_named(
    authority: Authority, tmp_path: Path
) -> None:
    """Either every listener opens or none serves."""
    with pytest.raises(LocalError, match=r"192\.0\.2\.1 port \d+/tcp"):
        async with responder(
            authority, tmp_path, addresses=("127.0.0.1", "127.0.0.2", "192.0.2.1")
        ):
            pass


# -- allowance and networks ------------------------------------------------------------------------


def test_sources_are_hashes_that_change_with_the_minute() -> None:
    """The same address is another source a minute later; households share one."""
    stopwatch, salts = FakeStopwatch(), iter([b"a" * 16, b"b" * 16])
    allowance = Allowance(
        bytes_per_minute=100, sources=2, stopwatch=stopwatch, new_salt=lambda: next(salts)
    )
    first = allowance.source("198.51.100.7")
    assert first == allowance.source("198.51.100.7") != allowance.source("198.51.100.8")
    assert b"\xc6\x33\x64\x07" not in first
    one, same, other = (allowance.source(f"2001:db8:0:{each}::1") for each in ("100", "1ff", "200"))
    assert one == same != other
    stopwatch.advance(60_000)
    assert allowance.source("198.51.100.7") != first


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60)), max_size=80))
def test_no_source_gets_more_and_memory_is_bounded(takes: list[tuple[int, int]]) -> None:
    """Whoever comes in whatever order: never above the allowance, never more sources than set."""
    allowance = Allowance(
        bytes_per_minute=100, sources=8, stopwatch=FakeStopwatch(), new_salt=lambda: b"s" * 16
    )
    got: dict[int, int] = {}
    for who, size in takes:
        if allowance.take(allowance.source(f"198.51.100.{who}"), size):
            got[who] = got.get(who, 0) + size
    assert all(each <= 100 for each in got.values())
    assert allowance.sources == len(got) <= 8


def test_the_longest_prefix_wins_and_nothing_finer_is_told(tmp_path: Path) -> None:
    """A /32 in the table is told as its /24."""
    table = tmp_path / "n.csv"
    table.write_text(
        "prefix,asn\n198.51.0.0/16,64500\n198.51.100.0/25,64501\n2001:db8::/32,64502\n"
    )
    networks = read_networks(table)
    told = [
        (place.prefix, place.asn)
        for place in map(
            networks.place, ("198.51.1.1", "198.51.100.1", "2001:db8:1::1", "203.0.113.9", "::1")
        )
    ]
    assert told == [
        ("198.51.0.0/16", 64500),
        ("198.51.100.0/24", 64501),
        ("2001:db8::/32", 64502),
        ("203.0.113.0/24", None),
        ("::/48", None),
    ]
    assert Networks().place("2001:db8:1:2::1").prefix == "2001:db8:1::/48"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("asn,prefix\n", 1),
        ("prefix,asn\n10.0.0.0/8,1\n10.0.0.1/8,1\n", 3),
        ("prefix,asn\n10.0.0.0/8,-1\n", 2),
        ("prefix,asn\n10.0.0.0/8\n", 2),
    ],
)
def test_a_broken_table_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    """Bad input is refused with its place."""
    table = tmp_path / "n.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=f"n.csv:{line}: "):
        read_networks(table)


# -- configuration and command ---------------------------------------------------------------------


def write_configuration(folder: Path, authority: Authority, more: str = "") -> Path:
    """A whole one, on free ports of loopback."""
    write_pair(folder, authority.leaf("responder.example"))
    path = folder / "responder.toml"
    port = free_port()
    path.write_text(
        '[responder]\ncertificate_file = "responder.crt"\nkey_file = "responder.key"\n'
        + "".join(
            f'[[arm]]\nuse = "{use}"\naddress = "127.0.0.{n}"\nport = {port}\n'
            for n, use in enumerate(("neutral", "target", "rate"), 2)
        )
        + f'[[echo]]\naddress = "127.0.0.2"\nport = {port}\n'
        + more
    )
    return path


def test_a_whole_configuration_becomes_a_plan(authority: Authority, tmp_path: Path) -> None:
    """Paths count from the file, defaults fill the rest."""
    plan = load_responder(write_configuration(tmp_path, authority))
    assert plan.certificate_file == tmp_path / "responder.crt"
    assert [arm.use for arm in plan.arms] == ["neutral", "target", "rate"]
    assert (plan.body_bytes, plan.echoes[0].transport) == (131_072, "udp")


def test_every_mistake_is_named_at_once(authority: Authority, tmp_path: Path) -> None:
    """Keys, ranges, addresses, files and the rule of two addresses."""
    path = write_configuration(tmp_path, authority)
    text = path.read_text().replace("127.0.0.3", "127.0.0.2").replace("127.0.0.4", "nowhere")
    path.write_text(text)
    (tmp_path / "responder.key").chmod(0o644)
    (tmp_path / "responder.crt").unlink()
    with pytest.raises(ConfigError) as caught:
        load_responder(path)
    for each in (
        "responder.certificate_file: ",
        "responder.key_file: others may read",
        "arm[1]: another listener has this address and port",
        "arm[1].address: a neutral arm has it",
        "arm[2].address: an IP address is due",
    ):
        assert each in str(caught.value)
    path.write_text('[responder]\ncertificate_fil = "x"\nbody_bytes = 5\n')
    with pytest.raises(ConfigError, match="did you mean certificate_file"):
        load_responder(path)
    path.write_text("[")
    with pytest.raises(ConfigError, match="not TOML"):
        load_responder(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_responder(tmp_path / "none.toml")


def test_nothing_to_serve_and_half_a_pair_are_mistakes(
    authority: Authority, tmp_path: Path
) -> None:
    """A neutral arm without a target arm compares nothing."""
    path = write_configuration(tmp_path, authority)
    head = path.read_text().partition("[[arm]]")[0]
    path.write_text(head)
    with pytest.raises(ConfigError, match="at least one"):
        load_responder(path)
    path.write_text(head + '[[arm]]\nuse = "neutral"\naddress = "127.0.0.1"\n')
    with pytest.raises(ConfigError, match="neutral and target go together"):
        load_responder(path)


def test_every_key_stands_in_the_reference() -> None:
    """The page in docs is what the program prints."""
    assert REFERENCE.read_text(encoding="utf-8") == render_responder_reference()


def test_the_command_checks_a_configuration(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 and what is served; 1 for a file that is not what it should be; 2 for a mistake."""
    path = write_configuration(tmp_path, authority)
    assert run_command(["responder", "--config", str(path), "--check"]) == 0
    assert "neutral  127.0.0.2" in capsys.readouterr().out
    assert run_command(["responder", "--config", str(path), "--check", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["arms"]) == 3
    (tmp_path / "responder.crt").write_text("broken")
    assert run_command(["responder", "--config", str(path), "--check"]) == 1
    assert run_command(["responder", "--config", str(tmp_path / "none"), "--check"]) == 2


def test_the_command_serves_until_it_is_told_to_stop(authority: Authority, tmp_path: Path) -> None:
    """A process of its own: it answers, reads its certificate again, and ends with 0."""
    path = write_configuration(tmp_path, authority)
    plan = load_responder(path)
    program = "from shyraq_collector.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "responder", "--config", str(path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOTIFY_SOCKET": ""},
    ) as process:
        assert process.stderr is not None
        assert "event=responder-open" in process.stderr.readline()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(5)
            udp.connect((plan.echoes[0].address, plan.echoes[0].port))
            udp.send(ask(NONCE))
            assert is_answer(udp.recv(64), NONCE)
        process.send_signal(signal.SIGHUP)
        assert "event=certificate-read" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def _place(served: Running) -> tuple[str, int]:
    arm = served.plan.arms[0]
    return arm.address, arm.port


async def _certificate(served: Running) -> bytes:
    return await asyncio.to_thread(lambda: ssl.get_server_certificate(_place(served)).encode())
