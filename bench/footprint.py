"""What a running agent costs its host: memory at rest, and the time until it runs.

The agent is the real command with a real key, spool and connection to a broker; its targets are
loopback addresses, which the address policy refuses, so that no packet leaves this machine. It runs
in an environment that has what a node has and nothing of what developers have beside it.
"""

import re
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.table import Row, say
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shyraq_agent.sign.keyfile import raw_public_key, write_new_key
from support.broker import running_broker

_NODE_PYTHON = Path(__file__).resolve().parent.parent / ".venv-node" / "bin" / "python"
_GOAL_MB = 60
_IMPORT_GOAL_MS = 1_000
_SETTLE_S = 70
"""Each probe has run by then, so that what it loads is counted: QUIC is the largest."""
_IMPORTS = 5


def rows() -> list[Row]:
    """Resident memory in megabytes, import in milliseconds.

    Raises:
        RuntimeError: The node's environment is not there.
    """
    if not _NODE_PYTHON.exists():
        raise RuntimeError("no environment of a node: make .venv-node/.ready")
    return [*_memory(), _import_time()]


def _memory() -> list[Row]:
    say(f"memory of a running agent ({_SETTLE_S} s) …")
    with (
        tempfile.TemporaryDirectory(prefix="shyraq-bench-") as name,
        running_broker(Path(name)) as broker,
    ):
        configuration = _configure(Path(name), broker.port)
        log = Path(name) / "agent.log"
        with log.open("wb") as sink:
            agent = subprocess.Popen(
                [_NODE_PYTHON, "-m", "shyraq_agent", "run", "--config", str(configuration)],
                stdout=sink,
                stderr=sink,
            )
        try:
            time.sleep(_SETTLE_S)
            if agent.poll() is not None:
                raise RuntimeError(f"the agent ended:\n{log.read_text()}")
            status = Path(f"/proc/{agent.pid}/status").read_text()
        finally:
            agent.terminate()
            agent.wait(30)
    return [
        _megabytes("agent at rest, resident", status, "VmRSS"),
        _megabytes("agent at its peak, resident", status, "VmHWM"),
    ]


def _configure(directory: Path, port: int) -> Path:
    write_new_key(directory / "node.pem")
    path = directory / "agent.toml"
    path.write_text(
        f"""
[node]
id = "bench-node"
state_directory = "{directory / "state"}"
key_file = "{directory / "node.pem"}"
heartbeat_s = 10
[collector]
receipt_keys = ["{raw_public_key(Ed25519PrivateKey.generate()).hex()}"]
[[broker]]
host = "127.0.0.1"
port = {port}
tls = false
[network]
system_resolver = false
[lists]
shipped = false
[[target]]
target = "https://127.0.0.1/"
[[target]]
target = "quic://127.0.0.1:443"
[cadence]
web_s = 60
quic_s = 60
[budget]
monthly_bytes = 1000000000000
"""
    )
    return path


def _megabytes(what: str, status: str, field: str) -> Row:
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"no {field} in /proc")
    megabytes = int(found[1]) / 1024
    return Row(
        what=what,
        ours=megabytes,
        unit="MB",
        goal=f"≤ {_GOAL_MB} MB",
        met=megabytes <= _GOAL_MB,
    )


def _import_time() -> Row:
    say("import time …")
    ours, bare = [], []
    for _ in range(_IMPORTS):
        ours.append(_run_ms("import shyraq_agent.cli"))
        bare.append(_run_ms("pass"))
    return Row(
        what="start Python and import the agent",
        ours=statistics.median(ours),
        unit="ms of processor",
        bare=statistics.median(bare),
        ratio=statistics.median(ours) / statistics.median(bare),
        goal=f"≤ {_IMPORT_GOAL_MS} ms",
        met=statistics.median(ours) <= _IMPORT_GOAL_MS,
    )


def _run_ms(program: str) -> float:
    """Processor time of a Python that runs a program and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([_NODE_PYTHON, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used_s * 1_000
