"""The operator's guide, played to the letter on a machine that has nothing of ours.

Runs as root inside a sandbox of namespaces (see `test_guide`): /etc and /var are overlays that end
with it, the network is a loopback without a way out, and no other process is seen. Every block of
the guide is run as it stands, in its order; files that its prose tells to carry are carried. Each
line printed is one thing seen; the first that is not as the guide says ends it with exit code 1.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from field.releases import REPOSITORY
from netlab.sandbox import build, run

GUIDE: Final = REPOSITORY / "docs/guides/operator.md"
NODE: Final = "node-almaty-1"
_ETC: Final = Path("/etc/shyraq")
_HOME: Final = Path("/var/lib/guide")
_BLOCK: Final = re.compile(r"^```(sh|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATIENCE_S: Final = 90.0
_POLL_S: Final = 2.0
_NOT_WELL: Final = 1
"""Exit code of commands that ran and found something to complain of."""


def main() -> int:
    """Play it; 0 when everything was as the guide says."""
    _enter(Path(sys.argv[1]))
    blocks = _blocks()
    try:
        _certificates(blocks)
        public_key = _collector(blocks)
        _node(blocks, public_key)
        _broker_and_run(blocks)
        _responder(blocks)
        _revoke(blocks)
    except (RuntimeError, StopIteration) as error:
        _tell(f"WRONG: {error}")
        return 1
    _tell(f"every block of {GUIDE.name} was run")
    return 0


def _enter(folder: Path) -> None:
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "none", "/run")
    for place in ("/etc", "/var"):
        upper, work = (folder / f"{part}{place}" for part in ("upper", "work"))
        upper.mkdir(parents=True)
        work.mkdir(parents=True)
        layers = f"lowerdir={place},upperdir={upper},workdir={work}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, place)
    # The guide's addresses of a responder; a loopback is where they lead to here.
    arms = (f"address add 203.0.113.{last}/32 dev lo" for last in (10, 11, 12))
    build("link set lo up", *arms)
    _ETC.mkdir()
    _HOME.mkdir()


def _blocks() -> Iterator[tuple[str, str]]:
    """Kind and text of each block of the way by hand; `make lab-nodes` goes the other way."""
    by_hand = GUIDE.read_text().partition("\n## By hand\n")[2]
    return ((found[1], found[2]) for found in _BLOCK.finditer(by_hand))


def _next(blocks: Iterator[tuple[str, str]], kind: str, holds: str) -> str:
    """The next block; it must be of this kind and hold this text, or the guide has changed."""
    found, text = next(blocks)
    if found != kind or holds not in text:
        raise RuntimeError(f"a block of {kind} with {holds!r} was due, not {text!r}")
    return text


def _certificates(blocks: Iterator[tuple[str, str]]) -> None:
    _shell(_next(blocks, "sh", "ca init"))
    offline = _HOME / "offline"
    offline.mkdir()
    shutil.move(_ETC / "ca/root.key", offline)
    _shell(_next(blocks, "sh", "ca server"))
    _tell("certificates are issued without the root's key")


def _collector(blocks: Iterator[tuple[str, str]]) -> str:
    """The public key that receipts are signed with."""
    printed = _shell(_next(blocks, "sh", "keygen"))
    (_ETC / "collector.toml").write_text(_next(blocks, "toml", "[collector]"))
    _shell(_next(blocks, "sh", "check-config"))
    return _key(printed)


def _node(blocks: Iterator[tuple[str, str]], receipt_key: str) -> None:
    printed = _shell(_next(blocks, "sh", "shyraq-agent keygen"))
    registering = _next(blocks, "sh", "nodes add")
    _shell(registering.replace("PUBLIC_KEY", _key(printed)))
    for source in (_HOME / "node.crt", _ETC / "ca/root.crt"):
        shutil.copy(source, _ETC)
    configuration = _next(blocks, "toml", "[node]")
    (_ETC / "agent.toml").write_text(
        configuration.replace("PUBLIC KEY OF receipt.key", receipt_key)
    )
    _shell(_next(blocks, "sh", "shyraq-agent check-config"), may_find=True)
    _tell("a node is registered, its configuration is good, it measured once")


def _broker_and_run(blocks: Iterator[tuple[str, str]]) -> None:
    _shell(_next(blocks, "sh", "install -d"))
    for line in _next(blocks, "sh", "mosquitto -c").splitlines():
        _start(line)
    took_s = _await(lambda: _shown()["heard"] is not None, "the collector hears the node")
    for command in (
        "shyraq-agent status",
        "shyraq-collector status",
        "shyraq-collector incidents list",
        f"shyraq-collector query measurements --node {NODE} --since 1h",
    ):
        _shell(command, may_find=True)
    _tell(f"the node was heard after {took_s:.0f} s; every question has an answer")


def _responder(blocks: Iterator[tuple[str, str]]) -> None:
    (_ETC / "responder.toml").write_text(_next(blocks, "toml", "[[arm]]"))
    _shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9"
        " -subj /CN=r.example.org -addext subjectAltName=DNS:r.example.org"
        f" -keyout {_ETC}/privkey.pem -out {_ETC}/fullchain.pem"
    )
    check, serve = _next(blocks, "sh", "responder --check").strip().splitlines()
    _shell(check)
    _start(serve)
    asked = "openssl s_client -connect 203.0.113.11:443 -servername any.example </dev/null"
    _await(lambda: _try(asked).returncode == 0, "the responder answers")
    with (_ETC / "agent.toml").open("a") as configuration:
        configuration.write(_next(blocks, "toml", "target_address"))
        configuration.write(_next(blocks, "toml", "messenger:whatsapp"))
    _shell("shyraq-agent check-config", may_find=True)
    for asked in (
        "--probe name_pair --explain azattyq.org:443",
        "--explain trace://www.example.org:443",
    ):
        _shell(f"shyraq-agent once {asked} --config {_ETC}/agent.toml", may_find=True)
    _tell("the responder serves; the node's configuration knows it")


def _revoke(blocks: Iterator[tuple[str, str]]) -> None:
    _shell(
        f"shyraq-agent keygen --tls {_ETC}/node.tls.key --node {NODE} --out node.csr --renew"
        f" && shyraq-collector ca renew {NODE} --ca {_ETC}/ca --request node.csr --out node.crt"
    )
    _shell(_next(blocks, "sh", "nodes revoke"))
    if any(key["revoked"] is None for key in _shown()["keys"]):
        raise RuntimeError(f"a key of {NODE} is still trusted")
    log = _HOME / "shyraq-agent.log"
    _await(lambda: "the broker refuses our messages" in log.read_text(), "its session is shut out")
    _tell("the node is revoked; its open session delivers no longer")


def _shell(block: str, *, may_find: bool = False) -> str:
    """Run a block as root in the guide's folder; what it printed.

    Args:
        block: As the guide has it.
        may_find: Whether it may end with 1, as commands do that found something.
    """
    done = _try(block)
    if done.returncode not in ({0, _NOT_WELL} if may_find else {0}) or "Traceback" in done.stderr:
        raise RuntimeError(f"rc {done.returncode} of\n{block}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def _try(block: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-eu", "-c", block], capture_output=True, text=True, check=False, cwd=_HOME
    )


def _start(line: str) -> None:
    """Start a program that runs until the sandbox ends."""
    command = line.partition("#")[0].split()
    with (_HOME / f"{command[0]}.log").open("ab") as log:
        subprocess.Popen(command, stdout=log, stderr=log, cwd=_HOME, stdin=subprocess.DEVNULL)


def _await(holds: Callable[[], bool], what: str) -> float:
    """Wait until it holds; seconds that took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > _PATIENCE_S:
            logs = "\n".join(f"{p.name}: {p.read_text()[-1500:]}" for p in _HOME.glob("*.log"))
            raise RuntimeError(f"not within {_PATIENCE_S:.0f} s: {what}\n{logs}")
        time.sleep(_POLL_S)
    return time.monotonic() - began


def _shown() -> dict[str, Any]:
    return dict(json.loads(_shell(f"shyraq-collector nodes show {NODE} --json")))


def _key(printed: str) -> str:
    found = re.search(r"\b[0-9a-f]{64}\b", printed)
    if found is None:
        raise RuntimeError(f"no public key was printed: {printed!r}")
    return found[0]


def _tell(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
